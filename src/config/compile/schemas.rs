//! The JSON Schema that a route's bodies must satisfy, compiled.

use super::Compiler;
use super::sources::describe;
use crate::config::catalogue;
use crate::config::source::Span;
use crate::config::tree::Table;
use crate::schema::{Schema, SchemaError};

impl Compiler<'_> {
    /// `Some(None)` where the route has none; `None` after an error.
    pub(super) fn body_schema(&mut self, keys: &Table) -> Option<Option<Schema>> {
        let Some(node) = keys.get("schema") else {
            return Some(None);
        };
        if let Some(name) = node.text() {
            let folder = self.folder_of(node.span);
            // One that is not there may still come.
            self.watched.push(folder.join(name));
            return match self.environment.file(&folder, name) {
                Ok((_, bytes)) => self.compiled(node.span, &bytes).map(Some),
                Err(error) => {
                    self.problems.error(
                        node.span,
                        format!("the schema cannot be read: {}", describe(&error)),
                        "cannot be read",
                        "create it, mount it, or correct the path (relative to this file)",
                    );
                    None
                }
            };
        }
        match keys.flag("schema") {
            Some(true) => {}
            Some(false) => return Some(None),
            // Of another type, which was reported.
            None => return None,
        }
        let Some(shipped) = keys.text("provider").and_then(catalogue::schema) else {
            let known: Vec<&str> = catalogue::names()
                .into_iter()
                .filter(|name| catalogue::schema(name).is_some())
                .collect();
            self.problems.error(
                node.span,
                "no schema comes with this provider",
                "which schema?",
                format!(
                    "name a file, as in schema = \"events.json\"; one comes with {}",
                    known.join(", ")
                ),
            );
            return None;
        };
        self.compiled(node.span, shipped).map(Some)
    }

    /// Only places of the file are told: it may not be the one that was meant.
    fn compiled(&mut self, span: Span, text: &[u8]) -> Option<Schema> {
        let (message, fix) = match Schema::compile(text) {
            Ok(schema) => return Some(schema),
            Err(SchemaError::NotJson(line, column)) => (
                format!("the schema is not JSON: line {line}, column {column}"),
                "look whether it is the right file, and correct it there",
            ),
            Err(SchemaError::Repeated(line, column)) => (
                format!("a key of the schema stands twice: line {line}, column {column}"),
                "keep one of the two",
            ),
            Err(SchemaError::RefusesNothing) => (
                "the file has no keyword of JSON Schema, so it would refuse nothing".to_owned(),
                "look whether it is the right file; a schema begins as in {\"type\": \"object\", …}",
            ),
            Err(SchemaError::Reference) => (
                "a `$ref` or `$schema` leads out of the file, or nowhere: nothing is fetched"
                    .to_owned(),
                "bring what it names into the file, under `$defs`, and write \"#/$defs/NAME\"",
            ),
            Err(SchemaError::Keyword(place)) => (
                format!("the schema is wrong at `{place}`"),
                "correct it there; patterns have no look-around and no back-references",
            ),
        };
        self.problems
            .error(span, message, "not a usable schema", fix);
        None
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::config::source::Files;
    use crate::config::tree::{self, Node};

    /// Names and bytes of the samples of a provider.
    fn samples(provider: &str) -> Vec<(String, &'static [u8])> {
        let mut files = Files::new();
        let id = files.add(provider, catalogue::text(provider).unwrap());
        let (table, _) = tree::parse(&files, id);
        let samples = table.table("samples").expect("samples");
        let read = |node: &Node| catalogue::sample(node.text().unwrap()).unwrap();
        let entries = samples.entries.iter();
        entries
            .map(|entry| (entry.name.clone(), read(&entry.node)))
            .collect()
    }

    fn shipped() -> Vec<(&'static str, Schema)> {
        let names = catalogue::names().into_iter();
        let shipped: Vec<_> = names
            .filter_map(|name| Some((name, Schema::compile(catalogue::schema(name)?).unwrap())))
            .collect();
        for name in ["authento", "idwise", "paymob", "prelude", "prove", "proven"] {
            assert!(shipped.iter().any(|(known, _)| *known == name), "{name}");
        }
        shipped
    }

    #[test]
    fn the_schemas_that_come_with_providers_accept_every_sample() {
        for (name, schema) in shipped() {
            for (event, body) in samples(name) {
                assert_eq!(schema.violation(body), None, "{name} {event}");
            }
        }
    }

    /// Values that were signed for one transaction, written as another: they are joined without separators.
    #[test]
    fn what_a_payer_could_make_of_a_signed_transaction_is_refused() {
        let schema = Schema::compile(catalogue::schema("paymob").unwrap()).unwrap();
        let sample: Value = serde_json::from_slice(samples("paymob").first().unwrap().1).unwrap();
        for (at, value) in [
            ("/obj/success", serde_json::json!("true")),
            ("/obj/success", serde_json::json!("")),
            ("/obj/amount_cents", serde_json::json!("100000")),
            ("/obj/amount_cents", serde_json::json!(-1)),
            (
                "/obj/created_at",
                serde_json::json!("24-06-13T11:33:44.592345"),
            ),
            (
                "/obj/created_at",
                serde_json::json!("2024-06-13T11:33:44.592345EG"),
            ),
            ("/obj/currency", serde_json::json!("P")),
            ("/obj/source_data/type", serde_json::json!("card1")),
        ] {
            let mut body = sample.clone();
            *body.pointer_mut(at).unwrap() = value;
            let body = body.to_string();
            assert!(schema.violation(body.as_bytes()).is_some(), "{body}");
        }
        for (at, name) in [("/obj", "Success"), ("", "OBJ"), ("/obj/order", "\u{131}d")] {
            let mut body = sample.clone();
            let object = body.pointer_mut(at).unwrap().as_object_mut().unwrap();
            object.insert(name.into(), true.into());
            let body = body.to_string();
            assert!(schema.violation(body.as_bytes()).is_some(), "{body}");
        }
    }

    #[test]
    fn the_schemas_that_come_with_providers_refuse_broken_bodies() {
        for (name, schema) in shipped() {
            let refuses = |body: &Value| schema.violation(body.to_string().as_bytes()).is_some();
            for body in [
                "", "null", "[]", "{}", "[{}]", "[[]]", "1", "\"x\"", "event=x",
            ] {
                assert!(
                    schema.violation(body.as_bytes()).is_some(),
                    "{name}: {body}"
                );
            }
            for (event, body) in samples(name) {
                let sample: Value = serde_json::from_slice(body).unwrap();
                let cut = body.get(..body.len() / 2).unwrap();
                assert!(schema.violation(cut).is_some(), "{name} {event}: cut");
                let object = sample.get(0).unwrap_or(&sample).as_object().unwrap();
                for key in object.keys() {
                    let mut broken = sample.clone();
                    let place = broken.get_mut(0).is_some();
                    let member = if place {
                        &mut broken[0][key]
                    } else {
                        &mut broken[key]
                    };
                    *member = serde_json::json!([[]]);
                    assert!(refuses(&broken), "{name} {event}: {key}");
                }
            }
        }
    }
}
