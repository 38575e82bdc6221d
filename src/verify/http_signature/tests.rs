//! The vectors of RFC 9421 (Appendix B), and every change of them.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::*;
use crate::secret::Secret;
use crate::verify::algorithm::{Salt, SignatureFormat};
use crate::verify::public_key::PublicKey;
use crate::verify::{Body, Encoding, Hash, Plan, Step};

/// When all of them were signed.
const CREATED: i64 = 1_618_884_473;

/// RFC 9421 §B.1.2.
const RSA_PSS: &str = "-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAr4tmm3r20Wd/PbqvP1s2
+QEtvpuRaV8Yq40gjUR8y2Rjxa6dpG2GXHbPfvMs8ct+Lh1GH45x28Rw3Ry53mm+
oAXjyQ86OnDkZ5N8lYbggD4O3w6M6pAvLkhk95AndTrifbIFPNU8PPMO7OyrFAHq
gDsznjPFmTOtCEcN2Z1FpWgchwuYLPL+Wokqltd11nqqzi+bJ9cvSKADYdUAAN5W
Utzdpiy6LbTgSxP7ociU4Tn0g5I6aDZJ7A8Lzo0KSyZYoA485mqcO0GVAdVw9lq4
aOT9v6d+nb4bnNkQVklLQ3fVAvJm+xdDOp9LCNCN48V2pnDOkFV6+U9nV5oyc6XI
2wIDAQAB
-----END PUBLIC KEY-----
";
/// RFC 9421 §B.1.4.
const ED25519: &str = "-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=
-----END PUBLIC KEY-----
";
/// RFC 9421 §B.1.5.
const SHARED: &str =
    "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ==";

fn ring<K>(name: &str, key: K) -> Ring<K> {
    Ring::new(vec![Held {
        name: name.into(),
        not_before: None,
        until: None,
        key,
    }])
}

fn public(name: &str, pem: &str, algorithm: Algorithm) -> Keys {
    let key = PublicKey::read_all(pem.as_bytes()).unwrap().remove(0);
    let key = VerifyingKey::new(&key, algorithm, Salt::Digest, SignatureFormat::P1363).unwrap();
    Keys::Public(algorithm, ring(name, key))
}

fn shared() -> Keys {
    let secret = Encoding::Base64.decode(SHARED.as_bytes()).unwrap();
    let key = MacKey::new(Hash::Sha256, Secret::new(secret)).unwrap();
    Keys::Hmac(ring("test-shared-secret", key))
}

fn step(keys: Keys, components: &[&str]) -> HttpSignature {
    HttpSignature {
        label: None,
        components: components
            .iter()
            .map(|text| Component::parse(text).unwrap())
            .collect(),
        tag: None,
        tolerance: Duration::from_secs(300),
        algorithm: match &keys {
            Keys::Hmac(_) => "hmac-sha256",
            Keys::Public(Algorithm::Ed25519, _) => "ed25519",
            Keys::Public(..) => "rsa-pss-sha512",
        },
        keys,
        public_url: Some("https://example.com".into()),
    }
}

#[derive(Debug, Clone)]
struct Sent {
    method: String,
    path: String,
    query: Option<String>,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

/// The request of §B.2.
fn request() -> Sent {
    let headers = [
        ("host", "example.com"),
        ("date", "Tue, 20 Apr 2021 02:07:55 GMT"),
        ("content-type", "application/json"),
        (
            "content-digest",
            "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:",
        ),
        ("content-length", "18"),
    ];
    Sent {
        method: "POST".into(),
        path: "/foo".into(),
        query: Some("param=Value&Pet=dog".into()),
        headers: headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        body: br#"{"hello": "world"}"#.to_vec(),
    }
}

impl Sent {
    fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(own, _)| own != name);
        self
    }

    fn header_map(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            headers.append(
                HeaderName::try_from(name).unwrap(),
                HeaderValue::try_from(value).unwrap(),
            );
        }
        headers
    }

    fn judge(&self, step: &HttpSignature, at: i64) -> Result<Option<String>, Rejection> {
        let headers = self.header_map();
        let head = Head {
            method: &self.method,
            path: &self.path,
            query: self.query.as_deref(),
            headers: (&headers).into(),
        };
        let plan = Plan {
            addresses: None,
            groups: vec![vec![Step::HttpSignature(Box::new(step.clone()))]],
        };
        let address = std::net::IpAddr::from([127, 0, 0, 1]);
        let now = Moment::from_second(at).unwrap();
        let mut pending = plan.admit(address, &head, now)?;
        for chunk in self.body.chunks(7) {
            pending.update(chunk);
        }
        let body = Body::from(bytes::Bytes::from(self.body.clone()));
        let verified = pending
            .finish(&head, body)
            .map_err(|refused| refused.rejection)?;
        Ok(verified.key().map(ToString::to_string))
    }
}

struct Vector {
    name: &'static str,
    step: HttpSignature,
    input: &'static str,
    signature: &'static str,
}

/// The request with a signature of `input`.
fn sign(step: &HttpSignature, sent: Sent, input: &str) -> Sent {
    let headers = sent.header_map();
    let head = Head {
        method: &sent.method,
        path: &sent.path,
        query: sent.query.as_deref(),
        headers: (&headers).into(),
    };
    let base = step.base_of(input, &head).unwrap();
    let Keys::Hmac(keys) = &step.keys else {
        unreachable!()
    };
    let mut mac = keys.all()[0].key.start();
    mac.update(&base);
    let signature = Encoding::Base64.encode(&mac.finish());
    sent.with("signature-input", &format!("a={input}"))
        .with("signature", &format!("a=:{signature}:"))
}

fn vectors() -> Vec<Vector> {
    let pss = || public("test-key-rsa-pss", RSA_PSS, Algorithm::RsaPss(Hash::Sha512));
    let ed25519 = || public("test-key-ed25519", ED25519, Algorithm::Ed25519);
    vec![
        Vector {
            name: "B.2.1",
            step: step(pss(), &[]),
            input: r#"sig-b21=();created=1618884473;keyid="test-key-rsa-pss";nonce="b3k2pp5k7z-50gnwp.yemd""#,
            signature: "sig-b21=:d2pmTvmbncD3xQm8E9ZV2828BjQWGgiwAaw5bAkgibUopemLJcWDy/lkbbHAve4cRAtx31Iq786U7it++wgGxbtRxf8Udx7zFZsckzXaJMkA7ChG52eSkFxykJeNqsrWH5S+oxNFlD4dzVuwe8DhTSja8xxbR/Z2cOGdCbzR72rgFWhzx2VjBqJzsPLMIQKhO4DGezXehhWwE56YCE+O6c0mKZsfxVrogUvA4HELjVKWmAvtl6UnCh8jYzuVG5WSb/QEVPnP5TmcAnLH1g+s++v6d4s8m0gCw1fV5/SITLq9mhho8K3+7EPYTU8IU1bLhdxO5Nyt8C8ssinQ98Xw9Q==:",
        },
        Vector {
            name: "B.2.2",
            step: step(
                pss(),
                &["@authority", "content-digest", "@query-param;name=\"Pet\""],
            ),
            input: r#"sig-b22=("@authority" "content-digest" "@query-param";name="Pet");created=1618884473;keyid="test-key-rsa-pss";tag="header-example""#,
            signature: "sig-b22=:LjbtqUbfmvjj5C5kr1Ugj4PmLYvx9wVjZvD9GsTT4F7GrcQEdJzgI9qHxICagShLRiLMlAJjtq6N4CDfKtjvuJyE5qH7KT8UCMkSowOB4+ECxCmT8rtAmj/0PIXxi0A0nxKyB09RNrCQibbUjsLS/2YyFYXEu4TRJQzRw1rLEuEfY17SARYhpTlaqwZVtR8NV7+4UKkjqpcAoFqWFQh62s7Cl+H2fjBSpqfZUJcsIk4N6wiKYd4je2U/lankenQ99PZfB4jY3I5rSV2DSBVkSFsURIjYErOs0tFTQosMTAoxk//0RoKUqiYY8Bh0aaUEb0rQl3/XaVe4bXTugEjHSw==:",
        },
        Vector {
            name: "B.2.3",
            step: step(pss(), &["@method", "@path", "@query", "content-digest"]),
            input: r#"sig-b23=("date" "@method" "@path" "@query" "@authority" "content-type" "content-digest" "content-length");created=1618884473;keyid="test-key-rsa-pss""#,
            signature: "sig-b23=:bbN8oArOxYoyylQQUU6QYwrTuaxLwjAC9fbY2F6SVWvh0yBiMIRGOnMYwZ/5MR6fb0Kh1rIRASVxFkeGt683+qRpRRU5p2voTp768ZrCUb38K0fUxN0O0iC59DzYx8DFll5GmydPxSmme9v6ULbMFkl+V5B1TP/yPViV7KsLNmvKiLJH1pFkh/aYA2HXXZzNBXmIkoQoLd7YfW91kE9o/CCoC1xMy7JA1ipwvKvfrs65ldmlu9bpG6A9BmzhuzF8Eim5f8ui9eH8LZH896+QIF61ka39VBrohr9iyMUJpvRX2Zbhl5ZJzSRxpJyoEZAFL2FUo5fTIztsDZKEgM4cUA==:",
        },
        Vector {
            name: "B.2.5",
            step: step(shared(), &["date", "@authority"]),
            input: r#"sig-b25=("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret""#,
            signature: "sig-b25=:pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=:",
        },
        Vector {
            name: "B.2.6",
            step: step(ed25519(), &["@method", "@path"]),
            input: r#"sig-b26=("date" "@method" "@path" "@authority" "content-type" "content-length");created=1618884473;keyid="test-key-ed25519""#,
            signature: "sig-b26=:wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==:",
        },
    ]
}

impl Vector {
    fn covers(&self, component: &str) -> bool {
        self.input.contains(&format!("\"{component}\""))
    }

    fn sent(&self) -> Sent {
        request()
            .with("signature-input", self.input)
            .with("signature", self.signature)
    }
}

#[test]
fn the_vectors_of_the_rfc_pass() {
    for vector in vectors() {
        let key = vector.sent().judge(&vector.step, CREATED);
        let name = vector.name;
        assert!(key.as_ref().is_ok_and(Option::is_some), "{name}: {key:?}");
        // White space that RFC 9651 allows, and another signature beside it.
        let spaced = vector.input.replace("\" \"", "\"   \"");
        let other = format!("x=();created=1, {spaced}");
        let mut labelled = vector.step.clone();
        labelled.label = vector.input.split('=').next().map(Into::into);
        let sent = vector
            .sent()
            .without("signature-input")
            .with("signature-input", &other);
        assert!(sent.judge(&labelled, CREATED).is_ok(), "{name}");
        assert_eq!(
            sent.judge(&vector.step, CREATED),
            Err(Rejection::SignatureMalformed),
            "{name}: which of the two?"
        );
        let lines = vector.sent().with("signature-input", "y=();created=1");
        assert!(lines.judge(&labelled, CREATED).is_ok(), "{name}: two lines");
    }
}

/// A change of anything that is covered is refused, and of the body where its digest is.
#[test]
fn every_change_of_a_vector_is_refused() {
    for vector in vectors() {
        let mut changed = requests(&vector);
        changed.extend(fields(&vector));
        for (what, sent) in changed {
            let name = vector.name;
            let refused = sent.judge(&vector.step, CREATED).is_err();
            assert!(refused, "{name}: {what}: {sent:?}");
        }
    }
}

/// The request with something of it changed that is covered.
fn requests(vector: &Vector) -> Vec<(String, Sent)> {
    let good = vector.sent();
    let covers = |component: &str| vector.covers(component);
    let mut changed: Vec<(String, Sent)> = Vec::new();
    for field in ["date", "content-type", "content-digest", "content-length"] {
        if covers(field) {
            changed.push((field.into(), good.clone().without(field)));
            changed.push((field.into(), good.clone().with(field, "more")));
            let value = good.headers.iter().find(|(own, _)| own == field).unwrap();
            let other = value.1.replacen(['1', 'j', 'W'], "2", 1);
            changed.push((
                field.into(),
                good.clone().without(field).with(field, &other),
            ));
        }
    }
    let mut other = good.clone();
    other.method = "PUT".into();
    if covers("@method") {
        changed.push(("@method".into(), other));
    }
    let mut other = good.clone();
    other.path = "/fop".into();
    if covers("@path") {
        changed.push(("@path".into(), other));
    }
    let mut other = good.clone();
    other.query = Some("param=Value&Pet=cat".into());
    if covers("@query") || covers("@query-param") {
        changed.push(("@query".into(), other.clone()));
        other.query = Some("param=Value&Pet=dog&Pet=cat".into());
        changed.push(("twice".into(), other.clone()));
        other.query = None;
        changed.push(("no query".into(), other));
    }
    let mut other = good;
    other.body.push(b' ');
    if covers("content-digest") {
        changed.push(("body".into(), other));
    }
    changed
}

/// The request with other signature fields.
fn fields(vector: &Vector) -> Vec<(String, Sent)> {
    let good = vector.sent();
    let mut changed: Vec<(String, Sent)> = Vec::new();
    let replaced = |header: &str, value: &str| good.clone().without(header).with(header, value);
    for (what, value) in [
        ("created", vector.input.replace("1618884473", "1618884474")),
        (
            "keyid",
            vector.input.replace("keyid=\"test", "keyid=\"tesu"),
        ),
        (
            "no keyid",
            vector.input.split(";keyid").next().unwrap().to_owned(),
        ),
        (
            "alg",
            format!("{};alg=\"{}\"", vector.input, vector.step.algorithm),
        ),
        (
            "another alg",
            format!("{};alg=\"rsa-v1_5-sha256\"", vector.input),
        ),
        ("one more", vector.input.replacen("=(", "=(\"host\" ", 1)),
        (
            "twice",
            vector.input.replacen(')', " \"host\" \"host\")", 1),
        ),
        (
            "a type",
            vector
                .input
                .replace("created=1618884473", "created=\"1618884473\""),
        ),
        (
            "no list",
            vector.input.split('=').next().unwrap().to_owned(),
        ),
        ("cut", vector.input.trim_end_matches(['"', '3']).to_owned()),
        ("upper case", vector.input.replacen("=(", "=(\"Host\" ", 1)),
        (
            "of a response",
            vector.input.replacen("=(", "=(\"@status\" ", 1),
        ),
        (
            "a trailer",
            vector.input.replacen("=(", "=(\"host\";tr ", 1),
        ),
        (
            "of the request",
            vector.input.replacen("=(", "=(\"host\";req ", 1),
        ),
        (
            "an absent header",
            vector.input.replacen("=(", "=(\"x-none\" ", 1),
        ),
        ("empty", String::new()),
    ] {
        changed.push((what.into(), replaced("signature-input", &value)));
    }
    for at in [12, 40, 50] {
        let mut bytes = vector.signature.as_bytes().to_vec();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let other = String::from_utf8(bytes).unwrap();
        changed.push((format!("signature {at}"), replaced("signature", &other)));
    }
    let label = vector.input.split('=').next().unwrap();
    let twice = format!("{label}=:YQ==:, {}", vector.signature);
    changed.push(("two signatures".into(), replaced("signature", &twice)));
    let twice = format!("{label}=(), {}", vector.input);
    changed.push(("two inputs".into(), replaced("signature-input", &twice)));
    for value in [
        format!("{label}=::"),
        format!("{label}=abc"),
        format!("{label}=(:YQ==:)"),
        "other=:YQ==:".into(),
        "x".into(),
    ] {
        changed.push((value.clone(), replaced("signature", &value)));
    }
    changed.push(("no signature".into(), good.clone().without("signature")));
    changed.push(("no input".into(), good.clone().without("signature-input")));
    changed
}

/// A digest that is signed as one member binds the body by that member, whatever stands beside it.
#[test]
fn a_digest_beside_the_signed_one_binds_nothing() {
    let body = br#"{"hello": "world"}"#;
    let of = |hash: Hash, body: &[u8]| format!(":{}:", Encoding::Base64.encode(&hash.of(body)));
    let right = of(Hash::Sha512, body);
    let signed = |component: &str| {
        let step = step(shared(), &["@method"]);
        let mut sent = request().without("content-digest");
        let signed = format!("sha-512={right}, md5=:AAAA:");
        sent = sent.with("content-digest", &signed);
        let input = format!("(\"@method\" {component});created={CREATED}");
        sign(&step, sent, &input)
    };
    let step = step(shared(), &["@method", "content-digest;key=\"sha-512\""]);
    let good = signed("\"content-digest\";key=\"sha-512\"");
    assert_eq!(good.judge(&step, CREATED).err(), None);
    for (digests, expected) in [
        (format!("sha-512={right}"), None),
        (
            format!("sha-512={right}, sha-256={}", of(Hash::Sha256, body)),
            None,
        ),
        (
            format!("sha-512={right}, sha-256={}", of(Hash::Sha256, b"{}")),
            Some(Rejection::DigestMismatch),
        ),
        (
            format!("sha-512={right}, sha-512={right}"),
            Some(Rejection::SignatureMalformed),
        ),
        (
            format!("sha-256={}", of(Hash::Sha256, body)),
            Some(Rejection::SignatureMalformed),
        ),
    ] {
        let sent = good.clone().without("content-digest");
        let sent = sent.with("content-digest", &digests);
        assert_eq!(sent.judge(&step, CREATED).err(), expected, "{digests}");
    }
    let mut forged = good.without("content-digest");
    forged.body = b"{}".to_vec();
    for digests in [
        format!("sha-512={right}, sha-256={}", of(Hash::Sha256, b"{}")),
        format!(
            "sha-512={right}, sha-512={}, sha-256={}",
            of(Hash::Sha512, b"{}"),
            of(Hash::Sha256, b"{}")
        ),
        format!("sha-256={}", of(Hash::Sha256, b"{}")),
    ] {
        let sent = forged.clone().with("content-digest", &digests);
        assert!(sent.judge(&step, CREATED).is_err(), "{digests}");
    }
}

#[test]
fn the_configuration_can_want_more() {
    for vector in vectors() {
        let name = vector.name;
        let good = vector.sent();
        let covers = |component: &str| vector.covers(component);
        let mut elsewhere = vector.step.clone();
        elsewhere.public_url = Some("https://example.org".into());
        let mut nowhere = vector.step.clone();
        nowhere.public_url = None;
        if covers("@authority") {
            assert!(good.judge(&elsewhere, CREATED).is_err(), "{name}");
            assert!(
                good.judge(&nowhere, CREATED).is_err(),
                "{name}: from no header"
            );
        }
        let mut tagged = vector.step.clone();
        tagged.tag = Some("another".into());
        assert_eq!(
            good.judge(&tagged, CREATED),
            Err(Rejection::SignatureMalformed)
        );
        for needed in [
            "x-more",
            "@target-uri",
            "content-digest;key=\"sha-256\"",
            "@query-param;name=\"param\"",
        ] {
            let mut more = vector.step.clone();
            more.components.push(Component::parse(needed).unwrap());
            assert_eq!(
                good.judge(&more, CREATED),
                Err(Rejection::SignatureMalformed),
                "{name}: {needed}"
            );
        }
    }
}

#[test]
fn a_signature_lasts_from_created_on_and_not_past_expires() {
    for vector in vectors() {
        for (at, expected) in [
            (CREATED + 300, None),
            (CREATED + 301, Some(Rejection::TimestampTooOld)),
            (CREATED - 300, None),
            (CREATED - 301, Some(Rejection::TimestampInFuture)),
        ] {
            assert_eq!(
                vector.sent().judge(&vector.step, at).err(),
                expected,
                "{}",
                vector.name
            );
        }
    }
    let signed = |parameters: &str| {
        let input = format!("(\"@method\"){parameters}");
        let step = step(shared(), &["@method"]);
        let sent = sign(&step, request(), &input);
        sent.judge(&step, CREATED).err()
    };
    for (parameters, expected) in [
        (";created=1618884473", None),
        (";created=1618884473;expires=1618884474", None),
        (
            ";created=1618884473;expires=1618884473",
            Some(Rejection::TimestampTooOld),
        ),
        (";expires=1618884500", None),
        (";expires=1618884773", None),
        (";expires=1618884774", Some(Rejection::TimestampInFuture)),
        (";created=1618884473;expires=1618899999", None),
        (";expires=1618884473", Some(Rejection::TimestampTooOld)),
        ("", Some(Rejection::TimestampMissing)),
        (";keyid=\"x\"", Some(Rejection::TimestampMissing)),
        (";created=1618884473.5", Some(Rejection::TimestampMalformed)),
        (
            ";created=999999999999999",
            Some(Rejection::TimestampMalformed),
        ),
        (
            ";created=1618884473;nonce=5",
            Some(Rejection::SignatureMalformed),
        ),
        (";created=1618884473;alg=\"hmac-sha256\"", None),
        (
            ";created=1618884473;alg=\"ed25519\"",
            Some(Rejection::SignatureMalformed),
        ),
        (";created=1618884473;x=@5", None),
    ] {
        assert_eq!(signed(parameters), expected, "{parameters}");
    }
}

/// RFC 9421 §B.4: what an intermediary may do to a request, and what it may not.
#[test]
fn only_what_is_covered_counts() {
    let mut step = step(
        public("test-key-ed25519", ED25519, Algorithm::Ed25519),
        &["@method"],
    );
    step.public_url = Some("https://Example.org:443".into());
    let of = |query: &str, headers: &[(&str, &str)]| {
        let mut sent = request();
        sent.method = "GET".into();
        sent.path = "/demo".into();
        sent.query = Some(query.into());
        sent.headers = headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        sent.with(
            "signature-input",
            r#"transform=("@method" "@path" "@authority" "accept");created=1618884473;keyid="test-key-ed25519""#,
        )
        .with(
            "signature",
            "transform=:ZT1kooQsEHpZ0I1IjCqtQppOmIqlJPeo7DHR3SoMn0s5JZ1eRGS0A+vyYP9t/LXlh5QMFFQ6cpLt2m0pmj3NDA==:",
        )
    };
    let query = "name1=Value1&Name2=value2";
    for (sent, good) in [
        (
            of(query, &[("accept", "application/json"), ("accept", "*/*")]),
            true,
        ),
        (
            of(
                "param=added",
                &[
                    ("accept", "application/json"),
                    ("accept-language", "en"),
                    ("accept", "*/*"),
                ],
            ),
            true,
        ),
        (
            of(
                query,
                &[("accept", "application/json, */*"), ("referer", "x")],
            ),
            true,
        ),
        (
            of(query, &[("accept", "*/*"), ("accept", "application/json")]),
            false,
        ),
        (of(query, &[("accept", "application/json,*/*")]), false),
        (of(query, &[]), false),
    ] {
        assert_eq!(sent.judge(&step, CREATED).is_ok(), good, "{sent:?}");
    }
}

#[test]
fn the_base_has_every_component_in_its_only_spelling() {
    let step = step(shared(), &[]);
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("host", " www.example.com "),
        ("cache-control", "max-age=60"),
        ("cache-control", "   must-revalidate"),
        ("example-dict", "a=1,    b=2;x=1;y=2,   c=(a   b   c)"),
        ("priority", "u=1 , i"),
        ("x-empty", ""),
    ] {
        headers.append(name, HeaderValue::from_static(value));
    }
    let head = Head {
        method: "GET",
        path: "/path",
        query: Some(
            "param=value&foo=bar&baz=batman&qux=&var=this%20is%20a%20big%0Amultiline%20value&fa%C3%A7ade%22%3A%20=something",
        ),
        headers: (&headers).into(),
    };
    for (components, expected) in [
        (r#""host""#, r#""host": www.example.com"#),
        (
            r#""cache-control""#,
            r#""cache-control": max-age=60, must-revalidate"#,
        ),
        (r#""x-empty""#, r#""x-empty": "#),
        (r#""example-dict";key="a""#, r#""example-dict";key="a": 1"#),
        (
            r#""example-dict";key="b""#,
            r#""example-dict";key="b": 2;x=1;y=2"#,
        ),
        (
            r#""example-dict";key="c""#,
            r#""example-dict";key="c": (a b c)"#,
        ),
        (r#""priority";sf"#, r#""priority";sf: u=1, i"#),
        (
            r#""cache-control";bs"#,
            r#""cache-control";bs: :bWF4LWFnZT02MA==:, :bXVzdC1yZXZhbGlkYXRl:"#,
        ),
        (r#""@method""#, r#""@method": GET"#),
        (
            r#""@target-uri""#,
            r#""@target-uri": https://example.com/path?param=value&foo=bar&baz=batman&qux=&var=this%20is%20a%20big%0Amultiline%20value&fa%C3%A7ade%22%3A%20=something"#,
        ),
        (r#""@authority""#, r#""@authority": example.com"#),
        (r#""@scheme""#, r#""@scheme": https"#),
        (r#""@path""#, r#""@path": /path"#),
        (
            r#""@query-param";name="baz""#,
            r#""@query-param";name="baz": batman"#,
        ),
        (
            r#""@query-param";name="qux""#,
            r#""@query-param";name="qux": "#,
        ),
        (
            r#""@query-param";name="var""#,
            r#""@query-param";name="var": this%20is%20a%20big%0Amultiline%20value"#,
        ),
        (
            r#""@query-param";name="fa%C3%A7ade%22%3A%20""#,
            r#""@query-param";name="fa%C3%A7ade%22%3A%20": something"#,
        ),
    ] {
        let input = format!("({components});created=1");
        let base = step
            .base_of(&input, &head)
            .map(|base| String::from_utf8(base).unwrap());
        let expected = format!("{expected}\n\"@signature-params\": {input}");
        assert_eq!(base.as_deref(), Some(&*expected), "{components}");
    }
    for components in [
        r#""x-absent""#,
        r#""example-dict";sf"#,
        r#""example-dict";key="z""#,
        r#""host";key="a""#,
        r#""@query-param""#,
        r#""@query-param";name="none""#,
        r#""@query-param";name="façade""#,
        r#""@query";name="a""#,
        r#""@method";req"#,
        r#""@unknown""#,
        r#""@status""#,
        "host",
        "5",
        r#""host";bs;key="a""#,
        r#""host";tr"#,
        r#""Host""#,
        r#""""#,
        r#"("host")"#,
        r#""ho st""#,
    ] {
        assert_eq!(
            step.base_of(&format!("({components});created=1"), &head),
            None,
            "{components}"
        );
    }
}

#[test]
fn components_are_read_as_the_configuration_writes_them() {
    for (written, good) in [
        ("@method", true),
        ("content-digest", true),
        ("\"content-digest\"", true),
        ("content-digest;key=\"sha-256\"", true),
        ("@query-param;name=\"id\"", true),
        ("date;bs", true),
        ("priority;sf", true),
        ("Content-Digest", false),
        ("date;sf", false),
        ("@status", false),
        ("@query-param", false),
        ("", false),
        ("a b", false),
        ("date;tr", false),
        ("content-digest;key=\"md5\"", false),
        ("content-digest;key=\"sha\"", false),
        ("content-digest;key=\"\"", false),
        ("@signature-params", false),
        ("\"date\" \"host\"", false),
    ] {
        assert_eq!(Component::parse(written).is_ok(), good, "{written}");
    }
}
