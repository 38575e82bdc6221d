//! Where a trusted proxy writes the client address.

use std::fmt;

use http::header::{FORWARDED, HeaderName};

pub(super) const X_FORWARDED_FOR: &str = "x-forwarded-for";

/// Where a trusted proxy writes the client address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientSource {
    /// `Forwarded` (RFC 7239), a list of hops.
    Forwarded,
    /// A header that holds one address, such as `X-Real-IP` or `CF-Connecting-IP`.
    Header(HeaderName),
    /// Nowhere: the peer is the client.
    Peer,
    /// The PROXY header of the connection, which has already replaced the peer.
    ProxyProtocol,
    /// `X-Forwarded-For`, a list of hops.
    XForwardedFor,
}

impl ClientSource {
    /// Parses `client_address.from`; `None` if it is neither a keyword nor a header name.
    pub fn parse(text: &str) -> Option<Self> {
        if text == "proxy-protocol" {
            return Some(Self::ProxyProtocol);
        }
        let name = HeaderName::from_bytes(text.as_bytes()).ok()?;
        // As `Header` these two would refuse every list.
        if name == X_FORWARDED_FOR {
            Some(Self::XForwardedFor)
        } else if name == FORWARDED {
            Some(Self::Forwarded)
        } else {
            Some(Self::Header(name))
        }
    }
}

impl fmt::Display for ClientSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Forwarded => FORWARDED.as_str(),
            Self::Header(name) => name.as_str(),
            Self::Peer => "peer",
            Self::ProxyProtocol => "proxy-protocol",
            Self::XForwardedFor => X_FORWARDED_FOR,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_names_of_sources() {
        for (text, source) in [
            ("x-forwarded-for", Some(ClientSource::XForwardedFor)),
            ("X-Forwarded-For", Some(ClientSource::XForwardedFor)),
            ("Forwarded", Some(ClientSource::Forwarded)),
            ("proxy-protocol", Some(ClientSource::ProxyProtocol)),
            (
                "X-Real-IP",
                Some(ClientSource::Header(HeaderName::from_static("x-real-ip"))),
            ),
            ("", None),
            ("x real ip", None),
        ] {
            assert_eq!(ClientSource::parse(text), source, "{text}");
            if let Some(source) = source {
                assert_eq!(source.to_string(), text.to_lowercase());
            }
        }
    }
}
