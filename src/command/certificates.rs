//! Client certificates for routes with an `mtls` step: the user's own, or throw-away ones of a
//! rehearsal.

use std::path::Path;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use crate::sign::Tamper;
use crate::verify::{Hash, Mtls, Plan, Step};

/// The name of a rehearsal in its own certificate.
pub(super) const HOST: &str = "localhost";

/// A certificate, those that vouch for it, and its private key.
#[derive(Debug)]
pub(super) struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

/// What a rehearsal needs for TLS, and what its callers show.
pub(super) struct Certificates {
    authority: CertifiedIssuer<'static, KeyPair>,
    /// Stands in for every certificate that is known by its fingerprint.
    pinned: Identity,
}

/// The step of this plan that the connection's certificate proves, where one does.
pub(super) fn wanted(plan: &Plan) -> Option<&Mtls> {
    plan.groups.iter().find_map(|group| match group.first() {
        Some(Step::Mtls(step)) => Some(&**step),
        _ => None,
    })
}

/// Whose certificate `tamper` asks for: `None` for none, `Some(false)` for a stranger's.
pub(super) const fn genuine(tamper: Option<Tamper>) -> Option<bool> {
    match tamper {
        Some(Tamper::Missing) => None,
        Some(Tamper::Key | Tamper::Signature) => Some(false),
        Some(Tamper::Body | Tamper::Time) | None => Some(true),
    }
}

impl Identity {
    /// Reads PEM files.
    pub(super) fn read(certificate: &Path, key: &Path) -> Result<Self, String> {
        let read = |file: &Path| {
            std::fs::read(file).map_err(|error| format!("{}: {error}", file.display()))
        };
        let wrong = |file: &Path, what: &str| format!("{}: {what}", file.display());
        let chain: Vec<_> = CertificateDer::pem_slice_iter(&read(certificate)?)
            .collect::<Result<_, _>>()
            .map_err(|_| wrong(certificate, "this is no certificate in PEM"))?;
        if chain.is_empty() {
            return Err(wrong(certificate, "there is no certificate in PEM in it"));
        }
        let key = PrivateKeyDer::from_pem_slice(&read(key)?)
            .map_err(|_| wrong(key, "this is not a private key in PEM"))?;
        Ok(Self { chain, key })
    }

    /// One that no authority vouches for.
    pub(super) fn stranger() -> Result<Self, String> {
        let key = KeyPair::generate().map_err(|error| error.to_string())?;
        let made = CertificateParams::default().self_signed(&key);
        Ok(Self::of(&made.map_err(|error| error.to_string())?, &key))
    }

    fn of(certificate: &rcgen::Certificate, key: &KeyPair) -> Self {
        Self {
            chain: vec![certificate.der().clone()],
            key: PrivateKeyDer::Pkcs8(key.serialize_der().into()),
        }
    }
}

/// TLS of a caller that believes `roots` and shows this certificate.
pub(super) fn caller(
    roots: RootCertStore,
    identity: Option<&Identity>,
) -> Result<Arc<ClientConfig>, String> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots);
    let config = match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => builder
            .with_client_auth_cert(identity.chain.clone(), identity.key.clone_key())
            .map_err(|_| "the private key does not belong to the certificate".to_owned())?,
    };
    Ok(Arc::new(config))
}

impl Certificates {
    /// Makes them.
    pub(super) fn generate() -> Result<Self, String> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = KeyPair::generate()
            .and_then(|key| CertifiedIssuer::self_signed(params, key))
            .map_err(|error| error.to_string())?;
        let pinned = issue(&authority, Vec::new())?;
        Ok(Self { authority, pinned })
    }

    /// The SHA-256 of the certificate that stands in for pinned ones.
    pub(super) fn fingerprint(&self) -> [u8; 32] {
        let leaf = self.pinned.chain.first().map(AsRef::as_ref);
        let hash = Hash::Sha256.of(leaf.unwrap_or_default());
        hash.try_into().unwrap_or_default()
    }

    /// TLS of the rehearsal: it asks for a certificate and takes callers without one, so that each
    /// route decides.
    pub(super) fn server(&self) -> Result<Arc<ServerConfig>, String> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier =
            WebPkiClientVerifier::builder_with_provider(self.roots()?.into(), provider.clone())
                .allow_unauthenticated()
                .build()
                .map_err(|error| error.to_string())?;
        let identity = issue(&self.authority, vec![dns(HOST)?])?;
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_client_cert_verifier(verifier)
            .with_single_cert(identity.chain, identity.key)
            .map_err(|error| error.to_string())?;
        Ok(Arc::new(config))
    }

    /// TLS of a caller whose certificate is as this step wants it, or a stranger's, or none.
    pub(super) fn caller(
        &self,
        step: Option<&Mtls>,
        tamper: Option<Tamper>,
    ) -> Result<Arc<ClientConfig>, String> {
        let made;
        let identity = match (step, genuine(tamper)) {
            (None, _) | (_, None) => None,
            (Some(step), Some(true)) if step.dns.is_empty() && step.uris.is_empty() => {
                Some(&self.pinned)
            }
            (Some(step), Some(true)) => {
                made = issue(&self.authority, names(step)?)?;
                Some(&made)
            }
            (Some(_), Some(false)) => {
                made = issue(&self.authority, Vec::new())?;
                Some(&made)
            }
        };
        caller(self.roots()?, identity)
    }

    fn roots(&self) -> Result<RootCertStore, String> {
        let mut roots = RootCertStore::empty();
        roots
            .add(self.authority.der().clone())
            .map_err(|error| error.to_string())?;
        Ok(roots)
    }
}

/// The names of which the step wants one each.
fn names(step: &Mtls) -> Result<Vec<SanType>, String> {
    let mut names = Vec::new();
    if let Some(name) = step.dns.first() {
        names.push(dns(name)?);
    }
    if let Some(uri) = step.uris.first() {
        let uri = uri.as_str().try_into();
        names.push(SanType::URI(
            uri.map_err(|_| "`san_uri` is not ASCII".to_owned())?,
        ));
    }
    Ok(names)
}

fn dns(name: &str) -> Result<SanType, String> {
    let name = name.try_into();
    Ok(SanType::DnsName(
        name.map_err(|_| "`san_dns` is not ASCII".to_owned())?,
    ))
}

fn issue(
    authority: &CertifiedIssuer<'static, KeyPair>,
    names: Vec<SanType>,
) -> Result<Identity, String> {
    let key = KeyPair::generate().map_err(|error| error.to_string())?;
    let mut params = CertificateParams::default();
    params.subject_alt_names = names;
    let made = params.signed_by(&key, authority);
    Ok(Identity::of(
        &made.map_err(|error| error.to_string())?,
        &key,
    ))
}
