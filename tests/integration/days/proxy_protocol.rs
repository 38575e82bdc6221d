//! The PROXY protocol: believed of those who are trusted, and of nobody else.

use std::io::Read as _;
use std::time::{Duration, Instant};

use super::{ROUTE, SECRET, good};
use crate::harness::client::try_exchange_raw;
use crate::harness::{Client, Gatepost, Setup, Upstream};

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

fn start(app: &Upstream, trusted: &str, from: &str) -> Gatepost {
    Setup::new(app)
        .env("SECRET", SECRET)
        .server("proxy_protocol = true\nprotocols = [\"http/1.1\", \"h2c\"]")
        .toml(&format!(
            "[client_address]\ntrusted_proxies = [\"{trusted}\"]\nfrom = \"{from}\"\n\
             [limits]\nheader_timeout = \"500ms\"\n{ROUTE}"
        ))
        .start()
}

fn version_2(command: u8, family: u8, addresses: &[u8]) -> Vec<u8> {
    let length = u16::try_from(addresses.len()).unwrap().to_be_bytes();
    [SIGNATURE, &[0x20 | command, family], &length, addresses].concat()
}

fn ipv4() -> Vec<u8> {
    vec![203, 0, 113, 7, 10, 0, 0, 1, 0x1f, 0x90, 0, 80]
}

fn ipv6() -> Vec<u8> {
    let mut bytes = [0; 36];
    bytes[..4].copy_from_slice(&[0x20, 1, 0x0d, 0xb8]);
    bytes[15] = 7;
    bytes.to_vec()
}

#[test]
fn a_trusted_peer_is_believed() {
    let app = Upstream::recording();
    let gate = start(&app, "127.0.0.1", "proxy-protocol");
    let with_extension = [ipv4(), vec![3, 0, 4, 1, 2, 3, 4]].concat();
    for (count, (case, header, client)) in [
        (
            "v1",
            b"PROXY TCP4 203.0.113.7 10.0.0.1 8080 80\r\n".to_vec(),
            "203.0.113.7",
        ),
        (
            "v1 over IPv6",
            b"PROXY TCP6 2001:db8::7 ::1 8080 80\r\n".to_vec(),
            "2001:db8::7",
        ),
        ("v1 unknown", b"PROXY UNKNOWN\r\n".to_vec(), "127.0.0.1"),
        ("v2", version_2(1, 0x11, &ipv4()), "203.0.113.7"),
        (
            "v2 with an extension",
            version_2(1, 0x11, &with_extension),
            "203.0.113.7",
        ),
        ("v2 over IPv6", version_2(1, 0x21, &ipv6()), "2001:db8::7"),
        ("v2 local", version_2(0, 0, &[]), "127.0.0.1"),
        (
            "v2 local with addresses",
            version_2(0, 0x11, &ipv4()),
            "127.0.0.1",
        ),
        ("v2 of no family", version_2(1, 0, &[]), "127.0.0.1"),
    ]
    .into_iter()
    .enumerate()
    {
        let mut client_side = gate.connect();
        // What came with it, and what comes later, is of the same client.
        let spoofed = good("b")
            .header("X-Forwarded-For", "198.51.100.9")
            .to_bytes();
        client_side.send(&[header.clone(), spoofed].concat());
        assert_eq!(client_side.answer().expect(case).status, 200, "{case}");
        let again = client_side.send(&good("b").to_bytes()).answer();
        assert_eq!(again.expect(case).status, 200, "{case}");
        let received = app.received(2 * count + 2);
        assert_eq!(
            received.header("x-gatepost-client-ip"),
            Some(client),
            "{case}"
        );
        assert_eq!(received.header("x-forwarded-for"), Some(client), "{case}");
    }
    // In small pieces, as the network may deliver it.
    let mut client = gate.connect();
    for byte in version_2(1, 0x11, &ipv4()) {
        client.send(&[byte]);
    }
    assert_eq!(
        client.send(&good("b").to_bytes()).answer().unwrap().status,
        200
    );
    let received = app.requests().pop().unwrap();
    assert_eq!(received.header("x-gatepost-client-ip"), Some("203.0.113.7"));
}

#[test]
fn a_header_from_anybody_else_is_no_request() {
    let app = Upstream::recording();
    let gate = start(&app, "192.0.2.1", "proxy-protocol");
    for header in [
        b"PROXY TCP4 203.0.113.7 10.0.0.1 8080 80\r\n".to_vec(),
        b"PROXY UNKNOWN\r\n".to_vec(),
        version_2(1, 0x11, &ipv4()),
        version_2(0, 0, &[]),
    ] {
        let answer = try_exchange_raw(
            gate.address,
            &[header.clone(), good("b").to_bytes()].concat(),
        );
        let shown = answer.escape_ascii().to_string();
        assert!(
            answer.is_empty() || answer.starts_with(b"HTTP/1.1 400"),
            "{shown}"
        );
        assert_eq!(app.journal.bytes(), 0, "{}", header.escape_ascii());
    }
    gate.passes("without one", &good("b"));
}

#[test]
fn a_trusted_peer_must_send_one() {
    let app = Upstream::recording();
    let gate = start(&app, "127.0.0.0/8", "proxy-protocol");
    let cut = version_2(1, 0x11, &ipv4());
    let too_long = [SIGNATURE, &[0x21, 0x11, 0xff, 0xff], &[0; 8000]].concat();
    for (case, header) in [
        ("none", vec![]),
        (
            "v1 of a bad address",
            b"PROXY TCP4 203.0.113.777 10.0.0.1 8080 80\r\n".to_vec(),
        ),
        (
            "v1 too long",
            format!("PROXY TCP4 {}\r\n", "1".repeat(200)).into_bytes(),
        ),
        (
            "v1 with a bare LF",
            b"PROXY TCP4 203.0.113.7 10.0.0.1 8080 80\n".to_vec(),
        ),
        (
            "v1 in lower case",
            b"proxy tcp4 203.0.113.7 10.0.0.1 8080 80\r\n".to_vec(),
        ),
        (
            "v2 of another version",
            [SIGNATURE, &[0x11, 0x11, 0, 12], &ipv4()].concat(),
        ),
        ("v2 of an unknown command", version_2(2, 0x11, &ipv4())),
        ("v2 too short", version_2(1, 0x11, &ipv4()[..8])),
        ("v2 too long", too_long),
        ("two", [cut.clone(), cut.clone()].concat()),
    ] {
        let answer = try_exchange_raw(gate.address, &[header, good("b").to_bytes()].concat());
        let shown = answer.escape_ascii().to_string();
        assert!(
            answer.is_empty() || answer.starts_with(b"HTTP/1.1 400"),
            "{case}: {shown}"
        );
        assert_eq!(app.journal.bytes(), 0, "{case}");
    }
    for length in [0, 1, 5, 12, 15, cut.len() - 1] {
        let mut client: Client = gate.connect();
        client.send(&cut[..length]);
        let started = Instant::now();
        assert_eq!(client.stream.read(&mut [0; 8]).unwrap_or(0), 0, "{length}");
        let took = started.elapsed();
        assert!(took > Duration::from_millis(300), "{length}: {took:?}");
        assert!(took < Duration::from_millis(1500), "{length}: {took:?}");
    }
    assert_eq!(app.journal.bytes(), 0);
}

/// Read, and not believed, where another source is configured.
#[test]
fn one_source_is_believed() {
    let app = Upstream::recording();
    let gate = start(&app, "127.0.0.1", "x-forwarded-for");
    let request = good("b")
        .header("X-Forwarded-For", "198.51.100.9")
        .to_bytes();
    let mut client = gate.connect();
    client.send(&[version_2(1, 0x11, &ipv4()), request].concat());
    assert_eq!(client.answer().unwrap().status, 200);
    let received = app.received(1);
    assert_eq!(
        received.header("x-gatepost-client-ip"),
        Some("198.51.100.9")
    );
}
