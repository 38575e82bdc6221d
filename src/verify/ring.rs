//! Keys in rotation: several at once, each with a time in which it is in force.

use std::sync::Arc;

use jiff::Timestamp;

/// One key and the time in which it may match.
#[derive(Debug, Clone)]
pub struct Held<K> {
    /// What people call it: log, metrics, `X-Gatepost-Key`.
    pub name: Arc<str>,
    /// The first moment at which it is in force.
    pub not_before: Option<Timestamp>,
    /// The first moment at which it is not in force any more.
    pub until: Option<Timestamp>,
    /// The key itself.
    pub key: K,
}

impl<K> Held<K> {
    /// Whether it may match at `now`.
    pub fn in_force(&self, now: Timestamp) -> bool {
        self.not_before.is_none_or(|start| now >= start) && self.until.is_none_or(|end| now < end)
    }

    /// The same name and time with another key, for example a decoded one.
    pub fn with<L>(&self, key: L) -> Held<L> {
        Held {
            name: Arc::clone(&self.name),
            not_before: self.not_before,
            until: self.until,
            key,
        }
    }
}

/// All keys of one step. Any that is in force may match. A copy shares them.
#[derive(Debug, Clone)]
pub struct Ring<K>(Arc<[Held<K>]>);

impl<K> Ring<K> {
    /// Takes the keys in the order in which they are tried.
    pub fn new(held: Vec<Held<K>>) -> Self {
        Self(held.into())
    }

    /// Every key, whether in force or not.
    pub fn all(&self) -> &[Held<K>] {
        &self.0
    }

    /// Every key without the key itself.
    pub fn names(&self) -> Vec<Held<()>> {
        self.0.iter().map(|held| held.with(())).collect()
    }

    /// The keys to try at `now`; with a `key_id`, only those of that name.
    pub fn candidates<'r, 'k>(
        &'r self,
        now: Timestamp,
        key_id: Option<&'k str>,
    ) -> impl Iterator<Item = &'r Held<K>> + use<'r, 'k, K> {
        self.0
            .iter()
            .filter(move |held| held.in_force(now) && key_id.is_none_or(|id| &*held.name == id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_key_is_in_force_from_not_before_up_to_but_not_at_until() {
        let held = Held {
            name: "a".into(),
            not_before: Some(at(10)),
            until: Some(at(20)),
            key: (),
        };
        for (second, expected) in [(9, false), (10, true), (19, true), (20, false)] {
            assert_eq!(held.in_force(at(second)), expected, "{second}");
        }
    }

    #[test]
    fn a_key_id_selects_by_name() {
        let open = |name: &str| Held {
            name: name.into(),
            not_before: None,
            until: None,
            key: (),
        };
        let ring = Ring::new(vec![open("a"), open("b")]);
        let names = |id| {
            ring.candidates(at(0), id)
                .map(|h| h.name.to_string())
                .collect::<Vec<_>>()
        };
        assert_eq!(names(None), ["a", "b"]);
        assert_eq!(names(Some("b")), ["b"]);
        assert!(names(Some("c")).is_empty());
    }
}
