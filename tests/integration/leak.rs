//! No secret in a log, an answer, a metric, a header the app did not need, or a command's output.

use std::collections::BTreeSet;

use crate::harness::{Answer, Delivery, Gatepost, Redis, Setup, Upstream, client};
use crate::signing::{base64, digest, hex, hmac, hs256, now, rsa};

/// Marked, in every form in which one could come out.
const SECRETS: [&str; 6] = [
    "MARK-envsecret-c0ffee01",
    "MARK-filesecret-c0ffee02",
    "MARK-oldsecret-c0ffee03",
    "MARK-password-c0ffee04",
    "MARK-jwtsecret-c0ffee05",
    "MARK-querykey-c0ffee06",
];
/// What callers send: wrong credentials, tokens, bodies, all theirs and none of the log's business.
const SENT: [&str; 5] = [
    "SENT-credential-1",
    "SENT-token-2",
    "SENT-body-3",
    "SENT-query-4",
    "SENT-cookie-5",
];

fn marks() -> Vec<String> {
    let mut marks: Vec<String> = SENT.iter().map(ToString::to_string).collect();
    for secret in SECRETS {
        marks.extend([
            secret.to_owned(),
            hex(secret.as_bytes()),
            base64(secret.as_bytes()),
        ]);
        // Cut copies are copies.
        marks.push(secret[..14].to_owned());
    }
    marks
}

fn assert_unmarked(case: &str, text: &str) {
    let low = text.to_lowercase();
    for mark in marks() {
        assert!(
            !low.contains(&mark.to_lowercase()),
            "{case}: {mark} in {text}"
        );
    }
}

fn routes() -> String {
    let mut toml = String::from("[limits]\nbody = \"1KiB\"\nbody_timeout = \"300ms\"\n");
    for (path, keys) in [
        (
            "/key",
            "secret = { env = \"E\" }\nverify = [{ scheme = \"api_key\", header = \"X-Key\" }]",
        ),
        (
            "/ip",
            "secret = { env = \"E\" }\nverify = [{ scheme = \"api_key\", header = \"X-Key\" }]\nallow_ips = [\"198.51.100.1\"]",
        ),
        (
            "/rate",
            "secret = { env = \"E\" }\nverify = [{ scheme = \"api_key\", header = \"X-Key\" }]\nrate = \"1/h burst 1\"",
        ),
        (
            "/query",
            "secret = { env = \"Q\" }\nverify = [{ scheme = \"api_key\", query = \"key\" }]",
        ),
        (
            "/json",
            "secret = { env = \"E\" }\nverify = [{ scheme = \"api_key\", json = \"/key\" }]",
        ),
        (
            "/basic",
            "secret = { file = \"password\" }\nverify = [{ scheme = \"basic\", username = \"user\" }]",
        ),
        (
            "/bearer",
            "secret = [{ file = \"file\" }, { file = \"old\", until = 2020-01-01T00:00:00Z }]\nverify = [{ scheme = \"bearer\" }]",
        ),
        (
            "/hmac",
            "secret = { file = \"file\" }\nverify = [{ scheme = \"hmac\", header = \"X-Sig\", format = \"t={timestamp},v1={signature}\", message = \"{timestamp}.{secret}{body}\" }]",
        ),
        (
            "/digest",
            "secret = { file = \"file\" }\nverify = [{ scheme = \"digest\", header = \"X-Sig\", message = \"{secret}{body}\" }]",
        ),
        (
            "/rsa",
            "public_key = { file = \"key.pem\" }\nverify = [{ scheme = \"signature\", algorithm = \"rsa-pss-sha256\", header = \"X-Sig\" }]",
        ),
        (
            "/jwt",
            "secret = { env = \"J\" }\nverify = [{ scheme = \"jwt\", algorithms = [\"HS256\"], required_claims = [\"exp\"], body_hash = { claim = \"hash\" } }]",
        ),
        (
            "/handshake",
            "secret = { env = \"E\" }\nverify_token = { env = \"Q\" }\nverify = [{ scheme = \"hmac\", header = \"X-Sig\" }]\nhandshake = [{ method = \"GET\", when = [{ query = \"token\", is = \"verify_token\" }], challenge = { query = \"q\", alphabet = \"A-Za-z0-9-\", max = 64 }, proof = { scheme = \"hmac\" }, reply = { text = \"{proof}\" } }]",
        ),
        (
            "/event",
            "secret = { env = \"E\" }\nverify = [{ scheme = \"api_key\", header = \"X-Key\" }]\nevent.required = true\nevent.type = { json = \"/type\" }",
        ),
        (
            "/schema",
            "secret = { env = \"E\" }\nverify = [{ scheme = \"api_key\", header = \"X-Key\" }]\nschema = \"body.json\"",
        ),
        (
            "/observe",
            "mode = \"observe\"\nsecret = { env = \"E\" }\nverify = [{ scheme = \"api_key\", header = \"X-Key\" }]",
        ),
        (
            "/busy",
            "secret = { env = \"E\" }\nverify = [{ scheme = \"api_key\", header = \"X-Key\" }]\nlimits.in_flight = 1",
        ),
    ] {
        toml.extend(["[[route]]\npath = \"", path, "\"\n", keys, "\n"]);
    }
    toml
}

fn setup(app: &Upstream) -> Setup {
    Setup::new(app)
        .admin()
        .env("E", SECRETS[0])
        .file("file", SECRETS[1])
        .file("old", format!("{}\n", SECRETS[2]))
        .file("password", SECRETS[3])
        .env("J", SECRETS[4])
        .env("Q", SECRETS[5])
        .file("key.pem", rsa(0).pem())
        .file(
            "body.json",
            r#"{"additionalProperties":{"type":"string","maxLength":5}}"#,
        )
        .upstream("timeout = \"300ms\"")
        .toml(&routes())
}

fn to(path: &str) -> Delivery {
    Delivery::post(&format!("{path}?q={}", SENT[3]))
        .header("Cookie", SENT[4])
        .body(format!("{{\"body\":\"{}\"}}", SENT[2]))
}

fn handshake(token: &str, challenge: &str) -> Delivery {
    Delivery::new("GET", &format!("/handshake?token={token}&q={challenge}"))
}

/// A request of every kind that is refused.
fn deliveries() -> Vec<Delivery> {
    let key = |path: &str| to(path).header("X-Key", SECRETS[0]);
    let bearer =
        |path: &str, token: &str| to(path).header("Authorization", format!("Bearer {token}"));
    let stamped = |age: i64| {
        let time = now() - age;
        let body = to("/hmac").body;
        let message = [
            time.to_string().as_bytes(),
            b".",
            SECRETS[1].as_bytes(),
            &body,
        ]
        .concat();
        to("/hmac").header(
            "X-Sig",
            format!(
                "t={time},v1={}",
                hex(&hmac("sha256", SECRETS[1].as_bytes(), &message))
            ),
        )
    };
    let token = |claims: serde_json::Value| bearer("/jwt", &hs256(SECRETS[4].as_bytes(), &claims));
    let fresh = now() + 60;
    let mut queried = to("/query");
    queried.target = format!("/query?key={}", SENT[3]);
    let mut right = to("/query");
    right.target = format!("/query?key={}&x={}", SECRETS[5], SENT[3]);
    vec![
        to("/key"),
        to("/key").header("X-Key", SENT[0]),
        key("/key").header("X-Key", SENT[0]),
        to("/key").header("X-Key", format!("{}x", SECRETS[0])),
        key("/key").header("Content-Encoding", SENT[0]),
        key("/key").body(vec![b'x'; 2000]),
        key("/ip"),
        key("/rate"),
        key("/rate"),
        queried,
        right,
        handshake(SECRETS[5], SENT[3]),
        handshake(SENT[1], SENT[3]),
        handshake(SECRETS[5], "%3Cb%3E"),
        to("/handshake")
            .header("X-Sig", hex(&hmac("sha256", SECRETS[0].as_bytes(), b"a")))
            .body("a"),
        to("/json").body(format!("{{\"key\":\"{}\"}}", SENT[2])),
        to("/json").body(format!("{{\"key\":[\"{}\"]}}", SECRETS[0])),
        to("/basic").header(
            "Authorization",
            format!("Basic {}", base64(format!("user:{}", SENT[0]).as_bytes())),
        ),
        to("/basic").header("Authorization", format!("Basic {}", SENT[0])),
        to("/basic").header("Authorization", SENT[0]),
        bearer("/bearer", SENT[1]),
        bearer("/bearer", SECRETS[2]),
        bearer("/bearer", SECRETS[1]),
        to("/hmac"),
        to("/hmac").header("X-Sig", SENT[0]),
        stamped(0).body("{}"),
        stamped(4000),
        stamped(-4000),
        stamped(0),
        to("/hmac").header("X-Sig", format!("t={},v1=00", SENT[0])),
        to("/hmac").header("X-Sig", "v1=00"),
        to("/digest").header("X-Sig", "00"),
        to("/rsa").header("X-Sig", "00"),
        bearer("/jwt", SENT[1]),
        bearer("/jwt", "e30.e30.e30"),
        token(serde_json::json!({})),
        token(serde_json::json!({"exp": 1, "sub": SENT[1]})),
        token(serde_json::json!({"exp": fresh, "nbf": fresh * 2})),
        token(serde_json::json!({"exp": fresh, "hash": SENT[1]})),
        bearer("/jwt", &hs256(b"other", &serde_json::json!({"exp": fresh}))),
        bearer(
            "/jwt",
            &crate::signing::jws(r#"{"alg":"none"}"#, "{}", |_| Vec::new()),
        ),
        key("/event"),
        key("/event").body(r#"{"type":"a","type":"b"}"#),
        key("/schema"),
        key("/schema").body(format!("{{\"{}\":{{}}}}", SENT[2])),
        key("/schema").body(SENT[2]),
        key("/observe").with("X-Key", SENT[0]),
        Delivery::new("PUT", "/key"),
        Delivery::post("/nowhere"),
        Delivery::post("/x/../key"),
        key("/key").header("Host", "a").header("Host", SENT[0]),
        key("/key").header(SENT[0], "no value"),
        key("/key").header("Expect", SENT[0]),
        key("/key"),
        key("/bearer"),
    ]
}

/// Sends everything that is refused, and gives the answers.
fn provoke(gate: &Gatepost) -> Vec<String> {
    let mut answers: Vec<String> = deliveries()
        .iter()
        .map(|delivery| format!("{:?}", client::exchange(gate.address, &delivery.to_bytes())))
        .collect();
    let mut broken = to("/key").header("X-Key", SECRETS[0]).to_bytes();
    broken.truncate(broken.len() - 5);
    let mut cut = gate.connect();
    cut.send(&broken).finish();
    answers.push(format!("{:?}", cut.answer()));
    answers.push(format!("{:?}", gate.connect().send(&broken).answer()));
    answers
}

#[test]
fn whatever_is_refused_no_secret_comes_out() {
    let mut seen = BTreeSet::new();
    let app = Upstream::answering(|request| {
        if request.line.contains("/key") {
            Answer::Hang
        } else {
            Answer::Close(Vec::new())
        }
    });
    for app in [app, Upstream::down(), Upstream::recording()] {
        let mut gate = setup(&app).toml("[log]\nlevel = \"debug\"").start();
        let mut watcher = client::Client::connect(gate.admin.unwrap());
        watcher.send(b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n");
        assert_eq!(watcher.head().unwrap().status, 200);
        for answer in provoke(&gate) {
            // The app's own 200 may say what it likes; it says ok.
            assert_unmarked("an answer", &answer);
        }
        for path in [
            "/metrics",
            "/readyz",
            "/livez",
            "/startupz",
            "/nothing",
            "/config",
            "/debug",
        ] {
            assert_unmarked(path, &gate.health(path).text());
        }
        // Every examination that was begun is over when the last one is.
        gate.log.wait(|line| line["msg"] == "examined").unwrap();
        for path in [
            "/api/v1/status",
            "/api/v1/refusals?limit=1000",
            "/api/v1/config",
            "/api/v1/reasons",
            "/api/v1/nothing",
        ] {
            assert_unmarked(path, &gate.admin(path).text());
        }
        let refusals = gate.admin("/api/v1/refusals?limit=1000").text();
        let refusals: serde_json::Value = serde_json::from_str(&refusals).unwrap();
        let examined = refusals["refusals"].as_array().unwrap().iter();
        let examined = examined.filter(|refusal| !refusal["examination"].is_null());
        let mut words = vec![vec!["status"], vec!["why"], vec!["reload"]];
        words.extend(examined.map(|refusal| vec!["why", refusal["request_id"].as_str().unwrap()]));
        assert!(words.len() > 6, "some were examined: {refusals:#}");
        for words in words {
            let output = gate.ask(&words);
            let text = [output.stdout, output.stderr].concat();
            assert_unmarked(&format!("{words:?}"), &String::from_utf8_lossy(&text));
        }
        assert!(gate.stop().is_some_and(|status| status.success()));
        let told = String::from_utf8(watcher.rest()).unwrap();
        assert!(told.contains("event: request") && told.contains("event: examination"));
        assert_unmarked("the events", &told);
        let log = gate.log.text();
        assert_unmarked("the log", &log);
        for line in log
            .lines()
            .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        {
            seen.extend(line["reason"].as_str().map(ToOwned::to_owned));
        }
    }
    // The table is worth something only if it provokes what there is.
    let not_here = crate::reference::ELSEWHERE.map(|(code, _)| code);
    for rejection in gatepost::rejection::Rejection::ALL {
        let code = rejection.code();
        assert!(
            seen.contains(code) || not_here.contains(&code),
            "{code} was not provoked: {seen:?}"
        );
    }
}

/// A store that refuses, and one that is not there: neither its password nor anything of an event.
#[test]
fn nothing_of_the_store_comes_out() {
    let app = Upstream::recording();
    let redis = Redis::start(&["--requirepass", SECRETS[1]]);
    let down = Upstream::down().url.replace("http://", "");
    for (case, host, password) in [
        ("right", redis.address().to_string(), SECRETS[1]),
        ("wrong", redis.address().to_string(), SECRETS[3]),
        ("down", down, SECRETS[1]),
    ] {
        let setup = setup(&app)
            .env("REDIS_URL", &format!("redis://:{password}@{host}"))
            .env("REDIS_PASSWORD", password)
            .toml("[duplicates]\nstore = \"redis\"\nredis = { env = \"REDIS_URL\" }\npassword = { env = \"REDIS_PASSWORD\" }")
            .toml("[log]\nlevel = \"debug\"");
        for words in [&["check"][..], &["check", "--show"]] {
            let output = setup.run(words);
            let text = [output.stdout, output.stderr].concat();
            assert_unmarked(case, &String::from_utf8_lossy(&text));
        }
        let mut gate = setup.start();
        let body = to("/digest").body;
        let digest = digest("sha256", &[SECRETS[1].as_bytes(), &body].concat());
        let delivery = to("/digest").header("X-Sig", hex(&digest));
        for _ in 0..3 {
            let answer = client::exchange(gate.address, &delivery.to_bytes());
            assert_eq!(answer.status == 503, case != "right", "{case}");
            assert_unmarked(case, &format!("{answer:?}"));
        }
        assert_unmarked(case, &gate.health("/metrics").text());
        assert!(gate.stop().is_some_and(|status| status.success()));
        assert_unmarked(case, &gate.log.text());
    }
}

#[test]
fn no_command_prints_a_secret() {
    let app = Upstream::recording();
    for words in [
        &["check"][..],
        &["check", "--show"],
        &["providers"],
        &["health"],
        &["send", "/bearer"],
        &[
            "send",
            "/bearer",
            "--to",
            "https://127.0.0.1:1",
            "--ca",
            "key.pem",
        ],
        &["test"],
    ] {
        let output = setup(&app).run(words);
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(!text.is_empty(), "{words:?}");
        assert_unmarked(&format!("{words:?}"), &text);
    }
}

/// What a captured request is explained with is fit for a ticket.
#[test]
fn no_explanation_prints_a_secret() {
    let app = Upstream::recording();
    let setup = setup(&app);
    for (number, delivery) in deliveries().iter().enumerate() {
        std::fs::write(setup.folder.path().join("capture"), delivery.to_bytes()).unwrap();
        let words: &[&str] = if number % 2 == 0 {
            &["explain", "capture", "--from", "192.0.2.1"]
        } else {
            &["explain", "capture", "--json"]
        };
        let output = setup.run(words);
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(text.len() > 40, "{text}");
        assert_unmarked(&format!("explain {number}"), &text);
    }
}

/// Whatever is wrong with the file, the message shows where, not what.
#[test]
fn no_configuration_error_prints_a_secret() {
    let app = Upstream::recording();
    let secret = SECRETS[0];
    let route = "[[route]]\npath = \"/a\"\nverify = [{ scheme = \"bearer\" }]\n";
    for (case, toml) in [
        ("the secret itself", format!("{route}secret = \"{secret}\"")),
        ("inline", format!("{route}secret = {{ inline = \"{secret}\" }}")),
        ("a list of them", format!("{route}secret = [\"{secret}\"]")),
        ("as a name of a variable", format!("{route}secret = {{ env = \"{secret}\", fil = 1 }}")),
        ("under a wrong key", format!("{route}secret = {{ value = \"{secret}\" }}")),
        ("under a misspelt key", format!("{route}secrets = {{ inline = \"{secret}\" }}\nsecret = {{ env = \"E\" }}")),
        ("in a step", format!("[[route]]\npath = \"/a\"\nverify = [{{ scheme = \"bearer\", secret = \"{secret}\" }}]")),
        ("unquoted", format!("{route}secret = {{ inline = {secret} }}")),
        ("not closed", format!("{route}secret = {{ inline = \"{secret} }}")),
        ("a key twice", format!("{route}secret = {{ inline = \"{secret}\" }}\nsecret = {{ inline = \"{secret}\" }}")),
        ("on a line with another mistake", format!("{route}secret = {{ inline = \"{secret}\", until = \"soon\" }}")),
        ("in the URL of the app", format!("{route}secret = {{ env = \"E\" }}\n[upstream]\nurl = \"http://user:{secret}@a\"")),
        ("with white space", format!("{route}secret = {{ env = \"SPACED\" }}")),
        ("not hex", "[[route]]\npath = \"/a\"\nsecret = { env = \"E\" }\nverify = [{ scheme = \"hmac\", header = \"X\", secret_encoding = \"hex\" }]".to_owned()),
        ("as a public key", "[[route]]\npath = \"/a\"\npublic_key = { env = \"E\" }\nverify = [{ scheme = \"signature\", algorithm = \"ed25519\", header = \"X\" }]".to_owned()),
    ] {
        for words in [&["check"][..], &["check", "--show"], &["run"]] {
            let setup = Setup::new(&app).env("E", secret).env("SPACED", &format!(" {secret}")).toml(&toml);
            let output = setup.run(words);
            let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
            assert_eq!(output.status.code(), Some(78), "{case}: {text}");
            let low = text.to_lowercase();
            assert!(!low.contains(&secret.to_lowercase()) && !low.contains("c0ffee"), "{case}: {words:?}: {text}");
        }
    }
}
