use std::io::{BufRead as _, BufReader};
use std::process::{Command, Output, Stdio};
use std::time::Instant;

use serde_json::Value;

use crate::harness::{DEADLINE, Delivery, Gatepost, Setup, Upstream, client};
use crate::signing::{hex, hmac};

const SECRET: &str = "admin-secret-0123456789";
const OLD: &str = "admin-old-secret-0123456789";

fn setup(app: &Upstream) -> Setup {
    Setup::new(app)
        .admin()
        .toml(
            "[reload]\nwatch = false\n[[route]]\npath = \"/hook\"\n\
             secret = [{ env = \"S\", name = \"current\" }, { env = \"O\", name = \"old\", until = 2026-01-01T00:00:00Z }]\n\
             verify = [{ scheme = \"hmac\", header = \"X-Signature\" }]\n\
             [[route]]\npath = \"/watch\"\nmode = \"observe\"\nsecret = { env = \"S\" }\n\
             verify = [{ scheme = \"api_key\", header = \"X-Key\" }]\n",
        )
        .env("S", SECRET)
        .env("O", OLD)
}

fn signed(secret: &str, body: &str) -> Delivery {
    let signature = hex(&hmac("sha256", secret.as_bytes(), body.as_bytes()));
    Delivery::post("/hook")
        .header("X-Signature", signature)
        .body(body)
}

fn json(gate: &Gatepost, path: &str) -> Value {
    let response = gate.admin(path);
    assert_eq!(response.status, 200, "{path}: {response:?}");
    assert_eq!(response.header("content-type"), Some("application/json"));
    assert_eq!(response.header("cache-control"), Some("no-store"));
    serde_json::from_slice(&response.body).unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8([&*output.stdout, &*output.stderr].concat()).unwrap()
}

/// Asks until what is asked for is there.
fn until(gate: &Gatepost, path: &str, there: impl Fn(&Value) -> bool) -> Value {
    let start = Instant::now();
    loop {
        let value = json(gate, path);
        if there(&value) {
            return value;
        }
        assert!(start.elapsed() < DEADLINE, "{path}: {value:#}");
    }
}

#[test]
fn why_names_the_cause_that_was_found_after_the_verdict() {
    let app = Upstream::recording();
    let gate = setup(&app).start();
    let refused = gate.refuses("old", &signed(OLD, "{}"), 401, "signature_mismatch");
    let id = refused.header("x-gatepost-request-id").unwrap().to_owned();
    let path = format!("/api/v1/refusals/{id}");
    let found = until(&gate, &path, |found| !found["examination"].is_null());
    assert_eq!(found["reason"], "signature_mismatch");
    assert_eq!(found["route"], "/hook");
    assert_eq!(found["client_ip"], "127.0.0.1");
    let guess = &found["examination"]["guesses"][0];
    assert_eq!(guess["cause"], "secret_expired");
    assert_eq!(guess["proved"], true);
    let line = gate
        .log
        .wait(|line| line["msg"] == "examined" && line["request_id"] == *id)
        .unwrap();
    assert_eq!(line["cause"], "secret_expired");
    // Found is not accepted.
    gate.refuses("again", &signed(OLD, "{}"), 401, "signature_mismatch");

    let output = gate.ask(&["why", &id]);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    for words in [
        "POST /hook from 127.0.0.1, rejected",
        "refused: 401 signature_mismatch",
        "FAIL  hmac-sha256        signature_mismatch",
        "1. it matches the secret `old`, which is not in force any more",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let said = text(&gate.ask(&["why"]));
    assert!(
        said.contains(&id) && said.contains("secret_expired"),
        "{said}"
    );
    let output = gate.ask(&["why", "01JDF3Q0V8W7Y6Z5X4C3B2A1D0"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
}

/// A flood is not examined request by request, and what is not examined is still explained.
#[test]
fn examinations_are_few_however_many_refusals_come() {
    let app = Upstream::recording();
    let gate = setup(&app).start();
    let start = Instant::now();
    for number in 0..200 {
        let answer = gate.send(&signed("wrong-secret-0123456789", &number.to_string()));
        assert_eq!(answer.status, 401);
    }
    let seconds = usize::try_from(start.elapsed().as_secs()).unwrap();
    let listed = json(&gate, "/api/v1/refusals");
    let all = listed["refusals"].as_array().unwrap();
    assert_eq!(all.len(), 8, "of one client, route and reason");
    let examined = gate.log.text().matches("\"msg\":\"examined\"").count();
    assert!(examined <= seconds + 1, "{examined} in {seconds} s");
    let bare = all.iter().find(|refusal| refusal["examination"].is_null());
    let id = bare.expect("one that was not examined")["request_id"]
        .as_str()
        .unwrap();
    let said = text(&gate.ask(&["why", id]));
    assert!(
        said.contains("not examined further") && said.contains("fix: compare"),
        "{said}"
    );
}

#[test]
fn status_counts_routes_and_secrets() {
    let app = Upstream::recording();
    let gate = setup(&app).start();
    gate.accepts("good", &signed(SECRET, "{}"));
    gate.refuses("bad", &signed(OLD, "{}"), 401, "signature_mismatch");
    let watched = Delivery::post("/watch")
        .header("X-Key", "wrong-key")
        .body("{}");
    assert_eq!(gate.send(&watched).status, 200);
    assert_eq!(gate.send(&Delivery::post("/nowhere")).status, 404);
    let status = json(&gate, "/api/v1/status");
    let (hook, watch) = (&status["routes"][0], &status["routes"][1]);
    assert_eq!(hook["counts"]["forwarded"], 1, "{status:#}");
    assert_eq!(hook["counts"]["rejected"], 1);
    assert_eq!(watch["counts"]["would_reject"], 1);
    assert_eq!(watch["mode"], "observe");
    assert_eq!(status["unrouted"]["rejected"], 1);
    assert_eq!(hook["secrets"][0]["name"], "current");
    assert_eq!(hook["secrets"][0]["matches"], 1);
    assert!(hook["secrets"][0]["last_match"].is_string());
    assert_eq!(hook["secrets"][1]["in_force"], false);
    assert!(hook["secrets"][1]["last_match"].is_null());
    assert_eq!(status["config"]["last_reload"]["successful"], true);
    assert!(
        status["config"]["warnings"].to_string().contains("observe"),
        "{status:#}"
    );
    let said = text(&gate.ask(&["status"]));
    for words in [
        "/hook",
        "OBSERVE",
        "1 requests reached the app that would be refused",
        "(not in force)",
        "current",
        "LAST MATCH",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(gate.ask(&["status", "--json"]).stdout.starts_with(b"{"));
    let config = gate.admin("/api/v1/config");
    assert!(
        config.text().contains("secret = [{ env = \"S\""),
        "{}",
        config.text()
    );
    assert!(
        json(&gate, "/api/v1/reasons")["reasons"]
            .as_array()
            .unwrap()
            .len()
            > 35
    );
}

#[test]
fn tail_shows_requests_as_they_come() {
    let app = Upstream::recording();
    let gate = setup(&app).start();
    let admin = gate.admin.unwrap().to_string();
    let mut tails = Vec::new();
    for words in [
        &["tail"][..],
        &["tail", "--refused", "--json", "--route", "/hook"],
    ] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_gatepost"))
            .args(words)
            .args(["--admin", &admin])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        tails.push((child, lines));
    }
    // Each watcher is told only once it watches: ask until it does.
    let (mut refused, mut plain) = (tails.pop().unwrap(), tails.pop().unwrap());
    let (sender, seen) = std::sync::mpsc::channel();
    let of_plain = std::thread::spawn({
        let sender = sender.clone();
        move || {
            plain
                .1
                .by_ref()
                .map_while(Result::ok)
                .for_each(|line| drop(sender.send((0, line))));
        }
    });
    let of_refused = std::thread::spawn(move || {
        refused
            .1
            .by_ref()
            .map_while(Result::ok)
            .for_each(|line| drop(sender.send((1, line))));
        refused.0
    });
    let start = Instant::now();
    let (mut lines, mut both) = ([Vec::new(), Vec::new()], false);
    while !both && start.elapsed() < DEADLINE {
        gate.accepts("good", &signed(SECRET, "{}"));
        gate.refuses(
            "bad",
            &signed("wrong-secret-0123456789", "{}"),
            401,
            "signature_mismatch",
        );
        while let Ok((which, line)) = seen.recv_timeout(std::time::Duration::from_millis(200)) {
            lines[which].push(line);
        }
        let forwarded = lines[0]
            .iter()
            .any(|line: &String| line.contains("200 forwarded"));
        both = forwarded && !lines[1].is_empty();
    }
    assert!(both, "{lines:?}");
    assert!(
        lines[0]
            .iter()
            .any(|line| line.contains("signature_mismatch") && line.contains("gatepost why 01")),
        "{lines:?}"
    );
    for line in &lines[1] {
        let value: Value = serde_json::from_str(line).unwrap();
        assert!(
            value["reason"] == "signature_mismatch"
                || value["examination"]["reason"] == "signature_mismatch",
            "{line}"
        );
    }
    drop(plain.0.kill());
    drop(plain.0.wait());
    drop(of_plain.join());
    drop(gate);
    // Its end is told to who watches.
    let mut child = of_refused.join().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(69));
}

#[test]
fn reload_is_asked_for_and_its_outcome_told() {
    let app = Upstream::recording();
    let setup = setup(&app);
    let path = setup.config();
    let gate = setup.start();
    let good = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, good.replace("/hook", "/moved")).unwrap();
    let output = gate.ask(&["reload"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert_eq!(json(&gate, "/api/v1/status")["routes"][0]["path"], "/moved");
    let before = json(&gate, "/api/v1/status")["config"]["hash"].clone();
    std::fs::write(&path, good.replace("header", "headr")).unwrap();
    let output = gate.ask(&["reload"]);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("did you mean") && said.contains("the old one stays"),
        "{said}"
    );
    let status = json(&gate, "/api/v1/status");
    assert_eq!(status["config"]["last_reload"]["successful"], false);
    assert_eq!(status["config"]["hash"], before);
    let metrics = gate.health("/metrics").text();
    for line in [
        "gatepost_config_reloads_total{result=\"good\"} 1",
        "gatepost_config_reloads_total{result=\"refused\"} 1",
        "gatepost_config_last_reload_successful 0",
    ] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
}

#[test]
fn no_other_site_and_no_form_can_ask() {
    let app = Upstream::recording();
    let gate = setup(&app).start();
    let address = gate.admin.unwrap();
    let ask = |head: &str| {
        let request = format!("{head}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        client::exchange(address, request.as_bytes()).status
    };
    for (head, status) in [
        ("GET /api/v1/status HTTP/1.1\r\nHost: localhost", 200),
        ("GET /api/v1/status HTTP/1.1\r\nHost: evil.example", 403),
        (
            "GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example",
            403,
        ),
        (
            "GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\nOrigin: null",
            403,
        ),
        (
            "GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: cross-site",
            403,
        ),
        ("GET /api/v1/nothing HTTP/1.1\r\nHost: localhost", 404),
        (
            "GET /api/v1/refusals/../config HTTP/1.1\r\nHost: localhost",
            404,
        ),
        ("GET /api/v1/reload HTTP/1.1\r\nHost: localhost", 405),
        (
            "POST /api/v1/status HTTP/1.1\r\nHost: localhost\r\nX-Gatepost-Reload: 1",
            405,
        ),
        ("POST /api/v1/reload HTTP/1.1\r\nHost: localhost", 403),
        (
            "POST /api/v1/reload HTTP/1.1\r\nHost: evil.example\r\nX-Gatepost-Reload: 1",
            403,
        ),
        (
            "POST /api/v1/reload HTTP/1.1\r\nHost: localhost\r\nX-Gatepost-Reload: 1",
            200,
        ),
        (
            "OPTIONS /api/v1/reload HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example",
            403,
        ),
    ] {
        assert_eq!(ask(head), status, "{head}");
    }
}

#[test]
fn where_nobody_answers_it_is_69_and_what_to_add() {
    let app = Upstream::recording();
    let setup = Setup::new(&app);
    for command in [&["status"][..], &["why"], &["tail"], &["reload"]] {
        let mut words = command.to_vec();
        words.extend(["--admin", "127.0.0.1:1"]);
        let output = setup.run(&words);
        assert_eq!(output.status.code(), Some(69), "{command:?}");
        assert!(
            text(&output).contains("[admin]\n  listen"),
            "{}",
            text(&output)
        );
    }
    let output = setup.run(&["status"]);
    assert_eq!(output.status.code(), Some(69), "the file says off");
}

#[test]
fn a_refusal_before_the_body_tells_nothing_of_the_body() {
    let app = Upstream::recording();
    let gate = Setup::new(&app)
        .admin()
        .env("S", SECRET)
        .toml(
            "[[route]]\npath = \"/both\"\nsecret = { env = \"S\" }\n\
             verify = [{ scheme = \"api_key\", header = \"X-Key\" }, { scheme = \"hmac\", header = \"X-Signature\" }]",
        )
        .start();
    let signature = hex(&hmac("sha256", SECRET.as_bytes(), b"body"));
    let delivery = Delivery::post("/both")
        .header("X-Key", "wrong")
        .header("X-Signature", signature)
        .body("body");
    let refused = gate.refuses("wrong key", &delivery, 401, "credential_wrong");
    let id = refused.header("x-gatepost-request-id").unwrap();
    let path = format!("/api/v1/refusals/{id}");
    let told = until(&gate, &path, |told| told["examination"].is_object());
    let steps = told["examination"]["steps"].as_array().unwrap();
    let state = |check: &str| {
        let step = steps.iter().find(|step| step["check"] == check);
        step.map(|step| step["state"].as_str().unwrap().to_owned())
    };
    assert_eq!(state("api-key").as_deref(), Some("failed"), "{told}");
    assert_eq!(state("hmac-sha256").as_deref(), Some("unknown"), "{told}");
    assert_eq!(state("body"), None, "{told}");
    let guesses = told["examination"]["guesses"].to_string();
    assert!(!guesses.contains("body"), "{guesses}");
}

#[test]
fn counts_outlive_a_reload() {
    let app = Upstream::recording();
    let gate = setup(&app).start();
    assert_eq!(gate.send(&signed(SECRET, "1")).status, 200);
    assert_eq!(gate.send(&signed("another", "1")).status, 401);
    gate.signal("-HUP");
    assert!(
        gate.log
            .wait(|line| line["msg"] == "configuration reloaded")
            .is_some()
    );
    let counts = &json(&gate, "/api/v1/status")["routes"][0]["counts"];
    assert_eq!(counts["forwarded"], 1, "{counts}");
    assert_eq!(counts["rejected"], 1, "{counts}");
}
