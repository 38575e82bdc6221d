//! From checked text to the immutable [`Config`]: everything that can fail, fails here.

mod cases;
mod certificate;
mod duplicates;
mod events;
mod freshness;
mod handshake;
mod http_signature;
mod listeners;
mod matching;
mod oracle;
mod providers;
mod routes;
mod schemas;
mod secrets;
mod sections;
mod signed;
mod sources;
mod steps;
mod strength;
mod tls;
mod tokens;
mod upstream;
mod validity;
mod values;

use std::collections::BTreeSet;
use std::path::PathBuf;

use jiff::Timestamp;

use super::environment::Environment;
use super::grammar::TLS;
use super::problem::Problems;
use super::settings::{About, Config};
use super::shape;
use super::source::{Files, Span};
use super::tree::Table;

/// A route's keys on top of its provider's, for `check --show`; `None` when the provider is not
/// known.
pub(super) fn overlaid(route: &Table, root: &Table, folder: PathBuf) -> Option<Table> {
    let environment = Environment::default();
    Compiler::new(&environment, Files::new(), Problems::new(), folder).overlaid(route, root)
}

/// What compiling gathers beside the configuration itself.
pub(super) struct Compiler<'e> {
    pub(super) environment: &'e Environment,
    pub(super) files: Files,
    pub(super) problems: Problems,
    /// The folder of `sidecar.toml`, where relative paths start.
    pub(super) folder: PathBuf,
    /// What has to be set before it can start.
    pub(super) missing: Vec<String>,
    /// Every file that was read, for the reload.
    pub(super) watched: Vec<PathBuf>,
    pub(super) now: Timestamp,
    /// Whether callers may show a certificate.
    pub(super) client_certificates: bool,
    /// The route's keys that a step has used.
    pub(super) used: BTreeSet<&'static str>,
    /// When the certificates of `server.tls` end: serial number and Unix time.
    pub(super) ends: Vec<(String, i64)>,
}

impl<'e> Compiler<'e> {
    pub(super) fn new(
        environment: &'e Environment,
        files: Files,
        problems: Problems,
        folder: PathBuf,
    ) -> Self {
        let now = Timestamp::now();
        Self {
            environment,
            files,
            problems,
            folder,
            missing: Vec::new(),
            watched: Vec::new(),
            now,
            client_certificates: false,
            used: BTreeSet::new(),
            ends: Vec::new(),
        }
    }
}

impl Compiler<'_> {
    /// Compiles the whole file; `None` after an error.
    pub(super) fn config(&mut self, root: &Table) -> Option<Config> {
        let empty = Table::new(root.span);
        let section = |name: &str| root.table(name).unwrap_or(&empty);
        let server = self.server(section("server"));
        self.client_certificates = section("server")
            .table("tls")
            .is_some_and(|tls| !shape::lacks(tls, &TLS, "client_ca"));
        // A rehearsal has no TLS; what a certificate would have to prove is refused there.
        self.client_certificates |= self.environment.throw_away.is_some();
        let proxied = section("server");
        let proxied = proxied
            .get("proxy_protocol")
            .filter(|_| proxied.flag("proxy_protocol") == Some(true));
        let trust = self.trust(section("client_address"), proxied);
        let upstream = self.upstream(section("upstream"), root);
        let headers = self.headers(section("headers"));
        let limits = self.limits(section("limits"));
        let duplicates = self.duplicates(root.table("duplicates"), upstream.as_ref());
        let health = self.listener(section("health"), "0.0.0.0:9901");
        let admin = self.listener(section("admin"), "127.0.0.1:9902");
        self.warn_open_admin(section("admin"), admin.as_ref().and_then(Option::as_ref));
        let log = Self::log(section("log"));
        let reload = self.reload(section("reload"));
        let routes = self.routes(root, &limits);
        let cases = self.cases(root);
        self.clashes(
            root,
            &[
                ("server", server.as_ref().map(|server| &server.listen)),
                ("health", health.as_ref().and_then(Option::as_ref)),
                ("admin", admin.as_ref().and_then(Option::as_ref)),
            ],
        );
        if let (Some(server), Some(upstream)) = (&server, &upstream) {
            self.circle(root, &server.listen, upstream);
        }
        Some(Config {
            server: server?,
            trust: trust?,
            upstream: upstream?,
            headers: headers?,
            limits,
            duplicates: duplicates?,
            health: health?,
            admin: admin?,
            log,
            reload,
            routes: routes?,
            cases,
            about: About::default(),
        })
    }

    /// The folder of the file that a span is in; built-in files name no paths.
    pub(super) fn folder_of(&self, _span: Span) -> PathBuf {
        self.folder.clone()
    }
}
