//! TLS and HTTP/2: the same gate behind other framings.

use std::net::TcpStream;
use std::sync::Arc;

use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::harness::{Client, DEADLINE, Delivery, Gatepost, HOST, Response, Setup, Upstream};
use crate::signing::{hex, hmac};

const SECRET: &str = "tls-secret-0123456789";
const BODY: &str = "{\"type\":\"t\"}";

/// An authority, and a certificate with its key that the authority issued.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self {
            issuer: CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap(),
        }
    }

    fn issue(&self, name: &str) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.into()]).unwrap();
        (params.signed_by(&key, &self.issuer).unwrap(), key)
    }
}

/// `tls` are more keys of `[server.tls]`.
fn setup(app: &Upstream, authority: &Authority, tls: &str) -> Setup {
    let (certificate, key) = authority.issue(HOST);
    Setup::new(app)
        .env("SECRET", SECRET)
        .file("tls.pem", certificate.pem())
        .file("tls.key", key.serialize_pem())
        .file("ca.pem", authority.issuer.pem())
        .toml(&format!(
            "[server.tls]\n{tls}\ncertificate = {{ file = \"tls.pem\" }}\nprivate_key = {{ file = \"tls.key\" }}\n[[route]]\npath = \"/hook\"\n\
             provider = \"acme\"\nsecret = {{ env = \"SECRET\" }}\nverify = [{{ scheme = \"hmac\", header = \"X-Sig\" }}]\n\
             [provider.acme]\nevent.type = {{ json = \"/type\" }}"
        ))
}

fn good() -> Delivery {
    Delivery::post("/hook")
        .header(
            "X-Sig",
            hex(&hmac("sha256", SECRET.as_bytes(), BODY.as_bytes())),
        )
        .body(BODY)
}

fn config(
    authority: &Authority,
    protocols: &[&str],
    client: Option<(rcgen::Certificate, KeyPair)>,
) -> Arc<ClientConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(authority.issuer.der().clone()).unwrap();
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match client {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
            builder
                .with_client_auth_cert(vec![certificate.der().clone()], key)
                .unwrap()
        }
    };
    config.alpn_protocols = protocols
        .iter()
        .map(|name| name.as_bytes().to_vec())
        .collect();
    Arc::new(config)
}

type Tls = StreamOwned<ClientConnection, TcpStream>;

fn connect(gate: &Gatepost, config: Arc<ClientConfig>) -> Client<Tls> {
    let tcp = gate.connect().stream;
    let session = ClientConnection::new(config, ServerName::try_from(HOST).unwrap()).unwrap();
    Client::over(StreamOwned::new(session, tcp))
}

#[test]
fn http_1_over_tls_passes_the_same_gate() {
    let app = Upstream::recording();
    let authority = Authority::new();
    let gate = setup(&app, &authority, "").start();
    for protocols in [&[][..], &["http/1.1"]] {
        let before = app.requests().len();
        let mut client = connect(&gate, config(&authority, protocols, None));
        for forged in [false, true, false] {
            let delivery = if forged { good().body("{}") } else { good() };
            let response = client
                .send(&delivery.to_bytes())
                .answer()
                .expect("an answer");
            assert_eq!(response.status, if forged { 401 } else { 200 });
        }
        let received = app.received(before + 2);
        assert_eq!(received.header("x-forwarded-proto"), Some("https"));
        assert_eq!(received.header("x-gatepost-client-ip"), Some("127.0.0.1"));
    }
    // No plain HTTP on this port, and no answer to it.
    let before = app.journal.bytes();
    let plain = crate::harness::client::try_exchange_raw(gate.address, &good().to_bytes());
    assert!(!plain.starts_with(b"HTTP/"), "{}", plain.escape_ascii());
    assert_eq!(app.journal.bytes(), before);
}

#[test]
fn old_protocols_are_refused() {
    let app = Upstream::recording();
    let authority = Authority::new();
    let gate = setup(&app, &authority, "").start();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(authority.issuer.der().clone()).unwrap();
    let only_12 = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let only_12 = Arc::new(only_12);
    let response = connect(&gate, only_12.clone())
        .send(&good().to_bytes())
        .answer();
    assert_eq!(
        response.map(|response| response.status),
        Some(200),
        "1.2 by default"
    );
    drop(gate);
    let gate = setup(&app, &authority, "min_version = \"1.3\"").start();
    assert!(
        connect(&gate, only_12)
            .send(&good().to_bytes())
            .answer()
            .is_none()
    );
    let response = connect(&gate, config(&authority, &[], None))
        .send(&good().to_bytes())
        .answer();
    assert_eq!(response.map(|response| response.status), Some(200));
}

#[test]
fn callers_need_a_certificate_where_the_file_says_so() {
    let app = Upstream::recording();
    let (authority, other) = (Authority::new(), Authority::new());
    let gate = setup(&app, &authority, "client_ca = { file = \"ca.pem\" }").start();
    let ask = |client| {
        let config = config(&authority, &[], client);
        connect(&gate, config)
            .send(&good().to_bytes())
            .answer()
            .map(|response| response.status)
    };
    assert_eq!(ask(None), None, "none");
    assert_eq!(
        ask(Some(other.issue("caller"))),
        None,
        "another authority's"
    );
    assert_eq!(app.journal.bytes(), 0);
    assert_eq!(ask(Some(authority.issue("caller"))), Some(200));
}

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

#[test]
fn a_certificate_and_a_key_that_do_not_belong_together_do_not_start() {
    let app = Upstream::recording();
    let authority = Authority::new();
    let (_, other) = authority.issue(HOST);
    for (case, name, bytes) in [
        ("another key", "tls.key", other.serialize_pem()),
        ("no key", "tls.key", String::new()),
        ("a certificate as key", "tls.key", authority.issuer.pem()),
        (
            "no certificate",
            "tls.pem",
            "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n".into(),
        ),
    ] {
        let output = setup(&app, &authority, "")
            .file(name, bytes)
            .run(&["check"]);
        assert_eq!(output.status.code(), Some(78), "{case}: {output:?}");
        let told = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        for line in other
            .serialize_pem()
            .lines()
            .filter(|line| !line.starts_with("-----"))
        {
            assert!(!told.contains(line), "{case}: {told}");
        }
    }
}
