//! One network of an address list, strictly parsed.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

use super::error::AddressError;
use super::node::node;

/// A network without host bits: a single address is one with the full prefix.
///
/// IPv4-mapped IPv6 networks are held as IPv4, so that one network has one form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Network(IpNet);

impl Network {
    /// Parses an IPv4 or IPv6 address or CIDR network.
    ///
    /// Strict: no white space, port, bracket, zone id, leading zero or host name, and no host bits.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let Ok(written) = address.parse::<IpAddr>() else {
            return Err(misread(text, address));
        };
        let ip = written.to_canonical();
        let widest: u8 = if ip.is_ipv4() { 32 } else { 128 };
        let written_widest: u8 = if written.is_ipv4() { 32 } else { 128 };
        let length = match prefix {
            None => widest,
            Some(prefix) => {
                let length = prefix_length(prefix)
                    .filter(|length| *length <= written_widest)
                    .ok_or_else(|| AddressError::Prefix {
                        text: text.to_owned(),
                        widest: written_widest,
                    })?;
                // Of a mapped network only what lies within ::ffff:0:0/96 is IPv4.
                length.checked_sub(written_widest - widest).ok_or_else(|| {
                    AddressError::MappedPrefix {
                        text: text.to_owned(),
                    }
                })?
            }
        };
        let Ok(net) = IpNet::new(ip, length) else {
            return Err(AddressError::Prefix {
                text: text.to_owned(),
                widest,
            });
        };
        let network = Self(net.trunc());
        if network.0 == net {
            Ok(network)
        } else {
            Err(AddressError::HostBits {
                text: text.to_owned(),
                network,
            })
        }
    }

    /// Its first address.
    pub fn first(&self) -> IpAddr {
        self.0.network()
    }

    /// Whether `ip` lies in this network. IPv6 networks, `::/0` too, contain no IPv4 address.
    pub fn contains(&self, ip: IpAddr) -> bool {
        self.0.contains(&ip.to_canonical())
    }

    /// Whether this is all of IPv4 or all of IPv6.
    pub fn is_everything(&self) -> bool {
        self.0.prefix_len() == 0
    }
}

impl fmt::Display for Network {
    /// A single address is written without its prefix.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.prefix_len() == self.0.max_prefix_len() {
            self.0.addr().fmt(f)
        } else {
            self.0.fmt(f)
        }
    }
}

fn prefix_length(text: &str) -> Option<u8> {
    // u8's own parser takes `+8` and `08`.
    let plain = text == "0" || !text.starts_with('0');
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    if plain && digits {
        text.parse().ok()
    } else {
        None
    }
}

/// Finds the likeliest mistake in a text that is no address.
fn misread(text: &str, address: &str) -> AddressError {
    let owned = text.to_owned();
    if text.is_empty() {
        AddressError::Empty
    } else if text.contains(char::is_whitespace) {
        AddressError::Space { text: owned }
    } else if address.contains('%') {
        AddressError::Zone { text: owned }
    } else if let Some((ip, _)) = node(address) {
        AddressError::Port { text: owned, ip }
    } else if has_leading_zero(address) {
        AddressError::LeadingZero { text: owned }
    } else {
        AddressError::NotAnAddress { text: owned }
    }
}

fn has_leading_zero(address: &str) -> bool {
    let mut zero = false;
    for number in address.split('.') {
        if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return false;
        }
        zero |= number.len() > 1 && number.starts_with('0');
    }
    zero
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn parses_addresses_and_networks_into_one_form() {
        for (text, shown) in [
            ("192.0.2.1", "192.0.2.1"),
            ("192.0.2.1/32", "192.0.2.1"),
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("2001:DB8:0::1", "2001:db8::1"),
            ("2001:db8::/32", "2001:db8::/32"),
            ("::/0", "::/0"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("::ffff:c000:201/128", "192.0.2.1"),
            ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
            ("::ffff:0:0/96", "0.0.0.0/0"),
        ] {
            assert_eq!(
                Network::parse(text).map(|n| n.to_string()).as_deref(),
                Ok(shown),
                "{text}"
            );
        }
    }

    #[test]
    fn refuses_everything_else_and_says_the_fix() {
        for (text, says) in [
            (
                "",
                "the address is empty; write an address or a network like 10.0.0.0/8",
            ),
            (
                "10.0.0.1/8",
                "10.0.0.1/8 has host bits set; the network is 10.0.0.0/8",
            ),
            (
                "2001:db8::1/32",
                "2001:db8::1/32 has host bits set; the network is 2001:db8::/32",
            ),
            (
                "::ffff:10.0.0.1/104",
                "::ffff:10.0.0.1/104 has host bits set; the network is 10.0.0.0/8",
            ),
            (
                "192.0.2.1/0",
                "192.0.2.1/0 has host bits set; the network is 0.0.0.0/0",
            ),
            (
                "::ffff:10.0.0.0/8",
                "is an IPv4-mapped network with a prefix below 96",
            ),
            (
                "::ffff:0:0/95",
                "is an IPv4-mapped network with a prefix below 96",
            ),
            ("10.0.0.0/33", "from 0 to 32"),
            ("10.0.0.0/256", "from 0 to 32"),
            ("10.0.0.0/", "from 0 to 32"),
            ("10.0.0.0/08", "from 0 to 32"),
            ("10.0.0.0/+8", "from 0 to 32"),
            ("10.0.0.0/-1", "from 0 to 32"),
            ("10.0.0.0/8/8", "from 0 to 32"),
            ("10.0.0.0/ 8", "from 0 to 32"),
            ("10.0.0.0/255.0.0.0", "from 0 to 32"),
            ("::/129", "from 0 to 128"),
            ("::ffff:10.0.0.0/129", "from 0 to 128"),
            (" 10.0.0.1", "white space"),
            ("10.0.0.1 ", "white space"),
            ("10.0.0.1, 10.0.0.2", "white space"),
            ("10.0.0.1\n", "\"10.0.0.1\\n\" contains white space"),
            ("fe80::1%eth0", "zone id"),
            ("fe80::%1/64", "zone id"),
            (
                "192.0.2.1:443",
                "has a port or brackets; the address alone is 192.0.2.1",
            ),
            ("[::1]:443", "the address alone is ::1"),
            ("[::1]", "the address alone is ::1"),
            ("010.0.0.1", "leading zero"),
            ("10.0.0.00/8", "leading zero"),
            ("localhost", "names are not resolved"),
            ("example.com/24", "names are not resolved"),
            ("10.0.0", "is not an address"),
            ("10.0.0.256", "is not an address"),
            ("0x0a.0.0.1", "is not an address"),
            ("167772161", "is not an address"),
            ("::ffff:010.0.0.1", "is not an address"),
            ("any", "is not an address"),
            ("/8", "is not an address"),
            ("*", "is not an address"),
        ] {
            let error = Network::parse(text).expect_err(text).to_string();
            assert!(error.contains(says), "{text:?}: {error}");
            assert!(!error.ends_with('.'), "{error}");
        }
    }

    #[test]
    fn knows_the_network_of_everything() {
        for (text, everything) in [
            ("0.0.0.0/0", true),
            ("::/0", true),
            ("::ffff:0.0.0.0/96", true),
            ("0.0.0.0/1", false),
            ("0.0.0.0", false),
            ("::", false),
        ] {
            let network = Network::parse(text).expect(text);
            assert_eq!(network.is_everything(), everything, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_network_or_an_error(text in "\\PC*|[0-9a-f:.%/\\[\\] ]{0,50}") {
            if let Ok(network) = Network::parse(&text) {
                prop_assert_eq!(Network::parse(&network.to_string()), Ok(network));
            }
        }

        /// Pins the point of the error: what it proposes is accepted and contains what was written.
        #[test]
        fn the_network_proposed_for_host_bits_is_the_right_one(
            ip in any::<IpAddr>(), length in 0_u8..=128,
        ) {
            if let Err(AddressError::HostBits { network, .. }) =
                Network::parse(&format!("{ip}/{length}"))
            {
                prop_assert!(network.contains(ip));
                prop_assert_eq!(Network::parse(&network.to_string()), Ok(network));
            }
        }
    }
}
