//! What the demo sends: for each route its provider's samples, genuine, and the forgeries that the
//! route's scheme must not fall for.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;

use crate::command::client::wire;
use crate::config::{Loaded, catalogue, show};
use crate::rejection::Rejection;
use crate::route::{Mode, Route};
use crate::sign::{Delivery, PrivateKey, SignError, Tamper, sign};
use crate::verify::signed::{Prover, Signature};
use crate::verify::{Encoding, Hash, Place, Plan, Step};

/// One request and its expected outcome.
pub(super) struct Case {
    pub(super) route: String,
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
    pub(super) refusal: Option<Rejection>,
}

/// The throw-away keys of one run.
pub(super) struct Keys {
    secret: String,
    private: PrivateKey,
}

impl Keys {
    pub(super) fn generate() -> Result<Self, SignError> {
        let mut bytes = [0; 24];
        aws_lc_rs::rand::fill(&mut bytes)
            .map_err(|_| SignError("this system has no randomness"))?;
        Ok(Self {
            secret: Encoding::Base64Url.encode(&bytes),
            private: PrivateKey::generate_rsa()?,
        })
    }

    /// The variables that `demo.toml` names.
    pub(super) fn variables(&self) -> Result<BTreeMap<String, String>, String> {
        let public = self
            .private
            .public_pem()
            .map_err(|error| error.to_string())?;
        Ok([
            ("DEMO_SECRET".to_owned(), self.secret.clone()),
            ("DEMO_KEY".to_owned(), public),
        ]
        .into())
    }
}

/// An address that no route allows.
const STRANGER: &str = "203.0.113.9";

/// Everything the demo sends, in order.
pub(super) fn cases(loaded: &Loaded, routes: &[Route], keys: &Keys) -> Result<Vec<Case>, String> {
    let mut cases = Vec::new();
    for route in routes {
        let Mode::Enforce(plan) = &route.mode else {
            continue;
        };
        let samples = show::samples(loaded, &route.name);
        let (_, sample) = samples.last().ok_or("a provider without samples")?;
        let from = plan.addresses.as_ref().and_then(|list| list.iter().next());
        let maker = Maker {
            route,
            plan,
            keys,
            sample: catalogue::sample(sample).ok_or("a sample is missing")?,
            from: from.map_or_else(|| STRANGER.to_owned(), ToString::to_string),
        };
        cases.extend(maker.cases().map_err(|error| error.to_string())?);
    }
    Ok(cases)
}

/// What makes the requests of one route.
struct Maker<'a> {
    route: &'a Route,
    plan: &'a Plan,
    keys: &'a Keys,
    sample: &'static [u8],
    from: String,
}

type Forged = (&'static str, Rejection, Delivery);

impl Maker<'_> {
    fn cases(&self) -> Result<Vec<Case>, SignError> {
        let good = self.signed(None)?;
        let mut cases = vec![self.case("genuine", None, &good, &self.from)];
        for step in self.plan.groups.iter().filter_map(|group| group.first()) {
            for (name, refusal, delivery) in self.forgeries(step, &good)? {
                cases.push(self.case(name, Some(refusal), &delivery, &self.from));
            }
        }
        if self.plan.addresses.is_some() {
            let name = "genuine, but from another address";
            cases.push(self.case(name, Some(Rejection::IpNotAllowed), &good, STRANGER));
        }
        Ok(cases)
    }

    fn forgeries(&self, step: &Step, good: &Delivery) -> Result<Vec<Forged>, SignError> {
        use Rejection::{CredentialMissing, CredentialRepeated, CredentialWrong};
        let tampered = |tamper| self.signed(Some(tamper));
        Ok(match step {
            Step::ApiKey(step) => {
                let header = in_header(&step.place)?;
                let mut elsewhere = tampered(Tamper::Missing)?;
                elsewhere.query = Some(format!("{header}={}", text(good, header)));
                vec![
                    ("another key", CredentialWrong, tampered(Tamper::Key)?),
                    (
                        "one bit of the key changed",
                        CredentialWrong,
                        tampered(Tamper::Signature)?,
                    ),
                    (
                        "the key and a character more",
                        CredentialWrong,
                        with(good, header, &format!("{}x", text(good, header))),
                    ),
                    ("no key", CredentialMissing, tampered(Tamper::Missing)?),
                    ("the key in the query", CredentialMissing, elsewhere),
                    ("the key twice", CredentialRepeated, twice(good, header)),
                ]
            }
            Step::Basic(_) | Step::Bearer(_) => {
                let header = &http::header::AUTHORIZATION;
                let other = format!("Basic {}", Encoding::Base64.encode(b"admin:admin"));
                vec![
                    ("another password", CredentialWrong, tampered(Tamper::Key)?),
                    (
                        "one bit of the password changed",
                        CredentialWrong,
                        tampered(Tamper::Signature)?,
                    ),
                    ("another user", CredentialWrong, with(good, header, &other)),
                    (
                        "no credential",
                        CredentialMissing,
                        tampered(Tamper::Missing)?,
                    ),
                    (
                        "another scheme",
                        Rejection::CredentialMalformed,
                        with(good, header, "Digest abc"),
                    ),
                    (
                        "the credential twice",
                        CredentialRepeated,
                        twice(good, header),
                    ),
                ]
            }
            Step::Jwt(step) => {
                let header = in_header(&step.place)?;
                let token = text(good, header);
                let payload = token.split('.').nth(1).unwrap_or_default();
                let none = Encoding::Base64Url.encode(b"{\"alg\":\"none\"}");
                let unsigned = format!("{}{none}.{payload}.", step.prefix);
                let half = format!("{}{payload}", step.prefix);
                vec![
                    (
                        "signed with another secret",
                        Rejection::JwtSignature,
                        tampered(Tamper::Key)?,
                    ),
                    (
                        "one bit of the signature changed",
                        Rejection::JwtSignature,
                        tampered(Tamper::Signature)?,
                    ),
                    (
                        "a token of last month",
                        Rejection::JwtExpired,
                        tampered(Tamper::Time)?,
                    ),
                    ("no token", CredentialMissing, tampered(Tamper::Missing)?),
                    (
                        "a token with alg \"none\"",
                        Rejection::JwtAlgorithmNotAllowed,
                        with(good, header, &unsigned),
                    ),
                    (
                        "half a token",
                        Rejection::JwtMalformed,
                        with(good, header, &half),
                    ),
                    ("two tokens", CredentialRepeated, twice(good, header)),
                ]
            }
            // No seed provider has one: this command holds no certificate.
            Step::HttpSignature(_) | Step::Mtls(_) => Vec::new(),
            Step::Signature(step) => self.forged_signatures(step, good)?,
        })
    }

    fn forged_signatures(
        &self,
        step: &Signature,
        good: &Delivery,
    ) -> Result<Vec<Forged>, SignError> {
        use Rejection::{
            CredentialRepeated, SignatureMalformed, SignatureMismatch, SignatureMissing,
        };
        let header = in_header(step.places.first().ok_or(SignError("no place"))?)?;
        let value = text(good, header);
        let mut forged = vec![
            (
                "body changed after signing",
                SignatureMismatch,
                self.signed(Some(Tamper::Body))?,
            ),
            (
                "signed with another key",
                SignatureMismatch,
                self.signed(Some(Tamper::Key))?,
            ),
            (
                "one bit of the signature changed",
                SignatureMismatch,
                self.signed(Some(Tamper::Signature))?,
            ),
            (
                "no signature",
                SignatureMissing,
                self.signed(Some(Tamper::Missing))?,
            ),
            (
                "half a signature",
                SignatureMismatch,
                with(good, header, &halved(step, &value)),
            ),
            (
                "not a signature",
                SignatureMalformed,
                with(good, header, "%%"),
            ),
            (
                "the signature twice",
                CredentialRepeated,
                twice(good, header),
            ),
        ];
        if matches!(step.prover, Prover::Hmac(_)) {
            let plain = step.encoding.encode(&Hash::Sha256.of(&good.body));
            forged.push((
                "a plain hash, which anybody can compute",
                SignatureMismatch,
                with(good, header, &plain),
            ));
        }
        Ok(forged)
    }

    fn signed(&self, tamper: Option<Tamper>) -> Result<Delivery, SignError> {
        let mut delivery = Delivery {
            method: "POST".into(),
            path: self.route.name.to_string(),
            query: None,
            headers: HeaderMap::new(),
            body: self.sample.to_vec(),
        };
        sign(
            self.plan,
            &mut delivery,
            Some(&self.keys.private),
            Timestamp::now(),
            tamper,
        )?;
        Ok(delivery)
    }

    fn case(
        &self,
        name: &str,
        refusal: Option<Rejection>,
        delivery: &Delivery,
        from: &str,
    ) -> Case {
        let bytes = wire(delivery, "demo.test", &[("X-Forwarded-For", from)]);
        Case {
            route: self.route.name.to_string(),
            name: name.to_owned(),
            bytes,
            refusal,
        }
    }
}

/// The header value with only the first half of its signature.
fn halved(step: &Signature, value: &str) -> String {
    let whole = step
        .format
        .parse(value)
        .and_then(|parsed| parsed.signatures.first().cloned())
        .map(std::borrow::Cow::into_owned);
    let whole = whole.unwrap_or_default();
    let bytes = step.encoding.decode(whole.as_bytes()).unwrap_or_default();
    let half = bytes.get(..bytes.len() / 2).unwrap_or_default();
    value.replace(&whole, &step.encoding.encode(half))
}

fn in_header(place: &Place) -> Result<&HeaderName, SignError> {
    match place {
        Place::Header(header) => Ok(header),
        Place::Body | Place::Form(_) | Place::Json(_) | Place::Query(_) => Err(SignError(
            "the demo's providers carry their proof in a header",
        )),
    }
}

fn text(delivery: &Delivery, header: &HeaderName) -> String {
    let value = delivery
        .headers
        .get(header)
        .and_then(|value| value.to_str().ok());
    value.unwrap_or_default().to_owned()
}

fn with(delivery: &Delivery, header: &HeaderName, value: &str) -> Delivery {
    let mut changed = delivery.clone();
    if let Ok(value) = HeaderValue::from_str(value) {
        changed.headers.insert(header.clone(), value);
    }
    changed
}

fn twice(delivery: &Delivery, header: &HeaderName) -> Delivery {
    let mut changed = delivery.clone();
    if let Some(value) = delivery.headers.get(header).cloned() {
        changed.headers.append(header.clone(), value);
    }
    changed
}
