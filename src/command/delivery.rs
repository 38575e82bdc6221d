//! What a provider would send to a route, before it is signed.

use std::path::Path;

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};

use crate::config::sample::{self, Sample};
use crate::config::{Loaded, catalogue, show};
use crate::route::{Pattern, Route};
use crate::sign::Delivery;

/// Which body is sent.
#[derive(Debug, Clone, Copy)]
pub(super) enum Wanted<'a> {
    /// This one.
    Body(&'a [u8]),
    /// The one in this file.
    File(&'a Path),
    /// A sample of the provider, by its event type; the first without one, else one that is made
    /// from where the event stands.
    Sample(Option<&'a str>),
}

/// A request to the route; `config` is the file that names its samples.
pub(super) fn unsigned(
    config: &Path,
    loaded: &Loaded,
    route: &Route,
    wanted: Wanted<'_>,
) -> Result<Delivery, String> {
    let made = sample::made(loaded, &route.name);
    let read =
        |path: &Path| std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()));
    let body = match wanted {
        Wanted::Body(body) => body.to_vec(),
        Wanted::File(path) => read(path)?,
        Wanted::Sample(event) => match shipped(loaded, route, event)? {
            None => made.body.clone(),
            Some(path) => match catalogue::sample(&path) {
                Some(bytes) => bytes.to_vec(),
                None => read(&config.parent().unwrap_or(config).join(path))?,
            },
        },
    };
    Ok(Delivery {
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
    })
}

/// The file of a sample; `None` where the provider has none.
fn shipped(loaded: &Loaded, route: &Route, event: Option<&str>) -> Result<Option<String>, String> {
    let mut samples = show::samples(loaded, &route.name);
    let Some(event) = event else {
        return Ok((!samples.is_empty()).then(|| samples.swap_remove(0).1));
    };
    match samples.iter().position(|(known, _)| known == event) {
        Some(at) => Ok(Some(samples.swap_remove(at).1)),
        None => {
            let known: Vec<&str> = samples.iter().map(|(kind, _)| kind.as_str()).collect();
            Err(format!(
                "there is no such sample; there are: {}",
                known.join(", ")
            ))
        }
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
