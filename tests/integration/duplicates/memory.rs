//! One process: the three ways with copies, and everything that makes an event no copy.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use gatepost::duplicates::{Known, Memory};
use gatepost::fingerprint::Fingerprinter;
use http_body_util::Full;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};

use super::{SECRET, event, moody, setup, signed};
use crate::harness::upstream::reply;
use crate::harness::{Answer, Client, DEADLINE, Delivery, Setup, Upstream};

#[test]
fn a_copy_is_forwarded_as_such_acknowledged_or_rejected() {
    let app = Upstream::recording();
    let gate = setup(&app, "").start();
    for copy in [false, true, true] {
        let received = gate.accepts("forward", &event("1"));
        let marked = received.header("x-gatepost-duplicate");
        assert_eq!(marked, copy.then_some("true"));
    }
    let other = gate.accepts("another", &event("2"));
    assert_eq!(other.header("x-gatepost-duplicate"), None);
    let metrics = gate.health("/metrics").text();
    assert!(metrics.contains("gatepost_duplicates_total{route=\"/hook\",action=\"forward\"} 2"));
    assert!(
        metrics.contains("gatepost_duplicates_remembered 2"),
        "{metrics}"
    );

    let gate = setup(&app, "duplicates = \"acknowledge\"\nsuccess_status = 202").start();
    gate.send(&event("1"));
    let seen = app.requests().len();
    let response = gate.send(&event("1"));
    assert_eq!((response.status, response.body.len()), (202, 0));
    assert_eq!(app.requests().len(), seen);
    let line = gate.line(response.header("x-gatepost-request-id").unwrap());
    assert_eq!(line["outcome"], "acknowledged");
    assert_eq!(line["duplicate"], "acknowledge");
    assert_eq!(line["event_id"], "1");

    let gate = setup(&app, "duplicates = \"reject\"").start();
    gate.passes("first", &event("1"));
    gate.refuses("copy", &event("1"), 409, "duplicate");
    gate.passes("another", &event("2"));

    let gate = setup(&app, "duplicates = \"off\"").start();
    for _ in 0..2 {
        let received = gate.accepts("off", &event("1"));
        assert_eq!(received.header("x-gatepost-duplicate"), None);
    }
}

#[test]
fn what_the_app_has_not_taken_is_no_copy() {
    let (app, mood) = moody();
    let gate = setup(&app, "duplicates = \"reject\"")
        .upstream("timeout = \"300ms\"")
        .start();
    let failures: [(fn() -> Answer, u16); 8] = [
        (|| Answer::Keep(reply("500 Oh", "")), 500),
        (|| Answer::Keep(reply("404 No", "")), 404),
        (|| Answer::Keep(reply("302 Found", "")), 302),
        (|| Answer::Hang, 504),
        (|| Answer::Close(Vec::new()), 502),
        (|| Answer::Reset(Vec::new()), 502),
        // The head says yes, then the app breaks off.
        (
            || Answer::Close(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf".to_vec()),
            502,
        ),
        (
            || {
                Answer::Close(
                    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n".to_vec(),
                )
            },
            502,
        ),
    ];
    for (number, (answer, status)) in failures.into_iter().enumerate() {
        let id = format!("failed-{number}");
        for _ in 0..2 {
            mood.tell(answer);
            let before = app.requests().len();
            assert_eq!(gate.send(&event(&id)).status, status, "{id}");
            assert_eq!(app.requests().len(), before + 1, "{id}");
        }
        mood.tell(|| Answer::Keep(reply("204 No Content", "")));
        let before = app.requests().len();
        assert_eq!(gate.send(&event(&id)).status, 204, "{id}");
        assert_eq!(app.requests().len(), before + 1, "{id}");
        gate.refuses("copy", &event(&id), 409, "duplicate");
    }
}

#[test]
fn an_answer_that_is_long_or_has_no_length_is_forwarded_whole() {
    let (app, mood) = moody();
    let gate = setup(&app, "duplicates = \"reject\"").start();
    mood.tell(|| Answer::Keep(reply("200 OK", &"x".repeat(300_000))));
    let response = gate.send(&event("long"));
    assert_eq!((response.status, response.body.len()), (200, 300_000));
    assert!(response.complete);
    gate.refuses("copy", &event("long"), 409, "duplicate");
    mood.tell(|| {
        let mut bytes = b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        bytes.extend_from_slice(b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
        Answer::Keep(bytes)
    });
    let response = gate.send(&event("chunks"));
    assert_eq!((response.status, response.text().as_str()), (201, "abcde"));
    gate.refuses("copy", &event("chunks"), 409, "duplicate");
}

/// An app that answers each request with what comes through a channel.
fn waiting() -> (Upstream, mpsc::Sender<&'static str>) {
    let (tell, told) = mpsc::channel();
    let told = std::sync::Mutex::new(told);
    let app = Upstream::answering(move |_| {
        let status = told.lock().unwrap().recv_timeout(DEADLINE).unwrap();
        Answer::Keep(reply(status, ""))
    });
    (app, tell)
}

#[test]
fn a_copy_waits_for_the_first_and_is_never_ahead_of_it() {
    let (app, tell) = waiting();
    let gate = setup(&app, "duplicates = \"acknowledge\"").start();
    // Taken: the copy is acknowledged without having been forwarded.
    let mut first = gate.connect();
    first.send(&event("a").to_bytes());
    app.received(1);
    let mut copy = gate.connect();
    copy.send(&event("a").to_bytes());
    std::thread::sleep(Duration::from_millis(50));
    tell.send("200 OK").unwrap();
    assert_eq!(first.answer().unwrap().status, 200);
    assert_eq!(copy.answer().unwrap().status, 200);
    assert_eq!(app.requests().len(), 1);
    // Failed: the copy is the first now.
    let mut first = gate.connect();
    first.send(&event("b").to_bytes());
    app.received(2);
    let mut copy = gate.connect();
    copy.send(&event("b").to_bytes());
    std::thread::sleep(Duration::from_millis(50));
    tell.send("500 Oh").unwrap();
    assert_eq!(first.answer().unwrap().status, 500);
    app.received(3);
    tell.send("200 OK").unwrap();
    assert_eq!(copy.answer().unwrap().status, 200);
    // Slower than the copy's patience: it has to come again.
    let mut first = gate.connect();
    first.send(&event("c").to_bytes());
    app.received(4);
    let start = Instant::now();
    let response = gate.refuses("too early", &event("c"), 503, "event_in_flight");
    assert_eq!(response.header("retry-after"), Some("5"));
    assert!(start.elapsed() > Duration::from_secs(2));
    tell.send("200 OK").unwrap();
    assert_eq!(first.answer().unwrap().status, 200);
    assert_eq!(gate.send(&event("c")).status, 200);
    assert_eq!(app.requests().len(), 4);
}

/// Hangs up so that it shows at once.
fn reset(client: Client) {
    let socket = socket2::SockRef::from(&client.stream);
    socket.set_linger(Some(Duration::ZERO)).unwrap();
    drop(client);
}

#[test]
fn a_sender_that_hangs_up_has_its_event_settled_by_the_answer() {
    let (app, tell) = waiting();
    let mut setup = setup(&app, "duplicates = \"acknowledge\"");
    setup = setup.upstream("timeout = \"5s\"");
    let gate = setup.start();
    let mut impatient = gate.connect();
    impatient.send(&event("a").to_bytes());
    app.received(1);
    reset(impatient);
    tell.send("200 OK").unwrap();
    // It comes again, and the app has taken it.
    assert_eq!(gate.send(&event("a")).status, 200);
    assert_eq!(app.requests().len(), 1);
    // The same, but the app fails in the end.
    let mut impatient = gate.connect();
    impatient.send(&event("b").to_bytes());
    app.received(2);
    reset(impatient);
    tell.send("500 Oh").unwrap();
    tell.send("200 OK").unwrap();
    assert_eq!(gate.send(&event("b")).status, 200);
    assert_eq!(app.requests().len(), 3);
}

/// A caller that resets its HTTP/2 stream ends the request, not the work of the app.
#[test]
fn a_stream_that_is_reset_has_its_event_settled_too() {
    let (app, tell) = waiting();
    let gate = setup(&app, "duplicates = \"acknowledge\"")
        .server("protocols = [\"http/1.1\", \"h2c\"]")
        .start();
    for (number, (status, requests)) in [("200 OK", 1), ("500 Oh", 4)].into_iter().enumerate() {
        let id = number.to_string();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let tcp = tokio::net::TcpStream::connect(gate.address).await.unwrap();
            let (mut sender, connection) =
                http2::handshake(TokioExecutor::new(), TokioIo::new(tcp))
                    .await
                    .unwrap();
            drop(tokio::spawn(connection));
            let delivery = event(&id);
            let request = hyper::Request::post("http://hooks.example/hook")
                .header("X-Sign", delivery.value("X-Sign"))
                .body(Full::<bytes::Bytes>::from(delivery.body))
                .unwrap();
            let answer = sender.send_request(request);
            let before = app.requests().len();
            let arrived = async {
                while app.requests().len() == before {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            };
            tokio::select! {
                _ = answer => panic!("an answer before the app gave one"),
                () = arrived => {}
            }
        });
        drop(runtime);
        let aborted = gate
            .log
            .wait(|line| line["outcome"] == "aborted" && line["event_id"] == *id);
        assert!(aborted.is_some());
        tell.send(status).unwrap();
        tell.send("200 OK").unwrap();
        assert_eq!(gate.send(&event(&id)).status, 200);
        assert_eq!(app.requests().len(), requests);
        if requests == 1 {
            // What was told for the copy that never came.
            assert_eq!(gate.send(&event("other")).status, 200);
        }
    }
}

#[test]
fn a_forgery_neither_writes_nor_asks() {
    let app = Upstream::recording();
    let gate = setup(&app, "duplicates = \"reject\"").start();
    let forged = event("1").with("X-Sign", "00".repeat(32));
    gate.refuses("forged first", &forged, 401, "signature_mismatch");
    gate.passes("genuine", &event("1"));
    gate.refuses("forged copy", &forged, 401, "signature_mismatch");
    gate.refuses("copy", &event("1"), 409, "duplicate");
}

#[test]
fn type_id_route_and_provider_tell_events_apart() {
    let app = Upstream::recording();
    let gate = setup(&app, "duplicates = \"reject\"")
        .toml(
            "[[route]]\npath = \"/other\"\nprovider = \"acme\"\nduplicates = \"reject\"\n\
             secret = { env = \"SECRET\" }",
        )
        .start();
    gate.passes("first", &event("1"));
    gate.passes("type", &signed("{\"type\":\"u\",\"id\":\"1\"}"));
    gate.passes("no type", &signed("{\"id\":\"1\"}"));
    let mut elsewhere = event("1");
    elsewhere.target = "/other".into();
    gate.passes("another route is another delivery", &elsewhere);
    gate.refuses("there too", &elsewhere, 409, "duplicate");
    gate.refuses(
        "other bytes of the same event",
        &signed("{\"id\":\"1\",\"more\":1,\"type\":\"t\"}"),
        409,
        "duplicate",
    );
    // Nothing tells these from others: they pass, every time.
    for _ in 0..2 {
        gate.passes("no id", &signed("{\"type\":\"t\"}"));
        gate.passes(
            "two ids",
            &signed("{\"type\":\"t\",\"id\":\"1\",\"id\":\"1\"}"),
        );
        gate.passes("not JSON", &signed("hello"));
    }
    let metrics = gate.health("/metrics").text();
    assert!(metrics.contains("gatepost_events_without_key_total{route=\"/hook\"} 6"));
}

/// Where the provider has no id, or nobody signed it, what was signed tells the events apart.
#[test]
fn without_a_signed_id_the_signed_message_counts() {
    let app = Upstream::recording();
    let with = |event: &str, step: &str| {
        Setup::new(&app)
            .env("SECRET", SECRET)
            .toml(&format!(
                "[[route]]\npath = \"/hook\"\nsecret = {{ env = \"SECRET\" }}\nduplicates = \"reject\"\n{event}\n\
                 verify = [{{ scheme = \"hmac\", header = \"X-Sign\", encoding = \"hex\"{step} }}]"
            ))
            .start()
    };
    let gate = with("", "");
    gate.passes("first", &signed("body"));
    gate.passes("another", &signed("another"));
    gate.refuses("copy", &signed("body"), 409, "duplicate");
    let upper = signed("body");
    let upper = upper
        .clone()
        .with("X-Sign", upper.value("X-Sign").to_uppercase());
    gate.refuses("the signature written otherwise", &upper, 409, "duplicate");

    // An id in a header that nobody signed would let the replay of a captured request pass, and
    // would let it occupy the id of another event.
    let gate = with("event.id = { header = \"X-Id\" }", "");
    gate.passes("first", &signed("body").header("X-Id", "1"));
    gate.refuses(
        "copy",
        &signed("body").header("X-Id", "2"),
        409,
        "duplicate",
    );
    gate.passes("not poisoned", &signed("another").header("X-Id", "2"));

    // The same header, signed.
    let gate = with(
        "event.id = { header = \"X-Id\" }",
        ", message = \"{header:X-Id}.{body}\"",
    );
    let with_id = |id: &str, body: &str| {
        let message = format!("{id}.{body}");
        let mac = crate::signing::hmac("sha256", SECRET.as_bytes(), message.as_bytes());
        Delivery::post("/hook")
            .header("X-Sign", crate::signing::hex(&mac))
            .header("X-Id", id)
            .body(body)
    };
    gate.passes("first", &with_id("1", "body"));
    gate.refuses("another body", &with_id("1", "x"), 409, "duplicate");
    gate.passes("another id", &with_id("2", "body"));
}

#[test]
fn a_route_names_its_own_key_and_a_batch_is_known_by_all_its_ids() {
    let app = Upstream::recording();
    let gate = setup(
        &app,
        "duplicates = \"reject\"\nduplicate_key = [{ json = \"/account\" }, { json = \"/seq\" }]",
    )
    .start();
    gate.passes("first", &signed("{\"id\":1,\"account\":\"a\",\"seq\":1}"));
    gate.passes("next", &signed("{\"id\":1,\"account\":\"a\",\"seq\":2}"));
    gate.refuses(
        "copy",
        &signed("{\"id\":2,\"account\":\"a\",\"seq\":1}"),
        409,
        "duplicate",
    );

    let gate = setup(
        &app,
        "duplicates = \"reject\"\nevent.type = { json = \"/*/type\" }\nevent.id = { json = \"/*/id\" }",
    )
    .start();
    let batch = "[{\"type\":\"t\",\"id\":\"1\"},{\"type\":\"t\",\"id\":\"2\"}]";
    gate.passes("batch", &signed(batch));
    gate.refuses("the same batch", &signed(batch), 409, "duplicate");
    gate.passes("a part of it", &signed("[{\"type\":\"t\",\"id\":\"1\"}]"));
}

/// Adyen names a payment that fails and then succeeds by one id: the second is no copy.
#[test]
fn a_provider_names_the_key_of_its_events() {
    let app = Upstream::recording();
    let toml = "[[route]]\npath = \"/adyen\"\nprovider = \"adyen\"\nduplicates = \"reject\"\n\
                secret = { env = \"ADYEN\" }";
    let gate = Setup::new(&app).env("ADYEN", "ab12").toml(toml).start();
    let notice = |success: &str| {
        let mac = crate::signing::hmac(
            "sha256",
            b"\xab\x12",
            format!("8:::r:1:EUR:AUTHORISATION:{success}").as_bytes(),
        );
        let signature = crate::signing::base64(&mac);
        Delivery::post("/adyen").body(format!(
            "{{\"notificationItems\":[{{\"NotificationRequestItem\":{{\"pspReference\":\"8\",\"merchantReference\":\"r\",\
             \"amount\":{{\"value\":1,\"currency\":\"EUR\"}},\"eventCode\":\"AUTHORISATION\",\"success\":\"{success}\",\
             \"additionalData\":{{\"hmacSignature\":\"{signature}\"}}}}}}]}}"
        ))
    };
    gate.passes("it fails", &notice("false"));
    gate.passes("it succeeds", &notice("true"));
    gate.refuses("that again", &notice("true"), 409, "duplicate");
}

#[test]
fn a_reload_forgets_nothing_and_open_routes_remember_nothing() {
    let app = Upstream::recording();
    let gate = setup(&app, "duplicates = \"reject\"").start();
    gate.passes("first", &event("1"));
    let path = gate.folder.path().join("sidecar.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{text}\n[duplicates]\ncapacity = 5000\n")).unwrap();
    assert!(
        gate.log
            .wait(|line| line["msg"] == "configuration reloaded")
            .is_some()
    );
    gate.refuses("copy", &event("1"), 409, "duplicate");

    let gate = setup(&app, "mode = \"observe\"\nduplicates = \"reject\"").start();
    for _ in 0..2 {
        let received = gate.accepts("observed", &event("1"));
        assert_eq!(received.header("x-gatepost-duplicate"), None);
    }
    assert!(
        gate.health("/metrics")
            .text()
            .contains("gatepost_duplicates_remembered 0")
    );
}

fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

#[test]
fn a_million_ids_take_less_than_120_bytes_each() {
    const MILLION: u32 = 1_000_000;
    let start = Instant::now();
    let event = |number: u32| Fingerprinter::new("x").with(&number.to_le_bytes()).finish();
    let before = resident();
    let memory = Memory::new(MILLION as usize, Duration::from_secs(3600), start);
    let mut slowest = Duration::ZERO;
    for number in 0..MILLION {
        let (event, one) = (event(number), Instant::now());
        assert_eq!(memory.claim(event, start), Known::Claimed);
        memory.remember(event, start);
        slowest = slowest.max(one.elapsed());
    }
    let bytes = resident().saturating_sub(before) / MILLION as usize;
    let whole = start.elapsed() / MILLION;
    eprintln!("{bytes} bytes an id; {whole:?} for hash, claim and settlement; slowest {slowest:?}");
    assert!(memory.len() > 990_000, "{}", memory.len());
    assert!(bytes < 120, "{bytes}");
}

/// A path that goes to another provider: what that one sends are other events.
#[test]
fn the_same_path_of_another_provider_remembers_other_events() {
    let app = Upstream::recording();
    let gate = setup(&app, "duplicates = \"reject\"").start();
    gate.passes("first", &event("1"));
    gate.refuses("copy", &event("1"), 409, "duplicate");
    let path = gate.folder.path().join("sidecar.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("acme", "umbrella")).unwrap();
    assert!(
        gate.log
            .wait(|line| line["msg"] == "configuration reloaded")
            .is_some()
    );
    gate.passes("of another provider", &event("1"));
    gate.refuses("a copy there", &event("1"), 409, "duplicate");
}
