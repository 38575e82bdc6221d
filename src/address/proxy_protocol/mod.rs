//! The PROXY protocol, versions 1 and 2 (proxy-protocol.txt of `HAProxy`, §2.1 and §2.2).
//!
//! A load balancer that does not speak HTTP writes this header before the first byte of a
//! connection. Whether a peer may send one is for the caller to decide: never guess, or anyone
//! chooses their address.

mod version_1;
mod version_2;

use std::fmt;
use std::net::SocketAddr;

/// The longest header accepted, in bytes. The addresses need 232 at most; the rest is room for
/// extensions (TLVs), which are skipped.
pub const MAX_HEADER: usize = 4096;

/// What the first bytes of a connection are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parsed {
    /// The beginning of a header: read more.
    Incomplete,
    /// A whole header.
    Complete {
        /// The header's length in bytes; what follows belongs to the connection.
        length: usize,
        /// Who connected to the proxy, IPv4-mapped as IPv4. `None` (`UNKNOWN`, `LOCAL`, or a
        /// connection that is not over IP): the peer itself, as for a proxy's own health check.
        source: Option<SocketAddr>,
    },
}

/// Why the first bytes of a connection are no PROXY header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyProtocolError {
    /// Version 1: the line breaks the grammar.
    LineMalformed,
    /// Version 1: there is no CRLF within 107 bytes.
    LineTooLong,
    /// The bytes are neither `PROXY ` nor the signature of version 2.
    NotProxy,
    /// Version 2: the header is longer than [`MAX_HEADER`].
    TooLong {
        /// As announced, in bytes.
        length: usize,
    },
    /// Version 2: the announced length does not hold the addresses of the family.
    TooShort {
        /// As announced, in bytes.
        length: usize,
    },
    /// Version 2: neither `LOCAL` nor `PROXY`.
    UnknownCommand,
    /// Version 2: the address family or transport is not assigned.
    UnknownFamily,
    /// Version 2 signature, but another version.
    UnknownVersion,
}

impl fmt::Display for ProxyProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LineMalformed => f.write_str("the PROXY line breaks the grammar of version 1"),
            Self::LineTooLong => write!(
                f,
                "the PROXY line does not end within {} bytes",
                version_1::MAX_LINE
            ),
            Self::NotProxy => f.write_str("the connection does not begin with a PROXY header"),
            Self::TooLong { length } => {
                write!(
                    f,
                    "the PROXY header of {length} bytes is longer than {MAX_HEADER}"
                )
            }
            Self::TooShort { length } => {
                write!(
                    f,
                    "the PROXY header of {length} bytes does not hold its addresses"
                )
            }
            Self::UnknownCommand => f.write_str("the PROXY header has an unknown command"),
            Self::UnknownFamily => f.write_str("the PROXY header has an unknown address family"),
            Self::UnknownVersion => f.write_str("the PROXY header has an unknown version"),
        }
    }
}

impl std::error::Error for ProxyProtocolError {}

/// Parses the header at the start of `buf`, the bytes received so far.
///
/// Call it again with more after [`Parsed::Incomplete`]. It never asks for more than
/// [`MAX_HEADER`] bytes, and refuses as soon as no continuation can be a header.
pub fn parse(buf: &[u8]) -> Result<Parsed, ProxyProtocolError> {
    if buf.first() == Some(&b'P') {
        version_1::parse(buf)
    } else {
        version_2::parse(buf)
    }
}

/// Whether one is the beginning of the other.
fn alike(buf: &[u8], expected: &[u8]) -> bool {
    buf.iter()
        .zip(expected)
        .all(|(byte, expected)| byte == expected)
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use proptest::prelude::*;

    use super::*;

    /// A version 2 header; `announced` is its length field.
    pub(super) fn binary(
        version_and_command: u8,
        family: u8,
        announced: usize,
        block: &[u8],
    ) -> Vec<u8> {
        let announced = u16::try_from(announced).expect("a u16").to_be_bytes();
        [
            version_2::SIGNATURE,
            &[version_and_command, family],
            &announced,
            block,
        ]
        .concat()
    }

    /// What a buffer that is exactly one header announces.
    pub(super) fn whole(buf: &[u8]) -> Result<Option<String>, ProxyProtocolError> {
        match parse(buf)? {
            Parsed::Incomplete => panic!("incomplete: {}", buf.escape_ascii()),
            Parsed::Complete { length, source } => {
                assert_eq!(length, buf.len(), "{}", buf.escape_ascii());
                Ok(source.map(|source| source.to_string()))
            }
        }
    }

    #[test]
    fn refuses_what_is_no_proxy_header_at_its_first_byte() {
        for buf in [
            &b"G"[..],
            b"GET / HTTP/1.1\r\n",
            b"\x16\x03\x01",
            b"\n",
            b"\0",
            b"p",
            b" PROXY",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"POST / HTTP/1.1\r\n",
            b"PROXY\t",
            b"PROXYTCP4",
            b"\r\r",
            b"\r\n\r\n\0\r\nQUIT\r",
        ] {
            assert_eq!(
                whole(buf),
                Err(ProxyProtocolError::NotProxy),
                "{}",
                buf.escape_ascii()
            );
        }
    }

    #[test]
    fn every_error_has_a_message_in_house_style() {
        use ProxyProtocolError::{TooLong, TooShort};
        for (error, says) in [
            (ProxyProtocolError::LineTooLong, "within 107 bytes"),
            (
                ProxyProtocolError::NotProxy,
                "does not begin with a PROXY header",
            ),
            (TooLong { length: 5000 }, "5000 bytes is longer than 4096"),
            (
                TooShort { length: 20 },
                "20 bytes does not hold its addresses",
            ),
        ] {
            let message = error.to_string();
            assert!(
                message.contains(says) && !message.ends_with('.'),
                "{message}"
            );
        }
    }

    /// Headers that are valid, with the source they announce.
    fn valid() -> impl Strategy<Value = (Vec<u8>, Option<SocketAddr>)> {
        let canonical =
            |source: SocketAddr| SocketAddr::new(source.ip().to_canonical(), source.port());
        let socket =
            || (any::<IpAddr>(), any::<u16>()).prop_map(|(ip, port)| SocketAddr::new(ip, port));
        let line = (socket(), socket()).prop_map(move |(from, to)| {
            let name = if from.is_ipv4() { "TCP4" } else { "TCP6" };
            let to_ip = if from.is_ipv4() == to.is_ipv4() {
                to.ip()
            } else {
                from.ip()
            };
            let line = format!(
                "PROXY {name} {} {to_ip} {} {}\r\n",
                from.ip(),
                from.port(),
                to.port()
            );
            (line.into_bytes(), Some(canonical(from)))
        });
        let unknown = "( [^\r\n]{0,20})?"
            .prop_map(|rest| (format!("PROXY UNKNOWN{rest}\r\n").into_bytes(), None));
        let block = prop::collection::vec(any::<u8>(), 0..64);
        let over_ip =
            (socket(), 1_u8..=2, block.clone()).prop_map(move |(from, transport, tlvs)| {
                let (family, addresses) = match from.ip() {
                    IpAddr::V4(ip) => (0x10, [ip.octets(), [7; 4]].concat()),
                    IpAddr::V6(ip) => (0x20, [ip.octets(), [7; 16]].concat()),
                };
                let block = [&addresses[..], &from.port().to_be_bytes(), &[7; 2], &tlvs].concat();
                (
                    binary(0x21, family | transport, block.len(), &block),
                    Some(canonical(from)),
                )
            });
        let local = (any::<u8>(), block)
            .prop_map(|(family, block)| (binary(0x20, family, block.len(), &block), None));
        prop_oneof![line, unknown, over_ip, local]
    }

    proptest! {
        #[test]
        fn any_bytes_are_parsed_without_a_panic(buf in any::<Vec<u8>>(), start in 0_usize..4) {
            let start = [&b""[..], b"PROXY ", b"PROXY TCP4 ", version_2::SIGNATURE][start];
            let buf = [start, &buf].concat();
            if let Ok(Parsed::Complete { length, .. }) = parse(&buf) {
                prop_assert!(length <= buf.len() && length <= MAX_HEADER);
            }
        }

        #[test]
        fn a_header_is_complete_at_its_last_byte_and_never_before(
            (header, source) in valid(), payload in any::<Vec<u8>>(),
        ) {
            for end in 0..header.len() {
                prop_assert_eq!(parse(&header[..end]), Ok(Parsed::Incomplete), "{} bytes", end);
            }
            let complete = Ok(Parsed::Complete { length: header.len(), source });
            prop_assert_eq!(parse(&header), complete);
            prop_assert_eq!(parse(&[header, payload].concat()), complete);
        }

        /// A refusal is final: more bytes never turn it into a header.
        #[test]
        fn an_error_stays_an_error(
            (header, _) in valid(), at in any::<prop::sample::Index>(), byte in any::<u8>(),
        ) {
            let mut header = header;
            let at = at.index(header.len());
            header[at] = byte;
            let mut refused = false;
            for end in 0..=header.len() {
                let error = parse(&header[..end]).is_err();
                prop_assert!(error || !refused, "{} bytes", end);
                refused = error;
            }
        }
    }
}
