//! What TLS found out about the caller, as plain data.

use std::sync::Arc;

use rustls::ServerConnection;
use sha2::{Digest as _, Sha256};

use crate::verify::Certificate;

/// The client certificate of a connection, which its TLS session has verified.
pub(super) fn of(session: &ServerConnection) -> Option<Arc<Certificate>> {
    let leaf = session.peer_certificates()?.first()?;
    // One that this reader does not understand has no names, only a fingerprint.
    let read = webpki::EndEntityCert::try_from(leaf).ok();
    let read = read.as_ref();
    Some(Arc::new(Certificate {
        fingerprint: Sha256::digest(leaf).into(),
        dns: read
            .map(|read| read.valid_dns_names().map(Into::into).collect())
            .unwrap_or_default(),
        uris: read
            .map(|read| read.valid_uri_names().map(Into::into).collect())
            .unwrap_or_default(),
    }))
}
