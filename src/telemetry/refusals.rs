//! The last refusals, for people who ask why: bounded, and no flood of one kind hides another.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::rejection::Rejection;
use crate::schema::Violation;

/// Of one route and reason so many are kept.
const OF_A_KIND: usize = 32;
/// Of one route, reason and client so many: whoever sends more replaces its own.
const OF_A_CLIENT: usize = 8;
/// All together.
const ALL: usize = 1024;

/// One refusal: nothing of the body, of the query or of a credential.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// Its request id.
    pub request_id: String,
    /// When.
    pub at: Timestamp,
    /// The route's path; `None` where none matches.
    pub route: Option<Arc<str>>,
    /// The route's provider.
    pub provider: Option<Arc<str>>,
    /// How the request ended.
    pub outcome: &'static str,
    /// Why.
    pub reason: Rejection,
    /// The status that was answered.
    pub status: u16,
    /// The client address.
    pub client: Option<IpAddr>,
    /// The method, path and user agent, cut and escaped by whoever shows them.
    pub method: Option<Method>,
    /// The path without its query.
    pub path: String,
    /// What the caller calls itself.
    pub user_agent: Option<String>,
    /// Bytes of the body that were read.
    pub bytes: usize,
    /// Where its body does not look as it must.
    pub violation: Option<Violation>,
    /// The beginning of the key under which the event was looked up.
    pub event_key: Option<String>,
    /// The examination after the verdict, if there was time for one.
    pub examination: Option<Value>,
}

impl Refusal {
    /// For machines.
    pub fn to_json(&self) -> Value {
        json!({
            "request_id": self.request_id,
            "at": format!("{:.3}", self.at),
            "route": self.route.as_deref(),
            "provider": self.provider.as_deref(),
            "outcome": self.outcome,
            "reason": self.reason.code(),
            "status": self.status,
            "message": self.reason.message(),
            "fix": self.reason.fix(),
            "client_ip": self.client.map(|ip| ip.to_string()),
            "method": self.method.as_ref().map_or("", Method::as_str),
            "path": self.path,
            "user_agent": self.user_agent,
            "bytes": self.bytes,
            "schema_at": self.violation.as_ref().map(|violation| &violation.at),
            "schema_keyword": self.violation.as_ref().map(|violation| &violation.keyword),
            "event_key": self.event_key,
            "examination": self.examination,
        })
    }
}

type Kind = (Option<Arc<str>>, Rejection);

/// All that are kept.
#[derive(Debug, Default)]
pub struct Refusals(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    kinds: BTreeMap<Kind, VecDeque<Refusal>>,
    total: usize,
}

impl Kept {
    fn all(&self) -> impl Iterator<Item = &Refusal> {
        self.kinds.values().flatten()
    }
}

impl Refusals {
    /// Keeps one more.
    pub fn add(&self, refusal: Refusal) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Kept { kinds, total } = &mut *kept;
        let kind = (refusal.route.clone(), refusal.reason);
        let alike = kinds.entry(kind.clone()).or_default();
        if make_room(alike, refusal.client) {
            return alike.push_back(refusal);
        }
        if *total < ALL {
            *total = total.saturating_add(1);
            return alike.push_back(refusal);
        }
        // The largest kind gives a place.
        if let Some(largest) = kinds.values_mut().max_by_key(|alike| alike.len()) {
            largest.pop_front();
        }
        kinds.entry(kind).or_default().push_back(refusal);
    }

    /// Adds what an examination found.
    pub fn examined(&self, request_id: &str, examination: Value) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all = kept.kinds.values_mut().flatten();
        if let Some(refusal) = all.find(|refusal| refusal.request_id == request_id) {
            refusal.examination = Some(examination);
        }
    }

    /// The one of this request.
    pub fn find(&self, request_id: &str) -> Option<Refusal> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.all()
            .find(|refusal| refusal.request_id == request_id)
            .cloned()
    }

    /// All, the last one first.
    pub fn latest(&self) -> Vec<Refusal> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<Refusal> = kept.all().cloned().collect();
        drop(kept);
        all.sort_by(|a, b| {
            b.at.cmp(&a.at)
                .then_with(|| b.request_id.cmp(&a.request_id))
        });
        all
    }
}

/// Removes one of the same kind where there are enough; `false` where there is room.
fn make_room(kept: &mut VecDeque<Refusal>, client: Option<IpAddr>) -> bool {
    let of_client = kept.iter().filter(|other| other.client == client).count();
    if of_client >= OF_A_CLIENT
        && let Some(oldest) = kept.iter().position(|other| other.client == client)
    {
        kept.remove(oldest);
        return true;
    }
    if kept.len() >= OF_A_KIND {
        kept.pop_front();
        return true;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(number: usize, route: usize, reason: Rejection, client: u8) -> Refusal {
        Refusal {
            request_id: format!("{number:026}"),
            at: Timestamp::from_second(i64::try_from(number).unwrap()).unwrap(),
            route: Some(format!("/{route}").into()),
            provider: None,
            outcome: "rejected",
            reason,
            status: 401,
            client: Some(IpAddr::from([192, 0, 2, client])),
            method: Some(Method::POST),
            path: "/".into(),
            user_agent: None,
            bytes: 0,
            violation: None,
            event_key: None,
            examination: None,
        }
    }

    #[test]
    fn a_flood_hides_neither_another_client_nor_reason_nor_route() {
        let refusals = Refusals::default();
        let rare = [
            refusal(0, 0, Rejection::SignatureMismatch, 9),
            refusal(1, 0, Rejection::TimestampTooOld, 1),
            refusal(2, 1, Rejection::SignatureMismatch, 1),
        ];
        for one in rare {
            refusals.add(one);
        }
        for number in 3..5000 {
            refusals.add(refusal(number, 0, Rejection::SignatureMismatch, 1));
        }
        for number in 0..3 {
            assert!(
                refusals.find(&format!("{number:026}")).is_some(),
                "{number}"
            );
        }
        assert_eq!(refusals.latest().len(), 3 + OF_A_CLIENT);
        assert_eq!(refusals.latest()[0].request_id, format!("{:026}", 4999));
    }

    #[test]
    fn memory_is_bounded_whatever_comes() {
        let refusals = Refusals::default();
        for number in 0..20_000 {
            let client = u8::try_from(number % 251).unwrap();
            let reason = Rejection::ALL[number % Rejection::ALL.len()];
            refusals.add(refusal(number, number % 50, reason, client));
        }
        let latest = refusals.latest();
        assert!(latest.len() <= ALL);
        assert_eq!(refusals.0.lock().unwrap().total, latest.len());
        refusals.examined(&format!("{:026}", 19_999), json!({ "a": 1 }));
        let found = refusals.find(&format!("{:026}", 19_999)).unwrap();
        assert_eq!(found.to_json()["examination"]["a"], 1);
        assert!(refusals.find("none").is_none());
    }
}
