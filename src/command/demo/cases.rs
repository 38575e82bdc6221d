//! What the demo sends: for each provider a genuine event and the forgeries it must not fall for.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderValue};
use jiff::Timestamp;

use crate::command::client::wire;
use crate::config::catalogue;
use crate::rejection::Rejection;
use crate::route::{Mode, Route, Routes};
use crate::sign::{Delivery, PrivateKey, SignError, Tamper, sign};
use crate::verify::{Encoding, Hash};

/// One request and its expected outcome.
pub(super) struct Case {
    pub(super) title: &'static str,
    pub(super) name: &'static str,
    pub(super) bytes: Vec<u8>,
    pub(super) refusal: Option<Rejection>,
}

/// The throw-away keys of one run.
pub(super) struct Keys {
    secret: String,
    prelude: PrivateKey,
}

impl Keys {
    pub(super) fn generate() -> Result<Self, SignError> {
        let mut bytes = [0; 24];
        aws_lc_rs::rand::fill(&mut bytes).map_err(|_| SignError("this system has no randomness"))?;
        Ok(Self { secret: Encoding::Base64Url.encode(&bytes), prelude: PrivateKey::generate_rsa()? })
    }

    /// The variables that [`sidecar`] names.
    pub(super) fn variables(&self) -> Result<BTreeMap<String, String>, String> {
        let public = self.prelude.public_pem().map_err(|error| error.to_string())?;
        Ok([("DEMO_SECRET".to_owned(), self.secret.clone()), ("DEMO_KEY".to_owned(), public)].into())
    }
}

/// An address that Prelude publishes, one that IDWise's route allows, and one of nobody.
const PRELUDE: &str = "34.252.67.209";
const IDWISE: &str = "198.51.100.7";
const STRANGER: &str = "203.0.113.9";

/// The demo's configuration: what a user would write, but for the addresses of the listeners.
pub(super) fn sidecar() -> String {
    let routes: String = [
        ("prove", "secret = { env = \"DEMO_SECRET\", name = \"portal\" }"),
        ("proven", "secret = { env = \"DEMO_SECRET\", name = \"agent\" }"),
        ("authento", "secret = { env = \"DEMO_SECRET\", name = \"dashboard\" }"),
        (
            "idwise",
            "secret = { env = \"DEMO_SECRET\", name = \"password\" }\n\
             verify = [{ scheme = \"basic\", username = \"idwise\" }]\nallow_ips = [\"198.51.100.0/24\"]",
        ),
        ("prelude", "public_key = { env = \"DEMO_KEY\", name = \"signing-key\" }"),
    ]
    .iter()
    .map(|(name, keys)| format!("[[route]]\npath = \"/webhooks/{name}\"\nprovider = \"{name}\"\n{keys}\n\n"))
    .collect();
    // The demo is its own ingress: it says from where each request came.
    format!(
        "[server]\nlisten = \"127.0.0.1:0\"\n\n[upstream]\nurl = \"echo:\"\n\n\
         [client_address]\ntrusted_proxies = [\"127.0.0.1\"]\n\n\
         [health]\nlisten = \"off\"\n\n[admin]\nlisten = \"off\"\n\n{routes}"
    )
}

/// Everything the demo sends, in order.
pub(super) fn cases(routes: &Routes, keys: &Keys) -> Result<Vec<Case>, String> {
    let mut made = Vec::new();
    for route in routes.all() {
        let maker = Maker::new(route, keys)?;
        let cases = match route.provider.as_deref() {
            Some("prove") => prove(&maker),
            Some("proven") => proven(&maker),
            Some("authento") => authento(&maker, keys),
            Some("idwise") => idwise(&maker),
            _ => prelude(&maker),
        };
        made.extend(cases.map_err(|error| error.to_string())?);
    }
    Ok(made)
}

type Cases = Result<Vec<Case>, SignError>;

fn prove(maker: &Maker<'_>) -> Cases {
    const HEADER: &str = "x-prove-authorization";
    use Rejection::{CredentialMissing, CredentialRepeated, JwtAlgorithmNotAllowed, JwtExpired, JwtMalformed, JwtSignature};
    let good = maker.signed(None)?;
    let token = text(&good, HEADER);
    let payload = token.split('.').nth(1).unwrap_or_default().to_owned();
    let none = Encoding::Base64Url.encode(b"{\"alg\":\"none\"}");
    Ok(vec![
        maker.genuine("two events in one delivery", &good),
        maker.forged("signed with another secret", JwtSignature, &maker.signed(Some(Tamper::Key))?),
        maker.forged("token a day old", JwtExpired, &maker.signed(Some(Tamper::Time))?),
        maker.forged("token's signature changed", JwtSignature, &maker.signed(Some(Tamper::Signature))?),
        maker.forged("no token", CredentialMissing, &maker.signed(Some(Tamper::Missing))?),
        maker.forged("alg \"none\"", JwtAlgorithmNotAllowed, &with(&good, HEADER, &format!("Bearer {none}.{payload}."))),
        maker.forged("half a token", JwtMalformed, &with(&good, HEADER, &format!("Bearer {payload}"))),
        maker.forged("two tokens", CredentialRepeated, &twice(&good, HEADER)),
    ])
}

fn proven(maker: &Maker<'_>) -> Cases {
    use Rejection::{CredentialMissing, CredentialRepeated, CredentialWrong};
    const HEADER: &str = "x-api-key";
    let good = maker.signed(None)?;
    let key = text(&good, HEADER);
    let mut elsewhere = maker.signed(Some(Tamper::Missing))?;
    elsewhere.query = Some(format!("X-API-Key={key}"));
    Ok(vec![
        maker.genuine("the key of the agent", &good),
        maker.forged("another key", CredentialWrong, &maker.signed(Some(Tamper::Key))?),
        maker.forged("one character changed", CredentialWrong, &maker.signed(Some(Tamper::Signature))?),
        maker.forged("no key", CredentialMissing, &maker.signed(Some(Tamper::Missing))?),
        maker.forged("the key and a character more", CredentialWrong, &with(&good, HEADER, &format!("{key}x"))),
        maker.forged("the key in the query", CredentialMissing, &elsewhere),
        maker.forged("the key twice", CredentialRepeated, &twice(&good, HEADER)),
    ])
}

fn authento(maker: &Maker<'_>, keys: &Keys) -> Cases {
    use Rejection::{CredentialRepeated, SignatureMalformed, SignatureMismatch, SignatureMissing};
    const HEADER: &str = "x-payload-digest";
    let good = maker.signed(None)?;
    let digest = text(&good, HEADER);
    let plain = Encoding::Hex.encode(&Hash::Sha256.of(&good.body));
    let prefixed = Hash::Sha256.of(&[keys.secret.as_bytes(), &good.body].concat());
    Ok(vec![
        maker.genuine("a reviewed user", &good),
        maker.forged("body changed after signing", SignatureMismatch, &maker.signed(Some(Tamper::Body))?),
        maker.forged("signed with another secret", SignatureMismatch, &maker.signed(Some(Tamper::Key))?),
        maker.forged("no digest", SignatureMissing, &maker.signed(Some(Tamper::Missing))?),
        maker.forged("the plain SHA-256, which anybody can compute", SignatureMismatch, &with(&good, HEADER, &plain)),
        maker.forged("SHA-256 of secret and body", SignatureMismatch, &with(&good, HEADER, &Encoding::Hex.encode(&prefixed))),
        maker.forged("half a digest", SignatureMismatch, &with(&good, HEADER, digest.get(..32).unwrap_or_default())),
        maker.forged("not hex", SignatureMalformed, &with(&good, HEADER, "zz")),
        maker.forged("the digest twice", CredentialRepeated, &twice(&good, HEADER)),
    ])
}

fn idwise(maker: &Maker<'_>) -> Cases {
    use Rejection::{CredentialMalformed, CredentialMissing, CredentialWrong, IpNotAllowed};
    const HEADER: &str = "authorization";
    let maker = Maker { from: IDWISE, ..*maker };
    let good = maker.signed(None)?;
    let stranger = Maker { from: STRANGER, ..maker };
    let other_user = Encoding::Base64.encode(b"admin:password");
    Ok(vec![
        maker.genuine("a finished journey", &good),
        maker.forged("another password", CredentialWrong, &maker.signed(Some(Tamper::Key))?),
        maker.forged("another user", CredentialWrong, &with(&good, HEADER, &format!("Basic {other_user}"))),
        maker.forged("no credential", CredentialMissing, &maker.signed(Some(Tamper::Missing))?),
        maker.forged("bearer instead of basic", CredentialMalformed, &with(&good, HEADER, "Bearer abc")),
        stranger.forged("right credential, wrong address", IpNotAllowed, &good),
    ])
}

fn prelude(maker: &Maker<'_>) -> Cases {
    use Rejection::{IpNotAllowed, SignatureMalformed, SignatureMismatch, SignatureMissing};
    const HEADER: &str = "x-webhook-signature";
    let maker = Maker { from: PRELUDE, ..*maker };
    let good = maker.signed(None)?;
    let stranger = Maker { from: STRANGER, ..maker };
    let value = text(&good, HEADER);
    Ok(vec![
        maker.genuine("a verification", &good),
        maker.forged("body changed after signing", SignatureMismatch, &maker.signed(Some(Tamper::Body))?),
        maker.forged("signed with another key", SignatureMismatch, &maker.signed(Some(Tamper::Key))?),
        maker.forged("one bit of the signature changed", SignatureMismatch, &maker.signed(Some(Tamper::Signature))?),
        maker.forged("no signature", SignatureMissing, &maker.signed(Some(Tamper::Missing))?),
        maker.forged("another prefix", SignatureMalformed, &with(&good, HEADER, &value.replace("rsassa-pss-", "rsa-"))),
        stranger.forged("right signature, wrong address", IpNotAllowed, &good),
    ])
}

/// What makes the requests of one route.
#[derive(Clone, Copy)]
struct Maker<'a> {
    route: &'a Route,
    keys: &'a Keys,
    title: &'static str,
    sample: &'static [u8],
    from: &'static str,
}

impl<'a> Maker<'a> {
    fn new(route: &'a Route, keys: &'a Keys) -> Result<Self, String> {
        let (title, sample) = match route.provider.as_deref() {
            Some("prove") => ("Prove: a signed token", "prove/batch.json"),
            Some("proven") => ("Proven: an API key", "proven/connection-completed.json"),
            Some("authento") => ("Authento: a keyed digest of the body", "authento/REVIEWED.json"),
            Some("idwise") => ("IDWise: basic authentication, addresses", "idwise/Finished-Journey.json"),
            _ => ("Prelude: an RSA-PSS signature of the body, addresses", "prelude/verify.authentication.json"),
        };
        let sample = catalogue::sample(&format!("samples/{sample}")).ok_or("a sample is missing")?;
        Ok(Self { route, keys, title, sample, from: STRANGER })
    }

    fn signed(&self, tamper: Option<Tamper>) -> Result<Delivery, SignError> {
        let mut delivery = Delivery {
            method: "POST".into(),
            path: self.route.name.clone(),
            query: None,
            headers: HeaderMap::new(),
            body: self.sample.to_vec(),
        };
        let (Mode::Enforce(plan) | Mode::Observe(plan)) = &self.route.mode else {
            return Err(SignError("the route verifies nothing"));
        };
        sign(plan, &mut delivery, Some(&self.keys.prelude), Timestamp::now(), tamper)?;
        Ok(delivery)
    }

    fn genuine(&self, name: &'static str, delivery: &Delivery) -> Case {
        self.case(name, None, delivery)
    }

    fn forged(&self, name: &'static str, refusal: Rejection, delivery: &Delivery) -> Case {
        self.case(name, Some(refusal), delivery)
    }

    fn case(&self, name: &'static str, refusal: Option<Rejection>, delivery: &Delivery) -> Case {
        let bytes = wire(delivery, "demo.test", &[("X-Forwarded-For", self.from)]);
        Case { title: self.title, name, bytes, refusal }
    }
}

fn text(delivery: &Delivery, header: &str) -> String {
    let value = delivery.headers.get(header).and_then(|value| value.to_str().ok());
    value.unwrap_or_default().to_owned()
}

fn with(delivery: &Delivery, header: &'static str, value: &str) -> Delivery {
    let mut changed = delivery.clone();
    if let Ok(value) = HeaderValue::from_str(value) {
        changed.headers.insert(header, value);
    }
    changed
}

fn twice(delivery: &Delivery, header: &'static str) -> Delivery {
    let mut changed = delivery.clone();
    if let Some(value) = delivery.headers.get(header).cloned() {
        changed.headers.append(header, value);
    }
    changed
}
