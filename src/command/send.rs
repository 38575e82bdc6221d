//! `gatepost send`: a sample, signed as the provider would, to a running instance.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ValueEnum;
use jiff::Timestamp;

use super::certificates::{self, Identity};
use super::delivery::{self, Wanted};
use super::question::question;
use super::target::Target;
use super::{IO, NO, Outcome, client, environment, say, serve, tell};
use crate::config::Config;
use crate::route::{Mode, Route};
use crate::sign::{self, PrivateKey};

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
    /// Where to send it, if not to the configuration's `server.listen`: HOST:PORT, https://HOST:PORT
    /// or `unix:/PATH`
    #[arg(long, value_name = "PLACE")]
    to: Option<String>,
    /// The authority of the instance's certificate (PEM), for https
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// The client certificate to show (PEM, with those that vouch for it), for a route with `mtls`
    #[arg(long, value_name = "FILE", requires = "certificate_key")]
    certificate: Option<PathBuf>,
    /// Its private key (PEM)
    #[arg(long, value_name = "FILE", requires = "certificate")]
    certificate_key: Option<PathBuf>,
    /// The client address to claim, for an instance that trusts this host as a proxy
    #[arg(long, value_name = "IP")]
    from: Option<std::net::IpAddr>,
    /// Get something wrong, to see the refusal
    #[arg(long, value_enum)]
    tamper: Option<Tamper>,
    /// Ask one of the route's handshakes instead of sending an event
    #[arg(
        long,
        value_name = "N",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "1",
        conflicts_with = "event"
    )]
    handshake: Option<usize>,
    /// The private key of a test key pair (PKCS#8 PEM), for schemes that sign with one
    #[arg(long, value_name = "FILE")]
    private_key: Option<PathBuf>,
    /// Take secrets written into the file, as `run --dev` does
    #[arg(long)]
    dev: bool,
}

/// What can be got wrong; the words of `tamper` in a test too.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Tamper {
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
        .find(|route| *route.name == *wanted || route.provider.as_deref() == Some(wanted))
        .ok_or_else(|| fail(&format!("no route has the path or provider `{wanted}`")))?;
    let (Mode::Enforce(plan) | Mode::Observe(plan)) = &route.mode else {
        return Err(fail(
            "this route verifies nothing, so there is nothing to sign",
        ));
    };
    let wanted = match &arguments.data {
        Some(file) => Wanted::File(file),
        None => Wanted::Sample(arguments.event.as_deref()),
    };
    let key = match &arguments.private_key {
        None => None,
        Some(file) => {
            let pem = std::fs::read_to_string(file)
                .map_err(|error| fail(&format!("{}: {error}", file.display())))?;
            Some(PrivateKey::from_pem(&pem).map_err(|error| fail(&error.to_string()))?)
        }
    };
    let delivery = delivery::unsigned(path, &loaded, route, wanted);
    let mut delivery = delivery.map_err(|message| fail(&message))?;
    let now = Timestamp::now();
    let mut signed = true;
    if let Some(number) = arguments.handshake {
        let own = arguments.data.is_some().then(|| delivery.body.clone());
        let asked = question(&loaded, route, number, delivery, now).map_err(|why| fail(&why))?;
        (delivery, signed) = (asked.delivery, asked.signed);
        delivery.body = own.unwrap_or(delivery.body);
    }
    let tamper = arguments.tamper.map(Into::into);
    if signed {
        sign::sign(plan, &mut delivery, key.as_ref(), now, tamper)
            .map_err(|error| fail(&error.to_string()))?;
    } else if tamper.is_some() {
        return Err(fail(
            "this handshake is not signed: there is nothing to change",
        ));
    }
    let by_certificate = certificates::wanted(plan).is_some();
    let identity = if by_certificate {
        identity(arguments, signed, tamper).map_err(|message| fail(&message))?
    } else {
        None
    };
    let target = target(arguments, config, route, identity.as_ref());
    let target = target.map_err(|message| fail(&message))?;
    let claimed = arguments.from.map(|from| from.to_string());
    let extra: Vec<(&str, &str)> = claimed
        .iter()
        .map(|from| ("X-Forwarded-For", from.as_str()))
        .collect();
    let host = route.host.clone().unwrap_or_else(|| target.authority());
    let bytes = client::wire(&delivery, &host, &extra);
    say(&format!(
        "--> {} {} {} bytes to {target}\n",
        delivery.method,
        delivery.path,
        delivery.body.len()
    ));
    let answer = client::exchange(&target, &bytes, TIMEOUT).map_err(|error| {
        if by_certificate && tamper.is_some() {
            say(&format!("<-- refused by TLS: {error}\n"));
            return NO;
        }
        tell(&format!("error: no answer from {target}: {error}"));
        IO
    })?;
    show(&answer, arguments.handshake.is_some())
}

/// Prints what came back; whether it was good.
fn show(answer: &client::Answer, handshake: bool) -> Outcome {
    let id = answer.header("x-gatepost-request-id").unwrap_or("-");
    let good = (200..300).contains(&answer.status);
    let verdict = match (good, handshake) {
        (true, false) => "forwarded",
        (true, true) => "answered",
        (false, _) => "refused",
    };
    say(&format!("<-- {} {verdict}, request {id}\n", answer.status));
    say(&format!(
        "{}\n",
        String::from_utf8_lossy(&answer.body).trim_end()
    ));
    if good { Ok(()) } else { Err(NO) }
}

/// Where it is sent.
fn target(
    arguments: &Arguments,
    config: &Config,
    route: &Route,
    identity: Option<&Identity>,
) -> Result<Target, String> {
    let authority = arguments.ca.as_deref();
    let target = match &arguments.to {
        Some(to) => Target::parse(to, authority, identity),
        None => {
            let tls = config.server.tls.is_some();
            let host = route.host.as_deref();
            Target::listener(&config.server.listen, tls, host, authority, identity)
        }
    }?;
    if identity.is_some() && !matches!(target, Target::Tls(..)) {
        return Err("only TLS shows a certificate: say where with `--to https://HOST:PORT`".into());
    }
    Ok(target)
}

/// The certificate that is shown: the user's, a stranger's, or none.
fn identity(
    arguments: &Arguments,
    signed: bool,
    tamper: Option<sign::Tamper>,
) -> Result<Option<Identity>, String> {
    match (certificates::genuine(tamper), &arguments.certificate) {
        (None, _) => Ok(None),
        (Some(false), _) => Identity::stranger().map(Some),
        (Some(true), Some(certificate)) => {
            let key = arguments.certificate_key.as_deref().unwrap_or(certificate);
            Identity::read(certificate, key).map(Some)
        }
        // A question that is asked of nobody in particular.
        (Some(true), None) if !signed => Ok(None),
        (Some(true), None) => Err(
            "this route wants a client certificate that `client_ca` vouches for: give it with `--certificate FILE --certificate-key FILE`"
                .into(),
        ),
    }
}
