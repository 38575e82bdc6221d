//! The `mtls` step, compiled.

use super::Compiler;
use super::steps::Compiled;
use crate::config::grammar;
use crate::config::shape;
use crate::config::tree::Table;
use crate::verify::{Encoding, Mtls, Step};

impl Compiler<'_> {
    pub(super) fn mtls(&mut self, table: &Table) -> Option<Compiled> {
        let keys = ["san_dns", "san_uri", "fingerprint"];
        let section = grammar::scheme("mtls")?;
        if keys.iter().all(|key| shape::lacks(table, section, key)) {
            self.problems.error(
                table.span,
                "every certificate of `client_ca` would pass this step",
                "which callers?",
                "add `san_dns = \"…\"`, `san_uri` or `fingerprint`",
            );
            return None;
        }
        let mut step = Mtls::default();
        for (key, texts) in [("san_dns", &mut step.dns), ("san_uri", &mut step.uris)] {
            for node in table.one_or_many(key) {
                let text = node.text()?;
                if text.is_empty() || (key == "san_dns" && text.contains('*')) {
                    self.problems.error(
                        node.span,
                        format!("`{key}` is compared with whole names of the certificate"),
                        "no name",
                        "write one name as it stands in the certificate",
                    );
                    return None;
                }
                texts.push(text.to_owned());
            }
        }
        for node in table.one_or_many("fingerprint") {
            let plain = node.text()?.replace(':', "");
            let bytes = Encoding::Hex.decode(plain.as_bytes());
            let Some(bytes) = bytes.and_then(|bytes| bytes.try_into().ok()) else {
                self.problems.error(
                    node.span,
                    "this is not the SHA-256 of a certificate",
                    "not 64 hex digits",
                    "print it with: openssl x509 -noout -fingerprint -sha256 -in CERTIFICATE",
                );
                return None;
            };
            step.fingerprints.push(bytes);
        }
        if let Some(throw_away) = &self.environment.throw_away {
            // A throw-away certificate has the names that are wanted, but another fingerprint.
            let pinned = step.dns.is_empty() && step.uris.is_empty();
            step.fingerprints = if pinned {
                vec![throw_away.fingerprint]
            } else {
                Vec::new()
            };
        }
        if !self.client_certificates {
            self.problems.error(
                table.span,
                "scheme `mtls` needs callers that show a certificate, and TLS asks for none",
                "no `client_ca`",
                "add `client_ca = { file = \"clients.pem\" }` to `[server.tls]`: no header that tells of a certificate is believed",
            );
            return None;
        }
        Some(Compiled {
            step: Step::Mtls(Box::new(step)),
            authenticates: true,
            credential: None,
            challenge: None,
        })
    }
}
