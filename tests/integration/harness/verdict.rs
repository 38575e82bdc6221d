//! What a refusal and an acceptance are, checked in full every time.

use super::client::{self, Response};
use super::gatepost::Gatepost;
use super::{Delivery, Received};

/// What the log must say of a request.
pub struct Expected {
    name: String,
    request_id: String,
    reason: Option<&'static str>,
}

impl Gatepost {
    /// Sends it and reads the answer.
    pub fn send(&self, delivery: &Delivery) -> Response {
        client::exchange(self.address, &delivery.to_bytes())
    }

    /// A refusal: this status, a problem document that tells no reason, not a byte at the app, and
    /// this reason in the log.
    pub fn refuses(
        &self,
        name: &str,
        delivery: &Delivery,
        status: u16,
        reason: &'static str,
    ) -> Response {
        self.refuses_bytes(name, &delivery.to_bytes(), status, reason)
    }

    /// The same for exact bytes.
    pub fn refuses_bytes(
        &self,
        name: &str,
        bytes: &[u8],
        status: u16,
        reason: &'static str,
    ) -> Response {
        let before = self.journal.bytes();
        let response = client::try_exchange(self.address, bytes);
        if self.journal.bytes() != before {
            self.fail(format!("{name}: reached the app: {}", shown(bytes)));
        }
        let Some(response) = response else {
            self.fail(format!("{name}: no answer to {}", shown(bytes)));
            return Response {
                status: 0,
                headers: Vec::new(),
                body: Vec::new(),
                complete: false,
                interim: Vec::new(),
            };
        };
        if response.status == status {
            self.expect_problem(name, &response, reason);
        } else {
            self.fail(format!(
                "{name}: {} instead of {status} to {}",
                response.status,
                shown(bytes)
            ));
        }
        response
    }

    /// Checks the document of a refusal, and later its log line.
    pub fn expect_problem(&self, name: &str, response: &Response, reason: &'static str) {
        let wrong = |what: &str| self.fail(format!("{name}: {what}: {response:?}"));
        if response.header("content-type") != Some("application/problem+json") {
            wrong("not application/problem+json");
        }
        if response.header("cache-control") != Some("no-store") {
            wrong("not no-store");
        }
        let problem: serde_json::Map<String, serde_json::Value> =
            serde_json::from_slice(&response.body).unwrap_or_default();
        let mut keys: Vec<&str> = problem.keys().map(String::as_str).collect();
        keys.sort_unstable();
        if keys != ["request_id", "status", "title"] || problem["status"] != response.status {
            wrong("not exactly status, title and request_id");
            return;
        }
        let request_id = problem["request_id"].as_str().unwrap_or_default();
        if !is_ulid(request_id) || response.header("x-gatepost-request-id") != Some(request_id) {
            wrong("not one request id");
        }
        self.expect_line(name, request_id, Some(reason));
    }

    fn expect_line(&self, name: &str, request_id: &str, reason: Option<&'static str>) {
        let expected = Expected {
            name: name.into(),
            request_id: request_id.into(),
            reason,
        };
        self.expected.borrow_mut().push(expected);
    }

    /// An acceptance: the app's 200, the very bytes at the app once, and nothing wrong in the log.
    pub fn passes(&self, name: &str, delivery: &Delivery) -> Option<Received> {
        let before = self.journal.requests().len();
        let bytes = delivery.to_bytes();
        let Some(response) = client::try_exchange(self.address, &bytes) else {
            self.fail(format!("{name}: no answer to {}", shown(&bytes)));
            return None;
        };
        let request_id = response
            .header("x-gatepost-request-id")
            .unwrap_or_default()
            .to_owned();
        let requests = self.journal.requests();
        if response.status != 200 || requests.len() != before + 1 {
            let reason = self.log.wait(|line| line["request_id"] == *request_id);
            let reason = reason
                .map(|line| line["reason"].to_string())
                .unwrap_or_default();
            self.fail(format!(
                "{name}: {} ({reason}) to {}",
                response.status,
                shown(&bytes)
            ));
            return None;
        }
        let received = requests.into_iter().next_back()?;
        if received.body != delivery.body {
            self.fail(format!(
                "{name}: other bytes at the app: {}",
                shown(&received.raw)
            ));
        }
        if received.values("x-gatepost-request-id") != [&*request_id] {
            self.fail(format!(
                "{name}: not one request id: {}",
                shown(&received.raw)
            ));
        }
        self.expect_line(name, &request_id, None);
        Some(received)
    }

    /// The same, where the test cannot go on without.
    pub fn accepts(&self, name: &str, delivery: &Delivery) -> Received {
        self.passes(name, delivery)
            .unwrap_or_else(|| panic!("{}", self.failures.take().join("\n")))
    }

    /// Exactly these headers of ours (names without the prefix) besides the request id.
    pub fn tells(&self, name: &str, received: &Received, expected: &[(&str, &str)]) {
        let prefix = "x-gatepost-";
        let mut found: Vec<(&str, &str)> = received
            .headers
            .iter()
            .filter_map(|(name, value)| Some((name.strip_prefix(prefix)?, value.as_str())))
            .filter(|(name, _)| *name != "request-id")
            .collect();
        found.sort_unstable();
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        if found != expected {
            self.fail(format!("{name}: told {found:?}\n  instead of {expected:?}"));
        }
    }

    pub(super) fn check_log(&self) {
        let text = self.log.text();
        let lines: Vec<serde_json::Value> = text
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect();
        for Expected {
            name,
            request_id,
            reason,
        } in self.expected.take()
        {
            let mut found = lines
                .iter()
                .filter(|line| line["msg"] == "request" && line["request_id"] == *request_id);
            let Some(line) = found.next() else {
                self.fail(format!("{name}: no log line"));
                continue;
            };
            if found.next().is_some() {
                self.fail(format!("{name}: two log lines"));
            }
            if line["reason"].as_str() != reason {
                self.fail(format!(
                    "{name}: reason {} instead of {reason:?}",
                    line["reason"]
                ));
            }
        }
    }
}

/// Bytes for a report: what is not printable is escaped, what is long is cut.
pub fn shown(bytes: &[u8]) -> String {
    let text = bytes[..bytes.len().min(900)].escape_ascii().to_string();
    if bytes.len() > 900 {
        format!("{text}… ({} bytes)", bytes.len())
    } else {
        text
    }
}

pub fn is_ulid(text: &str) -> bool {
    text.len() == 26
        && text
            .bytes()
            .all(|b| b"0123456789ABCDEFGHJKMNPQRSTVWXYZ".contains(&b))
}
