//! Version 1: one line of text (proxy-protocol.txt §2.1).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{Parsed, ProxyProtocolError, alike};
use crate::address::node::is_port;

/// The longest line of version 1, CRLF included (§2.1).
pub(super) const MAX_LINE: usize = 107;

pub(super) fn parse(buf: &[u8]) -> Result<Parsed, ProxyProtocolError> {
    const START: &[u8] = b"PROXY ";
    if !alike(buf, START) {
        return Err(ProxyProtocolError::NotProxy);
    }
    let fields = buf.get(START.len()..).unwrap_or_default();
    if ![&b"TCP4 "[..], b"TCP6 ", b"UNKNOWN"]
        .iter()
        .any(|word| alike(fields, word))
    {
        return Err(ProxyProtocolError::LineMalformed);
    }
    let mut bytes = buf.iter().take(MAX_LINE - 1);
    let Some(end) = bytes.position(|byte| matches!(byte, b'\r' | b'\n')) else {
        return if buf.len() < MAX_LINE - 1 {
            Ok(Parsed::Incomplete)
        } else {
            Err(ProxyProtocolError::LineTooLong)
        };
    };
    match buf.get(end..).unwrap_or_default() {
        [b'\r'] => return Ok(Parsed::Incomplete),
        [b'\r', b'\n', ..] => {}
        _ => return Err(ProxyProtocolError::LineMalformed),
    }
    let fields = buf.get(START.len()..end).unwrap_or_default();
    let source = match fields.strip_prefix(b"UNKNOWN") {
        // What follows must be ignored, whatever it is.
        Some([] | [b' ', ..]) => None,
        Some(_) => return Err(ProxyProtocolError::LineMalformed),
        None => Some(addresses(fields).ok_or(ProxyProtocolError::LineMalformed)?),
    };
    Ok(Parsed::Complete {
        length: end + 2,
        source,
    })
}

/// Reads `TCP4 source destination port port`, single spaces between, and gives the source.
fn addresses(fields: &[u8]) -> Option<SocketAddr> {
    let mut fields = std::str::from_utf8(fields).ok()?.split(' ');
    let address: fn(&str) -> Option<IpAddr> = match fields.next()? {
        "TCP4" => |text| text.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
        "TCP6" => |text| text.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        _ => return None,
    };
    let source = address(fields.next()?)?;
    let _destination = address(fields.next()?)?;
    let source_port = port(fields.next()?)?;
    let _destination_port = port(fields.next()?)?;
    match fields.next() {
        None => Some(SocketAddr::new(source.to_canonical(), source_port)),
        Some(_) => None,
    }
}

fn port(text: &str) -> Option<u16> {
    let plain = text == "0" || !text.starts_with('0');
    if plain && is_port(text) {
        text.parse().ok()
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::proxy_protocol::tests::whole;

    fn longest_unknown() -> String {
        format!("PROXY UNKNOWN {}\r\n", "x".repeat(91))
    }

    #[test]
    fn reads_the_source_of_a_line() {
        let longest = longest_unknown();
        assert_eq!(longest.len(), MAX_LINE);
        for (line, source) in [
            (
                "PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n",
                Some("192.168.0.1:56324"),
            ),
            (
                "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n",
                Some("255.255.255.255:65535"),
            ),
            ("PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n", Some("0.0.0.0:0")),
            (
                "PROXY TCP6 2001:DB8::1 ::1 56324 443\r\n",
                Some("[2001:db8::1]:56324"),
            ),
            (
                "PROXY TCP6 ::ffff:192.0.2.1 ::1 56324 443\r\n",
                Some("192.0.2.1:56324"),
            ),
            ("PROXY UNKNOWN\r\n", None),
            ("PROXY UNKNOWN \r\n", None),
            ("PROXY UNKNOWN ffff::1 ffff::1 65535 65535\r\n", None),
            ("PROXY UNKNOWN 6.6.6.6 \u{e9} anything\r\n", None),
            (&longest, None),
        ] {
            assert_eq!(
                whole(line.as_bytes()),
                Ok(source.map(str::to_owned)),
                "{line:?}"
            );
        }
    }

    #[test]
    fn refuses_a_line_that_breaks_the_grammar() {
        for line in [
            "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\rx",
            "PROXY TCP4 192.0.2.1 192.0.2.2 1 2 \r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2\r\n",
            "PROXY TCP4 \r\n",
            "PROXY TCP4\r\n",
            "PROXY \r\n",
            "PROXY  TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
            "PROXY TCP4  192.0.2.1 192.0.2.2 1 2\r\n",
            "PROXY TCP4 192.0.2.1  192.0.2.2 1 2\r\n",
            "PROXY TCP4 192.0.2.1\t192.0.2.2 1 2\r\n",
            "PROXY tcp4 192.0.2.1 192.0.2.2 1 2\r\n",
            "PROXY TCP5 192.0.2.1 192.0.2.2 1 2\r\n",
            "PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n",
            "PROXY TCP4 192.0.2.01 192.0.2.2 1 2\r\n",
            "PROXY TCP4 192.0.2.256 192.0.2.2 1 2\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2 1 2\r\n",
            "PROXY TCP4 ::1 ::1 1 2\r\n",
            "PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n",
            "PROXY TCP6 ::1 192.0.2.2 1 2\r\n",
            "PROXY TCP6 [::1] ::1 1 2\r\n",
            "PROXY TCP6 fe80::1%1 ::1 1 2\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 00 2\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 1 02\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 +1 2\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 65536 2\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 1 65536\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 1 -2\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 1 \r\n",
            "PROXY UNKNOWNX\r\n",
            "PROXY UNKNOWN\n",
            "PROXY UNKNOWN a\nb\r\n",
            "PROXY UNKNOWN a\rb\r\n",
            // Refused before the line ends: no continuation would help.
            "PROXY X",
            "PROXY TCP5",
            "PROXY UNKNOWM",
        ] {
            assert_eq!(
                whole(line.as_bytes()),
                Err(ProxyProtocolError::LineMalformed),
                "{line:?}"
            );
        }
    }

    #[test]
    fn refuses_a_line_longer_than_107_bytes_as_soon_as_it_is() {
        let longest = longest_unknown();
        let line = longest.trim_end();
        assert_eq!(parse(line.as_bytes()), Ok(Parsed::Incomplete));
        assert_eq!(
            parse(format!("{line}x").as_bytes()),
            Err(ProxyProtocolError::LineTooLong)
        );
        assert_eq!(
            parse(format!("{line}x\r\n").as_bytes()),
            Err(ProxyProtocolError::LineTooLong)
        );
    }
}
