//! HTTP/2, over TLS and in plain.

use std::sync::Arc;

use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;

use super::{Authority, BODY, SECRET, config, good, setup};
use crate::harness::{DEADLINE, Delivery, Gatepost, HOST, Response, Setup, Upstream};

/// One HTTP/2 connection on a runtime of its own.
struct Http2 {
    runtime: tokio::runtime::Runtime,
    sender: SendRequest<Full<bytes::Bytes>>,
}

impl Http2 {
    fn connect(gate: &Gatepost, tls: Option<Arc<ClientConfig>>) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let address = gate.address;
        let sender = runtime.block_on(async move {
            let tcp = tokio::net::TcpStream::connect(address).await.unwrap();
            let executor = TokioExecutor::new();
            if let Some(config) = tls {
                let name = ServerName::try_from(HOST).unwrap();
                let tls = tokio_rustls::TlsConnector::from(config)
                    .connect(name, tcp)
                    .await
                    .unwrap();
                assert_eq!(tls.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
                let (sender, connection) =
                    http2::handshake(executor, TokioIo::new(tls)).await.unwrap();
                tokio::spawn(connection);
                sender
            } else {
                let (sender, connection) =
                    http2::handshake(executor, TokioIo::new(tcp)).await.unwrap();
                tokio::spawn(connection);
                sender
            }
        });
        Self { runtime, sender }
    }

    fn send(&mut self, delivery: &Delivery, host: &str) -> Option<Response> {
        let mut request = hyper::Request::builder()
            .method(&*delivery.method)
            .uri(format!("https://{host}{}", delivery.target))
            .version(hyper::Version::HTTP_2);
        for (name, value) in &delivery.headers {
            request = request.header(name, &**value);
        }
        let request = request.body(Full::from(delivery.body.clone())).unwrap();
        let sending = self.sender.send_request(request);
        self.runtime.block_on(async move {
            let answer = tokio::time::timeout(DEADLINE, sending)
                .await
                .expect("an answer in time")
                .ok()?;
            let (parts, body) = answer.into_parts();
            let headers = parts
                .headers
                .iter()
                .map(|(n, v)| (n.to_string(), v.to_str().unwrap().to_owned()))
                .collect();
            let body = body.collect().await.ok()?.to_bytes().to_vec();
            Some(Response {
                status: parts.status.as_u16(),
                headers,
                body,
                complete: true,
                interim: Vec::new(),
            })
        })
    }
}

#[test]
fn http_2_passes_the_same_gate() {
    let app = Upstream::recording();
    let authority = Authority::new();
    let gate = setup(&app, &authority, "").start();
    let mut client = Http2::connect(&gate, Some(config(&authority, &["h2", "http/1.1"], None)));
    judge(&gate, &app, &mut client, "https");
}

#[test]
fn http_2_in_plain_is_spoken_only_where_the_file_says_so() {
    let app = Upstream::recording();
    let toml = "[[route]]\npath = \"/hook\"\nprovider = \"acme\"\nsecret = { env = \"SECRET\" }\n\
                verify = [{ scheme = \"hmac\", header = \"X-Sig\" }]\n[provider.acme]\nevent.type = { json = \"/type\" }";
    let start = |server: &str| {
        Setup::new(&app)
            .env("SECRET", SECRET)
            .server(server)
            .toml(toml)
            .start()
    };
    let gate = start("protocols = [\"http/1.1\", \"h2c\"]");
    judge(&gate, &app, &mut Http2::connect(&gate, None), "http");
    gate.passes("HTTP/1.1 beside it", &good());
    drop(gate);
    let gate = start("");
    let before = app.journal.bytes();
    assert!(Http2::connect(&gate, None).send(&good(), HOST).is_none());
    assert_eq!(app.journal.bytes(), before);
}

fn judge(gate: &Gatepost, app: &Upstream, client: &mut Http2, scheme: &str) {
    let before = app.requests().len();
    let response = client
        .send(&good().header("x_gatepost_provider", "forged"), HOST)
        .expect("an answer");
    assert_eq!(response.status, 200);
    let received = app.received(before + 1);
    assert_eq!(
        (received.line.as_str(), &*received.body),
        ("POST /hook HTTP/1.1", BODY.as_bytes())
    );
    gate.tells(
        scheme,
        &received,
        &[
            ("client-ip", "127.0.0.1"),
            ("event-type", "t"),
            ("key", "SECRET"),
            ("provider", "acme"),
            ("route", "/hook"),
            ("verified-by", "hmac-sha256"),
        ],
    );
    for (name, value) in [
        ("host", HOST),
        ("x-forwarded-host", HOST),
        ("x-forwarded-proto", scheme),
        ("content-length", "12"),
    ] {
        assert_eq!(received.header(name), Some(value), "{name}");
    }
    assert!(!String::from_utf8_lossy(&received.raw).contains("forged"));
    for (case, delivery, status, reason) in [
        ("another body", good().body("{}"), 401, "signature_mismatch"),
        (
            "no signature",
            good().without("X-Sig"),
            401,
            "signature_missing",
        ),
        (
            "two signatures",
            good().header("X-Sig", "00"),
            400,
            "credential_repeated",
        ),
        (
            "another path",
            Delivery {
                target: "/hook/".into(),
                ..good()
            },
            404,
            "no_route",
        ),
        (
            "dots",
            Delivery {
                target: "/x/..%2fhook".into(),
                ..good()
            },
            400,
            "path_invalid",
        ),
        (
            "another method",
            Delivery {
                method: "PUT".into(),
                ..good()
            },
            405,
            "method_not_allowed",
        ),
        (
            "another host in Host",
            good().header("Host", "evil.example"),
            400,
            "request_malformed",
        ),
        (
            "too large",
            good().body(vec![b'x'; (1 << 20) + 1]),
            413,
            "body_too_large",
        ),
    ] {
        let response = client
            .send(&delivery, HOST)
            .unwrap_or_else(|| panic!("{case}: no answer"));
        assert_eq!(response.status, status, "{case}");
        gate.expect_problem(case, &response, reason);
    }
    assert_eq!(
        client.send(&good(), HOST).map(|response| response.status),
        Some(200),
        "the connection goes on"
    );
    app.received(before + 2);
}
