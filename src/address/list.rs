//! A list of networks that an address is looked up in.

use std::fmt;
use std::net::IpAddr;

use super::network::Network;

/// Networks in the order written. An empty list contains nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AddressList(Box<[Network]>);

impl AddressList {
    /// Makes the list of these networks.
    pub fn new(networks: Vec<Network>) -> Self {
        Self(networks.into_boxed_slice())
    }

    /// Whether `ip` lies in one of the networks; an IPv4-mapped address is its IPv4 address.
    pub fn contains(&self, ip: IpAddr) -> bool {
        // A scan: the lists of providers and proxies have a few dozen entries.
        let ip = ip.to_canonical();
        self.0.iter().any(|network| network.contains(ip))
    }

    /// Whether there is no network.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The networks in the order written.
    pub fn iter(&self) -> std::slice::Iter<'_, Network> {
        self.0.iter()
    }
}

impl<'a> IntoIterator for &'a AddressList {
    type Item = &'a Network;
    type IntoIter = std::slice::Iter<'a, Network>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for AddressList {
    /// The networks with `, ` between.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, network) in self.iter().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            network.fmt(f)?;
        }
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

    use super::*;

    pub(in crate::address) fn list(networks: &[&str]) -> AddressList {
        AddressList::new(
            networks
                .iter()
                .map(|text| Network::parse(text).expect(text))
                .collect(),
        )
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().expect(text)
    }

    #[test]
    fn contains_addresses_up_to_both_edges_of_each_network() {
        let list = list(&["34.252.67.209", "198.51.100.64/26", "2001:db8:1::/48"]);
        for (address, inside) in [
            ("34.252.67.209", true),
            ("34.252.67.208", false),
            ("34.252.67.210", false),
            ("198.51.100.63", false),
            ("198.51.100.64", true),
            ("198.51.100.127", true),
            ("198.51.100.128", false),
            ("::ffff:34.252.67.209", true),
            ("::ffff:34.252.67.210", false),
            ("::34.252.67.209", false),
            ("2001:db8:0:ffff:ffff:ffff:ffff:ffff", false),
            ("2001:db8:1::", true),
            ("2001:db8:1:ffff:ffff:ffff:ffff:ffff", true),
            ("2001:db8:2::", false),
        ] {
            assert_eq!(list.contains(ip(address)), inside, "{address}");
        }
    }

    #[test]
    fn keeps_the_families_apart() {
        for (network, address, inside) in [
            ("0.0.0.0/0", "192.0.2.1", true),
            ("0.0.0.0/0", "::ffff:192.0.2.1", true),
            ("0.0.0.0/0", "::1", false),
            ("::/0", "::1", true),
            ("::/0", "192.0.2.1", false),
            ("::/0", "::ffff:192.0.2.1", false),
            ("::ffff:10.0.0.0/104", "10.255.255.255", true),
            ("::ffff:10.0.0.0/104", "::ffff:10.0.0.1", true),
            ("::ffff:10.0.0.0/104", "11.0.0.0", false),
        ] {
            assert_eq!(
                list(&[network]).contains(ip(address)),
                inside,
                "{network} {address}"
            );
        }
    }

    /// Pins the fail-open trap: an empty list is not a list of everything.
    #[test]
    fn an_empty_list_contains_nothing() {
        assert!(AddressList::default().is_empty());
        assert!(!list(&["::1"]).is_empty());
        for address in ["127.0.0.1", "::1", "0.0.0.0", "::"] {
            assert!(!AddressList::default().contains(ip(address)), "{address}");
        }
    }

    #[test]
    fn is_shown_in_the_order_written() {
        let networks = list(&["198.51.100.0/24", "::ffff:10.0.0.0/104", "2001:DB8::1"]);
        assert_eq!(
            networks.to_string(),
            "198.51.100.0/24, 10.0.0.0/8, 2001:db8::1"
        );
        assert_eq!((&networks).into_iter().count(), 3);
        assert_eq!(AddressList::default().to_string(), "");
    }

    proptest! {
        #[test]
        fn agrees_with_comparing_the_leading_bits(
            network in any::<u32>(), address in any::<u32>(), length in 0_u32..=32, near in any::<bool>(),
        ) {
            let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
            // Random pairs hardly ever share a prefix.
            let address = if near { (network & mask) | (address & !mask) } else { address };
            let text = format!("{}/{length}", Ipv4Addr::from(network & mask));
            let contains = list(&[&text]).contains(IpAddr::V4(Ipv4Addr::from(address)));
            prop_assert_eq!(contains, network & mask == address & mask);
        }

        #[test]
        fn a_mapped_address_is_where_its_ipv4_address_is(address in any::<Ipv4Addr>()) {
            let list = list(&["0.0.0.0/1", "192.0.2.0/24"]);
            let mapped: Ipv6Addr = address.to_ipv6_mapped();
            prop_assert_eq!(list.contains(mapped.into()), list.contains(address.into()));
        }
    }
}
