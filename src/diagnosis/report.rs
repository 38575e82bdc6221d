//! What an examination found.

use serde_json::{Value, json};

use super::narrate;
use super::scene::Scene;
use super::trial::Guess;
use crate::config::nearest::nearest;
use crate::rejection::Rejection;
use crate::route::Route;
use crate::verify::signed::Prover;
use crate::verify::{Body, Place, Step};

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It would refuse the request.
    Failed,
    /// It passed.
    Passed,
    /// What is known does not suffice.
    Unknown,
}

impl State {
    /// The name in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Passed => "passed",
            Self::Unknown => "unknown",
        }
    }
}

/// One step, looked at alone.
#[derive(Debug, Clone)]
pub struct Seen {
    /// What checks, as `X-Gatepost-Verified-By` names it.
    pub check: &'static str,
    /// How it ended.
    pub state: State,
    /// Why it failed.
    pub reason: Option<Rejection>,
    /// What it wants to see; empty where it passed.
    pub expected: String,
    /// What came.
    pub came: String,
}

impl Seen {
    pub(super) fn passed(check: &'static str, came: String) -> Self {
        Self {
            check,
            state: State::Passed,
            reason: None,
            expected: String::new(),
            came,
        }
    }

    pub(super) fn failed(
        check: &'static str,
        reason: Rejection,
        expected: String,
        came: String,
    ) -> Self {
        Self {
            check,
            state: State::Failed,
            reason: Some(reason),
            expected,
            came,
        }
    }
}

/// What tells the event from its copies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copies {
    /// The beginning of its key; `None` where nothing tells it from others.
    pub key: Option<String>,
    /// What the key is made of.
    pub of: &'static str,
    /// What is done with a copy, as `duplicates` of the route says it.
    pub action: &'static str,
}

/// The whole examination: no secret, no body, no signature.
#[derive(Debug, Clone)]
pub struct Report {
    /// The method.
    pub method: String,
    /// The path as it was asked for, without its query.
    pub path: String,
    /// The route, its provider and its mode.
    pub route: Option<(String, Option<String>, &'static str)>,
    /// Every step, in the order of the line.
    pub steps: Vec<Seen>,
    /// Why it is refused; `None` when it is not.
    pub reason: Option<Rejection>,
    /// The likely causes, the likeliest first.
    pub guesses: Vec<Guess>,
    /// How copies of it are told; `None` where it is refused, or none are.
    pub copies: Option<Copies>,
    /// What a passing delivery settles.
    pub settled: Vec<String>,
    /// What else was noticed.
    pub notes: Vec<String>,
}

impl Report {
    pub(super) fn new(method: &str, path: &str) -> Self {
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            route: None,
            steps: Vec::new(),
            reason: None,
            guesses: Vec::new(),
            copies: None,
            settled: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// A request that is refused before any route is looked for.
    pub fn refused(method: &str, path: &str, reason: Rejection) -> Self {
        let mut report = Self::new(method, &super::routing::printable(path));
        let came = "a head that two readers could read differently".into();
        report.fail(
            "head",
            reason,
            "one host, one length, plain header names".into(),
            came,
        );
        report.guess(Guess::new("malformed", reason.message(), reason.fix()));
        report
    }

    pub(super) fn route(&mut self, route: &Route) {
        self.route = Some((
            route.name.to_string(),
            route.provider.as_deref().map(str::to_owned),
            route.mode.name(),
        ));
    }

    pub(super) fn pass(&mut self, check: &'static str, came: String) {
        self.steps.push(Seen::passed(check, came));
    }

    pub(super) fn unknown(&mut self, check: &'static str, expected: String, came: String) {
        self.steps.push(Seen {
            check,
            state: State::Unknown,
            reason: None,
            expected,
            came,
        });
    }

    pub(super) fn fail(
        &mut self,
        check: &'static str,
        reason: Rejection,
        expected: String,
        came: String,
    ) {
        self.reason = self.reason.or(Some(reason));
        self.steps.push(Seen::failed(check, reason, expected, came));
    }

    /// What the line as a whole says.
    pub(super) fn verdict(&mut self, reason: Option<Rejection>) {
        self.reason = reason;
    }

    pub(super) fn guess(&mut self, guess: Guess) {
        if !self.guesses.iter().any(|other| other.cause == guess.cause) {
            self.guesses.push(guess);
        }
    }

    /// A cause that comes before all others.
    pub(super) fn note(&mut self, guess: Guess) {
        if self.reason.is_some() {
            self.guess(guess);
        } else {
            self.notes.push(guess.text);
        }
    }

    pub(super) fn settle(&mut self, facts: Vec<String>) {
        for fact in facts {
            if !self.settled.contains(&fact) {
                self.settled.push(fact);
            }
        }
    }

    /// For machines.
    pub fn to_json(&self) -> Value {
        let steps: Vec<Value> = self
            .steps
            .iter()
            .map(|seen| {
                json!({
                    "check": seen.check,
                    "state": seen.state.name(),
                    "reason": seen.reason.map(Rejection::code),
                    "expected": seen.expected,
                    "came": seen.came,
                })
            })
            .collect();
        json!({
            "method": self.method,
            "path": self.path,
            "route": self.route.as_ref().map(|(name, _, _)| name),
            "provider": self.route.as_ref().and_then(|(_, provider, _)| provider.as_ref()),
            "mode": self.route.as_ref().map(|(_, _, mode)| mode),
            "refused": self.reason.is_some(),
            "status": self.reason.map(|reason| reason.status().as_u16()),
            "reason": self.reason.map(Rejection::code),
            "message": self.reason.map(Rejection::message),
            "fix": self.reason.map(Rejection::fix),
            "steps": steps,
            "guesses": guesses_json(&self.guesses),
            "duplicates": self.copies.as_ref().map(|copies| json!({
                "key": copies.key,
                "of": copies.of,
                "copy": copies.action,
            })),
            "settled": self.settled,
            "notes": self.notes,
        })
    }
}

/// Guesses for machines.
pub(super) fn guesses_json(guesses: &[Guess]) -> Vec<Value> {
    guesses
        .iter()
        .map(|guess| {
            json!({
                "cause": guess.cause,
                "text": guess.text,
                "fix": guess.fix,
                "proved": guess.proved,
            })
        })
        .collect()
}

/// What is likely where no near miss verifies.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "every other reason of a step is about its secret"
)]
pub(super) fn unproved(scene: &Scene, rejection: Rejection) -> Vec<Guess> {
    match rejection {
        Rejection::SignatureMissing
        | Rejection::CredentialMissing
        | Rejection::TimestampMissing => {
            vec![missing(scene, rejection)]
        }
        Rejection::SignatureMalformed
        | Rejection::CredentialMalformed
        | Rejection::JwtMalformed
        | Rejection::TimestampMalformed => vec![Guess::new(
            "form",
            format!("what came is in another form: {}", narrate::came(scene)),
            rejection.fix(),
        )],
        Rejection::CredentialRepeated => vec![Guess::new(
            "repeated",
            rejection.message(),
            "look which proxy in front adds the header a second time, and whether a name stands in the body or the query in two spellings",
        )],
        Rejection::SignatureMismatch
        | Rejection::TimestampTooOld
        | Rejection::TimestampInFuture
        | Rejection::DigestMismatch => mismatch(scene),
        Rejection::JwtExpired
        | Rejection::JwtNotYetValid
        | Rejection::JwtClaim
        | Rejection::JwtBodyHash
        | Rejection::JwtAlgorithmNotAllowed => {
            vec![Guess::new("claim", rejection.message(), rejection.fix())]
        }
        _ => vec![Guess::new(
            "other_secret",
            "the secret or key here is another one than the provider's: no reading of it, and none of another route, matches",
            rejection.fix(),
        )],
    }
}

fn mismatch(scene: &Scene) -> Vec<Guess> {
    let keyed = scene
        .signature()
        .is_some_and(|step| !matches!(step.prover, Prover::Digest { secrets: None, .. }));
    let secret = Guess::new(
        "other_secret",
        "the provider signs with another secret or key than the ones here (another endpoint or environment): no reading of them, of the body or of the URL matches",
        "copy the secret or key of this very endpoint from the provider's dashboard once more",
    );
    let body = Guess::new(
        "body_changed",
        "the body is not what was signed, and the change cannot be undone",
        "capture the request where it enters your network, and compare the bodies",
    );
    if keyed {
        vec![secret, body]
    } else {
        vec![body]
    }
}

/// A credential that is not there, but perhaps something of a similar name.
fn missing(scene: &Scene, rejection: Rejection) -> Guess {
    let body = Body::from(scene.body.clone());
    let mut wanted: Vec<Place> = Vec::new();
    match &*scene.step {
        Step::ApiKey(step) => wanted.push(step.place.clone()),
        Step::Basic(_) => wanted.push(Place::Header(http::header::AUTHORIZATION)),
        Step::Bearer(step) => wanted.push(Place::Header(step.header.clone())),
        Step::Jwt(step) => wanted.push(step.place.clone()),
        Step::HttpSignature(_) => {
            for name in ["signature-input", "signature"] {
                wanted.push(Place::Header(http::HeaderName::from_static(name)));
            }
        }
        Step::Mtls(_) => {}
        Step::Signature(step) => {
            wanted.extend(step.places.first().cloned());
            wanted.extend(step.id.clone());
            let time = step
                .freshness
                .as_ref()
                .and_then(|freshness| freshness.place.clone());
            wanted.extend(time);
            wanted.extend(step.message.headers().cloned().map(Place::Header));
        }
    }
    wanted.retain(|place| !matches!(place.read(&scene.head(), Some(&body)), Ok(Some(_))));
    let Some(place) = wanted.first() else {
        return Guess::new("missing", rejection.message(), rejection.fix());
    };
    let Place::Header(name) = place else {
        return Guess::new(
            "missing",
            "the place in the query or body where it should stand is empty",
            "compare the place in the step (`query`, `form`, `json`) with what the provider sends; a form field is read only of a body declared as a form",
        );
    };
    let plain = |text: &str| -> String {
        let text = text.to_ascii_lowercase();
        text.trim_start_matches("x-").replace(['-', '_', '.'], "")
    };
    let others: Vec<&str> = scene.headers.keys().map(http::HeaderName::as_str).collect();
    let similar = others
        .iter()
        .copied()
        .find(|other| plain(other) == plain(name.as_str()))
        .or_else(|| nearest(name.as_str(), others.iter().copied()))
        .or_else(|| {
            let own = plain(name.as_str());
            others.iter().copied().find(|other| {
                let other = plain(other);
                (other.len() > 5 && own.contains(&other)) || (own.len() > 5 && other.contains(&own))
            })
        });
    match similar {
        Some(similar) => Guess::new(
            "similar_header",
            format!("the header `{name}` is not there, but `{similar}` is"),
            format!("set the name in the step to `{similar}`, if that is what the provider sends"),
        ),
        None => Guess::new(
            "missing",
            format!(
                "the header `{name}` is not there, nor one of a similar name: the provider does not send it, or a proxy in front removes it"
            ),
            rejection.fix(),
        ),
    }
}
