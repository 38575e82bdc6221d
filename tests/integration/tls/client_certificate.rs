//! `mtls`: the names and the fingerprint of the certificate that opened the connection.

use std::fmt::Write as _;

use rcgen::{CertificateParams, KeyPair, SanType};

use super::{Authority, config, connect};
use crate::harness::{Delivery, Gatepost, HOST, Setup, Upstream};
use crate::signing::{digest, hex};

/// A certificate of `authority` with these DNS names and URIs.
fn certificate(
    authority: &Authority,
    dns: &[&str],
    uris: &[&str],
) -> (rcgen::Certificate, KeyPair) {
    let key = KeyPair::generate().unwrap();
    let dns: Vec<String> = dns.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(dns).unwrap();
    for uri in uris {
        let name = SanType::URI((*uri).try_into().unwrap());
        params.subject_alt_names.push(name);
    }
    (params.signed_by(&key, &authority.issuer).unwrap(), key)
}

fn setup(app: &Upstream, authority: &Authority, tls: &str, routes: &[(&str, &str)]) -> Setup {
    let (server, key) = authority.issue(HOST);
    let mut toml = format!(
        "[server.tls]\n{tls}\ncertificate = {{ file = \"tls.pem\" }}\n\
         private_key = {{ file = \"tls.key\" }}\nclient_ca = {{ file = \"ca.pem\" }}\n"
    );
    for (path, step) in routes {
        let _ = write!(toml, "[[route]]\npath = \"{path}\"\nverify = [{step}]\n");
    }
    Setup::new(app)
        .file("tls.pem", server.pem())
        .file("tls.key", key.serialize_pem())
        .file("ca.pem", authority.issuer.pem())
        .toml(&toml)
}

/// The status of a POST over a connection that `client` opened; `None` when TLS refused it.
fn ask(
    gate: &Gatepost,
    authority: &Authority,
    client: Option<(rcgen::Certificate, KeyPair)>,
    path: &str,
) -> Option<u16> {
    let delivery = Delivery::post(path)
        .header(
            "X-Forwarded-Client-Cert",
            "DNS=hooks.provider.example;URI=spiffe://provider/hooks",
        )
        .header("X-SSL-Client-Cert", "DNS=hooks.provider.example")
        .body("{}");
    connect(gate, config(authority, &[], client))
        .send(&delivery.to_bytes())
        .answer()
        .map(|response| response.status)
}

#[test]
fn the_names_of_the_certificate_decide() {
    let app = Upstream::recording();
    let (authority, stranger) = (Authority::new(), Authority::new());
    let good = || {
        certificate(
            &authority,
            &["hooks.provider.example"],
            &["spiffe://provider/hooks"],
        )
    };
    let pinned = good();
    let fingerprint = hex(&digest("sha256", pinned.0.der()));
    let colons: Vec<&str> = (0..32).map(|at| &fingerprint[2 * at..2 * at + 2]).collect();
    let by_fingerprint = format!(
        "{{ scheme = \"mtls\", fingerprint = [\"{}\", \"{}\"] }}",
        "00".repeat(32),
        colons.join(":").to_uppercase()
    );
    let gate = setup(
        &app,
        &authority,
        "",
        &[
            ("/dns", "{ scheme = \"mtls\", san_dns = [\"other.example\", \"Hooks.Provider.example\"] }"),
            ("/uri", "{ scheme = \"mtls\", san_uri = \"spiffe://provider/hooks\" }"),
            ("/pin", &by_fingerprint),
            ("/both", "{ scheme = \"mtls\", san_dns = \"hooks.provider.example\", san_uri = \"spiffe://provider/other\" }"),
        ],
    )
    .start();
    for (path, status) in [("/dns", 200), ("/uri", 200), ("/pin", 401), ("/both", 401)] {
        assert_eq!(
            ask(&gate, &authority, Some(good()), path),
            Some(status),
            "{path}"
        );
    }
    assert_eq!(ask(&gate, &authority, Some(pinned), "/pin"), Some(200));
    let received = app.requests();
    assert_eq!(received.len(), 3);
    assert_eq!(received[0].header("x-gatepost-verified-by"), Some("mtls"));
    assert_eq!(
        received[0].header("x-gatepost-key"),
        Some("Hooks.Provider.example")
    );
    assert_eq!(received[2].header("x-gatepost-key"), Some(&*fingerprint));
    for request in &received {
        assert_eq!(request.header("x-forwarded-client-cert"), None);
    }
    for (name, dns, uris) in [
        (
            "another name",
            &["hooks.other.example"][..],
            &["spiffe://provider/hook"][..],
        ),
        (
            "a wildcard",
            &["*.provider.example"],
            &["spiffe://provider/*"],
        ),
        ("no name", &[], &[]),
        (
            "the URI as a name",
            &["spiffe.provider.hooks"],
            &["https://hooks.provider.example"],
        ),
        (
            "a longer name",
            &["hooks.provider.example.evil.example"],
            &["spiffe://provider/hooks/x"],
        ),
    ] {
        for path in ["/dns", "/uri", "/pin", "/both"] {
            let client = certificate(&authority, dns, uris);
            assert_eq!(
                ask(&gate, &authority, Some(client), path),
                Some(401),
                "{name} {path}"
            );
        }
    }
    let told = gate.log.wait(|line| line["reason"] == "certificate_wrong");
    assert!(told.is_some());
    // Another authority's certificate with the right names never gets so far.
    let forged = certificate(
        &stranger,
        &["hooks.provider.example"],
        &["spiffe://provider/hooks"],
    );
    assert_eq!(ask(&gate, &authority, Some(forged), "/dns"), None);
    assert_eq!(ask(&gate, &authority, None, "/dns"), None);
    assert_eq!(app.requests().len(), 3);
}

#[test]
fn where_certificates_are_optional_only_mtls_routes_need_one() {
    let app = Upstream::recording();
    let (authority, stranger) = (Authority::new(), Authority::new());
    let gate = setup(
        &app,
        &authority,
        "client_certificate = \"optional\"",
        &[("/dns", "{ scheme = \"mtls\", san_dns = \"a.example\" }")],
    )
    .env("SECRET", "client-certificate-secret")
    .toml(
        "[[route]]\npath = \"/key\"\nsecret = { env = \"SECRET\" }\n\
         verify = [{ scheme = \"api_key\", header = \"X-Key\" }]",
    )
    .start();
    assert_eq!(ask(&gate, &authority, None, "/dns"), Some(401));
    let told = gate
        .log
        .wait(|line| line["reason"] == "certificate_missing");
    assert!(told.is_some());
    let good = certificate(&authority, &["a.example"], &[]);
    assert_eq!(ask(&gate, &authority, Some(good), "/dns"), Some(200));
    let forged = certificate(&stranger, &["a.example"], &[]);
    assert_eq!(ask(&gate, &authority, Some(forged), "/dns"), None);
    let key = Delivery::post("/key")
        .header("X-Key", "client-certificate-secret")
        .body("{}");
    let response = connect(&gate, config(&authority, &[], None))
        .send(&key.to_bytes())
        .answer();
    assert_eq!(response.map(|response| response.status), Some(200));
    // One connection, one certificate: it holds for every request on it, and for no other.
    let good = certificate(&authority, &["a.example"], &[]);
    let mut client = connect(&gate, config(&authority, &[], Some(good)));
    for _ in 0..3 {
        let response = client
            .send(&Delivery::post("/dns").body("{}").to_bytes())
            .answer();
        assert_eq!(response.map(|response| response.status), Some(200));
    }
    assert_eq!(ask(&gate, &authority, None, "/dns"), Some(401));
}

#[test]
fn send_shows_a_certificate() {
    let app = Upstream::recording();
    let (authority, stranger) = (Authority::new(), Authority::new());
    let (server, server_key) = authority.issue("127.0.0.1");
    let with = |tls: &str| {
        let mut setup = setup(
            &app,
            &authority,
            tls,
            &[("/dns", "{ scheme = \"mtls\", san_dns = \"a.example\" }")],
        )
        .file("tls.pem", server.pem())
        .file("tls.key", server_key.serialize_pem());
        for (file, authority, name) in [
            ("good", &authority, "a.example"),
            ("other", &authority, "b.example"),
            ("stranger", &stranger, "a.example"),
        ] {
            let (certificate, key) = certificate(authority, &[name], &[]);
            setup = setup
                .file(&format!("{file}.pem"), certificate.pem())
                .file(&format!("{file}.key"), key.serialize_pem());
        }
        setup
    };
    let required = with("").start();
    let optional = with("client_certificate = \"optional\"").start();
    let caller = with("");
    for (gate, certificate, tamper, code, part) in [
        (&required, Some("good"), None, 0, "<-- 200 forwarded"),
        (
            &required,
            Some("good"),
            Some("key"),
            1,
            "<-- refused by TLS",
        ),
        (
            &required,
            Some("good"),
            Some("missing"),
            1,
            "<-- refused by TLS",
        ),
        (
            &required,
            Some("good"),
            Some("body"),
            1,
            "nothing of this scheme covers the body",
        ),
        (
            &required,
            Some("good"),
            Some("time"),
            1,
            "nothing of that kind",
        ),
        (&required, Some("other"), None, 1, "<-- 401 refused"),
        (&required, Some("stranger"), None, 74, "no answer from"),
        (&required, None, None, 1, "--certificate FILE"),
        (&optional, Some("good"), None, 0, "<-- 200 forwarded"),
        (&optional, None, Some("missing"), 1, "<-- 401 refused"),
        (&optional, None, Some("signature"), 1, "<-- refused by TLS"),
    ] {
        let to = format!("https://{}", gate.address);
        let mut words = vec!["send", "/dns", "--to", &to, "--ca", "ca.pem"];
        let files = certificate.map(|name| [format!("{name}.pem"), format!("{name}.key")]);
        if let Some([pem, key]) = &files {
            words.extend(["--certificate", pem, "--certificate-key", key]);
        }
        words.extend(tamper.map(|with| ["--tamper", with]).into_iter().flatten());
        let output = caller.run(&words);
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        let what = format!("{certificate:?} {tamper:?}: {said}");
        assert_eq!(output.status.code(), Some(code), "{what}");
        assert!(said.contains(part), "{part}: {what}");
    }
    assert_eq!(app.requests().len(), 2);
    let words = [
        "send",
        "/dns",
        "--to",
        "127.0.0.1:1",
        "--certificate",
        "good.pem",
        "--certificate-key",
        "good.key",
    ];
    let output = caller.run(&words);
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(said.contains("only TLS shows a certificate"), "{said}");
}
