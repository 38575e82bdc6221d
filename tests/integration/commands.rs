//! What a user types, and what the app gets of it.

use std::process::{Command, Output};

use serde_json::Value;

use crate::harness::{Gatepost, Setup, Upstream};
use crate::signing::rsa;

const ROUTES: &str = r#"
[client_address]
trusted_proxies = ["127.0.0.1"]
[[route]]
path = "/webhooks/prove"
provider = "prove"
secret = { env = "SECRET" }
[[route]]
path = "/webhooks/proven"
provider = "proven"
secret = { env = "SECRET" }
[[route]]
path = "/webhooks/authento"
provider = "authento"
secret = { env = "SECRET" }
[[route]]
path = "/webhooks/idwise"
provider = "idwise"
verify = [{ scheme = "basic", username = "idwise" }]
secret = { env = "SECRET" }
[[route]]
path = "/webhooks/prelude"
provider = "prelude"
public_key = { file = "prelude.pem" }
"#;

fn setup(app: &Upstream) -> Setup {
    Setup::new(app)
        .env("SECRET", "commands-secret-0123456789")
        .file("prelude.pem", rsa(0).pem())
        .file("prelude.key", rsa(0).private_pem())
        .toml(ROUTES)
}

fn text(output: &Output) -> String {
    let both = [&*output.stdout, b"\n", &*output.stderr].concat();
    String::from_utf8(both).unwrap()
}

fn gatepost(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_gatepost"))
        .args(words)
        .env_clear()
        .output()
        .unwrap()
}

fn send(setup: &Setup, gate: &Gatepost, words: &[&str]) -> Output {
    let to = gate.address.to_string();
    let mut all = vec!["send", "--to", &to, "--from", "34.252.67.209"];
    all.extend(words);
    setup.run(&all)
}

#[test]
fn the_demo_has_the_outcomes_it_promises() {
    let output = gatepost(&["demo"]);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    let count = |words: &str| said.lines().filter(|line| line.contains(words)).count();
    assert!(count("ok   200 forwarded") >= 5, "{said}");
    assert!(count("refused  ") >= 25, "{said}");
    assert!(said.contains("0 not as expected"), "{said}");
    for provider in ["prove", "proven", "authento", "idwise", "prelude"] {
        assert!(
            said.contains(&format!("x-gatepost-provider: {provider}\n")),
            "{provider}"
        );
    }
}

#[test]
fn without_a_sample_file_one_is_made_of_where_the_event_stands() {
    let app = Upstream::recording();
    let made = || {
        Setup::new(&app)
            .env("SECRET", "commands-secret-0123456789")
            .toml(
                r#"
[[route]]
path = "/lists"
provider = "gocardless"
secret = { env = "SECRET" }
[[route]]
path = "/forms"
provider = "twilio"
public_url = "https://hooks.example"
secret = { env = "SECRET" }
[[route]]
path = "/headers"
provider = "linear"
secret = { env = "SECRET" }
"#,
            )
    };
    let gate = made().start();
    let caller = made();
    for (nth, (provider, kind, id, body)) in [
        (
            "gocardless",
            "sample.sample",
            "sample-1",
            r#"{"events":[{"action":"sample","created_at":"2026-01-01T00:00:00Z","id":"sample-1","resource_type":"sample"}]}"#,
        ),
        ("twilio", "sample", "sample-1", "MessageStatus=sample"),
        ("linear", "sample", "sample-1", ""),
    ]
    .into_iter()
    .enumerate()
    {
        let output = send(&caller, &gate, &[provider]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output));
        let received = app.received(nth + 1);
        assert_eq!(received.header("x-gatepost-event-type"), Some(kind));
        assert_eq!(received.header("x-gatepost-event-id"), Some(id));
        if !body.is_empty() {
            assert_eq!(String::from_utf8_lossy(&received.body), body);
        }
        let output = send(&caller, &gate, &[provider, "--tamper", "body"]);
        assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    }
}

#[test]
fn every_sample_that_send_signs_is_accepted_and_every_tampering_refused() {
    let app = Upstream::recording();
    let gate = setup(&app).start();
    let caller = setup(&app);
    for (provider, covers_body, tells_time) in [
        ("prove", false, true),
        ("proven", false, false),
        ("authento", true, false),
        ("idwise", false, false),
        ("prelude", true, false),
    ] {
        let key = ["--private-key", "prelude.key"];
        let key: &[&str] = if provider == "prelude" { &key } else { &[] };
        let output = send(&caller, &gate, &[&[provider], key].concat());
        let said = text(&output);
        assert_eq!(output.status.code(), Some(0), "{provider}: {said}");
        assert!(said.contains("<-- 200 forwarded"), "{provider}: {said}");
        for (tamper, applies) in [
            ("key", true),
            ("missing", true),
            ("signature", true),
            ("body", covers_body),
            ("time", tells_time),
        ] {
            let words = [&[provider, "--tamper", tamper], key].concat();
            let output = send(&caller, &gate, &words);
            let said = text(&output);
            assert_eq!(output.status.code(), Some(1), "{provider} {tamper}: {said}");
            let refused = said.contains("<-- 401 refused");
            assert_eq!(refused, applies, "{provider} {tamper}: {said}");
        }
    }
    assert_eq!(app.requests().len(), 5, "the genuine ones and no other");
    let output = send(
        &caller,
        &gate,
        &["idwise", "--event", "Finished Spot Check"],
    );
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let received = app.received(6);
    assert_eq!(
        received.header("x-gatepost-event-type"),
        Some("Finished Spot Check")
    );
    let output = send(&caller, &gate, &["idwise", "--event", "Finished"]);
    assert!(
        text(&output).contains("there are: Finished Journey"),
        "{}",
        text(&output)
    );
}

#[test]
fn the_catalogue_is_shown() {
    let output = gatepost(&["providers"]);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(0));
    for words in [
        "prelude",
        "rsa-pss-sha256, ip",
        "chosen by the customer",
        "documented",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let said = text(&gatepost(&["providers", "prelude"]));
    for words in [
        "scheme = \"signature\"",
        "# What it proves",
        "[[route]]",
        "public_key =",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let said = text(&gatepost(&["providers", "RSA-PSS"]));
    assert_eq!(said.trim_end().lines().count(), 2, "{said}");
    assert!(said.lines().any(|line| line.starts_with("prelude ")));
    let output = gatepost(&["providers", "preluds"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("did you mean `prelude`?"));
}

#[test]
fn each_command_helps_with_an_example() {
    let said = text(&gatepost(&["--help"]));
    assert!(said.lines().all(|line| line.len() <= 100), "{said}");
    for command in [
        "check",
        "demo",
        "explain",
        "health",
        "providers",
        "run",
        "reload",
        "send",
        "status",
        "tail",
        "why",
    ] {
        let said = text(&gatepost(&[command, "--help"]));
        assert!(
            said.contains(&format!("Example:\n  gatepost {command}")),
            "{said}"
        );
    }
    assert_eq!(gatepost(&["nonsense"]).status.code(), Some(2));
    let output = gatepost(&["check", "-c", "/nonexistent/sidecar.toml"]);
    assert_eq!(output.status.code(), Some(78));
}

#[test]
fn the_shipped_file_says_what_to_set_and_then_is_right() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/sidecar.toml");
    let output = gatepost(&["run", "-c", file]);
    assert_eq!(output.status.code(), Some(78));
    let said = text(&output);
    let variables = [
        "PROVE_SECRET",
        "PROVEN_API_KEY",
        "AUTHENTO_SECRET",
        "IDWISE_PASSWORD",
        "PRELUDE_PUBLIC_KEY",
    ];
    for name in variables {
        assert!(
            said.contains(&format!("  environment variable {name}\n")),
            "{said}"
        );
    }
    let output = Command::new(env!("CARGO_BIN_EXE_gatepost"))
        .args(["check", "-D", "-c", file])
        .env_clear()
        .envs(variables.map(|name| (name, "a-secret-0123456789")))
        .env("PRELUDE_PUBLIC_KEY", rsa(0).pem().replace('\n', "\\n"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
}

#[test]
fn the_effective_configuration_has_the_provider_in_it_and_no_secret() {
    let app = Upstream::recording();
    let output = setup(&app).run(&["check", "--show"]);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("allow_ips = [\"34.252.67.209\""), "{said}");
    assert!(said.contains("secret = { env = \"SECRET\" }"), "{said}");
    assert!(!said.contains("commands-secret"), "{said}");
}

#[test]
fn cloudevents_are_added_where_type_and_id_are_known() {
    let app = Upstream::recording();
    let gate = setup(&app).toml("[headers]\ncloudevents = true").start();
    let caller = setup(&app);
    let key = ["prelude", "--private-key", "prelude.key"];
    assert_eq!(send(&caller, &gate, &key).status.code(), Some(0));
    let received = app.received(1);
    let body: Value = serde_json::from_slice(&received.body).unwrap();
    for (name, value) in [
        ("ce-specversion", "1.0"),
        ("ce-type", body["type"].as_str().unwrap()),
        ("ce-id", body["id"].as_str().unwrap()),
        ("ce-source", "/webhooks/prelude"),
    ] {
        assert_eq!(received.header(name), Some(value), "{name}");
    }
}
