//! One function per parser of hostile input. Each must return for any bytes; what it asserts must
//! hold for any bytes.

use gatepost::address::proxy_protocol::{self, Parsed};
use gatepost::address::{AddressList, ClientSource, Network, Trust};
use gatepost::capture;
use gatepost::config::{self, Config, Environment};
use gatepost::diagnosis;
use gatepost::event::{MAX_BYTES, Parts, Rules, Source, header_text};
use gatepost::form;
use gatepost::handshake::{Asks, Challenge, Handshake, Handshakes, Kind, Reply, Text};
use gatepost::json::{self, Pointer, Selection, Value};
use gatepost::received::Received;
use gatepost::route::{Pattern, is_ambiguous};
use gatepost::secret::Secret;
use gatepost::server::http1::head;
use gatepost::verify::format::{Field, Format, MAX_SIGNATURES};
use gatepost::verify::http_signature::{Component, HttpSignature, Keys};
use gatepost::verify::jwt::{ALGORITHMS, Jwt, Key};
use gatepost::verify::public_key::PublicKey;
use gatepost::verify::signed::MacKey;
use gatepost::verify::template::{Constants, Template};
use gatepost::verify::{
    Alphabet, Body, Encoding, Hash, Head, Held, Moment, Place, Plan, Ring, Shape, Step,
};
use http::{HeaderMap, HeaderName, HeaderValue};

/// A target and its name: that of its corpus folder.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const ALL: [Target; 15] = [
    ("address", address),
    ("batch", batch),
    ("capture", captured),
    ("event", event),
    ("examine", examine),
    ("format", format),
    ("handshake", handshake),
    ("http_signature", http_signature),
    ("jwt", jwt),
    ("path", path),
    ("proxy_protocol", proxy),
    ("public_key", public_key),
    ("request", request),
    ("template", template),
    ("toml", toml),
];

/// Address lists, X-Forwarded-For, Forwarded.
pub fn address(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data)
        && let Ok(network) = Network::parse(text)
    {
        let again = Network::parse(&network.to_string()).expect("what is printed is read");
        assert_eq!(again, network);
    }
    let peer = "10.0.0.1".parse().expect("an address");
    let proxies = AddressList::new(vec![Network::parse("10.0.0.0/8").expect("a network")]);
    for (source, name) in [
        (ClientSource::XForwardedFor, "x-forwarded-for"),
        (ClientSource::Forwarded, "forwarded"),
        (
            ClientSource::Header(HeaderName::from_static("x-real-ip")),
            "x-real-ip",
        ),
    ] {
        let mut headers = HeaderMap::new();
        for line in data.split(|byte| *byte == b'\n') {
            if let Ok(value) = HeaderValue::from_bytes(line) {
                headers.append(HeaderName::from_static(name), value);
            }
        }
        let trust = Trust {
            proxies: proxies.clone(),
            source,
        };
        // Any outcome will do, as long as there is one.
        let _ = trust.client(peer, (&headers).into());
        // What the nearest proxy appended decides, whatever stands before it.
        if name == "x-forwarded-for" {
            headers.append(
                HeaderName::from_static(name),
                HeaderValue::from_static("203.0.113.9"),
            );
            let appended: std::net::IpAddr = "203.0.113.9".parse().expect("an address");
            assert_eq!(trust.client(peer, (&headers).into()), Ok(appended));
        }
    }
}

/// Event extraction and header values.
pub fn event(data: &[u8]) {
    let pointer = |text| Source::Json(Pointer::parse(text).expect("a pointer"));
    let rules = Rules::new(
        vec![
            pointer("/*/type"),
            pointer("/type"),
            Source::Form("type".into()),
        ],
        vec![pointer("/id"), Source::Query("id".into())],
        vec![pointer("/a/b/0")],
        false,
    );
    let headers = HeaderMap::new();
    let query = std::str::from_utf8(data).ok();
    let parts = Parts {
        headers: (&headers).into(),
        query,
        body: data,
        claims: Some(data),
    };
    let event = rules
        .read(&parts)
        .expect("an event that is not required is never refused");
    for text in event.types.iter().chain(&event.id) {
        let text = header_text(text);
        let bytes = text.as_str().as_bytes();
        assert!(bytes.len() <= MAX_BYTES);
        assert!(bytes.iter().all(|byte| (b' '..=b'~').contains(byte)));
    }
}

/// Signature headers: in every shape, alone and in groups.
pub fn format(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let (format, value) = text
        .split_once('\n')
        .unwrap_or(("t={timestamp},v1={signature}", text));
    let shipped = [
        "{signature}",
        "v1,{signature} ",
        "{id}.{signature}",
        "k={key_id}:{signature}",
        "{timestamp},{signature},",
        "{any}|{signature}",
    ];
    let pointer = |text| Pointer::parse(text).expect("a pointer");
    let fields = vec![
        (Field::Signature, pointer("/a")),
        (Field::KeyId, pointer("/b/0")),
    ];
    let documents =
        [None, Some(Encoding::Base64)].map(|encoding| Format::json(encoding, fields.clone()));
    let texts = shipped.into_iter().chain([format]);
    for format in texts.flat_map(Format::compile).chain(documents) {
        for format in [
            format.clone().grouped(' '),
            format.grouped(','),
            Format::compile("{signature}").expect("a format"),
        ] {
            let outcome = format.parse_each(value, |parsed| {
                assert!((1..=MAX_SIGNATURES).contains(&parsed.signatures.len()));
                Ok::<(), ()>(())
            });
            assert_eq!(outcome, Ok(()));
        }
    }
}

/// Handshakes: whatever is asked, what is answered is JSON, holds nothing of another alphabet, and is
/// no longer than the challenge allows.
pub fn handshake(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let mut lines = text.split('\n');
    let (query, alphabet) = (lines.next(), lines.next().unwrap_or_default());
    let body = Body::from(bytes::Bytes::copy_from_slice(
        lines.next().unwrap_or_default().as_bytes(),
    ));
    // Any outcome will do.
    let _ = Alphabet::parse(alphabet);
    drop(Text::json(query.unwrap_or_default()));
    let shape = Shape {
        alphabet: Alphabet::unmarked(),
        min: 1,
        max: 64,
    };
    let json = || Place::json(Pointer::parse("/challenge").expect("a pointer"));
    let of = |place: Place, members| Handshake {
        method: http::Method::POST,
        signed: false,
        asks: Asks {
            members,
            any_body: true,
            ..Asks::default()
        },
        challenge: Some(Challenge { place, shape }),
        proof: None,
        reply: Reply {
            status: http::StatusCode::OK,
            kind: Kind::Json(Text::json(r#"{"a":"{challenge}"}"#).expect("JSON")),
            headers: Vec::new(),
            public_url: String::new(),
        },
        hint: None,
    };
    let handshakes = Handshakes {
        all: vec![
            of(Place::Query("c".into()), None),
            of(json(), Some(vec!["challenge".into()])),
            of(json(), None),
        ],
        verify_token: None,
        username: String::new(),
    };
    let headers = HeaderMap::new();
    let head = Head {
        method: "POST",
        path: "/",
        query,
        headers: (&headers).into(),
    };
    let now = Moment::from_second(1_700_000_000).expect("a time");
    let empty = body.is_empty();
    if let Ok(Some(answer)) = handshakes.answer(&head, Some(&body), empty, false, now) {
        let pointer = [Pointer::parse("/a").expect("a pointer")];
        let found = Selection::new(&pointer)
            .read(&answer.body)
            .expect("an answer is JSON")
            .found;
        let Some([Value::Text(told)]) = found.first().map(|found| &*found.values) else {
            panic!("not one text");
        };
        assert!(shape.fits(told.as_bytes()) && !told.contains(['<', '>', '&']));
        assert_ne!(
            handshakes.asked(&head, empty),
            gatepost::handshake::Asked::No
        );
    }
}

/// Batches and lists of pairs: what is handed out stands in the body.
pub fn batch(data: &[u8]) {
    for pointer in ["", "/a", "/a/b"] {
        let pointer = Pointer::parse(pointer).expect("a pointer");
        for element in json::elements(&pointer, data, 3).unwrap_or_default() {
            assert!(
                data.windows(element.len())
                    .any(|part| part == element.as_bytes())
            );
        }
    }
    if let Some(pairs) = form::pairs(data, 8) {
        assert!(pairs.len() <= 8);
        let written: Vec<String> = pairs
            .iter()
            .map(|(name, value)| {
                format!(
                    "{}={}",
                    form::percent_encoded(name),
                    form::percent_encoded(value)
                )
            })
            .collect();
        let written = written.join("&");
        assert_eq!(form::pairs(written.as_bytes(), 8), Some(pairs));
    }
}

/// Message signatures: none that was not made with the key passes, and every base that is built ends
/// with the parameters as they were read.
pub fn http_signature(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let mut lines = text.split('\n');
    let mut headers = HeaderMap::new();
    for name in ["signature-input", "signature", "content-digest", "priority"] {
        let line = lines.next().unwrap_or_default();
        if let Ok(value) = HeaderValue::try_from(line) {
            headers.append(HeaderName::from_static(name), value);
        }
    }
    let query = lines.next();
    let head = Head {
        method: "POST",
        path: "/",
        query,
        headers: (&headers).into(),
    };
    let secret = Secret::new(b"a secret that the fuzzer does not know".to_vec());
    let key = MacKey::new(Hash::Sha256, secret).expect("a key");
    let step = HttpSignature {
        label: None,
        components: Vec::new(),
        tag: None,
        tolerance: std::time::Duration::from_secs(1 << 40),
        algorithm: "hmac-sha256",
        keys: Keys::Hmac(Ring::new(vec![Held {
            name: "k".into(),
            not_before: None,
            until: None,
            key,
        }])),
        public_url: Some("https://hooks.example.com".into()),
    };
    let now = Moment::from_second(1_618_884_473).expect("a time");
    assert!(step.begin(&head, now).is_err());
    let input = query.unwrap_or_default();
    if let Some(base) = step.base_of(input, &head) {
        let base = String::from_utf8_lossy(&base).into_owned();
        let last = base.lines().last().expect("a line");
        assert!(last.starts_with("\"@signature-params\": ("));
        assert_eq!(
            base.matches("\n\"@signature-params\": ").count(),
            usize::from(base.contains('\n'))
        );
    }
    if let Ok(component) = Component::parse(input) {
        let again = Component::parse(component.written()).expect("what is written is read");
        assert_eq!(again, component);
    }
}

/// Tokens: none that was not signed passes.
pub fn jwt(data: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(data) else {
        return;
    };
    let secret = Secret::new(b"a secret that the fuzzer does not know".to_vec());
    let held = Held {
        name: "k".into(),
        not_before: None,
        until: None,
        key: Key::shared(&secret),
    };
    let step = Jwt {
        place: Place::Header(http::header::AUTHORIZATION),
        detached: false,
        issued_at: "iat".into(),
        prefix: String::new(),
        algorithms: ALGORITHMS.iter().collect(),
        issuers: vec![Template::literal("i")],
        audiences: Vec::new(),
        required: vec!["exp".into()],
        leeway: std::time::Duration::from_secs(60),
        max_age: None,
        body_hash: Vec::new(),
        keys: Ring::new(vec![held]),
    };
    let plan = Plan {
        addresses: None,
        groups: vec![vec![Step::Jwt(Box::new(step))]],
    };
    let mut headers = HeaderMap::new();
    headers.insert(http::header::AUTHORIZATION, value);
    let head = Head {
        method: "POST",
        path: "/",
        query: None,
        headers: (&headers).into(),
    };
    let client = std::net::IpAddr::from(std::net::Ipv4Addr::LOCALHOST);
    let refusal = plan
        .admit(client, &head, Moment::UNIX_EPOCH)
        .expect_err("nobody signed this");
    assert!(refusal.status().is_client_error());
}

/// Paths: what is not ambiguous has no second reading.
pub fn path(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if !is_ambiguous(text) {
        assert!(!text.contains("//") && !text.contains('\\'));
        assert!(
            text.split('/')
                .all(|segment| segment != "." && segment != "..")
        );
    }
    if let Ok(Pattern::Exact(path) | Pattern::Prefix(path)) = Pattern::parse(text) {
        assert!(!is_ambiguous(&path));
    }
}

/// PROXY headers: a whole one is whole whatever follows.
pub fn proxy(data: &[u8]) {
    if let Ok(parsed @ Parsed::Complete { length, .. }) = proxy_protocol::parse(data) {
        assert!(length <= data.len());
        assert_eq!(proxy_protocol::parse(&data[..length]), Ok(parsed));
        assert_eq!(
            proxy_protocol::parse(&data[..length - 1]),
            Ok(Parsed::Incomplete)
        );
    }
}

/// Public keys in every form.
pub fn public_key(data: &[u8]) {
    if let Ok(keys) = PublicKey::read_all(data) {
        assert!(!keys.is_empty());
    }
}

/// Message templates.
pub fn template(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let (message, body) = text.split_once('\n').unwrap_or((text, ""));
    let constants = Constants {
        public_url: Some("https://a.example".into()),
        config: [("a".into(), "b".into())].into(),
    };
    let Ok(template) = Template::compile(message, &constants) else {
        return;
    };
    let body = Body::from(bytes::Bytes::copy_from_slice(body.as_bytes()));
    let headers = HeaderMap::new();
    let head = Head {
        method: "POST",
        path: "/p",
        query: Some("a=b"),
        headers: (&headers).into(),
    };
    let claim = gatepost::verify::Claim::default();
    let context = gatepost::verify::template::Context {
        head: &head,
        claim: &claim,
        body: Some(&body),
        secret: b"secret",
    };
    let mut whole = Vec::new();
    let fed = template.feed(&context, |bytes| whole.extend_from_slice(bytes));
    if let (Ok(()), Some(at)) = (fed, template.body_at()) {
        let mut parts = Vec::new();
        template
            .feed_before(at, &context, |bytes| parts.extend_from_slice(bytes))
            .expect("as whole");
        body.chunks()
            .iter()
            .for_each(|chunk| parts.extend_from_slice(chunk));
        template
            .feed_after(at, &context, |bytes| parts.extend_from_slice(bytes))
            .expect("as whole");
        assert_eq!(whole, parts);
    }
}

/// `sidecar.toml`: every text is a configuration or a report.
pub fn toml(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let environment = Environment {
        inline: true,
        variables: Some(std::collections::BTreeMap::new()),
        ..Environment::default()
    };
    let loaded = config::parse("fuzz.toml", text, "/nonexistent".into(), &environment);
    assert_eq!(loaded.config.is_none(), loaded.problems.errors() > 0);
    assert_eq!(loaded.report(false).is_empty(), loaded.problems.is_empty());
}

/// Captured requests, in every form: what is read can be written as raw HTTP, and is the same then.
pub fn captured(data: &[u8]) {
    let Some(capture) = read_capture(data) else {
        return;
    };
    let parts = &capture.parts;
    let method = parts.method.as_str();
    // Chunks are taken apart, and `curl` at the beginning is the command.
    if parts.headers.contains_key("transfer-encoding") || method.starts_with("curl") {
        return;
    }
    let mut raw = format!("{method} {} HTTP/1.1\r\n", parts.uri).into_bytes();
    for (name, value) in &parts.headers {
        for piece in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            raw.extend_from_slice(piece);
        }
    }
    raw.extend_from_slice(b"\r\n");
    raw.extend_from_slice(&capture.body);
    let again = read_capture(&raw).expect("what is written is read");
    assert_eq!(again.parts.method, parts.method);
    assert_eq!(again.parts.uri, parts.uri);
    assert_eq!(again.parts.headers, parts.headers);
    assert_eq!(again.body, capture.body);
}

/// Every file that a capture names holds the capture itself: the worst that could be there.
fn read_capture(data: &[u8]) -> Option<capture::Capture> {
    capture::read(data, None, &|_| Ok(data.to_vec())).ok()
}

/// The head of a request: what is taken hyper would have read as the same, and what is not taken is
/// left as it is.
pub fn request(data: &[u8]) {
    let limits = &examined().limits;
    let all = bytes::Bytes::copy_from_slice(data);
    let mut read = all.clone();
    match head::take(&mut read, limits) {
        head::Found::Whole(received, body) => {
            let taken = all.strip_suffix(&*read).expect("what is left is the end");
            assert!(taken.ends_with(&body));
            same(&(received, body), &hypers(taken).expect("it is a request"));
        }
        head::Found::Begun(begun) => {
            assert_eq!(read, all);
            let missing = begun.all - all.len();
            // A length may be announced that nobody would wait for.
            if missing < 1 << 16 {
                let whole = [data, &vec![b'x'; missing]].concat();
                let mut read = whole.clone().into();
                let head::Found::Whole(received, body) = begun.take(&mut read) else {
                    panic!("nothing else is missing");
                };
                assert!(read.is_empty());
                same(&(received, body), &hypers(&whole).expect("it is a request"));
            }
        }
        head::Found::Other => assert_eq!(read, all),
    }
}

/// The head of a request, and its body.
type Taken = (Received, bytes::Bytes);

fn same((ours, body): &Taken, (hypers, hypers_body): &Taken) {
    assert_eq!(ours.method, hypers.method);
    assert_eq!(ours.uri, hypers.uri);
    assert_eq!(ours.version, hypers.version);
    assert_eq!(
        HeaderMap::from(&ours.headers),
        HeaderMap::from(&hypers.headers)
    );
    assert_eq!(body, hypers_body);
}

/// The first request that hyper reads.
fn hypers(text: &[u8]) -> Option<Taken> {
    use http_body_util::BodyExt as _;
    use tokio::io::AsyncWriteExt as _;
    thread_local! {
        static RUNTIME: tokio::runtime::Runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime");
    }
    let seen = std::cell::RefCell::new(None);
    let serving = async {
        let (ours, mut theirs) = tokio::io::duplex(1 << 20);
        theirs.write_all(text).await.expect("there is room");
        theirs.shutdown().await.expect("nobody has hung up");
        let service =
            hyper::service::service_fn(|request: http::Request<hyper::body::Incoming>| async {
                let (parts, body) = request.into_parts();
                if let Ok(body) = body.collect().await {
                    let request = (parts.into(), body.to_bytes());
                    seen.borrow_mut().get_or_insert(request);
                }
                Ok::<_, std::convert::Infallible>(http::Response::new(String::new()))
            });
        let mut builder = hyper::server::conn::http1::Builder::new();
        let builder = builder.half_close(true).header_read_timeout(None);
        let io = hyper_util::rt::TokioIo::new(ours);
        drop(builder.serve_connection(io, service).await);
    };
    RUNTIME.with(|runtime| runtime.block_on(serving));
    seen.into_inner()
}

const PLANTED: &str = "a-secret-that-no-report-may-hold";

/// One route of every kind of step, with a secret that must stay one.
fn examined() -> &'static Config {
    static CONFIG: std::sync::OnceLock<Config> = std::sync::OnceLock::new();
    CONFIG.get_or_init(|| {
        let steps = [
            r#"scheme = "hmac", header = "X-Signature", format = "t={timestamp},v1={signature}", message = "{timestamp}.{body}""#,
            r#"scheme = "hmac", header = "X-Signature", message = "{url}{header:X-Id}{body|sha256|hex}", encoding = "base64""#,
            r#"scheme = "digest", header = "X-Signature", message = "{secret}{body}""#,
            r#"scheme = "jwt", algorithms = ["HS256"], body_hash = { claim = "h", hash = "sha256", encoding = "hex" }"#,
            r#"scheme = "basic", username = "u""#,
            r#"scheme = "bearer""#,
            r#"scheme = "api_key", query = "key""#,
        ];
        let routes = steps.iter().enumerate().map(|(number, step)| {
            format!(
                "[[route]]\npath = \"/{number}\"\npublic_url = \"https://h\"\nduplicates = \"acknowledge\"\n\
                 event = {{ type = {{ json = \"/type\" }}, id = {{ json = \"/id\" }} }}\n\
                 secret = {{ inline = \"{PLANTED}\" }}\nverify = [{{ {step} }}]\n"
            )
        });
        let text = format!(
            "[upstream]\nurl = \"echo:\"\n{}",
            routes.collect::<String>()
        );
        let environment = Environment {
            inline: true,
            variables: Some(std::collections::BTreeMap::new()),
            ..Environment::default()
        };
        let loaded = config::parse("fuzz.toml", &text, "/nonexistent".into(), &environment);
        let report = loaded.report(false);
        loaded.config.unwrap_or_else(|| panic!("{report}"))
    })
}

/// The examination of a request: there is always a report, the same verdict as that of the step,
/// and never the secret in it. The first byte chooses the route.
pub fn examine(data: &[u8]) {
    let Some((route, data)) = data.split_first() else {
        return;
    };
    let Some(mut capture) = read_capture(data) else {
        return;
    };
    // The method, the names of headers, and what the sender calls its event are told, whatever is
    // written there: none of them is a credential.
    let mut names = capture.parts.headers.keys();
    let event = serde_json::from_slice::<serde_json::Value>(&capture.body).unwrap_or_default();
    let mut called = ["type", "id"].iter().map(|key| event[key].to_string());
    if capture.parts.method.as_str().contains(PLANTED)
        || names.any(|name| name.as_str().contains(PLANTED))
        || called.any(|text| text.contains(PLANTED))
    {
        return;
    }
    let config = examined();
    let query = capture.parts.uri.query().unwrap_or_default();
    let target = format!("/{}?{query}", route % 7);
    let Ok(uri) = target.parse() else { return };
    capture.parts.uri = uri;
    let case = diagnosis::Case {
        parts: &capture.parts,
        host: "h",
        body: &capture.body,
        peer: Some(std::net::Ipv4Addr::LOCALHOST.into()),
        now: Moment::from_second(1_790_000_000).expect("a time"),
        plain: Ok(()),
        unread: false,
        limit: std::time::Duration::from_millis(50),
    };
    let report = diagnosis::examine(&config.routes, &config.trust, &case);
    let text = report.to_json().to_string();
    assert!(!text.contains(PLANTED), "{text}");
    assert!(report.reason.is_some() || report.copies.is_some() || report.route.is_none());
    assert!(report.reason.is_none() || report.copies.is_none());
}
