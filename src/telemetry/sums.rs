//! Identical refusals, summed: a flood fills no disk and hides nothing else.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use super::line::name;
use super::{Level, Log};
use crate::rejection::{Fault, Rejection};

/// So many of a kind have a line of their own in each window; the others are counted.
const SHOWN: u64 = 100;
/// So many kinds are told apart by their client. Of all others the route and the reason still are,
/// which no caller can multiply.
const KINDS: usize = 1024;

/// What makes two refusals identical.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Kind {
    route: Option<Arc<str>>,
    reason: Rejection,
    client: Option<IpAddr>,
}

/// How many there were, and the last one.
#[derive(Debug, Default)]
struct Sum {
    seen: u64,
    last: String,
}

/// The refusals of the window.
#[derive(Debug, Default)]
pub struct Sums(Mutex<BTreeMap<Kind, Sum>>);

impl Sums {
    /// Counts a refusal; whether it is to have a line of its own.
    pub(super) fn show(
        &self,
        route: Option<&Arc<str>>,
        reason: Rejection,
        client: Option<IpAddr>,
        request_id: &str,
    ) -> bool {
        let mut kinds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut kind = Kind {
            route: route.cloned(),
            reason,
            client,
        };
        if kinds.len() >= KINDS && !kinds.contains_key(&kind) {
            kind.client = None;
        }
        let sum = kinds.entry(kind).or_default();
        sum.seen = sum.seen.saturating_add(1);
        if sum.seen > SHOWN {
            request_id.clone_into(&mut sum.last);
        }
        sum.seen <= SHOWN
    }

    /// Ends the window: one line for each kind of which some had none.
    pub fn write(&self, log: &Log) {
        let kinds = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        for (kind, sum) in kinds {
            let more = sum.seen.saturating_sub(SHOWN);
            if more == 0 {
                continue;
            }
            let level = match kind.reason.fault() {
                Fault::Client => Level::Info,
                Fault::Gatepost | Fault::Upstream => Level::Error,
            };
            log.request(level, jiff::Timestamp::now(), "refused again", |line| {
                if let Some(route) = &kind.route {
                    line.field(name!("route"), route);
                }
                line.field(name!("reason"), kind.reason.code());
                if let Some(client) = kind.client {
                    line.field(name!("client_ip"), &client.to_string());
                }
                line.number(name!("count"), more);
                line.field(name!("last_request_id"), &sum.last);
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_shown_whatever_floods() {
        let sums = Sums::default();
        let show = |route: Option<&str>, reason, client: u32| {
            let client = IpAddr::from(client.to_be_bytes());
            sums.show(route.map(Arc::from).as_ref(), reason, Some(client), "")
        };
        for number in 0..300_000 {
            show(Some("/a"), Rejection::SignatureMismatch, number);
        }
        assert!(sums.0.lock().unwrap().len() <= KINDS + 1);
        for number in 0..SHOWN {
            assert!(show(Some("/a"), Rejection::SignatureMissing, 1), "{number}");
            assert!(
                show(Some("/b"), Rejection::SignatureMismatch, 1),
                "{number}"
            );
            assert!(show(None, Rejection::NoRoute, 1), "{number}");
        }
        assert!(!show(None, Rejection::NoRoute, 1));
        let last = (0..KINDS).filter(|_| show(Some("/a"), Rejection::SignatureMismatch, 0));
        assert!(last.count() < usize::try_from(SHOWN).unwrap());
    }
}
