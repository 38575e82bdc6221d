//! The `schema` key: what a verified body must look like, and what the log says when it does not.

use serde_json::Value;

use crate::explain::{explained, report};
use crate::harness::{Delivery, Setup, Upstream};

const KEY: &str = "body-schema-secret-0123";

fn route(schema: &str) -> String {
    format!(
        "[[route]]\npath = \"/hook\"\nsecret = {{ env = \"KEY\" }}\n\
         verify = [{{ scheme = \"api_key\", header = \"X-Key\" }}]\nschema = {schema}\n"
    )
}

fn post(body: &str) -> Delivery {
    Delivery::post("/hook").header("X-Key", KEY).body(body)
}

/// Status, reason, and where and by which keyword, as the log has it.
fn seen(gate: &crate::harness::Gatepost, delivery: &Delivery) -> (u16, Value, Value, Value) {
    let answer = crate::harness::client::exchange(gate.address, &delivery.to_bytes());
    let id = answer.header("x-gatepost-request-id").unwrap().to_owned();
    let line = gate.line(&id);
    let field = |name: &str| line[name].clone();
    (
        answer.status,
        field("reason"),
        field("schema_at"),
        field("schema_keyword"),
    )
}

#[test]
fn only_a_verified_body_is_looked_at_and_only_one_that_fits_is_forwarded() {
    let app = Upstream::recording();
    let gate = Setup::new(&app)
        .env("KEY", KEY)
        .file(
            "hook.json",
            r#"{"required":["a"],"properties":{"a":{"type":"integer"}}}"#,
        )
        .toml(&route("\"hook.json\""))
        .start();
    let none = Value::Null;
    assert_eq!(
        seen(&gate, &post(r#"{"a":1}"#)),
        (200, none.clone(), none.clone(), none.clone())
    );
    let mismatch =
        |at: &str, keyword: &str| (400, "schema_mismatch".into(), at.into(), keyword.into());
    assert_eq!(seen(&gate, &post(r#"{"a":"1"}"#)), mismatch("/a", "type"));
    assert_eq!(
        seen(&gate, &post(r#"{"a":1,"a":1}"#)),
        mismatch("", "unique")
    );
    assert_eq!(seen(&gate, &post("a=1")), mismatch("", "json"));
    // Who has not proved himself does not learn what a body must look like.
    let stranger = Delivery::post("/hook").header("X-Key", "wrong").body("{}");
    assert_eq!(
        seen(&gate, &stranger),
        (401, "credential_wrong".into(), none.clone(), none)
    );
    assert_eq!(app.requests().len(), 1);
}

#[test]
fn a_route_that_observes_forwards_it_and_says_so() {
    let app = Upstream::recording();
    let gate = Setup::new(&app)
        .env("KEY", KEY)
        .file("hook.json", r#"{"type":"object"}"#)
        .toml(&format!("{}mode = \"observe\"\n", route("\"hook.json\"")))
        .start();
    let (status, reason, at, keyword) = seen(&gate, &post("[]"));
    assert_eq!((status, reason), (200, "schema_mismatch".into()));
    assert_eq!((at, keyword), ("".into(), "type".into()));
    let received = app.received(1);
    assert_eq!(
        received.header("x-gatepost-observed"),
        Some("schema_mismatch")
    );
    assert_eq!(received.header("x-gatepost-verified-by"), None);
}

#[test]
fn a_change_of_the_schema_file_is_loaded() {
    let app = Upstream::recording();
    let gate = Setup::new(&app)
        .env("KEY", KEY)
        .file("hook.json", r#"{"type":"object"}"#)
        .toml("[reload]\npoll = \"20ms\"")
        .toml(&route("\"hook.json\""))
        .start();
    assert_eq!(seen(&gate, &post("[]")).0, 400);
    std::fs::write(gate.folder.path().join("hook.json"), r#"{"type":"array"}"#).unwrap();
    let reloaded = gate
        .log
        .wait(|line| line["msg"] == "configuration reloaded");
    assert!(reloaded.is_some());
    assert_eq!(seen(&gate, &post("[]")).0, 200);
    assert_eq!(seen(&gate, &post("{}")).0, 400);
}

/// Offline and from a running instance: where the body fails, and nothing of what it holds.
#[test]
fn explain_why_and_the_page_say_where_the_body_fails() {
    let app = Upstream::recording();
    let setup = || {
        let schema = r#"{"properties":{"a":{"properties":{"b":{"type":"integer"}}}}}"#;
        Setup::new(&app)
            .admin()
            .env("KEY", KEY)
            .file("hook.json", schema)
            .toml(&route("\"hook.json\""))
    };
    let wrong = post(r#"{"a":{"b":"planted-in-the-body"}}"#);
    let found = report(&setup(), &wrong.to_bytes(), &[]);
    assert_eq!(found["reason"], "schema_mismatch", "{found:#}");
    assert_eq!(found["guesses"][0]["cause"], "schema");
    let output = explained(&setup(), &wrong.to_bytes(), &[]);
    let text = String::from_utf8(output.stdout).unwrap();
    for words in [
        "FAIL  schema             schema_mismatch",
        "came      at `/a/b` it does not satisfy `type`",
        "refused: 400 schema_mismatch",
    ] {
        assert!(text.contains(words), "{words:?} in\n{text}");
    }
    let right = report(&setup(), &post(r#"{"a":{"b":1}}"#).to_bytes(), &[]);
    assert_eq!(right["refused"], false, "{right:#}");

    let gate = setup().start();
    let refused = gate.refuses("wrong", &wrong, 400, "schema_mismatch");
    let id = refused.header("x-gatepost-request-id").unwrap();
    let said = String::from_utf8(gate.ask(&["why", id]).stdout).unwrap();
    assert!(
        said.contains("  schema_at  /a/b, by the keyword `type`\n"),
        "{said}"
    );
    let page = gate.admin("/ui/").text();
    assert!(
        page.contains("<b>Schema</b> <code>/a/b</code> by <code>type</code>"),
        "{page}"
    );
    for told in [text, said, page, found.to_string()] {
        assert!(!told.contains("planted-in-the-body"), "{told}");
    }
}
