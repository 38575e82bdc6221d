//! Where secrets come from: environment variables and files.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use crate::encoding::Encoding;
use crate::verify::public_key::PublicKey;

/// The world outside `sidecar.toml`, as far as loading reads it.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    /// Whether `{ inline = … }` is taken: only to try things out.
    pub inline: bool,
    /// Stands in for the process's variables; `None` reads those.
    pub variables: Option<BTreeMap<String, String>>,
    /// Stands in for every secret and key: nothing is read from where they are kept.
    pub throw_away: Option<ThrowAway>,
}

/// Secrets and keys for one rehearsal: each source gets a secret of its own.
#[derive(Debug, Clone)]
pub struct ThrowAway {
    /// The public halves of the key pairs, one of each kind.
    pub public_keys: Vec<PublicKey>,
    /// The SHA-256 of the certificate that stands in for every pinned one.
    pub fingerprint: [u8; 32],
}

impl ThrowAway {
    /// A new secret, in letters that every place of a request takes.
    pub(super) fn secret() -> Vec<u8> {
        let mut bytes = [0; 32];
        // Without randomness nothing is served either: a rehearsal needs no secret that lasts.
        let _ = aws_lc_rs::rand::fill(&mut bytes);
        Encoding::Base64Url.encode(&bytes).into_bytes()
    }
}

impl Environment {
    /// A variable; `None` when it is not set.
    pub fn variable(&self, name: &str) -> Option<Vec<u8>> {
        use std::os::unix::ffi::OsStringExt;
        match &self.variables {
            Some(variables) => variables.get(name).map(|value| value.clone().into_bytes()),
            None => std::env::var_os(name).map(OsStringExt::into_vec),
        }
    }

    /// A file, relative to the folder of the file that names it.
    pub fn file(&self, folder: &Path, name: &str) -> io::Result<(PathBuf, Vec<u8>)> {
        let path = folder.join(name);
        let bytes = std::fs::read(&path)?;
        Ok((path, bytes))
    }
}
