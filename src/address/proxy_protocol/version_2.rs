//! Version 2: a binary header (proxy-protocol.txt §2.2).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{MAX_HEADER, Parsed, ProxyProtocolError, alike};

pub(super) const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// The part of a version 2 header that says how long the header is.
const FIXED: usize = 16;

pub(super) fn parse(buf: &[u8]) -> Result<Parsed, ProxyProtocolError> {
    if !alike(buf, SIGNATURE) {
        return Err(ProxyProtocolError::NotProxy);
    }
    let mut fixed = buf.iter().skip(SIGNATURE.len()).copied();
    let Some(version_and_command) = fixed.next() else {
        return Ok(Parsed::Incomplete);
    };
    let local = match (version_and_command >> 4, version_and_command & 0xf) {
        (2, 0) => true,
        (2, 1) => false,
        (2, _) => return Err(ProxyProtocolError::UnknownCommand),
        _ => return Err(ProxyProtocolError::UnknownVersion),
    };
    let Some(family_and_transport) = fixed.next() else {
        return Ok(Parsed::Incomplete);
    };
    let family = if local {
        Family::Ignored
    } else {
        Family::of(family_and_transport).ok_or(ProxyProtocolError::UnknownFamily)?
    };
    let (Some(high), Some(low)) = (fixed.next(), fixed.next()) else {
        return Ok(Parsed::Incomplete);
    };
    let block_length = usize::from(u16::from_be_bytes([high, low]));
    let length = FIXED + block_length;
    if length > MAX_HEADER {
        return Err(ProxyProtocolError::TooLong { length });
    }
    if block_length < family.length() {
        return Err(ProxyProtocolError::TooShort { length });
    }
    match buf.get(FIXED..length) {
        None => Ok(Parsed::Incomplete),
        Some(block) => Ok(Parsed::Complete {
            length,
            source: family.source(block),
        }),
    }
}

/// What the address block of version 2 holds.
#[derive(Clone, Copy)]
enum Family {
    Ignored,
    Inet,
    Inet6,
    Unix,
}

impl Family {
    /// Reads the 14th byte; `None` if it is not assigned.
    fn of(byte: u8) -> Option<Self> {
        match (byte >> 4, byte & 0xf) {
            (0, 0..=2) | (1..=3, 0) => Some(Self::Ignored),
            // A datagram client (HTTP/3) may well reach us over a stream.
            (1, 1 | 2) => Some(Self::Inet),
            (2, 1 | 2) => Some(Self::Inet6),
            (3, 1 | 2) => Some(Self::Unix),
            _ => None,
        }
    }

    /// The least length of the block, in bytes.
    fn length(self) -> usize {
        match self {
            Self::Ignored => 0,
            Self::Inet => 12,
            Self::Inet6 => 36,
            Self::Unix => 216,
        }
    }

    /// The source: both addresses come first, then both ports.
    fn source(self, block: &[u8]) -> Option<SocketAddr> {
        let (ip, rest) = match self {
            Self::Ignored | Self::Unix => return None,
            Self::Inet => {
                let (source, rest) = block.split_first_chunk::<4>()?;
                (
                    IpAddr::V4(Ipv4Addr::from(*source)),
                    rest.split_first_chunk::<4>()?.1,
                )
            }
            Self::Inet6 => {
                let (source, rest) = block.split_first_chunk::<16>()?;
                (
                    IpAddr::V6(Ipv6Addr::from(*source)),
                    rest.split_first_chunk::<16>()?.1,
                )
            }
        };
        let port = u16::from_be_bytes(*rest.first_chunk::<2>()?);
        Some(SocketAddr::new(ip.to_canonical(), port))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::proxy_protocol::tests::{binary, whole};

    const V4: &[u8] = &[198, 51, 100, 9, 10, 0, 0, 1, 0xdc, 0x04, 0x01, 0xbb];

    fn v6(source: &str) -> Vec<u8> {
        let source: Ipv6Addr = source.parse().expect(source);
        [&source.octets()[..], &[0xff; 16], &[0xdc, 0x04, 0x01, 0xbb]].concat()
    }

    #[test]
    fn reads_the_source_of_a_binary_header() {
        let mapped = v6("::ffff:198.51.100.9");
        let v6 = v6("2001:db8::9");
        let tlvs = [V4, &[0x04, 0, 3, 1, 2, 3]].concat();
        for (command, family, block, source) in [
            (0x21, 0x11, V4, Some("198.51.100.9:56324")),
            (0x21, 0x12, V4, Some("198.51.100.9:56324")),
            (0x21, 0x11, &tlvs, Some("198.51.100.9:56324")),
            (0x21, 0x21, &v6, Some("[2001:db8::9]:56324")),
            (0x21, 0x22, &v6, Some("[2001:db8::9]:56324")),
            (0x21, 0x21, &mapped, Some("198.51.100.9:56324")),
            (0x21, 0x31, &[0; 216], None),
            (0x21, 0x32, &[0; 216], None),
            (0x21, 0x00, &[], None),
            (0x21, 0x00, V4, None),
            (0x21, 0x01, V4, None),
            (0x21, 0x10, V4, None),
            (0x20, 0x00, &[], None),
            // §2.2: of LOCAL everything but the length is ignored.
            (0x20, 0x11, V4, None),
            (0x20, 0x11, &[], None),
            (0x20, 0xff, &[], None),
            (0x21, 0x11, &[1; MAX_HEADER - FIXED], Some("1.1.1.1:257")),
        ] {
            let header = binary(command, family, block.len(), block);
            assert_eq!(
                whole(&header),
                Ok(source.map(str::to_owned)),
                "{command:x} {family:x}"
            );
        }
    }

    #[test]
    fn refuses_a_binary_header_before_its_block_arrives() {
        use ProxyProtocolError::{
            TooLong, TooShort, UnknownCommand, UnknownFamily, UnknownVersion,
        };
        for (command, family, announced, error) in [
            (0x11, 0x11, 12, UnknownVersion),
            (0x31, 0x11, 12, UnknownVersion),
            (0x01, 0x11, 12, UnknownVersion),
            (0x22, 0x11, 12, UnknownCommand),
            (0x2f, 0x11, 12, UnknownCommand),
            (0x21, 0x41, 12, UnknownFamily),
            (0x21, 0xf0, 12, UnknownFamily),
            (0x21, 0x13, 12, UnknownFamily),
            (0x21, 0x03, 12, UnknownFamily),
            (0x21, 0x11, 11, TooShort { length: 27 }),
            (0x21, 0x12, 0, TooShort { length: 16 }),
            (0x21, 0x21, 35, TooShort { length: 51 }),
            (0x21, 0x31, 215, TooShort { length: 231 }),
            (0x21, 0x11, 4081, TooLong { length: 4097 }),
            (0x20, 0x00, 65535, TooLong { length: 65551 }),
        ] {
            let header = binary(command, family, announced, &[]);
            assert_eq!(
                whole(&header),
                Err(error),
                "{command:x} {family:x} {announced}"
            );
        }
    }
}
