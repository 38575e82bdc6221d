//! `gatepost test`: what passes, what fails and how it is told; no secret is read.

use std::fmt::Write as _;
use std::process::Output;

use crate::harness::{Setup, Upstream};

/// Nothing of what these name is there.
const ROUTES: &str = r#"
[[route]]
path = "/webhooks/prove"
provider = "prove"
secret = { env = "NOT_SET" }
schema = true
[[route]]
path = "/webhooks/prelude/*"
provider = "prelude"
host = "hooks.example.com"
public_key = [{ file = "/not/there.pem", name = "new" }, { env = "NEITHER", until = 2020-01-01T00:00:00Z }]
[[route]]
path = "/acme"
verify = [{ scheme = "hmac", header = "X-Sig", format = "t={timestamp},v1={signature}", message = "{timestamp}.{header:X-Tenant}.{body}", secret_encoding = "hex" }]
secret = { file = "acme-secret" }
[[route]]
path = "/watched"
mode = "observe"
verify = [{ scheme = "signature", algorithm = "ecdsa-p384-sha384", header = "X-Sig" }]
public_key = { file = "watched.jwks" }
[[route]]
path = "/token"
verify = [{ scheme = "jwt", algorithms = ["EdDSA"], issuer = "me" }]
public_key = { env = "TOKEN_KEY" }
"#;

const GOOD: &str = r#"
[[test]]
name = "a port is announced"
route = "/webhooks/prove"
request = { event = "PORT" }
expect = { outcome = "verified", status = 200, headers = { X-Gatepost-Event-Type = "PORT", "x-gatepost-event-count" = "1", X-Prove-Authorization = "" } }

[[test]]
name = "an old token"
route = "prove"
request = { clock = "-1h" }
expect = "jwt_expired"

[[test]]
name = "a body that does not fit"
route = "prove"
request = { body = "[1]" }
expect = "schema_mismatch"

[[test]]
route = "prelude"

[[test]]
name = "from elsewhere"
route = "prelude"
request = { from = "203.0.113.9" }
expect = "ip_not_allowed"

[[test]]
name = "another key"
route = "prelude"
request = { tamper = "key" }
expect = { outcome = "signature_mismatch", status = 401 }

[[test]]
name = "a header that is signed"
route = "/acme"
request = { file = "acme.json", headers = { X-Tenant = "7" } }
expect = { headers = { X-Tenant = "7", X-Gatepost-Verified-By = "hmac-sha256" } }

[[test]]
name = "a clock that is ahead"
route = "/acme"
request = { headers = { X-Tenant = "7" }, clock = "+6m" }
expect = "timestamp_in_future"

[[test]]
name = "observed"
route = "/watched"
request = { tamper = "signature" }
expect = { outcome = "signature_mismatch", status = 200, headers = { X-Gatepost-Observed = "signature_mismatch" } }

[[test]]
name = "a token"
route = "/token"
"#;

fn test(toml: &str, words: &[&str]) -> (Output, String, Setup) {
    let app = Upstream::recording();
    let setup = Setup::new(&app)
        .file("acme.json", "{\"a\":1}")
        .toml(ROUTES)
        .toml(toml);
    let output = setup.run(&[&["test"], words].concat());
    let text = String::from_utf8([&*output.stdout, b"\n", &*output.stderr].concat()).unwrap();
    assert!(app.requests().is_empty(), "the real app was called");
    (output, text, setup)
}

#[test]
fn what_is_as_expected_passes_without_any_secret() {
    let (output, said, _) = test(GOOD, &[]);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("\n10 passed, 0 failed\n"), "{said}");
    assert!(
        said.contains("/webhooks/prelude/*\n  ok    test 4\n"),
        "{said}"
    );
    let (output, said, _) = test(GOOD, &["token"]);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("\n2 passed, 0 failed\n"), "{said}");
}

#[test]
fn what_is_not_as_expected_fails_and_says_what_was() {
    let toml = r#"
[[test]]
name = "wrong outcome"
route = "prove"
request = { tamper = "key" }
[[test]]
name = "wrong status"
route = "prove"
expect = 401
[[test]]
name = "wrong header"
route = "prove"
expect = { headers = { X-Gatepost-Provider = "prelude" } }
[[test]]
name = "a header too many"
route = "prove"
expect = { headers = { X-Gatepost-Provider = "" } }
[[test]]
name = "nothing to change <&>"
route = "prove"
request = { tamper = "body" }
[[test]]
name = "no such file"
route = "prove"
request = { file = "missing.json" }
[[test]]
name = "good"
route = "prove"
"#;
    let (output, said, setup) = test(toml, &["--junit", "report.xml"]);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for line in [
        "  FAIL  wrong outcome: expected verified, was jwt_signature (401)\n",
        "  FAIL  wrong status: expected status 401, was verified (200)\n",
        "  FAIL  wrong header: expected x-gatepost-provider \"prelude\", the app received \"prove\"; was verified (200)\n",
        "  FAIL  a header too many: expected x-gatepost-provider none, the app received \"prove\"; was verified (200)\n",
        "  FAIL  nothing to change <&>: cannot be sent: nothing of this scheme covers the body\n",
        "missing.json: No such file",
        "  ok    good\n",
        "\n1 passed, 6 failed\n",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
    let report = std::fs::read_to_string(setup.folder.path().join("report.xml")).unwrap();
    assert!(
        report.contains("<testsuites tests=\"7\" failures=\"6\""),
        "{report}"
    );
    assert!(
        report.contains("<testcase name=\"good\" classname=\"/webhooks/prove\" time=\"0."),
        "{report}"
    );
    assert!(
        report.contains("<testcase name=\"nothing to change &lt;&amp;&gt;\""),
        "{report}"
    );
    assert_eq!(report.matches("<failure message=\"").count(), 6, "{report}");
}

#[test]
fn nothing_to_run_and_a_file_that_cannot_be_used_are_not_a_success() {
    let (output, said, _) = test("", &[]);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("there is no [[test]]"), "{said}");
    let (output, said, _) = test(GOOD, &["nothing has this name"]);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let (output, said, _) = test("[[test]]\nroute = \"/nowhere\"\n", &[]);
    assert_eq!(output.status.code(), Some(78), "{said}");
    let (output, said, _) = test(GOOD, &["--junit", "no/such/folder.xml"]);
    assert_eq!(output.status.code(), Some(74), "{said}");
}

/// A configuration with tests runs as if they were not there.
#[test]
fn other_commands_do_not_need_what_tests_name() {
    let app = Upstream::recording();
    let setup = Setup::new(&app).env("K", "0123456789abcdef").toml(
        "[[route]]\npath = \"/a\"\nsecret = { env = \"K\" }\nverify = [{ scheme = \"bearer\" }]\n\
         [[test]]\nroute = \"/a\"\nrequest = { file = \"not-shipped.json\" }\n",
    );
    let output = setup.run(&["check"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

/// Certificates are made for the tests: with the names that a step wants, a stranger's, or none.
#[test]
fn routes_by_client_certificate_are_tried_with_throw_away_ones() {
    let toml = r#"
[[route]]
path = "/names"
verify = [{ scheme = "mtls", san_dns = ["hooks.example.com", "b.example"], san_uri = "spiffe://example/hooks", fingerprint = "5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f" }]
[[route]]
path = "/pinned"
verify = [
  { scheme = "mtls", fingerprint = "5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f" },
  { scheme = "hmac", header = "X-Sig" },
]
secret = { env = "NOT_SET" }
[[test]]
route = "/names"
expect = { headers = { X-Gatepost-Verified-By = "mtls", X-Gatepost-Key = "hooks.example.com" } }
[[test]]
route = "/names"
request = { tamper = "key" }
expect = "certificate_wrong"
[[test]]
route = "/names"
request = { tamper = "missing" }
expect = "certificate_missing"
[[test]]
route = "/pinned"
expect = { headers = { X-Gatepost-Verified-By = "mtls, hmac-sha256" } }
[[test]]
route = "/pinned"
request = { tamper = "body" }
expect = "signature_mismatch"
[[test]]
route = "/pinned"
request = { tamper = "missing" }
expect = "certificate_missing"
[[test]]
name = "a neighbour without"
route = "/acme"
request = { headers = { X-Tenant = "7" } }
[[test]]
name = "a body that no certificate covers"
route = "/names"
request = { tamper = "body" }
"#;
    let (output, said, _) = test(toml, &[]);
    assert!(said.contains("\n7 passed, 1 failed\n"), "{said}");
    assert!(
        said.contains("cannot be sent: nothing of this scheme covers the body"),
        "{said}"
    );
    assert_eq!(output.status.code(), Some(1), "{said}");
}

#[test]
fn message_signatures_of_every_algorithm_are_tried() {
    let mut toml = String::new();
    let algorithms = [
        "ecdsa-p256-sha256",
        "ecdsa-p384-sha384",
        "ed25519",
        "hmac-sha256",
        "rsa-pss-sha512",
        "rsa-v1_5-sha256",
    ];
    for algorithm in algorithms {
        let key = match algorithm {
            "hmac-sha256" => "secret",
            _ => "public_key",
        };
        let _ = write!(
            toml,
            "[[route]]\npath = \"/{algorithm}\"\n{key} = {{ env = \"NOT_SET\" }}\n\
             public_url = \"https://hooks.example.com\"\n\
             verify = [{{ scheme = \"http_signature\", algorithm = \"{algorithm}\", tag = \"t\", components = [\
             \"@method\", \"@target-uri\", \"content-digest;key=\\\"sha-512\\\"\", \"content-type\", \"date\", \"x-tenant\"] }}]\n"
        );
        for (tamper, expected) in [
            ("", "verified"),
            ("body", "digest_mismatch"),
            ("key", "signature_mismatch"),
            ("missing", "signature_missing"),
            ("signature", "signature_mismatch"),
            ("time", "timestamp_too_old"),
        ] {
            let _ = write!(
                toml,
                "[[test]]\nroute = \"/{algorithm}\"\nexpect = \"{expected}\"\n"
            );
            if !tamper.is_empty() {
                let _ = writeln!(toml, "request = {{ tamper = \"{tamper}\" }}");
            }
        }
    }
    let (output, said, _) = test(&toml, &[]);
    assert!(said.contains("\n36 passed, 0 failed\n"), "{said}");
    assert_eq!(output.status.code(), Some(0), "{said}");
}
