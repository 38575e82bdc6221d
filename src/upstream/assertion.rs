//! A signed statement for the app: proof of who sent an event, even where something else than
//! gatepost can reach the app too.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use data_encoding::HEXLOWER;
use http::HeaderValue;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject as _;
use sha2::{Digest as _, Sha256};

/// An app reads it at once; what is older was recorded.
const LIFETIME: Duration = Duration::from_secs(60);

/// A shared secret must be as long as the hash (RFC 7518 §3.2).
const SHORTEST: usize = 32;

/// Signs statements with one key.
pub struct Assertion {
    header: Header,
    key: EncodingKey,
}

/// What is stated of one event, beside the digest of its body.
#[derive(Debug, Clone, Copy, Default)]
pub struct Statement<'a> {
    /// The id of the request: `jti`.
    pub request_id: &'a str,
    /// The matched route's path.
    pub route: &'a str,
    /// Who sent it.
    pub provider: Option<&'a str>,
    /// What happened, as the header says it.
    pub event_type: Option<&'a str>,
    /// Its id, as the header says it.
    pub event_id: Option<&'a str>,
}

/// Why a key cannot sign statements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AssertionKeyError {
    /// PEM, but no Ed25519 private key in PKCS#8.
    Form,
    /// A secret below 32 bytes.
    Short,
}

impl Assertion {
    /// `EdDSA` with an Ed25519 private key in PKCS#8 PEM, HS256 with any other secret. The name
    /// becomes `kid`, so that an app can take two keys while one replaces the other.
    pub fn new(key: &[u8], name: &str) -> Result<Self, AssertionKeyError> {
        let pem = key.trim_ascii_start().starts_with(b"-----BEGIN");
        let (algorithm, key) = if pem {
            let der =
                PrivatePkcs8KeyDer::from_pem_slice(key).map_err(|_| AssertionKeyError::Form)?;
            let key = EncodingKey::from_ed_der(der.secret_pkcs8_der());
            (Algorithm::EdDSA, key)
        } else if key.len() < SHORTEST {
            return Err(AssertionKeyError::Short);
        } else {
            (Algorithm::HS256, EncodingKey::from_secret(key))
        };
        let mut header = Header::new(algorithm);
        header.kid = Some(name.to_owned());
        let made = Self { header, key };
        // The library reads the key when it signs.
        let tried = made.token(&Statement::default(), &[], UNIX_EPOCH);
        tried.map(|_| made).ok_or(AssertionKeyError::Form)
    }

    /// The token for one event. `None` when the key cannot sign, which [`Self::new`] has tried.
    pub fn token(
        &self,
        statement: &Statement<'_>,
        body: &[Bytes],
        now: SystemTime,
    ) -> Option<HeaderValue> {
        let now = now.duration_since(UNIX_EPOCH).ok()?;
        let mut hash = Sha256::new();
        for chunk in body {
            hash.update(chunk);
        }
        let mut claims = serde_json::json!({
            "iss": "gatepost",
            "iat": now.as_secs(),
            "exp": now.saturating_add(LIFETIME).as_secs(),
            "jti": statement.request_id,
            "route": statement.route,
            "body_sha256": HEXLOWER.encode(&hash.finalize()),
        });
        let optional = [
            ("provider", statement.provider),
            ("event_type", statement.event_type),
            ("event_id", statement.event_id),
        ];
        let members = claims.as_object_mut()?;
        for (name, value) in optional {
            if let Some(value) = value {
                members.insert(name.to_owned(), value.into());
            }
        }
        let token = encode(&self.header, &claims, &self.key).ok()?;
        HeaderValue::try_from(token).ok()
    }
}

impl std::fmt::Debug for Assertion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Assertion")
            .field("algorithm", &self.header.alg)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_refused_where_it_could_not_sign() {
        // RFC 8410 §10.3, whose key is an example there.
        let ed25519 = "-----BEGIN PRIVATE KEY-----\n\
                       MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
                       -----END PRIVATE KEY-----\n";
        let public = "-----BEGIN PUBLIC KEY-----\n\
                      MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n\
                      -----END PUBLIC KEY-----\n";
        let algorithm =
            |key: &str| Assertion::new(key.as_bytes(), "key").map(|assertion| assertion.header.alg);
        assert_eq!(algorithm(ed25519), Ok(Algorithm::EdDSA));
        assert_eq!(algorithm(&"s".repeat(32)), Ok(Algorithm::HS256));
        assert_eq!(algorithm(&"s".repeat(31)), Err(AssertionKeyError::Short));
        assert_eq!(algorithm(public), Err(AssertionKeyError::Form));
        assert_eq!(algorithm("-----BEGIN"), Err(AssertionKeyError::Form));
    }
}
