//! Request lines, Hosts and versions.

use super::{BODY, SMUGGLED, answers, refused, refused_or_reframed, signature, start};
use crate::harness::{Delivery, Upstream};

#[test]
fn a_head_is_read_in_one_way_only() {
    let app = Upstream::recording();
    let gate = start(&app);
    let head = |first: &str, host: &str| {
        format!(
            "{first}\r\n{host}X-Sig: {}\r\nContent-Length: {}\r\n\r\n{BODY}{SMUGGLED}",
            signature(BODY),
            BODY.len()
        )
        .into_bytes()
    };
    for host in [
        "",
        "Host: a\r\nHost: a\r\n",
        "Host: a\r\nHost: b\r\n",
        "Host: a, b\r\n",
        "Host: a/b\r\n",
        "Host: a b\r\n",
        "Host: u@a\r\n",
        "Host: \r\n",
        "Host: a?b\r\n",
        "Host: a#b\r\n",
        "Host: a\\b\r\n",
        "Host: a\tb\r\n",
        "Host: a:\r\n",
        "Host: :80\r\n",
        "Host: a:65536\r\n",
        "Host: a:+80\r\n",
        "Host: a:80:90\r\n",
        "Host: a:eighty\r\n",
        "Host: [::1\r\n",
        "Host: [::1]x\r\n",
        "Host: [nonsense]\r\n",
        "Host: ::1\r\n",
        "Host: a%00\r\n",
        "Host: a%2f\r\n",
        "Host: a..b\r\n",
        "Host: *\r\n",
        "Host: a;b\r\n",
        "Host: \"a\"\r\n",
        "Host: a\0\r\n",
        "Host:\r\n a\r\n",
        "Host : a\r\n",
        "H\u{f6}st: a\r\n",
        "Host: a\r\nHost_: b\r\n X: y\r\n",
        "Host: a\r\n: empty\r\n",
        "Host: a\r\nno colon\r\n",
        "Host: a\r\nX Y: 1\r\n",
        "Host: a\r\nX: a\0b\r\n",
        "Host: a\r\nX: a\rb\r\n",
        "Host: a\r\nX: \u{1}\r\n",
        "Host: a\r\nX: \u{7f}\r\n",
        "Host: a\r\nX(Y): 1\r\n",
        "Host: a\r\nX: 1\r\n folded\r\n",
    ] {
        refused(&gate, &app, host, &head("POST /hook HTTP/1.1", host));
    }
    for first in [
        "POST /hook",
        "POST /hook HTTP/1.1 x",
        "POST  /hook HTTP/1.1",
        "POST /hook  HTTP/1.1",
        "POST\t/hook\tHTTP/1.1",
        "POST /hook HTTP/1.2",
        "POST /hook HTTP/2.0",
        "POST /hook HTTP/0.9",
        "POST /hook HTTP/1.10",
        "POST /hook http/1.1",
        "POST /hook HTTP/11",
        "POST hook HTTP/1.1",
        "POST /ho ok HTTP/1.1",
        "POST /hook\0 HTTP/1.1",
        "POST /hook\u{1} HTTP/1.1",
        "P\u{f6}ST /hook HTTP/1.1",
        " POST /hook HTTP/1.1",
        "PO ST /hook HTTP/1.1",
        "POST /hook\rHTTP/1.1",
        "GET / HTTP/1.1\rPOST /hook HTTP/1.1",
        "CONNECT a:80 HTTP/1.1",
        "PRI * HTTP/2.0",
        "PROXY TCP4 1.2.3.4 5.6.7.8 1 2",
        "\u{16}\u{3}\u{1}\u{2}",
        "POST ?a HTTP/1.1",
        "POST #a HTTP/1.1",
    ] {
        let before = app.journal.bytes();
        let answers = answers(&gate, &head(first, "Host: a\r\n"));
        if answers.iter().any(|status| *status < 400) || app.journal.bytes() != before {
            gate.fail(format!(
                "{first:?}: {answers:?}, {} bytes at the app",
                app.journal.bytes() - before
            ));
        }
    }
}

/// The two forms of a target that carry a host: it must be the Host, and the path decides.
#[test]
fn an_absolute_target_agrees_with_the_host() {
    let app = Upstream::recording();
    let gate = start(&app);
    let to = |target: &str, host: &str| {
        Delivery::post(target)
            .header("Host", host)
            .header("X-Sig", signature(BODY))
            .body(BODY)
    };
    refused_or_reframed(
        &gate,
        &app,
        "agreeing",
        &to("http://a/hook", "a").to_bytes(),
    );
    for (target, host) in [
        ("http://a/hook", "b"),
        ("http://u@a/hook", "a"),
        ("ftp://a/hook", "a"),
        ("gopher://a/hook", "a"),
        ("http:///hook", "a"),
        ("http://a/other", "a"),
        ("*", "a"),
        ("a:80", "a"),
        ("//a/hook", "a"),
        ("/hook#x", "a"),
    ] {
        let before = app.journal.bytes();
        let answers = answers(&gate, &to(target, host).to_bytes());
        let right = answers.len() <= 1
            && answers
                .iter()
                .all(|status| matches!(status, 400 | 404 | 405));
        if target == "/hook#x" {
            continue;
        }
        if !right || app.journal.bytes() != before {
            gate.fail(format!("{target} for {host}: {answers:?}"));
        }
    }
}

#[test]
fn old_and_odd_versions_are_judged_alike() {
    let app = Upstream::recording();
    let gate = start(&app);
    let old = |lines: &str, body: &str| {
        format!(
            "POST /hook HTTP/1.0\r\nX-Sig: {}\r\n{lines}\r\n{body}",
            signature(BODY)
        )
        .into_bytes()
    };
    refused_or_reframed(
        &gate,
        &app,
        "with a length",
        &old("Host: a\r\nContent-Length: 12\r\n", BODY),
    );
    refused(&gate, &app, "without a length", &old("Host: a\r\n", BODY));
    refused(
        &gate,
        &app,
        "with chunks",
        &old(
            "Host: a\r\nTransfer-Encoding: chunked\r\n",
            &format!("c\r\n{BODY}\r\n0\r\n\r\n"),
        ),
    );
}
