//! What `explain`, `why` and the log say of a key: the same, and never what it is made of.

use serde_json::Value;

use super::{Mood, event, moody, setup, signed};
use crate::explain::{explained, report};
use crate::harness::upstream::reply;
use crate::harness::{Answer, Delivery, Gatepost, Setup, Upstream};

fn told(setup: &Setup, delivery: &Delivery) -> Value {
    report(setup, &delivery.to_bytes(), &[])["duplicates"].clone()
}

#[test]
fn explain_tells_the_key_and_what_becomes_of_a_copy() {
    let app = Upstream::recording();
    let of = |keys: &str, delivery: &Delivery| told(&setup(&app, keys), delivery);
    let first = of("duplicates = \"acknowledge\"", &event("1"));
    assert_eq!(first["of"], "type and id");
    assert_eq!(first["copy"], "acknowledge");
    assert_eq!(first["key"].as_str().unwrap().len(), 8, "{first}");
    // The same event in other bytes has the same key, another event another one.
    let spaced = signed("{\"id\": \"1\", \"type\": \"t\"}");
    assert_eq!(of("", &spaced)["key"], first["key"]);
    assert_ne!(of("", &event("2"))["key"], first["key"]);
    let own = "duplicate_key = { json = \"/account\" }";
    let account = signed("{\"type\":\"t\",\"id\":\"1\",\"account\":\"a\"}");
    assert_eq!(of(own, &account)["of"], "duplicate_key");
    assert_eq!(of(own, &event("1"))["key"], Value::Null);
    let signed_only = of("event.id = { header = \"X-Id\" }", &event("1"));
    assert_eq!(signed_only["of"], "what was signed");
    assert_ne!(signed_only["key"], first["key"]);
    // Where nothing is remembered, and of what is refused, there is nothing to tell.
    assert_eq!(of("duplicates = \"off\"", &event("1")), Value::Null);
    assert_eq!(of("mode = \"observe\"", &event("1")), Value::Null);
    assert_eq!(of("", &event("1").with("X-Sign", "00")), Value::Null);

    let words = |keys: &str, delivery: &Delivery| {
        let output = explained(&setup(&app, keys), &delivery.to_bytes(), &[]);
        String::from_utf8(output.stdout).unwrap()
    };
    let key = first["key"].as_str().unwrap();
    for (keys, delivery, line) in [
        (
            "duplicates = \"acknowledge\"",
            event("1"),
            format!(
                "  ok    duplicates         key {key}…, of type and id; once the app has taken it, a copy is answered with a success and does not reach the app\n"
            ),
        ),
        (
            "",
            event("1"),
            "a copy reaches the app, marked as a duplicate\n".into(),
        ),
        (
            "duplicates = \"reject\"",
            event("1"),
            "a copy is answered with 409 and does not reach the app\n".into(),
        ),
        (
            "duplicates = \"reject\"",
            signed("{\"type\":\"t\"}"),
            "no key: the id is absent or there twice; it is not remembered".into(),
        ),
        (
            "duplicates = \"off\"",
            event("1"),
            "nothing is remembered here: every copy reaches the app, unmarked\n".into(),
        ),
    ] {
        let text = words(keys, &delivery);
        assert!(text.contains(&line), "{line:?} in\n{text}");
    }
}

/// The log line of a request, and what is kept of its refusal.
fn line_and_refusal(
    gate: &Gatepost,
    response: &crate::harness::client::Response,
) -> (Value, Value) {
    let id = response.header("x-gatepost-request-id").unwrap();
    let kept = gate.admin(&format!("/api/v1/refusals/{id}"));
    (
        gate.line(id),
        serde_json::from_slice(&kept.body).unwrap_or_default(),
    )
}

#[test]
fn a_copy_that_is_not_forwarded_has_the_key_in_its_line_and_why_shows_it() {
    let (app, mood): (Upstream, Mood) = moody();
    let setup = || setup(&app, "duplicates = \"reject\"").admin();
    let key = told(&setup(), &event("1"))["key"].clone();
    let gate = setup().start();
    gate.passes("first", &event("1"));
    let refused = gate.refuses("copy", &event("1"), 409, "duplicate");
    let (line, kept) = line_and_refusal(&gate, &refused);
    assert_eq!((&line["event_key"], &kept["event_key"]), (&key, &key));
    let id = refused.header("x-gatepost-request-id").unwrap();
    let said = String::from_utf8(gate.ask(&["why", id]).stdout).unwrap();
    let words = format!("  event_key  {}…\n", key.as_str().unwrap());
    assert!(
        said.contains(&words) && !said.contains("not examined"),
        "{said}"
    );
    let page = gate.admin("/ui/").text();
    let shown = format!("<b>Event key</b> <code>{}…</code>", key.as_str().unwrap());
    assert!(page.contains(&shown), "{page}");
    // One that is still on its way, too.
    mood.tell(|| Answer::Hang);
    let mut first = gate.connect();
    first.send(&event("2").to_bytes());
    app.received(2);
    let refused = gate.refuses("in flight", &event("2"), 503, "event_in_flight");
    let (line, kept) = line_and_refusal(&gate, &refused);
    assert_eq!(line["event_key"], kept["event_key"]);
    assert_eq!(line["event_key"], told(&setup(), &event("2"))["key"]);
    mood.tell(|| Answer::Keep(reply("200 OK", "")));
    // A first one has none: its line has the id.
    let passed = gate.send(&event("3"));
    assert_eq!(line_and_refusal(&gate, &passed).0["event_key"], Value::Null);
}
