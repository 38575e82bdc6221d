//! The head of a request, as it was received.

use std::fmt;

use http::request::Parts;
use http::{HeaderMap, Method, Request, Uri, Version};
use hyper::upgrade::OnUpgrade;

use crate::headers::Headers;
use crate::verify::Head;

/// The head of a request, as it was received.
pub struct Received {
    /// The method.
    pub method: Method,
    /// The target.
    pub uri: Uri,
    /// The version of HTTP.
    pub version: Version,
    /// The header lines.
    pub headers: Headers,
    /// The connection, should both ends agree to speak another protocol on it.
    pub upgrade: Option<OnUpgrade>,
}

impl Received {
    /// What verification looks at.
    pub fn head(&self) -> Head<'_> {
        Head {
            method: self.method.as_str(),
            path: self.uri.path(),
            query: self.uri.query(),
            headers: self.headers.lines(),
        }
    }

    /// The same, for whoever changes it.
    pub fn to_parts(&self) -> Parts {
        let mut request = Request::new(());
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.version_mut() = self.version;
        *request.headers_mut() = HeaderMap::from(&self.headers);
        request.into_parts().0
    }
}

impl fmt::Debug for Received {
    /// Shows nothing: its lines or its query may hold a credential.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a request")
    }
}

impl From<Parts> for Received {
    /// Of one that hyper has read.
    fn from(mut parts: Parts) -> Self {
        Self {
            headers: Headers::from(&parts.headers),
            upgrade: parts.extensions.remove(),
            method: parts.method,
            uri: parts.uri,
            version: parts.version,
        }
    }
}
