//! The client address: the peer, or what a trusted proxy says.

use std::net::IpAddr;

use http::header::FORWARDED;

use super::forwarded;
use super::list::AddressList;
use super::node::element;
use super::source::{ClientSource, X_FORWARDED_FOR};
use crate::headers::Lines;
use crate::rejection::Rejection;

/// Whose word about the client address is believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trust {
    /// The proxies; nobody else is believed.
    pub proxies: AddressList,
    /// Where they write the client address.
    pub source: ClientSource,
}

impl Trust {
    /// The client address of a request with these headers that came from `peer`.
    ///
    /// A list is walked right to left over all its lines, to the first address that is not a
    /// trusted proxy's: what stands further left was written by that address, and is not read.
    /// If all are trusted, the left-most is the client. Without the header, `peer` is.
    ///
    /// `headers` must be as received: once the names listed by `Connection` are removed, the
    /// header may be gone.
    ///
    /// # Errors
    ///
    /// [`Rejection::ClientAddressUnknown`] if a trusted proxy sent something unreadable.
    pub fn client(&self, peer: IpAddr, headers: Lines<'_>) -> Result<IpAddr, Rejection> {
        let peer = peer.to_canonical();
        if !self.proxies.contains(peer) {
            return Ok(peer);
        }
        match &self.source {
            ClientSource::Peer | ClientSource::ProxyProtocol => Ok(peer),
            ClientSource::XForwardedFor => {
                let lines = headers.get_all(&X_FORWARDED_FOR).rev();
                self.walk(
                    peer,
                    lines.flat_map(|line| line.rsplit(|byte| *byte == b',').map(element)),
                )
            }
            ClientSource::Forwarded => {
                let lines = headers.get_all(&FORWARDED).rev();
                self.walk(peer, lines.flat_map(forwarded::right_to_left))
            }
            ClientSource::Header(name) => {
                let mut lines = headers.get_all(name);
                match (lines.next(), lines.next()) {
                    (None, _) => Ok(peer),
                    (Some(line), None) => single(line),
                    (Some(_), Some(_)) => Err(Rejection::ClientAddressUnknown),
                }
            }
        }
    }

    /// Walks hops given right to left; an unreadable one is `None`.
    fn walk(
        &self,
        peer: IpAddr,
        hops: impl Iterator<Item = Option<IpAddr>>,
    ) -> Result<IpAddr, Rejection> {
        let mut client = peer;
        for hop in hops {
            client = hop.ok_or(Rejection::ClientAddressUnknown)?;
            if !self.proxies.contains(client) {
                break;
            }
        }
        Ok(client)
    }
}

fn single(line: &[u8]) -> Result<IpAddr, Rejection> {
    element(line).ok_or(Rejection::ClientAddressUnknown)
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue};
    use proptest::prelude::*;

    use super::*;
    use crate::address::list::tests::list;

    const PROXY: &str = "10.0.0.1";

    fn client(source: &str, peer: &str, headers: &[(&str, &[u8])]) -> Option<String> {
        let trust = Trust {
            proxies: list(&["10.0.0.0/8", "2001:db8:a::/48"]),
            source: ClientSource::parse(source).expect(source),
        };
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name = HeaderName::from_bytes(name.as_bytes()).expect(name);
            map.append(
                name,
                HeaderValue::from_bytes(value).expect("a header value"),
            );
        }
        match trust.client(peer.parse().expect(peer), Lines::from(&map)) {
            Ok(ip) => Some(ip.to_string()),
            Err(Rejection::ClientAddressUnknown) => None,
            Err(other) => panic!("{other:?}"),
        }
    }

    fn through(source: &str, lines: &[&str]) -> Option<String> {
        let lines: Vec<_> = lines.iter().map(|line| (source, line.as_bytes())).collect();
        client(source, PROXY, &lines)
    }

    #[test]
    fn believes_no_header_of_an_untrusted_peer() {
        for source in [
            "x-forwarded-for",
            "forwarded",
            "x-real-ip",
            "proxy-protocol",
        ] {
            for value in ["198.51.100.9", "for=198.51.100.9", "garbage"] {
                let headers = [(source, value.as_bytes())];
                let answer = client(source, "203.0.113.5", &headers);
                assert_eq!(answer.as_deref(), Some("203.0.113.5"), "{source}: {value}");
            }
        }
    }

    #[test]
    fn believes_no_header_when_no_proxy_is_trusted() {
        let trust = Trust {
            proxies: AddressList::default(),
            source: ClientSource::XForwardedFor,
        };
        let mut headers = HeaderMap::new();
        headers.insert(X_FORWARDED_FOR, HeaderValue::from_static("198.51.100.9"));
        for (peer, client) in [(PROXY, PROXY), ("::1", "::1"), ("::ffff:10.0.0.1", PROXY)] {
            let client: IpAddr = client.parse().expect(client);
            assert_eq!(
                trust.client(peer.parse().expect(peer), Lines::from(&headers)),
                Ok(client)
            );
        }
    }

    #[test]
    fn a_mapped_peer_is_trusted_as_its_ipv4_address() {
        let headers: [(&str, &[u8]); 1] = [("x-forwarded-for", b"198.51.100.9")];
        let answer = client("x-forwarded-for", "::ffff:10.0.0.1", &headers);
        assert_eq!(answer.as_deref(), Some("198.51.100.9"));
    }

    #[test]
    fn the_peer_is_the_client_where_nothing_names_another() {
        for source in [
            "x-forwarded-for",
            "forwarded",
            "x-real-ip",
            "proxy-protocol",
        ] {
            let headers: [(&str, &[u8]); 1] = [("x-other", b"198.51.100.9")];
            assert_eq!(
                client(source, PROXY, &headers).as_deref(),
                Some(PROXY),
                "{source}"
            );
        }
        // The PROXY header has already named the peer.
        assert_eq!(
            through("proxy-protocol", &["198.51.100.9"]).as_deref(),
            Some(PROXY)
        );
        let trust = Trust {
            proxies: list(&["10.0.0.0/8"]),
            source: ClientSource::Peer,
        };
        let peer = PROXY.parse().expect(PROXY);
        assert_eq!(trust.client(peer, Lines::from(&HeaderMap::new())), Ok(peer));
    }

    #[test]
    fn walks_x_forwarded_for_to_the_first_untrusted_address_from_the_right() {
        for (lines, client) in [
            (&["198.51.100.9"][..], Some("198.51.100.9")),
            (&["6.6.6.6, 198.51.100.9"], Some("198.51.100.9")),
            (&["6.6.6.6, 198.51.100.9, 10.0.0.2"], Some("198.51.100.9")),
            (
                &["6.6.6.6,198.51.100.9 ,\t10.0.0.2:80"],
                Some("198.51.100.9"),
            ),
            (&["198.51.100.9, ::ffff:10.0.0.2"], Some("198.51.100.9")),
            (&["::ffff:198.51.100.9"], Some("198.51.100.9")),
            (&["2001:db8::9, [2001:db8:a::1]:4711"], Some("2001:db8::9")),
            // All lines are one list.
            (
                &["6.6.6.6", "198.51.100.9", "10.0.0.2"],
                Some("198.51.100.9"),
            ),
            (
                &["198.51.100.9, 10.0.0.3", "10.0.0.2"],
                Some("198.51.100.9"),
            ),
            (&["198.51.100.9", "6.6.6.6"], Some("6.6.6.6")),
            // All trusted: the left-most.
            (&["10.0.0.4, 10.0.0.3", "10.0.0.2"], Some("10.0.0.4")),
            // What is left of the client was written by the client.
            (&["garbage, 198.51.100.9, 10.0.0.2"], Some("198.51.100.9")),
            (&["garbage", "198.51.100.9"], Some("198.51.100.9")),
            (&[", , 198.51.100.9"], Some("198.51.100.9")),
            // What is met must be readable.
            (&["198.51.100.9, garbage"], None),
            (&["198.51.100.9, garbage, 10.0.0.2"], None),
            (&["198.51.100.9", "garbage", "10.0.0.2"], None),
            (&["198.51.100.9, , 10.0.0.2"], None),
            (&["198.51.100.9,"], None),
            (&["198.51.100.9", ""], None),
            (&["198.51.100.9", " "], None),
            (&[""], None),
            (&[", 10.0.0.2"], None),
            (&["198.51.100.9 10.0.0.2"], None),
            (&["198.51.100.9; 10.0.0.2"], None),
            (&["unknown"], None),
        ] {
            assert_eq!(
                through("x-forwarded-for", lines).as_deref(),
                client,
                "{lines:?}"
            );
        }
    }

    #[test]
    fn bytes_beyond_ascii_matter_only_where_they_are_met() {
        for (value, client_address) in [
            (&b"\xff\xfe, 198.51.100.9"[..], Some("198.51.100.9")),
            (b"198.51.100.9, \xff\xfe", None),
            (b"198.51.100.9\xa0", None),
        ] {
            let answer = client("x-forwarded-for", PROXY, &[("x-forwarded-for", value)]);
            assert_eq!(answer.as_deref(), client_address, "{value:?}");
        }
    }

    #[test]
    fn walks_forwarded_likewise() {
        for (lines, client) in [
            (&["for=198.51.100.9"][..], Some("198.51.100.9")),
            (
                &["for=6.6.6.6, for=198.51.100.9;proto=https, for=10.0.0.2"],
                Some("198.51.100.9"),
            ),
            (
                &["for=6.6.6.6", "FOR=\"[2001:db8::9]:4711\"", "for=10.0.0.2"],
                Some("2001:db8::9"),
            ),
            (
                &["for=10.0.0.4, for=10.0.0.3", "for=10.0.0.2"],
                Some("10.0.0.4"),
            ),
            (&["for=_hidden, for=198.51.100.9"], Some("198.51.100.9")),
            (&["for=\"broken", "for=198.51.100.9"], Some("198.51.100.9")),
            (&["for=198.51.100.9, for=_hidden"], None),
            (&["for=198.51.100.9, for=unknown, for=10.0.0.2"], None),
            (&["for=198.51.100.9, proto=https"], None),
            (&["for=198.51.100.9, , for=10.0.0.2"], None),
            (&["for=198.51.100.9", "for=\"broken", "for=10.0.0.2"], None),
            // A line is read as a whole: its quotes decide where its commas are.
            (&["for=\"broken, for=198.51.100.9"], None),
            (&[""], None),
        ] {
            assert_eq!(through("forwarded", lines).as_deref(), client, "{lines:?}");
        }
    }

    #[test]
    fn takes_one_address_of_one_line_from_a_single_address_header() {
        for (lines, client) in [
            (&["198.51.100.9"][..], Some("198.51.100.9")),
            (&[" 198.51.100.9:443 "], Some("198.51.100.9")),
            (&["[2001:db8::9]"], Some("2001:db8::9")),
            (&["::ffff:198.51.100.9"], Some("198.51.100.9")),
            // It is no hop, so a trusted address ends nothing.
            (&["10.0.0.2"], Some("10.0.0.2")),
            (&["198.51.100.9, 10.0.0.2"], None),
            (&["198.51.100.9", "198.51.100.9"], None),
            (&["198.51.100.9", ""], None),
            (&[""], None),
            (&["unknown"], None),
        ] {
            assert_eq!(through("x-real-ip", lines).as_deref(), client, "{lines:?}");
        }
    }

    proptest! {
        /// Pins the point of the walk: whatever the client writes, what its proxy adds wins.
        #[test]
        fn a_client_cannot_choose_its_address(sent in "[ -~\u{a0}-\u{ff}]{0,60}", added_line in any::<bool>()) {
            for (source, added) in
                [("x-forwarded-for", "198.51.100.9"), ("forwarded", "for=198.51.100.9;proto=\"https\"")]
            {
                let joined = format!("{sent}, {added}");
                let lines: &[&str] = if added_line { &[&sent, added] } else { &[&joined] };
                let answer = through(source, lines);
                let sure = added_line || source == "x-forwarded-for";
                prop_assert!(
                    answer.as_deref() == Some("198.51.100.9") || (!sure && answer.is_none()),
                    "{lines:?}: {answer:?}",
                );
            }
        }

        /// The same with a client that knows the grammar.
        #[test]
        fn a_client_cannot_choose_its_address_with_quotes(
            sent in "((for|by|x)=|\"|\\\\|,|;| |6\\.6\\.6\\.6|=){0,12}",
            host in "(,|;| |for=|6\\.6\\.6\\.6|x=|=|\\\\\"|\\\\\\\\){0,8}",
        ) {
            let line = format!("{sent}, for=\"198.51.100.9:80\";host=\"{host}\"");
            let answer = through("forwarded", &[&line]);
            prop_assert!(matches!(answer.as_deref(), None | Some("198.51.100.9")), "{line}: {answer:?}");
        }
    }
}
