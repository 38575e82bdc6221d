use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use gatepost::rejection::{Fault, Rejection};

use crate::harness::{Setup, Upstream};
use crate::signing::rsa;

/// Reasons that `leak.rs` cannot provoke with one request, and the tests that do.
pub const ELSEWHERE: [(&str, &str); 9] = [
    (
        "certificate_missing",
        include_str!("tls/client_certificate.rs"),
    ),
    (
        "certificate_wrong",
        include_str!("tls/client_certificate.rs"),
    ),
    (
        "client_address_unknown",
        include_str!("providers/prelude/mod.rs"),
    ),
    ("draining", include_str!("days/drain.rs")),
    ("duplicate", include_str!("duplicates/memory.rs")),
    ("event_in_flight", include_str!("duplicates/memory.rs")),
    ("store_unavailable", include_str!("duplicates/shared.rs")),
    ("overloaded", include_str!("limits.rs")),
    // Nothing from outside makes it: a panic does, which `a_panic_is_an_outcome` makes.
    ("internal", include_str!("../../src/proxy/panic.rs")),
];

/// Compares a page with what the code says; `GATEPOST_BLESS=1` writes it anew.
fn require_page(name: &str, expected: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("docs")
        .join(name);
    if std::env::var_os("GATEPOST_BLESS").is_some() {
        std::fs::write(&path, expected).unwrap();
    }
    let page = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        page == expected,
        "docs/{name} is not what the code says: make it anew with GATEPOST_BLESS=1, and read the difference"
    );
}

/// Every reason is produced by a black-box test: those of `leak.rs` by its own count.
#[test]
fn the_reasons_that_need_more_than_a_request_have_a_test() {
    for (code, source) in ELSEWHERE {
        assert!(
            Rejection::ALL.iter().any(|reason| reason.code() == code),
            "{code}"
        );
        let named = source.contains(&format!("\"{code}\""))
            || (code == "internal" && source.contains("a_panic_is_an_outcome"));
        assert!(named, "{code} is not in the test that should produce it");
    }
}

#[test]
fn the_page_of_reasons_is_what_the_code_says() {
    let mut page = String::from(
        "# Reasons\n\nWhy gatepost refuses a request. The caller learns the status only; the reason is in the log\n\
         (`reason`), in the metric `gatepost_requests_total`, in `gatepost why REQUEST-ID` and `gatepost tail`.\n\
         `gatepost explain REASON` prints one of these; `gatepost explain FILE` examines a captured request.\n\n\
         `reject_status` of a route replaces 401 and 403. This page is made from the code.\n\n\
         | reason | status | who has to act |\n|---|---|---|\n",
    );
    let who = |reason: &Rejection| match reason.fault() {
        Fault::Client => "the caller, or the configuration",
        Fault::Gatepost => "gatepost",
        Fault::Upstream => "the app",
    };
    for reason in Rejection::ALL {
        let (code, status) = (reason.code(), reason.status().as_u16());
        writeln!(page, "| [{code}](#{code}) | {status} | {} |", who(reason)).unwrap();
    }
    for reason in Rejection::ALL {
        let (message, fix) = (reason.message(), reason.fix());
        for text in [message, fix] {
            assert!(
                text.len() > 10 && !text.ends_with('.'),
                "{}: {text}",
                reason.code()
            );
        }
        writeln!(
            page,
            "\n## {}\n\n{} ({}).\n\nWhat to do: {fix}.",
            reason.code(),
            capital(message),
            reason.status()
        )
        .unwrap();
    }
    require_page("reasons.md", &page);
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().collect::<String>() + letters.as_str()
    })
}

#[test]
fn the_page_of_metrics_is_what_a_scrape_shows() {
    let app = Upstream::recording();
    let authority = rcgen::generate_simple_self_signed(vec!["a.example".into()]).unwrap();
    let gate = Setup::new(&app)
        .server("[server.tls]\ncertificate = { file = \"crt\" }\nprivate_key = { file = \"key\" }")
        .file("crt", authority.cert.pem())
        .file("key", authority.signing_key.serialize_pem())
        .file("prelude.pem", rsa(0).pem())
        .env("S", "reference-secret-0123456789")
        .toml(
            "[[route]]\npath = \"/prelude\"\nprovider = \"prelude\"\npublic_key = { file = \"prelude.pem\" }\n\
             [[route]]\npath = \"/hook\"\nmode = \"observe\"\nsecret = { env = \"S\", until = 2099-01-01T00:00:00Z }\n\
             verify = [{ scheme = \"api_key\", header = \"X-Key\" }]\n",
        )
        .start();
    let text = gate.health("/metrics").text();
    let mut metrics: BTreeMap<String, (String, String, BTreeSet<String>)> = BTreeMap::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap();
            metrics.entry(name.into()).or_default().1 = help.into();
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            metrics.entry(name.into()).or_default().0 = kind.into();
        } else if !line.starts_with('#') {
            let name = line.split(['{', ' ']).next().unwrap();
            let suffixes = ["_total", "_bucket", "_sum", "_count", "_info"];
            let bare = suffixes
                .iter()
                .filter_map(|suffix| name.strip_suffix(suffix));
            let base = bare
                .into_iter()
                .find(|base| metrics.contains_key(*base))
                .unwrap_or(name);
            let labels = line
                .split_once('{')
                .map_or("", |(_, rest)| rest.rsplit_once('}').unwrap().0);
            let metric = metrics.get_mut(base).unwrap_or_else(|| panic!("{line}"));
            for label in labels.split("\",") {
                let label = label.split('=').next().unwrap();
                if !label.is_empty() && label != "le" {
                    metric.2.insert(label.into());
                }
            }
        }
    }
    let mut page = String::from(
        "# Metrics\n\n`/metrics` of the health listener (`[health] listen`, 0.0.0.0:9901), in the OpenMetrics text format.\n\n\
         Every label is of a closed set: `route` is the path of a route or `-`, `secret` the name of a secret or key,\n\
         `event_type` a documented type of the provider or `other`, `reason` one of [the reasons](reasons.md) or empty,\n\
         `outcome` one of `forwarded`, `rejected`, `failed`, `would_reject`, `aborted` and what the route answers itself.\n\
         A caller can make no new series. Reasons, and the times of outcomes other than `forwarded`, have theirs from\n\
         the first such request on. This page is made from a scrape.\n\n\
         | metric | type | labels | meaning |\n|---|---|---|---|\n",
    );
    for (name, (kind, help, labels)) in &metrics {
        let shown = match kind.as_str() {
            "counter" => format!("{name}_total"),
            "info" => format!("{name}_info"),
            _ => name.clone(),
        };
        let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
        writeln!(
            page,
            "| `{shown}` | {kind} | {} | {help} |",
            labels.join(", ")
        )
        .unwrap();
    }
    // A family without a series has no labels to show: of these there must be none.
    for name in [
        "gatepost_secret_expires_timestamp_seconds",
        "gatepost_tls_certificate_expires_timestamp_seconds",
        "gatepost_config_info",
    ] {
        assert!(metrics.contains_key(name), "{name}: {text}");
    }
    require_page("metrics.md", &page);
}
