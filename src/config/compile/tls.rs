//! TLS on both sides, with rustls on aws-lc-rs.

use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};

use super::Compiler;
use crate::config::tree::{Node, Table};

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
            self.problems.error(
                table.span,
                "TLS needs a `certificate` and its `private_key`",
                "one of them is missing",
                "add `certificate = { file = \"tls.crt\" }` and `private_key = { file = \"tls.key\" }`",
            );
            return None;
        };
        let chain = self.certificates(certificate);
        let key = self.pem(private_key).and_then(|pem| {
            let key = PrivateKeyDer::from_pem_slice(&pem).ok();
            if key.is_none() {
                self.problems.error(
                    private_key.span,
                    "this is not a private key in PEM",
                    "not a private key",
                    "name the file that begins with `-----BEGIN PRIVATE KEY-----`",
                );
            }
            key
        });
        let clients = match table.get("client_ca") {
            Some(node) => Some((node, self.roots(node)?)),
            None => None,
        };
        let (chain, key) = (chain?, key?);
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let versions: &[_] = if table.text("min_version") == Some("1.3") {
            &MODERN
        } else {
            &USUAL
        };
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(versions)
            .ok()?;
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some((node, roots)) => {
                match WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build()
                {
                    Ok(verifier) => builder.with_client_cert_verifier(verifier),
                    Err(_) => {
                        self.not_certificates(node);
                        return None;
                    }
                }
            }
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
            Err(_) => {
                self.problems.error(
                    private_key.span,
                    "the private key does not belong to the certificate",
                    "another certificate's key",
                    "name the key that was made with this certificate",
                );
                None
            }
        }
    }

    /// TLS to the app: its certificate must come from `upstream.ca`.
    pub(super) fn client_tls(
        &mut self,
        table: &Table,
        url: &Node,
        host: &str,
    ) -> Option<(Arc<ClientConfig>, ServerName<'static>)> {
        let Some(node) = table.get("ca") else {
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
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
        match chain {
            Ok(chain) if !chain.is_empty() => Some(chain),
            _ => {
                self.not_certificates(node);
                None
            }
        }
    }

    fn roots(&mut self, node: &Node) -> Option<RootCertStore> {
        let mut roots = RootCertStore::empty();
        let all_added = self
            .certificates(node)?
            .into_iter()
            .all(|one| roots.add(one).is_ok());
        if !all_added {
            self.not_certificates(node);
        }
        all_added.then_some(roots)
    }

    fn not_certificates(&mut self, node: &Node) {
        self.problems.error(
            node.span,
            "this holds no certificate in PEM",
            "not a certificate",
            "name the file that begins with `-----BEGIN CERTIFICATE-----`",
        );
    }
}
