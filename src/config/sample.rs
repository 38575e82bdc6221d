//! A request for a provider without sample files: the least that has a type, an id and a time.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::Loaded;
use super::compile::overlaid;
use super::tree::{Node, Table};
use crate::form;

/// What a sample consists of besides its proof.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sample {
    /// JSON, or a form where the event stands in one.
    pub body: Vec<u8>,
    /// Whether the body is a form.
    pub is_form: bool,
    /// The headers that describe the event.
    pub headers: Vec<(String, String)>,
    /// The query without `?`.
    pub query: Option<String>,
}

/// A sample for the route at `path`, made from where its provider's file says the event stands.
pub fn made(loaded: &Loaded, path: &str) -> Sample {
    let routes = loaded.root.list("route").unwrap_or_default();
    let own = routes
        .iter()
        .filter_map(Node::table)
        .find(|table| table.text("path") == Some(path));
    own.and_then(|own| overlaid(own, &loaded.root, PathBuf::new()))
        .map(|table| of(&table))
        .unwrap_or_default()
}

fn of(route: &Table) -> Sample {
    let mut parts = Parts::default();
    for step in steps(route) {
        if let Some(array) = step.text("for_each") {
            put(&mut parts.body, &tokens(&format!("{array}/*")), &json!({}));
        }
    }
    if let Some(event) = route.table("event") {
        let known = event.list("known").and_then(<[Node]>::first);
        let kind = known.and_then(Node::text).unwrap_or("sample");
        for (key, value) in [
            ("type", kind),
            ("id", "sample-1"),
            ("time", "2026-01-01T00:00:00Z"),
        ] {
            // Of a list the first that is present counts.
            if let Some(source) = event.one_or_many(key).first().and_then(Node::table) {
                parts.add(source, value);
            }
        }
    }
    parts.sample()
}

/// Every step of a route, also those of which one must pass.
fn steps(route: &Table) -> Vec<&Table> {
    let all = route.list("verify").unwrap_or_default().iter();
    all.filter_map(Node::table)
        .flat_map(|step| match step.list("any") {
            Some(any) => any.iter().filter_map(Node::table).collect(),
            None => vec![step],
        })
        .collect()
}

#[derive(Default)]
struct Parts {
    body: Value,
    form: Vec<String>,
    query: Vec<String>,
    headers: Vec<(String, String)>,
}

impl Parts {
    fn add(&mut self, source: &Table, value: &str) {
        let pair = |name: &str| format!("{name}={}", form::percent_encoded(value));
        for pointer in source.one_or_many("json").iter().filter_map(Node::text) {
            put(&mut self.body, &tokens(pointer), &Value::from(value));
        }
        if let Some(name) = source.text("form") {
            self.form.push(pair(name));
        }
        if let Some(name) = source.text("query") {
            self.query.push(pair(name));
        }
        if let Some(name) = source.text("header") {
            self.headers.push((name.to_owned(), value.to_owned()));
        }
    }

    fn sample(self) -> Sample {
        let is_form = !self.form.is_empty();
        let body = if is_form {
            self.form.join("&")
        } else if self.body.is_null() {
            r#"{"sample":true}"#.to_owned()
        } else {
            self.body.to_string()
        };
        Sample {
            body: body.into_bytes(),
            is_form,
            headers: self.headers,
            query: (!self.query.is_empty()).then(|| self.query.join("&")),
        }
    }
}

/// The tokens of a JSON Pointer (RFC 6901 §4).
fn tokens(pointer: &str) -> Vec<String> {
    let rest = pointer.strip_prefix('/').unwrap_or_default();
    rest.split('/')
        .map(|token| token.replace("~1", "/").replace("~0", "~"))
        .collect()
}

/// Puts `value` where the tokens lead, and makes what is not there on the way: `*` is an array of
/// one element. What stands there already stays.
fn put(node: &mut Value, tokens: &[String], value: &Value) {
    let Some((token, rest)) = tokens.split_first() else {
        if node.is_null() {
            *node = value.clone();
        }
        return;
    };
    if token == "*" {
        if node.is_null() {
            *node = json!([null]);
        }
        if let Some(first) = node.as_array_mut().and_then(|array| array.first_mut()) {
            put(first, rest, value);
        }
        return;
    }
    if node.is_null() {
        *node = json!({});
    }
    if let Some(object) = node.as_object_mut() {
        put(object.entry(token).or_insert(Value::Null), rest, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, parse};

    fn sample(keys: &str) -> Sample {
        let text = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\n[upstream]\nurl = \"echo:\"\n[[route]]\n\
             path = \"/in\"\nsecret = {{ inline = \"a-secret-for-this-test\" }}\n{keys}"
        );
        let environment = Environment {
            inline: true,
            variables: None,
            ..Environment::default()
        };
        let loaded = parse("test", &text, PathBuf::new(), &environment);
        assert!(loaded.config.is_some(), "{}", loaded.report(false));
        made(&loaded, "/in")
    }

    const HMAC: &str = "verify = [{ scheme = \"hmac\", header = \"X-Sig\" }]\n";

    #[test]
    fn a_sample_has_what_the_event_is_read_from() {
        let made = sample(&format!(
            "{HMAC}event = {{ type = {{ json = \"/events/*/a~1b\" }}, id = {{ header = \"X-Id\" }}, \
             time = {{ query = \"at\" }}, known = [\"x y\"] }}"
        ));
        assert_eq!(made.body, br#"{"events":[{"a/b":"x y"}]}"#);
        assert_eq!(made.headers, [("X-Id".to_owned(), "sample-1".to_owned())]);
        assert_eq!(made.query.as_deref(), Some("at=2026-01-01T00%3A00%3A00Z"));
        assert!(!made.is_form);
    }

    #[test]
    fn of_a_list_of_sources_the_first_is_made() {
        let made = sample(&format!(
            "{HMAC}event = {{ type = [{{ json = \"/*/t\" }}, {{ json = \"/t\" }}], id = {{ json = \"/*/i\" }} }}"
        ));
        assert_eq!(made.body, br#"[{"i":"sample-1","t":"sample"}]"#);
    }

    #[test]
    fn an_event_in_a_form_makes_a_form() {
        let made = sample(&format!("{HMAC}event = {{ type = {{ form = \"Kind\" }} }}"));
        assert_eq!(
            (made.body.as_slice(), made.is_form),
            (&b"Kind=sample"[..], true)
        );
    }

    #[test]
    fn without_an_event_there_is_still_a_body() {
        assert_eq!(sample(HMAC).body, br#"{"sample":true}"#);
    }
}
