//! TLS and HTTP/2: the same gate behind other framings.

mod client_certificate;
mod http2;

use std::net::TcpStream;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::harness::{Client, Delivery, Gatepost, HOST, Setup, Upstream};
use crate::signing::{hex, hmac};

const SECRET: &str = "tls-secret-0123456789";
const BODY: &str = "{\"type\":\"t\"}";

/// An authority, and a certificate with its key that the authority issued.
pub struct Authority {
    pub issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self {
            issuer: CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap(),
        }
    }

    pub fn issue(&self, name: &str) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.into()]).unwrap();
        (params.signed_by(&key, &self.issuer).unwrap(), key)
    }
}

/// `tls` are more keys of `[server.tls]`.
pub fn setup(app: &Upstream, authority: &Authority, tls: &str) -> Setup {
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

pub fn good() -> Delivery {
    Delivery::post("/hook")
        .header(
            "X-Sig",
            hex(&hmac("sha256", SECRET.as_bytes(), BODY.as_bytes())),
        )
        .body(BODY)
}

pub fn config(
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

pub type Tls = StreamOwned<ClientConnection, TcpStream>;

pub fn connect(gate: &Gatepost, config: Arc<ClientConfig>) -> Client<Tls> {
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

/// A caller that has said that it sends no more is told the same: it could else not tell the end of
/// the answers from a cut (RFC 8446 §6.1).
#[test]
fn who_takes_leave_over_tls_is_let_go_as_it_should() {
    let app = Upstream::recording();
    let authority = Authority::new();
    let gate = setup(&app, &authority, "").start();
    for split in [false, true] {
        let mut client = connect(&gate, config(&authority, &[], None));
        let bytes = good().to_bytes();
        let cut = if split { bytes.len() - 3 } else { bytes.len() };
        client.send(&bytes[..cut]);
        if split {
            client.send(&bytes[cut..]);
        }
        client.stream.conn.send_close_notify();
        assert_eq!(client.send(b"").answer().unwrap().status, 200);
        let mut rest = Vec::new();
        let read = std::io::Read::read_to_end(&mut client.stream, &mut rest);
        assert_eq!(read.map_err(|error| error.kind()), Ok(0), "{split}");
    }
}

/// The app behind TLS is a second gatepost, which passes everything on to the recording one.
#[test]
fn an_https_app_must_have_the_certificate_of_its_authority() {
    let app = Upstream::recording();
    let (authority, stranger) = (Authority::new(), Authority::new());
    let (certificate, key) = authority.issue("localhost");
    let behind = Setup::new(&app)
        .file("tls.pem", certificate.pem())
        .file("tls.key", key.serialize_pem())
        .toml(
            "[server.tls]\ncertificate = { file = \"tls.pem\" }\n\
             private_key = { file = \"tls.key\" }\n\
             [[route]]\npath = \"/*\"\nmode = \"passthrough\"",
        )
        .start();
    let port = behind.address.port();
    for (host, ca, status) in [
        ("localhost", &authority, 200),
        ("localhost", &stranger, 502),
        ("127.0.0.1", &authority, 502),
    ] {
        let gate = Setup::new(&app)
            .url(format!("https://{host}:{port}/base"))
            .upstream("ca = { file = \"ca.pem\" }")
            .env("SECRET", SECRET)
            .file("ca.pem", ca.issuer.pem())
            .toml(
                "[[route]]\npath = \"/hook\"\nsecret = { env = \"SECRET\" }\n\
                 verify = [{ scheme = \"hmac\", header = \"X-Sig\" }]",
            )
            .start();
        let response = gate.send(&good());
        assert_eq!(response.status, status, "{host}");
    }
    let requests = app.requests();
    assert_eq!(
        requests.len(),
        1,
        "nothing goes to an app that is not the one"
    );
    assert_eq!(requests[0].line, "POST /base/hook HTTP/1.1");
    assert_eq!(requests[0].body, BODY.as_bytes());
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

#[test]
fn send_speaks_tls_and_only_to_the_certificate_of_its_authority() {
    let app = Upstream::recording();
    let (authority, other) = (Authority::new(), Authority::new());
    let near = |setup: Setup| {
        let (certificate, key) = authority.issue("127.0.0.1");
        setup
            .file("tls.pem", certificate.pem())
            .file("tls.key", key.serialize_pem())
    };
    let gate = near(setup(&app, &authority, "")).start();
    let far = setup(&app, &authority, "").start();
    let caller = setup(&app, &authority, "").file("other.pem", other.issuer.pem());
    let to = format!("https://{}", gate.address);
    let elsewhere = format!("https://{}", far.address);
    for (to, ca, code, part) in [
        (&to, Some("ca.pem"), 0, "<-- 200 forwarded"),
        (&to, Some("other.pem"), 74, "no answer from"),
        // Its certificate is right, but of another name.
        (&elsewhere, Some("ca.pem"), 74, "no answer from"),
        (&to, None, 1, "--ca FILE"),
        (&to, Some("tls.key"), 1, "no certificate"),
    ] {
        let mut words = vec!["send", "acme", "--to", to.as_str()];
        words.extend(ca.iter().flat_map(|ca| ["--ca", *ca]));
        let output = caller.run(&words);
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert_eq!(output.status.code(), Some(code), "{to} {ca:?}: {said}");
        assert!(said.contains(part), "{to} {ca:?}: {said}");
    }
}
