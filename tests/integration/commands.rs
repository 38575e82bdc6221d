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
    assert_eq!(said.trim_end().lines().count(), 3, "{said}");
    assert!(said.lines().any(|line| line.starts_with("prelude ")));
    assert!(
        said.lines()
            .any(|line| line.starts_with("prelude_session "))
    );
    let said = text(&gatepost(&["providers", "ed25519", "documented"]));
    assert!(
        said.lines()
            .any(|line| line.starts_with("integrated_finance ")),
        "{said}"
    );
    assert!(!said.contains("\nprelude "), "{said}");
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

#[test]
fn shells_editors_and_packagers_get_what_they_need() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let output = gatepost(&["completions", shell]);
        assert_eq!(output.status.code(), Some(0), "{shell}");
        let said = text(&output);
        assert!(
            said.contains("providers") && said.contains("tamper"),
            "{shell}"
        );
    }
    assert_eq!(gatepost(&["completions", "tcsh"]).status.code(), Some(2));
    let said = text(&gatepost(&["man"]));
    assert!(
        said.contains(".TH gatepost 1") && said.contains("gatepost\\-check(1)"),
        "{said}"
    );
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("man1");
    let output = gatepost(&["man", path.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    for page in ["gatepost.1", "gatepost-send.1", "gatepost-schema.1"] {
        let page = std::fs::read_to_string(path.join(page)).unwrap();
        assert!(page.contains(".SH SYNOPSIS"), "{page}");
    }
    let blocked = folder.path().join("a file");
    std::fs::write(&blocked, "").unwrap();
    let output = gatepost(&["man", blocked.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(74), "{}", text(&output));
    let output = gatepost(&["schema"]);
    let schema: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(schema["additionalProperties"], false);
    assert!(schema["$defs"]["route"]["properties"]["path"].is_object());
}

#[test]
fn init_writes_a_file_that_check_and_test_take() {
    let folder = tempfile::TempDir::new().unwrap();
    let run = |words: &[&str], variables: &[(&str, &str)]| {
        let output = Command::new(env!("CARGO_BIN_EXE_gatepost"))
            .args(words)
            .env_clear()
            .envs(variables.iter().copied())
            .current_dir(folder.path())
            .output()
            .unwrap();
        (output.status.code(), text(&output))
    };
    let five = [
        "init", "-p", "prove", "-p", "proven", "-p", "authento", "-p", "idwise", "-p", "prelude",
        "-p", "prove",
    ];
    let (code, said) = run(&five, &[]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("export PRELUDE_PUBLIC_KEY=…"), "{said}");
    let written = std::fs::read_to_string(folder.path().join("sidecar.toml")).unwrap();
    assert!(
        written.starts_with("#:schema ./sidecar.schema.json\n"),
        "{written}"
    );
    assert_eq!(written.matches("[[route]]").count(), 5, "{written}");
    let (code, said) = run(&["test"], &[]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("\n10 passed, 0 failed\n"), "{said}");
    let (code, said) = run(&["check"], &[]);
    assert_eq!(code, Some(78), "{said}");
    assert!(
        said.contains("  environment variable PROVE_SECRET"),
        "{said}"
    );
    let key = rsa(0).pem();
    let secret = "0123456789abcdef0123456789abcdef";
    let set = [
        ("PROVE_SECRET", secret),
        ("PROVEN_SECRET", secret),
        ("AUTHENTO_SECRET", secret),
        ("IDWISE_SECRET", secret),
        ("PRELUDE_PUBLIC_KEY", &*key),
    ];
    let (code, said) = run(&["check", "--deny-warnings"], &set);
    assert_eq!(code, Some(0), "{said}");

    std::fs::write(folder.path().join("sidecar.toml"), "mine").unwrap();
    let (code, said) = run(&["init", "-p", "prove"], &[]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("--force"), "{said}");
    assert_eq!(
        std::fs::read_to_string(folder.path().join("sidecar.toml")).unwrap(),
        "mine"
    );
    let (code, said) = run(&["init", "-p", "prove", "--force"], &[]);
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = run(
        &["init", "-p", "prove", "-o", "-", "--upstream", "echo:"],
        &[],
    );
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("url = \"echo:\""), "{said}");
    let (code, said) = run(
        &["init", "-p", "preluse", "-p", "prove", "-o", "x.toml"],
        &[],
    );
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("did you mean `prelude`?"), "{said}");
    assert!(!folder.path().join("x.toml").exists());
    let (code, said) = run(&["init", "-p", "prove", "-o", "no/such/folder.toml"], &[]);
    assert_eq!(code, Some(74), "{said}");
}

#[test]
fn send_speaks_over_a_unix_socket() {
    use std::io::{Read as _, Write as _};
    let app = Upstream::recording();
    let setup = setup(&app);
    let path = setup.folder.path().join("in.sock");
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        // A body of 259 bytes and its head: what is left unread would reset the connection.
        let mut received = Vec::new();
        while !received.ends_with(b"}]") {
            let mut piece = [0; 4096];
            let length = stream.read(&mut piece).unwrap();
            received.extend_from_slice(&piece[..length]);
        }
        let answer = "HTTP/1.1 200 OK\r\nX-Gatepost-Request-Id: one\r\nContent-Length: 2\r\n\r\nok";
        stream.write_all(answer.as_bytes()).unwrap();
        String::from_utf8(received).unwrap()
    });
    let to = format!("unix:{}", path.display());
    let output = setup.run(&["send", "prove", "--to", &to]);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("<-- 200 forwarded, request one"), "{said}");
    let received = server.join().unwrap();
    assert!(
        received.starts_with("POST /webhooks/prove HTTP/1.1\r\n"),
        "{received}"
    );
    let output = setup.run(&["send", "prove", "--to", "unix:/not/there.sock"]);
    assert_eq!(output.status.code(), Some(74), "{}", text(&output));
}

/// A probe needs neither the secrets nor a file without mistakes: only where to ask.
#[test]
fn health_asks_the_running_instance_whatever_lies_in_the_file() {
    let app = Upstream::recording();
    let open = "[[route]]\npath = \"/*\"\nmode = \"passthrough\"\n";
    let mut gate = Setup::new(&app).toml(open).start();
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("sidecar.toml");
    let health = gate.health.unwrap();
    let broken = "[[route]]\npath = 7\nsecret = { env = \"NOT_THERE\" }\n[upstream";
    std::fs::write(&file, format!("[health]\nlisten = \"{health}\"\n{broken}")).unwrap();
    let ask = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gatepost"));
        let output = command
            .env_clear()
            .args(["health", "-c"])
            .arg(&file)
            .output();
        let output = output.unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(text).unwrap())
    };
    assert_eq!(ask(), (Some(0), "ready\n".into()));
    gate.stop();
    let (code, text) = ask();
    assert!(
        code == Some(69) && text.contains("no instance answers"),
        "{code:?} {text}"
    );
    std::fs::write(&file, "[health]\nlisten = \"off\"\n").unwrap();
    let (code, text) = ask();
    assert!(
        code == Some(69) && text.contains("names no TCP address"),
        "{text}"
    );
}
