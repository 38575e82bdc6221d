//! The work that is measured: what every request is put through, on requests as providers send
//! them. The timed benchmarks and the guard of instruction counts measure the same.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use gatepost::config::problem::Problems;
use gatepost::config::source::Files;
use gatepost::config::{Config, Environment, catalogue, grammar, parse, shape, tree};
use gatepost::duplicates::{Known, Memory};
use gatepost::event::Parts;
use gatepost::fingerprint::Fingerprinter;
use gatepost::headers::{FORWARDED_FOR, FORWARDED_HOST, Headers, Names, address_value, kept};
use gatepost::proxy::Gate;
use gatepost::received::Received;
use gatepost::route::{Mode, Route};
use gatepost::sign::{Delivery, PrivateKey, sign};
use gatepost::telemetry::{Entry, Format, Level, Log, Series, Telemetry};
use gatepost::upstream;
use gatepost::verify::{Body, Head, Moment, Plan};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};

/// One call of it is one unit of work.
pub type Work = Box<dyn FnMut()>;

/// The work that takes the same instructions on every processor of a kind: a start, then in the order
/// of a request. That of public keys does not: it hangs on what the processor can do.
pub const STEADY: [&str; 15] = [
    "start_100",
    "route_1",
    "route_10",
    "route_1000",
    "route_1000_prefix",
    "verify_hmac_1k",
    "verify_hmac_64k",
    "verify_template_1k",
    "verify_10_secrets_1k",
    "verify_jwt",
    "event_object_1k",
    "event_array_1k",
    "event_object_64k",
    "headers_rewrite",
    "log_and_count",
];

/// Makes the work called `name`.
pub fn work(name: &str) -> Work {
    match name {
        "start_100" => starting(100),
        "route_1" => routing(1, "/hooks/0"),
        "route_10" => routing(10, "/hooks/7"),
        "route_1000" => routing(1000, "/hooks/700"),
        "route_1000_prefix" => routing(1000, "/mixed/a/b/c"),
        "verify_hmac_1k" => verification(HMAC, 1024),
        "verify_hmac_64k" => verification(HMAC, 64 * 1024),
        "verify_template_1k" => verification(TEMPLATE, 1024),
        "verify_10_secrets_1k" => verification(ROTATION, 1024),
        "verify_jwt" => verification(JWT, 1024),
        "verify_rsa_pss_1k" => verification(RSA, 1024),
        "verify_ed25519_1k" => verification(ED25519, 1024),
        "event_object_1k" => event(EVENT, &object(1024)),
        "event_object_64k" => event(EVENT, &object(64 * 1024)),
        "event_array_1k" => event(JWT, &array(1024)),
        "headers_rewrite" => rewriting(),
        "log_and_count" => record(),
        "read_catalogue" => reading(),
        "duplicates_new_1m" => remembering(false),
        "duplicates_copy_1m" => remembering(true),
        _ => panic!("no work is called {name}"),
    }
}

const HMAC: &str = r#"
    verify = [{ scheme = "hmac", header = "X-Signature" }]
    secret = { inline = "benchsecretbenchsecretbenchsecret" }
"#;

const TEMPLATE: &str = r#"
    verify = [{ scheme = "hmac", header = "X-Acme-Signature", format = "t={timestamp},v1={signature}", message = "{timestamp}.{method}.{path}.{body}", tolerance = "52w" }]
    secret = { inline = "benchsecretbenchsecretbenchsecret" }
"#;

/// The last of ten secrets matches: the dearest rotation.
const ROTATION: &str = r#"
    verify = [{ scheme = "hmac", header = "X-Signature" }]
    secret = [
        { inline = "secret-0-secret-0" }, { inline = "secret-1-secret-1" }, { inline = "secret-2-secret-2" },
        { inline = "secret-3-secret-3" }, { inline = "secret-4-secret-4" }, { inline = "secret-5-secret-5" },
        { inline = "secret-6-secret-6" }, { inline = "secret-7-secret-7" }, { inline = "secret-8-secret-8" },
        { inline = "secret-9-secret-9" },
    ]
"#;

const JWT: &str = r#"
    provider = "prove"
    secret = { inline = "benchsecretbenchsecretbenchsecret" }
"#;

const RSA: &str = r#"
    verify = [{ scheme = "signature", algorithm = "rsa-pss-sha256", header = "X-Signature", encoding = "base64url" }]
    public_key = { env = "PUBLIC_KEY" }
"#;

const ED25519: &str = r#"
    verify = [{ scheme = "signature", algorithm = "ed25519", header = "X-Signature", encoding = "hex" }]
    public_key = { env = "PUBLIC_KEY" }
"#;

const EVENT: &str = r#"
    verify = [{ scheme = "hmac", header = "X-Signature" }]
    secret = { inline = "benchsecretbenchsecretbenchsecret" }
    event = { type = { json = "/type" }, id = { json = "/id" }, time = { json = "/created_at" } }
"#;

/// The configuration with these routes.
fn configuration(routes: &str, public_key: &str) -> Config {
    let environment = Environment {
        inline: true,
        variables: Some(BTreeMap::from([(
            "PUBLIC_KEY".into(),
            public_key.to_owned(),
        )])),
        ..Environment::default()
    };
    let text = format!("[upstream]\nurl = \"echo:\"\n{routes}");
    let loaded = parse("bench.toml", &text, PathBuf::new(), &environment);
    let report = loaded.report(false);
    loaded.config.unwrap_or_else(|| panic!("{report}"))
}

fn one_route(keys: &str, public_key: &str) -> Config {
    configuration(&format!("[[route]]\npath = \"/hook\"\n{keys}"), public_key)
}

fn plan(config: &Config) -> &Plan {
    match config.routes.all().first().map(|route| &route.mode) {
        Some(Mode::Enforce(plan)) => plan,
        _ => panic!("the route verifies"),
    }
}

/// A JSON object of so many bytes, as most webhooks are.
fn object(size: usize) -> Vec<u8> {
    let mut text = String::from(
        r#"{"id":"evt_0123456789","type":"verification.completed","created_at":"2026-11-20T10:00:00Z","payload":{"#,
    );
    let mut number = 0;
    while text.len() < size - 80 {
        let _ = write!(
            text,
            r#""field_{number}":{{"value":"text {number}","count":{number},"ok":true}},"#
        );
        number += 1;
    }
    text.push_str(r#""last":""#);
    while text.len() < size - 3 {
        text.push('x');
    }
    text.push_str("\"}}");
    text.into_bytes()
}

/// A JSON array of events of about so many bytes.
fn array(size: usize) -> Vec<u8> {
    let mut text = String::from("[");
    let mut number = 0;
    while text.len() < size {
        let _ = write!(
            text,
            r#"{{"eventType":"PORT","eventId":"evt_1","eventTime":"2026-11-20T10:00:00Z","event":{{"phoneNumber":"155500{number:05}"}}}},"#
        );
        number += 1;
    }
    text.pop();
    text.push(']');
    text.into_bytes()
}

/// So many routes that verify, and one that verifies nothing, of which it is warned.
fn routes(count: usize) -> String {
    let mut routes = String::new();
    for number in 0..count {
        let _ = writeln!(routes, "[[route]]\npath = \"/hooks/{number}\"{HMAC}");
    }
    routes.push_str("[[route]]\npath = \"/mixed/*\"\nmode = \"passthrough\"\n");
    routes
}

/// From the text of the file to what requests are judged by.
fn starting(count: usize) -> Work {
    let routes = routes(count);
    Box::new(move || {
        let config = configuration(black_box(&routes), "");
        let log = Log::to(Format::Json, Level::Info, Box::new(std::io::sink()));
        black_box(Gate::new(config, Arc::new(Telemetry::new(log))));
    })
}

fn routing(count: usize, path: &'static str) -> Work {
    let config = configuration(&routes(count), "");
    Box::new(move || {
        let found = config
            .routes
            .find(black_box("127.0.0.1:8080"), black_box(path), &Method::POST);
        assert!(black_box(found).is_ok());
    })
}

/// The head and the body of a genuine request.
fn genuine(plan: &Plan, size: usize, private_key: Option<&PrivateKey>) -> Delivery {
    let mut headers = usual_headers();
    headers.insert("x-webhook-event", HeaderValue::from_static("completed"));
    let mut delivery = Delivery {
        method: "POST".into(),
        path: "/hook".into(),
        query: None,
        headers,
        body: object(size),
    };
    if let Err(error) = sign(plan, &mut delivery, private_key, Moment::now(), None) {
        panic!("{error}");
    }
    delivery
}

fn verification(keys: &'static str, size: usize) -> Work {
    let private_key = if keys == RSA {
        PrivateKey::generate_rsa().ok()
    } else if keys == ED25519 {
        PrivateKey::from_pem(ED25519_KEY).ok()
    } else {
        None
    };
    let public_key = private_key
        .as_ref()
        .and_then(|key| key.public_pem().ok())
        .unwrap_or_default();
    let config = one_route(keys, &public_key);
    // Signed with the last secret: those before it are tried in vain.
    let signing = one_route(
        if keys == ROTATION {
            LAST_OF_ROTATION
        } else {
            keys
        },
        &public_key,
    );
    let delivery = genuine(plan(&signing), size, private_key.as_ref());
    let headers = Headers::from(&delivery.headers);
    let body = Bytes::from(delivery.body.clone());
    let client = IpAddr::V4(Ipv4Addr::LOCALHOST);
    Box::new(move || {
        let head = Head {
            method: &delivery.method,
            path: &delivery.path,
            query: None,
            headers: headers.lines(),
        };
        let Ok(mut pending) = plan(&config).admit(client, black_box(&head), Moment::now()) else {
            panic!("the head is genuine");
        };
        pending.update(black_box(&body));
        let verified = pending.finish(&head, Body::from(body.clone()));
        assert!(black_box(verified).is_ok());
    })
}

const LAST_OF_ROTATION: &str = r#"
    verify = [{ scheme = "hmac", header = "X-Signature" }]
    secret = { inline = "secret-9-secret-9" }
"#;

/// A test key: RFC 8410 §10.3.
const ED25519_KEY: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n";

fn event(keys: &str, body: &[u8]) -> Work {
    let config = one_route(keys, "");
    let body = body.to_vec();
    let headers = Headers::from(&usual_headers());
    Box::new(move || {
        let route: Option<&Route> = config.routes.all().first();
        let event = route.map(|route| {
            route.event.read(&Parts {
                headers: headers.lines(),
                query: None,
                body: black_box(&body),
                claims: None,
            })
        });
        assert!(matches!(black_box(event), Some(Ok(event)) if !event.types.is_empty()));
    })
}

/// What a provider's client sends, and what a cloud's load balancer adds.
fn usual_headers() -> HeaderMap {
    let lines = [
        ("host", "hooks.example.com"),
        ("user-agent", "Acme-Webhooks/1.0"),
        ("accept", "*/*"),
        ("accept-encoding", "gzip"),
        ("content-type", "application/json"),
        ("content-length", "1024"),
        ("x-forwarded-for", "203.0.113.9"),
        ("x-forwarded-proto", "https"),
        (
            "x-amzn-trace-id",
            "Root=1-5759e988-bd862e3fe1be46a994272793",
        ),
        ("x-acme-delivery", "0b989ba4-242f-11e5-81e1-c7b6966d2516"),
    ];
    lines
        .into_iter()
        .map(|(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        })
        .collect()
}

fn rewriting() -> Work {
    let Some(names) = Names::new("X-Gatepost-") else {
        panic!("the usual prefix");
    };
    let headers = Headers::from(&usual_headers());
    let client = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9));
    Box::new(move || {
        let headers = black_box(&headers);
        let mut head = upstream::Head::new(Method::POST, "/hook", b"hooks.example.com");
        for (name, value) in kept(headers.lines(), &names, false) {
            head.copied(name, value);
        }
        for (name, value) in [
            (&names.provider, "acme"),
            (&names.event_type, "verification.completed"),
            (&names.event_id, "evt_0123456789"),
            (&names.verified_by, "hmac-sha256"),
            (&names.route, "/hook"),
        ] {
            head.line(name, &HeaderValue::from_static(value));
        }
        let address = address_value(client);
        for name in [&names.client_ip, &FORWARDED_FOR, &FORWARDED_HOST] {
            head.line(name, &address);
        }
        black_box(head);
    })
}

fn record() -> Work {
    let config = one_route(EVENT, "");
    let log = Log::to(Format::Json, Level::Info, Box::new(std::io::sink()));
    let telemetry = Telemetry::new(log);
    let series = Series::new(&telemetry.metrics, config.routes.all().first());
    let mut request = Request::builder().uri("/hook").body(()).unwrap_or_default();
    *request.headers_mut() = usual_headers();
    let received = Received::from(request.into_parts().0);
    Box::new(move || {
        let mut entry = Entry::new(&telemetry, &series, Moment::now(), Instant::now());
        entry.head(black_box(&received));
        entry.client = Some((
            IpAddr::V4(Ipv4Addr::LOCALHOST),
            HeaderValue::from_static("127.0.0.1"),
        ));
        entry.route = config.routes.all().first();
        entry.body_bytes = 1024;
        entry.event_types = vec!["verification.completed".into()];
        entry.event_id = Some("evt_0123456789".into());
        entry.upstream = Some(Duration::from_micros(512));
        entry.finish(StatusCode::OK, None);
    })
}

/// Every file of a provider that comes with gatepost, read and its shape checked. Start-up reads those
/// that a route names.
fn reading() -> Work {
    Box::new(|| {
        let mut problems = Problems::new();
        for name in catalogue::names() {
            let mut files = Files::new();
            let id = files.add(name, catalogue::text(name).unwrap_or_default());
            let (table, syntax) = tree::parse(&files, id);
            problems.extend(syntax);
            shape::check(&table, &grammar::PROVIDER, &mut problems);
            black_box(&table);
        }
        assert_eq!(problems.errors(), 0);
    })
}

/// An event that is claimed and taken in a memory that is full, so that the oldest has to go; or
/// the copy of one of those in it. Its key is made, too.
fn remembering(copy: bool) -> Work {
    const FULL: u64 = 1_000_000;
    let key = |number: u64| {
        let print = Fingerprinter::new("duplicates 1")
            .with(b"acme")
            .with(b"/hook");
        print.with(&number.to_le_bytes()).finish()
    };
    let memory = Memory::new(1_000_000, Duration::from_secs(1_296_000), Instant::now());
    for number in 0..FULL {
        memory.remember(key(number), Instant::now());
    }
    let mut number = FULL;
    Box::new(move || {
        if copy {
            // Far from the one before, as copies are.
            number = (number + 7919) % (FULL / 2) + FULL / 4;
            let known = memory.claim(key(number), Instant::now());
            assert_ne!(black_box(known), Known::Claimed);
        } else {
            number += 1;
            let key = key(number);
            assert_eq!(black_box(memory.claim(key, Instant::now())), Known::Claimed);
            memory.remember(key, Instant::now());
        }
    })
}
