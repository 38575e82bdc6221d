//! TLS on both sides, with rustls on aws-lc-rs.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};

use super::Compiler;
use super::sources::value_span;
use crate::config::grammar::{TLS, UPSTREAM};
use crate::config::shape;
use crate::config::tree::{Node, Table};

/// How the PEM of a key with a passphrase begins, in the two ways there are.
const ENCRYPTED: &[u8] = b"ENCRYPTED";

static MODERN: [&SupportedProtocolVersion; 1] = [&rustls::version::TLS13];
static USUAL: [&SupportedProtocolVersion; 2] = [&rustls::version::TLS13, &rustls::version::TLS12];

impl Compiler<'_> {
    pub(super) fn server_tls(
        &mut self,
        table: &Table,
        h2: bool,
        http1: bool,
    ) -> Option<Arc<ServerConfig>> {
        let (Some(certificate), Some(private_key)) =
            (table.get("certificate"), table.get("private_key"))
        else {
            for (key, file) in [("certificate", "tls.crt"), ("private_key", "tls.key")] {
                if shape::lacks(table, &TLS, key) {
                    self.problems.error(
                        table.span,
                        format!("TLS needs a `{key}`"),
                        format!("no `{key}`"),
                        format!("add `{key} = {{ file = \"{file}\" }}`"),
                    );
                }
            }
            return None;
        };
        let chain = self.certificates(certificate);
        let key = self.pem(private_key).and_then(|pem| {
            let key = PrivateKeyDer::from_pem_slice(&pem).ok();
            if key.is_none() {
                let encrypted = pem
                    .windows(ENCRYPTED.len())
                    .any(|window| window == ENCRYPTED);
                let (message, fix) = if encrypted {
                    (
                        "this private key is encrypted",
                        "decrypt it: openssl pkey -in KEY -out PLAIN",
                    )
                } else {
                    (
                        "this is not a private key in PEM",
                        "name a file with a PEM block PRIVATE KEY",
                    )
                };
                let span = value_span(private_key);
                self.problems.error(span, message, "not a private key", fix);
            }
            key
        });
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = self.client_verifier(table, provider.clone());
        let (chain, key) = (chain?, key?);
        self.ends = chain
            .iter()
            .filter_map(|certificate| super::validity::end(certificate))
            .collect();
        let versions: &[_] = if table.text("min_version") == Some("1.3") {
            &MODERN
        } else {
            &USUAL
        };
        let builder = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .ok()?;
        let builder = match verifier? {
            None => builder.with_no_client_auth(),
            Some(verifier) => builder.with_client_cert_verifier(verifier),
        };
        match builder.with_single_cert(chain, key) {
            Ok(mut config) => {
                let protocols = [(h2, &b"h2"[..]), (http1, b"http/1.1")];
                config.alpn_protocols = protocols
                    .iter()
                    .filter(|(on, _)| *on)
                    .map(|(_, name)| name.to_vec())
                    .collect();
                Some(Arc::new(config))
            }
            Err(rustls::Error::InconsistentKeys(_)) => {
                self.problems.error(
                    value_span(private_key),
                    "the private key does not belong to the certificate",
                    "another certificate's key",
                    "name the key that was made with this certificate",
                );
                None
            }
            Err(_) => {
                self.problems.error(
                    value_span(private_key),
                    "TLS cannot use this private key or its certificate",
                    "not usable",
                    "make a pair on P-256 or with RSA of 2048 bits or more",
                );
                None
            }
        }
    }

    /// Who may call, by certificate: `Some(None)` where nobody is asked for one.
    fn client_verifier(
        &mut self,
        table: &Table,
        provider: Arc<CryptoProvider>,
    ) -> Option<Option<Arc<dyn ClientCertVerifier>>> {
        let Some(node) = table.get("client_ca") else {
            let Some(entry) = table.entry("client_certificate") else {
                return Some(None);
            };
            self.problems.error(
                entry.name_span,
                "without `client_ca` no certificate is asked for",
                "has no effect",
                "add `client_ca = { file = \"clients.pem\" }`, or remove it",
            );
            return None;
        };
        let roots = Arc::new(self.roots(node)?);
        let builder = WebPkiClientVerifier::builder_with_provider(roots, provider);
        let builder = if table.text("client_certificate") == Some("optional") {
            builder.allow_unauthenticated()
        } else {
            builder
        };
        let verifier = builder.build().ok();
        if verifier.is_none() {
            self.not_certificates(node);
        }
        verifier.map(Some)
    }

    /// TLS to the app: its certificate must come from `upstream.ca`.
    pub(super) fn client_tls(
        &mut self,
        table: &Table,
        url: &Node,
        host: &str,
    ) -> Option<(Arc<ClientConfig>, ServerName<'static>)> {
        let Some(node) = table.get("ca") else {
            if !shape::lacks(table, &UPSTREAM, "ca") {
                return None;
            }
            self.problems.error(
                url.span,
                "an https app needs `upstream.ca`, the authority of its certificate",
                "which authority?",
                "add `ca = { file = \"ca.pem\" }`",
            );
            return None;
        };
        let roots = self.roots(node)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&USUAL)
            .ok()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from(host.to_owned()).ok();
        if name.is_none() {
            self.problems.error(
                url.span,
                "this host cannot be in a certificate",
                "not a host name",
                "use a DNS name or an address",
            );
        }
        Some((Arc::new(config), name?))
    }

    fn certificates(&mut self, node: &Node) -> Option<Vec<CertificateDer<'static>>> {
        let pem = self.pem(node)?;
        self.read_certificates(&pem, node)
    }

    fn read_certificates(
        &mut self,
        pem: &[u8],
        node: &Node,
    ) -> Option<Vec<CertificateDer<'static>>> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        let chain = chain.ok().filter(|chain| !chain.is_empty());
        if chain.is_none() {
            self.not_certificates(node);
        }
        chain
    }

    fn roots(&mut self, node: &Node) -> Option<RootCertStore> {
        let mut roots = RootCertStore::empty();
        for pem in self.pems(node)? {
            for one in self.read_certificates(&pem, node)? {
                if roots.add(one).is_err() {
                    self.not_certificates(node);
                    return None;
                }
            }
        }
        Some(roots)
    }

    /// The authorities of a certificate in one PEM text, checked.
    pub(super) fn authorities(&mut self, node: &Node) -> Option<Vec<u8>> {
        let pems = self.pems(node)?;
        for pem in &pems {
            self.read_certificates(pem, node)?;
        }
        Some(pems.join(&b'\n'))
    }

    fn not_certificates(&mut self, node: &Node) {
        self.problems.error(
            value_span(node),
            "this holds no certificate in PEM",
            "not a certificate",
            "name a file with a PEM block CERTIFICATE",
        );
    }
}
