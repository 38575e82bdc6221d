//! HTTP message signatures (RFC 9421), signed here by hand.

use super::{PATH, routed};
use crate::harness::{Delivery, Gatepost, Setup, Upstream};
use crate::signing::{base64, digest, ecdsa, ed25519, ed25519_public, hmac, now, pem, rsa};

const SECRET: &str = "message-signature-secret";
const BODY: &str = "{\"type\":\"ping\"}";

type Sign = fn(&[u8]) -> Vec<u8>;

/// Every algorithm, its key, and a signature of a message.
fn algorithms() -> Vec<(&'static str, String, Sign)> {
    let public = "public_key = { file = \"key.pem\", name = \"k1\" }".to_owned();
    vec![
        ("rsa-pss-sha512", public.clone(), |m| {
            rsa(0).pss("sha512", m)
        }),
        ("rsa-v1_5-sha256", public.clone(), |m| {
            rsa(0).pkcs1("sha256", m)
        }),
        ("ecdsa-p256-sha256", public.clone(), |m| {
            ecdsa("P-256").sign_bare(m)
        }),
        ("ecdsa-p384-sha384", public.clone(), |m| {
            ecdsa("P-384").sign_bare(m)
        }),
        ("ed25519", public, |m| ed25519().sign(m).as_ref().to_vec()),
        (
            "hmac-sha256",
            "secret = { env = \"SECRET\", name = \"k1\" }".to_owned(),
            |m| hmac("sha256", SECRET.as_bytes(), m),
        ),
    ]
}

fn key(algorithm: &str) -> String {
    match algorithm {
        "ecdsa-p256-sha256" => ecdsa("P-256").pem(),
        "ecdsa-p384-sha384" => ecdsa("P-384").pem(),
        "ed25519" => {
            // RFC 8410 §4: the bare key behind its algorithm.
            let prefix = [
                0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
            ];
            pem("PUBLIC KEY", &[&prefix[..], &ed25519_public()].concat())
        }
        _ => rsa(0).pem(),
    }
}

fn setup(app: &Upstream, algorithm: &str, keys: &str, more: &str) -> Setup {
    let step = format!(
        "[{{ scheme = \"http_signature\", algorithm = \"{algorithm}\", \
         components = [\"@method\", \"@target-uri\", \"content-digest\"]{more} }}]"
    );
    let keys = format!("{keys}\npublic_url = \"https://hooks.example.com\"");
    routed(app, &step, &keys)
        .env("SECRET", SECRET)
        .file("key.pem", key(algorithm))
}

/// What is signed, by component name; the sender's own list.
struct Signer {
    sign: Sign,
    method: &'static str,
    target: &'static str,
    components: &'static str,
    parameters: String,
    body: String,
    digest: String,
}

impl Signer {
    fn new(sign: Sign) -> Self {
        Self {
            sign,
            method: "POST",
            target: PATH,
            components: r#""@method" "@target-uri" "content-digest" "content-type""#,
            parameters: format!(";created={};keyid=\"k1\"", now()),
            body: BODY.into(),
            digest: format!("sha-256=:{}:", base64(&digest("sha256", BODY.as_bytes()))),
        }
    }

    fn delivery(&self) -> Delivery {
        let inner = format!("({}){}", self.components, self.parameters);
        let mut base = String::new();
        for name in self.components.split(' ').filter(|name| !name.is_empty()) {
            let value = match name {
                "\"@method\"" => self.method.to_owned(),
                "\"@target-uri\"" => format!("https://hooks.example.com{}", self.target),
                "\"@authority\"" => "hooks.example.com".to_owned(),
                "\"content-digest\"" => self.digest.clone(),
                "\"content-type\"" => "application/json".to_owned(),
                other => panic!("{other}"),
            };
            base.push_str(&[name, ": ", &value, "\n"].concat());
        }
        base.push_str(&["\"@signature-params\": ", &inner].concat());
        let signature = (self.sign)(base.as_bytes());
        Delivery::new(self.method, self.target)
            .header("Content-Type", "application/json")
            .header("Content-Digest", &self.digest)
            .header("Signature-Input", format!("sig1={inner}"))
            .header("Signature", format!("sig1=:{}:", base64(&signature)))
            .body(&self.body)
    }
}

#[test]
fn every_algorithm_verifies_its_own_signatures_only() {
    let app = Upstream::recording();
    for (algorithm, keys, sign) in algorithms() {
        let gate = setup(&app, algorithm, &keys, "").start();
        let good = Signer::new(sign).delivery();
        let received = gate.accepts(algorithm, &good);
        assert_eq!(
            received.header("x-gatepost-verified-by"),
            Some("http-signature")
        );
        assert_eq!(received.header("x-gatepost-key"), Some("k1"));
        assert!(
            received.header("signature").is_some(),
            "an app may check once more"
        );
        for (other, _, sign) in algorithms() {
            if other != algorithm {
                let forged = Signer::new(sign).delivery();
                gate.refuses(
                    &format!("{other} for {algorithm}"),
                    &forged,
                    401,
                    "signature_mismatch",
                );
            }
        }
        changes(&gate, algorithm, sign, &good);
    }
}

fn changes(gate: &Gatepost, algorithm: &str, sign: Sign, good: &Delivery) {
    let of = |change: fn(&mut Signer)| {
        let mut signer = Signer::new(sign);
        change(&mut signer);
        signer.delivery()
    };
    let stamped = |age: i64| {
        let mut signer = Signer::new(sign);
        signer.parameters = format!(";created={}", now() - age);
        signer.delivery()
    };
    let mut elsewhere = good.clone();
    elsewhere.target = format!("{PATH}?admin=1");
    let mut other_method = good.clone();
    other_method.method = "PUT".into();
    for (name, delivery, reason) in [
        ("another body", good.clone().body("{}"), "digest_mismatch"),
        ("no body", good.clone().body(""), "digest_mismatch"),
        ("another target", elsewhere, "signature_mismatch"),
        ("another method", other_method, "signature_mismatch"),
        (
            "another type",
            good.clone().with("Content-Type", "text/plain"),
            "signature_mismatch",
        ),
        (
            "another digest",
            good.clone().body("{}").with(
                "Content-Digest",
                format!("sha-256=:{}:", base64(&digest("sha256", b"{}"))),
            ),
            "signature_mismatch",
        ),
        (
            "a digest more",
            good.clone().header("Content-Digest", "sha-512=:AAAA:"),
            "signature_mismatch",
        ),
        (
            "without the digest",
            of(|signer| signer.components = r#""@method" "@target-uri""#),
            "signature_malformed",
        ),
        (
            "without the target",
            of(|signer| signer.components = r#""@method" "content-digest""#),
            "signature_malformed",
        ),
        (
            "nothing",
            of(|signer| signer.components = ""),
            "signature_malformed",
        ),
        (
            "only the host",
            of(|signer| signer.components = r#""@authority""#),
            "signature_malformed",
        ),
        (
            "a weak digest",
            of(|signer| signer.digest = "md5=:AAAAAAAAAAAAAAAAAAAAAA==:".into()),
            "signature_malformed",
        ),
        (
            "an empty digest",
            of(|signer| signer.digest = "sha-256=::".into()),
            "digest_mismatch",
        ),
        (
            "two digests, one wrong",
            of(|signer| signer.digest.push_str(", sha-512=:AAAA:")),
            "digest_mismatch",
        ),
        (
            "no time",
            of(|signer| signer.parameters = ";keyid=\"k1\"".into()),
            "timestamp_missing",
        ),
        ("old", stamped(400), "timestamp_too_old"),
        ("early", stamped(-400), "timestamp_in_future"),
        (
            "expired",
            of(|signer| signer.parameters.push_str(";expires=1")),
            "timestamp_too_old",
        ),
        (
            "another algorithm",
            of(|signer| signer.parameters.push_str(";alg=\"none\"")),
            "signature_malformed",
        ),
        (
            "no signature",
            good.clone().without("Signature"),
            "signature_missing",
        ),
        (
            "no input",
            good.clone().without("Signature-Input"),
            "signature_missing",
        ),
        (
            "another label",
            good.clone().with("Signature", "sig2=:AAAA:"),
            "signature_missing",
        ),
        (
            "no structured field",
            good.clone().with("Signature-Input", "sig1=(\"@method\""),
            "signature_malformed",
        ),
        (
            "the label twice",
            good.clone().header("Signature-Input", "sig1=();created=1"),
            "signature_malformed",
        ),
        (
            "the signature twice",
            good.clone().header("Signature", "sig1=:AAAA:"),
            "signature_malformed",
        ),
        (
            "in another order",
            good.clone().with(
                "Signature-Input",
                good.value("Signature-Input").replacen(
                    r#""@method" "@target-uri""#,
                    r#""@target-uri" "@method""#,
                    1,
                ),
            ),
            "signature_mismatch",
        ),
        (
            "which of two",
            good.clone().header("Signature-Input", "sig2=();created=1"),
            "signature_malformed",
        ),
    ] {
        gate.refuses(&format!("{algorithm}: {name}"), &delivery, 401, reason);
    }
    // A longer digest as well, and parameters of the sender's own.
    let longer = of(|signer| {
        signer.digest = format!(
            "sha-512=:{}:, x=1, sha-256=:{}:",
            base64(&digest("sha512", BODY.as_bytes())),
            base64(&digest("sha256", BODY.as_bytes()))
        );
        signer.parameters.push_str(";nonce=\"n\";tag=\"t\";x=?0");
    });
    gate.passes(&format!("{algorithm}: more"), &longer);
    let unnamed = of(|signer| signer.parameters = format!(";created={};keyid=\"theirs\"", now()));
    gate.passes(&format!("{algorithm}: a key id that is not here"), &unnamed);
}

#[test]
fn label_and_tag_are_those_of_the_configuration() {
    let app = Upstream::recording();
    let (algorithm, keys, sign) = algorithms().pop().unwrap();
    let gate = setup(
        &app,
        algorithm,
        &keys,
        ", label = \"sig1\", tag = \"hooks\", tolerance = \"1h\"",
    )
    .start();
    let mut signer = Signer::new(sign);
    gate.refuses("no tag", &signer.delivery(), 401, "signature_malformed");
    signer.parameters.push_str(";tag=\"hooks\"");
    let good = signer.delivery();
    gate.passes("with it", &good);
    gate.passes(
        "another signature beside it",
        &good
            .clone()
            .header("Signature-Input", "a=();created=1")
            .header("Signature", "a=:AAAA:"),
    );
    let renamed = String::from_utf8(good.value("Signature-Input").into()).unwrap();
    let renamed = good.with("Signature-Input", renamed.replace("sig1", "sig2"));
    gate.refuses("another label", &renamed, 401, "signature_missing");
}

#[test]
fn send_signs_messages_as_the_rfc_has_it() {
    let app = Upstream::recording();
    for (algorithm, keys, _) in algorithms() {
        let gate = setup(&app, algorithm, &keys, "").start();
        let caller = setup(&app, algorithm, &keys, "").file("private.pem", rsa(0).private_pem());
        let to = gate.address.to_string();
        if !algorithm.starts_with("rsa") && !algorithm.starts_with("hmac") {
            continue;
        }
        for (tamper, code) in [
            (None, 0),
            (Some("body"), 1),
            (Some("key"), 1),
            (Some("signature"), 1),
            (Some("time"), 1),
            (Some("missing"), 1),
        ] {
            let mut words = vec!["send", PATH, "--to", &to, "--private-key", "private.pem"];
            words.extend(tamper.map(|with| ["--tamper", with]).into_iter().flatten());
            let output = caller.run(&words);
            let said =
                String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
            assert_eq!(
                output.status.code(),
                Some(code),
                "{algorithm} {tamper:?}: {said}"
            );
        }
    }
}

/// Whoever sends a captured request again changes nothing of what is signed.
#[test]
fn a_copy_is_known_by_what_is_signed() {
    let app = Upstream::recording();
    let (algorithm, keys, sign) = algorithms().pop().unwrap();
    let keys = format!("{keys}\nduplicates = \"acknowledge\"");
    let gate = setup(&app, algorithm, &keys, "").start();
    let first = Signer::new(sign).delivery();
    gate.accepts("the first", &first);
    for copy in [first.clone(), first.header("X-Other", "1")] {
        assert_eq!(gate.send(&copy).status, 200);
    }
    let mut other = Signer::new(sign);
    other.parameters.push_str(";nonce=\"2\"");
    gate.accepts("another", &other.delivery());
    assert_eq!(app.requests().len(), 2);
}
