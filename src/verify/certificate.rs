//! The certificate with which the caller opened the connection.
//!
//! TLS has verified it: that its authority is one of the configuration's, that it is in force and for
//! clients, and that the caller holds its key. Here only names are compared. A header that tells of
//! a certificate (`X-Forwarded-Client-Cert`) is never read: whoever can reach us could write one.

use subtle::ConstantTimeEq as _;

use super::Proof;
use crate::encoding::Encoding;
use crate::rejection::Rejection;

/// A verified client certificate, as plain data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The SHA-256 of its DER.
    pub fingerprint: [u8; 32],
    /// Its DNS names (RFC 5280 §4.2.1.6), as they stand in it.
    pub dns: Vec<String>,
    /// Its URIs, as they stand in it.
    pub uris: Vec<String>,
}

/// Which certificates may call. Of each list that is not empty one must match.
#[derive(Debug, Clone, Default)]
pub struct Mtls {
    /// DNS names. A `*` in a certificate is no name of a caller.
    pub dns: Vec<String>,
    /// URIs, character by character (SPIFFE ID §2: they are compared as they stand).
    pub uris: Vec<String>,
    /// SHA-256 of the DER.
    pub fingerprints: Vec<[u8; 32]>,
}

impl Mtls {
    /// Verifies it. The name that matched is the key's name.
    ///
    /// # Errors
    ///
    /// `CertificateMissing` where the connection has none, `CertificateWrong` for any other one.
    pub fn verify(&self, certificate: Option<&Certificate>) -> Result<Proof, Rejection> {
        let certificate = certificate.ok_or(Rejection::CertificateMissing)?;
        let dns = self.dns.iter().find(|name| {
            certificate
                .dns
                .iter()
                .any(|one| one.eq_ignore_ascii_case(name))
        });
        let uri = self.uris.iter().find(|uri| certificate.uris.contains(uri));
        let fingerprint = self
            .fingerprints
            .iter()
            .find(|known| bool::from(known.ct_eq(&certificate.fingerprint)));
        let missed = (dns.is_none() && !self.dns.is_empty())
            || (uri.is_none() && !self.uris.is_empty())
            || (fingerprint.is_none() && !self.fingerprints.is_empty());
        let name = dns
            .or(uri)
            .cloned()
            .or_else(|| fingerprint.map(|known| Encoding::Hex.encode(known)));
        match name {
            Some(name) if !missed => Ok(Proof::new("mtls", Some(name.into()))),
            _ => Err(Rejection::CertificateWrong),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(all: &[&str]) -> Vec<String> {
        all.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_list_must_have_one_that_matches() {
        let certificate = Certificate {
            fingerprint: [7; 32],
            dns: texts(&["Hooks.example", "*.wild.example"]),
            uris: texts(&["spiffe://example/ns/a"]),
        };
        for (dns, uris, fingerprints, name) in [
            (
                &["hooks.example"][..],
                &[][..],
                &[][..],
                Some("hooks.example"),
            ),
            (
                &["x.example", "HOOKS.example"],
                &[],
                &[],
                Some("HOOKS.example"),
            ),
            (
                &[],
                &["spiffe://example/ns/a"],
                &[],
                Some("spiffe://example/ns/a"),
            ),
            (
                &[],
                &[],
                &[[8; 32], [7; 32]],
                Some("0707070707070707070707070707070707070707070707070707070707070707"),
            ),
            (
                &["hooks.example"],
                &["spiffe://example/ns/a"],
                &[[7; 32]],
                Some("hooks.example"),
            ),
            (&["hooks.example"], &["spiffe://example/ns/b"], &[], None),
            (&["hooks.example"], &[], &[[8; 32]], None),
            (&["a.wild.example"], &[], &[], None),
            (&["hooks.example."], &[], &[], None),
            (&["example"], &[], &[], None),
            (&["spiffe://example/ns/a"], &[], &[], None),
            (&[], &["spiffe://example/ns"], &[], None),
            (&[], &["spiffe://Example/ns/a"], &[], None),
            (&[], &["hooks.example"], &[], None),
            (&[], &[], &[], None),
        ] {
            let step = Mtls {
                dns: texts(dns),
                uris: texts(uris),
                fingerprints: fingerprints.to_vec(),
            };
            let proof = step.verify(Some(&certificate));
            let found = proof.as_ref().map(|proof| proof.key.as_deref());
            match name {
                Some(name) => assert_eq!(found, Ok(Some(name)), "{dns:?} {uris:?}"),
                None => assert_eq!(
                    found.err(),
                    Some(&Rejection::CertificateWrong),
                    "{dns:?} {uris:?}"
                ),
            }
            assert_eq!(step.verify(None).err(), Some(Rejection::CertificateMissing));
        }
    }
}
