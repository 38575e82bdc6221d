//! `gatepost send`: a sample, signed as the provider would, to a running instance.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ValueEnum;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};
use jiff::Timestamp;

use super::{IO, NO, Outcome, client, environment, say, serve, tell};
use crate::config::sample::{self, Sample};
use crate::config::{Listen, Loaded, catalogue, show};
use crate::route::{Mode, Pattern, Route};
use crate::sign::{self, Delivery, PrivateKey};

/// Longer than any app should take.
const TIMEOUT: Duration = Duration::from_secs(35);

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The path of the route, or its provider
    route: String,
    /// Which sample of the provider
    #[arg(long, value_name = "TYPE")]
    event: Option<String>,
    /// A body of your own instead of a sample
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    /// Where to send it, if not to the configuration's `server.listen`
    #[arg(long, value_name = "HOST:PORT")]
    to: Option<String>,
    /// The client address to claim, for an instance that trusts this host as a proxy
    #[arg(long, value_name = "IP")]
    from: Option<std::net::IpAddr>,
    /// Get something wrong, to see the refusal
    #[arg(long, value_enum)]
    tamper: Option<Tamper>,
    /// The private key of a test key pair (PKCS#8 PEM), for schemes that sign with one
    #[arg(long, value_name = "FILE")]
    private_key: Option<PathBuf>,
    /// Take secrets written into the file, as `run --dev` does
    #[arg(long)]
    dev: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Tamper {
    Body,
    Key,
    Missing,
    Signature,
    Time,
}

impl From<Tamper> for sign::Tamper {
    fn from(tamper: Tamper) -> Self {
        match tamper {
            Tamper::Body => Self::Body,
            Tamper::Key => Self::Key,
            Tamper::Missing => Self::Missing,
            Tamper::Signature => Self::Signature,
            Tamper::Time => Self::Time,
        }
    }
}

pub(super) fn run(path: &Path, arguments: &Arguments) -> Outcome {
    let loaded = serve::load(path, &environment(arguments.dev))?;
    let fail = |message: &str| {
        tell(&format!("error: {message}"));
        NO
    };
    let config = loaded.config.as_ref().ok_or(super::CONFIG)?;
    let wanted = &*arguments.route;
    let route = config
        .routes
        .all()
        .iter()
        .find(|route| route.name == wanted || route.provider.as_deref() == Some(wanted))
        .ok_or_else(|| fail(&format!("no route has the path or provider `{wanted}`")))?;
    let (Mode::Enforce(plan) | Mode::Observe(plan)) = &route.mode else {
        return Err(fail(
            "this route verifies nothing, so there is nothing to sign",
        ));
    };
    let made = sample::made(&loaded, &route.name);
    let body = body(arguments, &loaded, route, &made).map_err(|message| fail(&message))?;
    let key = match &arguments.private_key {
        None => None,
        Some(file) => {
            let pem = std::fs::read_to_string(file)
                .map_err(|error| fail(&format!("{}: {error}", file.display())))?;
            Some(PrivateKey::from_pem(&pem).map_err(|error| fail(&error.to_string()))?)
        }
    };
    let mut delivery = Delivery {
        method: route
            .methods
            .first()
            .map_or_else(|| "POST".into(), ToString::to_string),
        path: match &route.pattern {
            Pattern::Exact(path) => path.clone(),
            Pattern::Prefix(prefix) => format!("{prefix}sample"),
        },
        query: made.query.clone(),
        headers: headers(&made),
        body,
    };
    let tamper = arguments.tamper.map(Into::into);
    sign::sign(plan, &mut delivery, key.as_ref(), Timestamp::now(), tamper)
        .map_err(|error| fail(&error.to_string()))?;
    let address = address(arguments, &config.server.listen).map_err(|message| fail(&message))?;
    if config.server.tls.is_some() && arguments.to.is_none() {
        return Err(fail(
            "this instance listens with TLS: send to a plain one with `--to HOST:PORT`",
        ));
    }
    let claimed = arguments.from.map(|from| from.to_string());
    let extra: Vec<(&str, &str)> = claimed
        .iter()
        .map(|from| ("X-Forwarded-For", from.as_str()))
        .collect();
    let host = route.host.clone().unwrap_or_else(|| address.to_string());
    let bytes = client::wire(&delivery, &host, &extra);
    say(&format!(
        "--> {} {} {} bytes to {address}\n",
        delivery.method,
        delivery.path,
        delivery.body.len()
    ));
    let answer = client::exchange(address, &bytes, TIMEOUT).map_err(|error| {
        tell(&format!("error: no answer from {address}: {error}"));
        IO
    })?;
    let id = answer
        .header("x-gatepost-request-id")
        .unwrap_or("-")
        .to_owned();
    let verdict = if (200..300).contains(&answer.status) {
        "forwarded"
    } else {
        "refused"
    };
    say(&format!("<-- {} {verdict}, request {id}\n", answer.status));
    say(&format!(
        "{}\n",
        String::from_utf8_lossy(&answer.body).trim_end()
    ));
    if verdict == "forwarded" {
        Ok(())
    } else {
        Err(NO)
    }
}

/// The headers that a made sample needs besides its proof.
fn headers(made: &Sample) -> HeaderMap {
    let mut headers: HeaderMap = made
        .headers
        .iter()
        .filter_map(|(name, value)| Some((name.parse().ok()?, value.parse().ok()?)))
        .collect();
    if made.is_form {
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        headers.insert(CONTENT_TYPE, form);
    }
    headers
}

/// The bytes of `--data`, else of a sample of the provider, else made from where its event stands.
fn body(
    arguments: &Arguments,
    loaded: &Loaded,
    route: &Route,
    made: &Sample,
) -> Result<Vec<u8>, String> {
    if let Some(file) = &arguments.data {
        return std::fs::read(file).map_err(|error| format!("{}: {error}", file.display()));
    }
    let samples = show::samples(loaded, &route.name);
    let found = match &arguments.event {
        Some(kind) => samples.iter().find(|(known, _)| known == kind),
        None => samples.first(),
    };
    match (found, &arguments.event) {
        (Some((_, path)), _) => match catalogue::sample(path) {
            Some(bytes) => Ok(bytes.to_vec()),
            None => std::fs::read(path).map_err(|error| format!("{path}: {error}")),
        },
        (None, Some(_)) => {
            let known: Vec<&str> = samples.iter().map(|(kind, _)| kind.as_str()).collect();
            Err(format!(
                "there is no such sample; there are: {}",
                known.join(", ")
            ))
        }
        (None, None) => Ok(made.body.clone()),
    }
}

fn address(arguments: &Arguments, listen: &Listen) -> Result<SocketAddr, String> {
    if let Some(to) = &arguments.to {
        let to = to.trim_start_matches("http://").trim_end_matches('/');
        let resolved = to
            .to_socket_addrs()
            .ok()
            .and_then(|mut addresses| addresses.next());
        return resolved.ok_or_else(|| format!("`{to}` is not host:port"));
    }
    match listen {
        Listen::Tcp(address) if address.port() != 0 => {
            let ip = if address.ip().is_unspecified() {
                std::net::Ipv4Addr::LOCALHOST.into()
            } else {
                address.ip()
            };
            Ok(SocketAddr::new(ip, address.port()))
        }
        Listen::Tcp(_) | Listen::Unix(_) => {
            Err("`server.listen` names no TCP port: say where with `--to HOST:PORT`".into())
        }
    }
}
