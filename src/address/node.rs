//! One address as headers write it: with or without brackets and port.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Reads `ip`, `ip:port`, `[v6]` or `[v6]:port` with white space around.
pub(super) fn element(bytes: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(bytes.trim_ascii()).ok()?;
    if let Ok(bare) = text.parse::<Ipv6Addr>() {
        return Some(IpAddr::V6(bare).to_canonical());
    }
    let (ip, port) = node(text)?;
    port.is_none_or(is_port).then_some(ip)
}

/// Splits `v4`, `v4:port`, `[v6]` or `[v6]:port`; the port is not looked at.
pub(super) fn node(text: &str) -> Option<(IpAddr, Option<&str>)> {
    if let Some(bracketed) = text.strip_prefix('[') {
        let (host, rest) = bracketed.split_once(']')?;
        let ip = IpAddr::V6(host.parse::<Ipv6Addr>().ok()?).to_canonical();
        let port = if rest.is_empty() {
            None
        } else {
            Some(rest.strip_prefix(':')?)
        };
        return Some((ip, port));
    }
    let (host, port) = match text.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    };
    Some((IpAddr::V4(host.parse::<Ipv4Addr>().ok()?), port))
}

/// One to five digits, at most 65535.
pub(super) fn is_port(text: &str) -> bool {
    // u16's own parser takes `+80` and any number of zeros.
    text.len() <= 5 && text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_an_address_with_or_without_port() {
        for (text, ip) in [
            ("192.0.2.1", "192.0.2.1"),
            (" \t192.0.2.1\t ", "192.0.2.1"),
            ("192.0.2.1:0", "192.0.2.1"),
            ("192.0.2.1:65535", "192.0.2.1"),
            ("2001:DB8::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:443", "2001:db8::1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("[::ffff:192.0.2.1]:443", "192.0.2.1"),
        ] {
            assert_eq!(
                element(text.as_bytes()).map(|ip| ip.to_string()).as_deref(),
                Some(ip)
            );
        }
    }

    #[test]
    fn refuses_everything_else() {
        for text in [
            "",
            " ",
            "unknown",
            "_hidden",
            "example.com",
            "192.0.2",
            "192.0.2.01",
            "192.0.2.256",
            "192.0.2.1/32",
            "192.0.2.1:",
            "192.0.2.1:+80",
            "192.0.2.1:65536",
            "192.0.2.1:000080",
            "192.0.2.1:80:80",
            "192.0.2.1 :80",
            "192.0.2.1: 80",
            "192.0.2.1:_p",
            "[192.0.2.1]",
            "[192.0.2.1]:80",
            "[2001:db8::1",
            "2001:db8::1]",
            "[2001:db8::1]80",
            "[2001:db8::1]:",
            "[[2001:db8::1]]",
            "[fe80::1%1]",
            "fe80::1%eth0",
            "[]",
            "[]:80",
            "\"192.0.2.1\"",
            "192.0.2.1\u{a0}",
            "١.2.3.4",
        ] {
            assert_eq!(element(text.as_bytes()), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in any::<Vec<u8>>()) {
            element(&bytes);
        }

        #[test]
        fn every_address_is_read_back(ip in any::<IpAddr>(), port in any::<u16>()) {
            let with_port = std::net::SocketAddr::new(ip, port).to_string();
            prop_assert_eq!(element(ip.to_string().as_bytes()), Some(ip.to_canonical()));
            prop_assert_eq!(element(with_port.as_bytes()), Some(ip.to_canonical()));
        }
    }
}
