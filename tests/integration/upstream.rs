//! Apps that are down, slow, broken or lying: what the caller is told, and that nothing is sent
//! twice.

use crate::harness::upstream::reply;
use crate::harness::{Answer, Delivery, Gatepost, Received, Setup, Upstream, verdict};

const SECRET: &str = "upstream-secret-0123";

fn setup(app: &Upstream) -> Setup {
    Setup::new(app).env("SECRET", SECRET).upstream("timeout = \"500ms\"").toml(
        "[[route]]\npath = \"/hook\"\nmethods = [\"POST\", \"GET\", \"HEAD\"]\nsecret = { env = \"SECRET\" }\n\
         verify = [{ scheme = \"api_key\", header = \"X-Key\" }]",
    )
}

fn start(app: &Upstream) -> Gatepost {
    setup(app).start()
}

fn good() -> Delivery {
    Delivery::post("/hook").header("X-Key", SECRET).body("body")
}

fn problem(gate: &Gatepost, case: &str, status: u16, reason: &'static str) {
    let response = gate.send(&good());
    assert_eq!(response.status, status, "{case}: {response:?}");
    gate.expect_problem(case, &response, reason);
}

#[test]
fn an_app_that_is_down_is_502() {
    let gate = start(&Upstream::down());
    problem(&gate, "refused", 502, "upstream_unreachable");
    let folder = tempfile::TempDir::new().unwrap();
    let mut absent = Upstream::down();
    absent.url = format!("unix:{}", folder.path().join("none.sock").display());
    problem(&start(&absent), "no socket", 502, "upstream_unreachable");
}

#[test]
fn an_app_that_hangs_is_504() {
    let app = Upstream::answering(|_| Answer::Hang);
    let gate = start(&app);
    problem(&gate, "silent", 504, "upstream_timeout");
    let app = Upstream::answering(|_| {
        Answer::Keep(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200".to_vec())
    });
    problem(&start(&app), "half a head", 504, "upstream_timeout");
}

#[test]
fn an_app_that_does_not_speak_http_is_502() {
    let huge = format!(
        "HTTP/1.1 200 OK\r\nX: {}\r\nContent-Length: 0\r\n\r\n",
        "x".repeat(4 << 20)
    );
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(5000));
    for (case, bytes) in [
        ("nothing", ""),
        ("garbage", "\u{16}\u{3}\u{1}garbage\r\n\r\n"),
        ("HTTP/0.9", "<html>hello</html>"),
        ("HTTP/2", "HTTP/2 200\r\n\r\n"),
        ("no status", "HTTP/1.1\r\n\r\n"),
        ("a status of two digits", "HTTP/1.1 20 OK\r\n\r\n"),
        ("a status of letters", "HTTP/1.1 OK OK\r\n\r\n"),
        (
            "a line without a colon",
            "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        ),
        ("a name with a space", "HTTP/1.1 200 OK\r\nA B: c\r\n\r\n"),
        (
            "a bare CR",
            "HTTP/1.1 200 OK\r\nX: a\rSet-Cookie: b\r\nContent-Length: 0\r\n\r\n",
        ),
        (
            "a NUL",
            "HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n",
        ),
        (
            "two lengths",
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
        ),
        (
            "a length of letters",
            "HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\nab",
        ),
        (
            "an upgrade",
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        ),
        ("half a head", "HTTP/1.1 200 OK\r\nContent-"),
        ("a huge head", &huge),
        ("many headers", &many),
    ] {
        let bytes = bytes.as_bytes().to_vec();
        let app = Upstream::answering(move |_| Answer::Close(bytes.clone()));
        let gate = start(&app);
        problem(&gate, case, 502, "upstream_failed");
        assert_eq!(app.requests().len(), 1, "{case}: sent once");
    }
}

#[test]
fn half_an_answer_is_never_a_whole_one() {
    let long =
        |body: &str| format!("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{body}").into_bytes();
    let chunks = |body: &str| {
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{body}").into_bytes()
    };
    for bytes in [
        long("half"),
        long(""),
        chunks("5\r\nab"),
        chunks("2\r\nab\r\n"),
        chunks("2\r\nab\r\n0\r\n"),
        chunks("zz\r\nab\r\n"),
        chunks(""),
    ] {
        for reset in [false, true] {
            let shown = verdict::shown(&bytes);
            let bytes = bytes.clone();
            let app = Upstream::answering(move |_| {
                if reset {
                    Answer::Reset(bytes.clone())
                } else {
                    Answer::Close(bytes.clone())
                }
            });
            let gate = start(&app);
            let mut client = gate.connect();
            let answer = client.send(&good().to_bytes()).answer();
            let whole = answer.is_some_and(|response| response.status == 200 && response.complete);
            assert!(!whole, "{shown} reset: {reset}");
            assert_eq!(app.requests().len(), 1, "{shown}");
        }
    }
}

/// Where an answer ends, the caller must not read otherwise than we do.
#[test]
fn an_answer_that_two_readers_read_differently_is_502() {
    let app = Upstream::answering(|request| Answer::Close(request.body.clone()));
    let gate = start(&app);
    let chunked = "\r\n\r\n2\r\nok\r\n0\r\n\r\n";
    for head in [
        "200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked",
        "200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 12",
        "200 OK\r\nTransfer-Encoding: gzip, chunked",
        "200 OK\r\nTransfer-Encoding: chunked, gzip",
        "200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "200 OK\r\nTransfer-Encoding: identity",
        "200 OK\r\nTransfer-Encoding: xchunked",
        "200 OK\r\nContent-Length: 2\r\nContent-Length: 3",
        "200 OK\r\nContent-Length: 2, 2",
        "200 OK\r\nContent-Length: +2",
        "200 OK\r\nContent-Length: 0x2",
        "200 OK\r\nContent-Length : 2",
        "200 OK\r\nX: a\r\n folded\r\nContent-Length: 2",
        "200 OK\r\nX: a\rSet-Cookie: b\r\nContent-Length: 2",
        "200 OK\r\nX: a\0b\r\nContent-Length: 2",
        "999 OK\r\nContent-Length: 2",
        "600 OK\r\nContent-Length: 2",
        "000 OK\r\nContent-Length: 2",
        "20 OK\r\nContent-Length: 2",
    ] {
        let answer = format!("HTTP/1.1 {head}{chunked}");
        let response = gate.send(&good().body(&answer));
        assert_eq!(response.status, 502, "{head}: {response:?}");
        gate.expect_problem(head, &response, "upstream_failed");
    }
    let large = format!("HTTP/1.1 200 OK\r\nX: {}{chunked}", "y".repeat(200_000));
    assert_eq!(gate.send(&good().body(&large)).status, 502, "a large head");
    // Names that a careless caller takes for the real ones, and what is for one hop only.
    let aliases = "HTTP/1.1 200 OK\r\nTransfer_Encoding: chunked\r\nContent_Length: 9\r\n\
                   Connection: X-Hop\r\nX-Hop: 1\r\nUpgrade: h2c\r\nTrailer: x\r\nContent-Length: 2\r\n\r\nok";
    let response = gate.send(&good().body(aliases));
    let mut names: Vec<&str> = response.headers.iter().map(|(name, _)| &**name).collect();
    names.sort_unstable();
    assert_eq!(names, ["content-length", "date", "x-gatepost-request-id"]);
    // Of an app that hangs up without a word, its next request must not meet the end.
    app.journal.wait_closed(app.journal.connections());
    // An old app's answer ends with its connection; ours has an end of its own.
    let old = gate.send(&good().body("HTTP/1.0 200 OK\r\n\r\nold"));
    assert_eq!(
        (old.header("transfer-encoding"), &*old.body),
        (Some("chunked"), &b"old"[..])
    );
}

/// Chunks that another reader on the way would end elsewhere: their answer never arrives as a whole.
#[test]
fn chunks_of_an_answer_are_read_in_one_way_only() {
    let app = Upstream::answering(|request| {
        let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        Answer::Keep([&head[..], &request.body].concat())
    });
    let gate = start(&app);
    let whole = |chunks: &str| {
        let mut client = gate.connect();
        let answer = client.send(&good().body(chunks).to_bytes()).answer();
        answer.is_some_and(|response| response.status == 200 && response.complete)
    };
    assert!(whole("2\r\nok\r\n0\r\n\r\n"));
    for chunks in [
        "2\nok\r\n0\r\n\r\n",
        "2\r\nok\n0\r\n\r\n",
        "2\r\nok\r\n0\n\r\n",
        "2\r\nok\r\n0\r\n\n",
        "2\r\nok\r\n0\r\nX: a\n\r\n",
        "2\nok\n0\n\n",
        "2\r\nokay\r\n0\r\n\r\n",
        "2 \t\nok\r\n0\r\n\r\n",
        "0x2\r\nok\r\n0\r\n\r\n",
        "+2\r\nok\r\n0\r\n\r\n",
        "-2\r\nok\r\n0\r\n\r\n",
        " 2\r\nok\r\n0\r\n\r\n",
        "10000000000000002\r\nok\r\n0\r\n\r\n",
        "\r\nok\r\n0\r\n\r\n",
        ";a=b\r\n\r\n",
        "2\r\nok\r\n\r\n",
    ] {
        assert!(!whole(chunks), "{chunks:?}");
    }
}

#[test]
fn interim_answers_come_to_an_end() {
    let app = Upstream::handling(|mut stream, _, _| {
        use std::io::{Read as _, Write as _};
        let mut buffer = [0; 8192];
        if stream.read(&mut buffer).is_ok_and(|length| length > 0) {
            let hints = "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n".repeat(100);
            while stream.write_all(hints.as_bytes()).is_ok() {}
        }
    });
    let gate = start(&app);
    problem(&gate, "hints without end", 504, "upstream_timeout");
    let app = Upstream::answering(|_| {
        let mut bytes = "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
            .repeat(300)
            .into_bytes();
        bytes.extend_from_slice(&reply("200 OK", "ok"));
        Answer::Keep(bytes)
    });
    let response = start(&app).send(&good());
    assert_eq!((response.status, response.text()), (200, "ok".into()));
}

#[test]
fn a_request_is_sent_once_whatever_happens() {
    for case in ["close", "reset"] {
        let app = Upstream::answering(move |_| {
            if case == "close" {
                Answer::Close(Vec::new())
            } else {
                Answer::Reset(Vec::new())
            }
        });
        let gate = start(&app);
        for sent in 1..=5 {
            problem(&gate, case, 502, "upstream_failed");
            assert_eq!(app.requests().len(), sent, "{case}");
        }
    }
    // Also on a connection that has worked before.
    let app = Upstream::answering(|request: &Received| {
        if request.body == b"body" {
            Answer::Keep(reply("200 OK", "ok"))
        } else {
            Answer::Close(Vec::new())
        }
    });
    let gate = start(&app);
    let mut client = gate.connect();
    assert_eq!(
        client.send(&good().to_bytes()).answer().unwrap().status,
        200
    );
    assert_eq!(
        client
            .send(&good().body("die").to_bytes())
            .answer()
            .unwrap()
            .status,
        502
    );
    assert_eq!(app.requests().len(), 2);
}

#[test]
fn connections_to_the_app_are_used_again_and_dead_ones_are_not() {
    let app = Upstream::recording();
    let gate = start(&app);
    let mut client = gate.connect();
    for _ in 0..20 {
        assert_eq!(
            client.send(&good().to_bytes()).answer().unwrap().status,
            200
        );
    }
    assert_eq!(app.received(20).connection, 1, "one connection");
    drop(gate);
    // An app that hangs up after each answer, with and without saying so.
    for head in ["Connection: close\r\n", ""] {
        let bytes = format!("HTTP/1.1 200 OK\r\n{head}Content-Length: 2\r\n\r\nok").into_bytes();
        let app = Upstream::answering(move |_| Answer::Close(bytes.clone()));
        let gate = start(&app);
        let mut client = gate.connect();
        let mut lost = 0;
        for sent in 0..50 {
            // Till then nobody can know that a silent one is dead, and a sent POST is not sent again.
            app.journal.wait_closed(sent - lost);
            let response = client.send(&good().to_bytes()).answer().unwrap();
            lost += usize::from(response.status != 200);
        }
        // On a busy machine the system itself may hear of the end a moment late.
        let most = if head.is_empty() { 2 } else { 0 };
        assert!(lost <= most, "{head:?}: {lost}: {}", gate.log.text());
        assert_eq!(app.requests().len(), 50 - lost);
    }
}

/// What an app says after its answer belongs to no later request.
#[test]
fn the_queue_of_answers_cannot_be_poisoned() {
    let app = Upstream::answering(|request: &Received| {
        let own = reply("200 OK", &String::from_utf8_lossy(&request.body));
        let poison = reply("200 OK", "poison");
        Answer::Keep([own, poison].concat())
    });
    let gate = start(&app);
    let mut client = gate.connect();
    for n in 0..20 {
        let body = format!("request {n}");
        let response = client
            .send(&good().body(&body).to_bytes())
            .answer()
            .unwrap();
        assert!(
            response.status == 502 || response.text() == body,
            "{response:?}"
        );
    }
}

#[test]
fn heads_and_empty_answers_have_no_body() {
    let app = Upstream::answering(|request: &Received| {
        Answer::Keep(if request.line.starts_with("HEAD") {
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n".to_vec()
        } else if request.line.contains("204") {
            b"HTTP/1.1 204 No Content\r\n\r\n".to_vec()
        } else {
            b"HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n".to_vec()
        })
    });
    let gate = start(&app);
    let to = |method: &str, target: &str| Delivery {
        method: method.into(),
        target: target.into(),
        ..good().body("")
    };
    let mut client = gate.connect();
    let head = client.send(&to("HEAD", "/hook").to_bytes()).head().unwrap();
    assert_eq!(
        (head.status, head.header("content-length")),
        (200, Some("5"))
    );
    for (target, status) in [("/hook?204", 204), ("/hook?304", 304), ("/hook?204", 204)] {
        let response = client.send(&to("GET", target).to_bytes()).answer().unwrap();
        assert_eq!(
            (response.status, response.header("transfer-encoding")),
            (status, None)
        );
    }
}

#[test]
fn an_app_may_listen_on_a_unix_socket() {
    let folder = tempfile::TempDir::new().unwrap();
    let app = Upstream::unix(&folder.path().join("app.sock"));
    let gate = start(&app);
    let received = gate.accepts("unix", &good());
    assert_eq!(received.header("host"), Some(crate::harness::HOST));
    gate.refuses(
        "forged",
        &good().with("X-Key", "x"),
        401,
        "credential_wrong",
    );
}

#[test]
fn the_built_in_app_answers_with_what_it_received() {
    let mut echo = Upstream::down();
    echo.url = "echo:".into();
    let gate = start(&echo);
    let response = gate.send(&good().header("X-Gatepost-Provider", "forged"));
    let told: serde_json::Value = serde_json::from_slice(&response.body).unwrap();
    assert_eq!((response.status, &told["body"]), (200, &"body".into()));
    assert_eq!(told["headers"]["x-gatepost-verified-by"], "api-key");
    assert!(told["headers"]["x-gatepost-provider"].is_null());
}
