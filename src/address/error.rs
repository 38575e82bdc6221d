//! What is wrong with an address in the configuration, and what to write.

use std::fmt;
use std::net::IpAddr;

use super::network::Network;

/// Why a text is not a [`Network`]; `Display` also says what to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AddressError {
    /// There is no text.
    Empty,
    /// Bits are set right of the prefix.
    HostBits {
        /// As written.
        text: String,
        /// The network that was probably meant.
        network: Network,
    },
    /// A decimal number begins with 0: some parsers read it as octal.
    LeadingZero {
        /// As written.
        text: String,
    },
    /// An IPv4-mapped address whose prefix reaches beyond the mapped range.
    MappedPrefix {
        /// As written.
        text: String,
    },
    /// Something else, such as a host name.
    NotAnAddress {
        /// As written.
        text: String,
    },
    /// The address has a port or stands in brackets.
    Port {
        /// As written.
        text: String,
        /// The address alone.
        ip: IpAddr,
    },
    /// What follows the slash is not a length in bits.
    Prefix {
        /// As written.
        text: String,
        /// The longest prefix of this family.
        widest: u8,
    },
    /// There is white space.
    Space {
        /// As written.
        text: String,
    },
    /// There is an IPv6 zone id.
    Zone {
        /// As written.
        text: String,
    },
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => {
                f.write_str("the address is empty; write an address or a network like 10.0.0.0/8")
            }
            Self::HostBits { text, network } => {
                write!(f, "{text} has host bits set; the network is {network}")
            }
            Self::LeadingZero { text } => {
                write!(
                    f,
                    "{text:?} has a leading zero, which some read as octal; write it without"
                )
            }
            Self::MappedPrefix { text } => write!(
                f,
                "{text} is an IPv4-mapped network with a prefix below 96; write it as IPv4"
            ),
            Self::NotAnAddress { text } => write!(
                f,
                "{text:?} is not an address; write numbers like 192.0.2.1 or 10.0.0.0/8, names are not resolved"
            ),
            Self::Port { text, ip } => {
                write!(
                    f,
                    "{text:?} has a port or brackets; the address alone is {ip}"
                )
            }
            Self::Prefix { text, widest } => write!(
                f,
                "{text:?} has no valid prefix length; write a number of bits from 0 to {widest} after the slash"
            ),
            Self::Space { text } => write!(
                f,
                "{text:?} contains white space; write each address as its own item of the list"
            ),
            Self::Zone { text } => write!(
                f,
                "{text:?} has a zone id, which has a meaning on one host only; write it without `%…`"
            ),
        }
    }
}

impl std::error::Error for AddressError {}
