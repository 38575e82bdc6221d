use serde_json::Value;

use crate::harness::{Delivery, Setup, Upstream};

const KEY: &str = "logs-secret-0123456789";

fn setup(app: &Upstream) -> Setup {
    Setup::new(app).env("S", KEY).toml(
        "[client_address]\ntrusted_proxies = [\"127.0.0.1\"]\n\
         [[route]]\npath = \"/a\"\nsecret = { env = \"S\" }\nallow_ips = [\"192.0.2.0/24\"]\n\
         verify = [{ scheme = \"api_key\", header = \"X-Key\" }]\n\
         [[route]]\npath = \"/b\"\nsecret = { env = \"S\" }\nverify = [{ scheme = \"api_key\", header = \"X-Key\" }]\n",
    )
}

fn to(path: &str, key: &str) -> Delivery {
    Delivery::post(path)
        .header("X-Key", key)
        .header("X-Forwarded-For", "192.0.2.9")
        .body("{}")
}

#[test]
fn a_line_says_all_that_is_known_and_nothing_else() {
    let app = Upstream::recording();
    let gate = setup(&app).start();
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let delivery = to("/a", KEY).header("traceparent", format!("00-{trace}-00f067aa0ba902b7-01"));
    let id = gate
        .send(&delivery)
        .header("x-gatepost-request-id")
        .unwrap()
        .to_owned();
    let line = gate.line(&id);
    for (field, expected) in [
        ("trace_id", trace),
        ("route", "/a"),
        ("outcome", "forwarded"),
        ("client_ip", "192.0.2.9"),
        ("peer_ip", "127.0.0.1"),
        ("secret", "S"),
        ("method", "POST"),
        ("path", "/a"),
    ] {
        assert_eq!(line[field], expected, "{field}: {line}");
    }
    for field in ["verify_us", "upstream_ms", "duration_ms", "bytes", "status"] {
        assert!(line[field].is_number(), "{field}: {line}");
    }
    for (delivery, check) in [
        (to("/a", "wrong"), "api-key"),
        (to("/a", KEY).with("X-Forwarded-For", "198.51.100.1"), "ip"),
    ] {
        let delivery = delivery.header("traceparent", "00-nonsense-1-1");
        let id = gate
            .send(&delivery)
            .header("x-gatepost-request-id")
            .unwrap()
            .to_owned();
        let line = gate.line(&id);
        assert_eq!(line["check"], check, "{line}");
        assert!(line["trace_id"].is_null(), "{line}");
    }
}

/// What a stranger sends, and what a verified body says, ends no field and no line, and is nothing that
/// a terminal obeys.
#[test]
fn nobody_writes_into_a_line_of_ours() {
    let app = Upstream::recording();
    let gate = Setup::new(&app)
        .env("S", KEY)
        .toml(
            "[[route]]\npath = \"/*\"\nsecret = { env = \"S\" }\n\
             verify = [{ scheme = \"api_key\", header = \"X-Key\" }]\n\
             event = { type = { json = \"/type\" }, id = { json = \"/id\" } }\n",
        )
        .start();
    let forged = "x\",\"outcome\":\"forwarded\",\"forged\":\"yes";
    let hostile =
        "x\u{1b}[2J\r\n{\"msg\":\"request\",\"forged\":\"yes\"}\0\u{9b}31m\u{202e}\u{2028}";
    let post = |key: &str, body: &str| Delivery::post("/a").header("X-Key", key).body(body);
    let saying = |text: &str| {
        let body = serde_json::json!({ "type": text, "id": text }).to_string();
        post(KEY, &body)
    };
    for (case, delivery) in [
        (
            "a path",
            Delivery {
                target: format!("/{forged}"),
                ..post("wrong", "{}")
            },
        ),
        (
            "a caller's name",
            post("wrong", "{}").header("User-Agent", forged),
        ),
        (
            "a caller's name of any bytes",
            post("wrong", "{}").header("User-Agent", "x\u{9b}31m\u{202e}\u{2028}\\"),
        ),
        ("a verified event", saying(forged)),
        ("a verified event of any bytes", saying(hostile)),
    ] {
        let answer = gate.send(&delivery);
        let id = answer.header("x-gatepost-request-id").unwrap();
        let line = gate.line(id);
        assert_eq!(line["status"], answer.status, "{case}");
        assert!(line.get("forged").is_none(), "{case}: {line}");
    }
    let log = gate.log.text();
    for line in log.lines() {
        assert!(line.chars().all(|c| matches!(c, ' '..='~')), "{line:?}");
        let line: Value = serde_json::from_str(line).expect("JSON");
        assert!(line.get("forged").is_none(), "{line}");
    }
}

#[test]
fn identical_refusals_are_summed_and_hide_no_other() {
    let app = Upstream::recording();
    let mut gate = setup(&app).start();
    let mut client = gate.connect();
    for number in 0..150 {
        client.send(&to("/b", "wrong").to_bytes());
        assert_eq!(client.answer().unwrap().status, 401, "{number}");
        if number == 140 {
            gate.refuses(
                "another reason",
                &to("/b", "x").without("X-Key"),
                401,
                "credential_missing",
            );
            gate.refuses(
                "another client",
                &to("/b", "x").with("X-Forwarded-For", "192.0.2.10"),
                401,
                "credential_wrong",
            );
            gate.refuses("another route", &to("/a", "x"), 401, "credential_wrong");
        }
    }
    assert!(gate.stop().is_some_and(|status| status.success()));
    let text = gate.log.text();
    let lines: Vec<Value> = text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    let of = |line: &&Value| {
        line["route"] == "/b"
            && line["reason"] == "credential_wrong"
            && line["client_ip"] == "192.0.2.9"
    };
    let own = lines
        .iter()
        .filter(of)
        .filter(|line| line["msg"] == "request")
        .count();
    let summed: u64 = lines
        .iter()
        .filter(of)
        .filter(|line| line["msg"] == "refused again")
        .map(|line| line["count"].as_u64().unwrap())
        .sum();
    // A window may end in between.
    assert!((100..150).contains(&own), "{own} lines");
    assert_eq!(u64::try_from(own).unwrap() + summed, 150);
}

#[test]
fn metrics_tell_what_a_route_and_its_secrets_do() {
    let app = Upstream::recording();
    let gate = setup(&app).start();
    gate.accepts("good", &to("/b", KEY));
    gate.refuses("bad", &to("/b", "wrong"), 401, "credential_wrong");
    let metrics = gate.health("/metrics").text();
    for line in [
        "gatepost_requests_total{route=\"/b\",provider=\"-\",outcome=\"forwarded\",reason=\"\"} 1",
        "gatepost_requests_total{route=\"/b\",provider=\"-\",outcome=\"rejected\",reason=\"credential_wrong\"} 1",
        "gatepost_secret_matches_total{route=\"/b\",secret=\"S\"} 1",
        "gatepost_verify_duration_seconds_count{route=\"/b\"} 1",
        "gatepost_upstream_duration_seconds_count{route=\"/b\"} 1",
        "gatepost_upstream_responses_total{route=\"/b\",code_class=\"2xx\"} 1",
        "gatepost_request_body_bytes_count{route=\"/b\"} 1",
        "gatepost_inflight_requests{route=\"/b\"} 0",
        "gatepost_secret_matches_total{route=\"/a\",secret=\"S\"} 0",
    ] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
    let last = metrics.lines().find_map(|line| {
        line.strip_prefix(
            "gatepost_secret_last_match_timestamp_seconds{route=\"/b\",secret=\"S\"} ",
        )
    });
    let last: i64 = last.unwrap().parse().unwrap();
    assert!((crate::signing::now() - last).abs() < 60, "{last}");
}
