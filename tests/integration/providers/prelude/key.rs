//! The public key, in every form in which people keep it.

use serde_json::json;

use super::{body, carrying, route, signed};
use crate::harness::{Setup, Upstream};
use crate::signing::{self, base64, hex, pem, rsa};

#[test]
fn a_public_key_is_read_in_every_form_people_keep_it_in() {
    let app = Upstream::recording();
    let key = rsa(0);
    let escaped = key.pem().replace('\n', "\\n");
    let set = json!({"keys": [rsa(1).jwk("other"), key.jwk("this")]}).to_string();
    let good = signed(body());
    for (form, bytes) in [
        ("SPKI PEM", key.pem().into_bytes()),
        (
            "SPKI PEM with CRLF",
            key.pem().replace('\n', "\r\n").into_bytes(),
        ),
        (
            "SPKI PEM without a last newline",
            key.pem().trim_end().into(),
        ),
        ("PKCS#1 PEM", key.pkcs1_pem().into_bytes()),
        ("PEM with escaped line ends", escaped.clone().into_bytes()),
        (
            "two PEM blocks",
            format!("{}{}", rsa(1).pem(), key.pem()).into_bytes(),
        ),
        ("SPKI DER", key.spki()),
        ("PKCS#1 DER", key.pkcs1_der()),
        ("bare base64", base64(&key.spki()).into_bytes()),
        (
            "bare base64 with a newline",
            format!("{}\n", base64(&key.spki())).into_bytes(),
        ),
        ("hex", hex(&key.spki()).into_bytes()),
        ("JWK", key.jwk("this").to_string().into_bytes()),
        ("JWKS", set.into_bytes()),
    ] {
        let route = route(
            "{ file = \"key\", name = \"prelude-key\" }",
            "allow_ips = \"any\"",
        );
        let gate = Setup::new(&app).file("key", bytes).toml(&route).start();
        let Some(received) = gate.passes(form, &good) else {
            continue;
        };
        assert_eq!(
            received.header("x-gatepost-key"),
            Some("prelude-key"),
            "{form}"
        );
        gate.refuses(
            form,
            &carrying(body(), &rsa(2).pss("sha256", body())),
            401,
            "signature_mismatch",
        );
    }
    for (form, text) in [("escaped", escaped), ("plain", key.pem())] {
        let route = route("{ env = \"PRELUDE_KEY\" }", "allow_ips = \"any\"");
        let gate = Setup::new(&app)
            .env("PRELUDE_KEY", &text)
            .toml(&route)
            .start();
        gate.passes(form, &good);
    }
}

#[test]
fn what_is_no_public_key_does_not_start() {
    let app = Upstream::recording();
    let key = rsa(0);
    for (form, bytes) in [
        ("a private key", key.private_pem().into_bytes()),
        (
            "a key of another kind",
            signing::ecdsa("P-256").pem().into_bytes(),
        ),
        ("a cut key", key.pem()[..200].into()),
        (
            "a broken key",
            pem("PUBLIC KEY", &key.spki()[..200]).into_bytes(),
        ),
        ("a symmetric key", br#"{"kty":"oct","k":"AAAA"}"#.to_vec()),
        ("a text", b"rsassa-pss".to_vec()),
        ("nothing", Vec::new()),
    ] {
        let setup = Setup::new(&app)
            .file("key", bytes)
            .toml(&route("{ file = \"key\" }", ""));
        let output = setup.run(&["check"]);
        assert_eq!(output.status.code(), Some(78), "{form}: {output:?}");
    }
}

#[test]
fn any_of_several_keys_in_force_may_have_signed() {
    let app = Upstream::recording();
    let keys = r#"[{ file = "a.pem", name = "a" }, { file = "b.pem", name = "b", not_before = 2020-01-01T00:00:00Z },
        { file = "c.pem", name = "c", until = 2020-01-01T00:00:00Z }]"#;
    let gate = Setup::new(&app)
        .file("a.pem", rsa(0).pem())
        .file("b.pem", rsa(1).pkcs1_pem())
        .file("c.pem", rsa(2).pem())
        .toml(&route(keys, "allow_ips = \"any\""))
        .start();
    for (index, name) in [(0, "a"), (1, "b")] {
        let received = gate.accepts(name, &carrying(body(), &rsa(index).pss("sha256", body())));
        assert_eq!(received.header("x-gatepost-key"), Some(name));
    }
    gate.refuses(
        "a key that is over",
        &carrying(body(), &rsa(2).pss("sha256", body())),
        401,
        "signature_mismatch",
    );
}
