//! What makes a request a handshake.

use serde::de::{Deserializer as _, IgnoredAny, MapAccess, Visitor};

use crate::secret::Secret;
use crate::verify::{Body, Head, Moment, Place, Ring};

/// What a request must be, besides its method and its challenge.
#[derive(Debug, Clone, Default)]
pub struct Asks {
    /// Every one must hold.
    pub when: Vec<Condition>,
    /// The members of the JSON object that the body is: these and no other, each once.
    pub members: Option<Vec<String>>,
    /// The body does not matter; else there is none, unless something is read from it.
    pub any_body: bool,
}

/// Something that stands in the request.
#[derive(Debug, Clone)]
pub struct Condition {
    /// Where.
    pub place: Place,
    /// What.
    pub wanted: Wanted,
}

/// What stands there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// Anything but nothing.
    Something,
    /// This very text.
    Text(String),
    /// The route's `verify_token`.
    VerifyToken,
}

impl Condition {
    fn holds(&self, head: &Head<'_>, body: Option<&Body>) -> bool {
        // What stands there twice could be read in two ways.
        let Ok(Some(value)) = self.place.read(head, body) else {
            return false;
        };
        match &self.wanted {
            Wanted::Text(text) => *value == *text.as_bytes(),
            // Whether it is the right one is asked last, and a wrong one told.
            Wanted::Something | Wanted::VerifyToken => !value.is_empty(),
        }
    }
}

impl Asks {
    pub(super) fn needs_body(&self) -> bool {
        self.members.is_some() || self.when.iter().any(|one| one.place.needs_body())
    }

    pub(super) fn hold_in_head(&self, head: &Head<'_>) -> bool {
        let mut when = self.when.iter();
        when.all(|one| one.place.needs_body() || one.holds(head, None))
    }

    pub(super) fn hold(&self, head: &Head<'_>, body: Option<&Body>) -> bool {
        self.when.iter().all(|one| one.holds(head, body))
            && self.members.as_ref().is_none_or(|wanted| {
                let names = body.and_then(|body| members(&body.contiguous()));
                names.is_some_and(|names| {
                    names.len() == wanted.len() && wanted.iter().all(|name| names.contains(name))
                })
            })
    }

    /// Whether the caller knows the token, where it has to. Every token is compared.
    pub(super) fn knows(
        &self,
        head: &Head<'_>,
        body: Option<&Body>,
        tokens: Option<&Ring<Secret>>,
        now: Moment,
    ) -> bool {
        let mut asked = self
            .when
            .iter()
            .filter(|one| one.wanted == Wanted::VerifyToken);
        asked.all(|one| {
            let (Ok(Some(value)), Some(tokens)) = (one.place.read(head, body), tokens) else {
                return false;
            };
            let mut right = false;
            for held in tokens.candidates(now, None) {
                right |= held.key.matches(&value);
            }
            right
        })
    }
}

/// The names of the members of a JSON object, repeated ones twice; `None` of anything else.
pub(super) fn members(body: &[u8]) -> Option<Vec<String>> {
    struct Names;
    impl<'de> Visitor<'de> for Names {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut names = Vec::new();
            while let Some((name, IgnoredAny)) = map.next_entry()? {
                names.push(name);
            }
            Ok(names)
        }
    }
    let mut json = serde_json::Deserializer::from_slice(body);
    let names = json.deserialize_map(Names).ok()?;
    json.end().ok().map(|()| names)
}
