//! What a provider would send to a route, before it is signed.

use std::path::Path;

use http::HeaderMap;

use crate::config::{Loaded, catalogue, show};
use crate::route::{Pattern, Route};
use crate::sign::Delivery;

/// What is sent for a provider without samples.
const SAMPLE: &[u8] = br#"{"type":"sample","id":"sample-1"}"#;

/// A request to the route with this body.
pub(super) fn blank(route: &Route, body: Vec<u8>) -> Delivery {
    Delivery {
        method: route
            .methods
            .first()
            .map_or_else(|| "POST".into(), ToString::to_string),
        path: match &route.pattern {
            Pattern::Exact(path) => path.clone(),
            Pattern::Prefix(prefix) => format!("{prefix}sample"),
        },
        query: None,
        headers: HeaderMap::new(),
        body,
    }
}

/// The body of a sample of the route's provider; `event` names one, else it is the first.
/// `config` is the file that names it.
pub(super) fn sample(
    config: &Path,
    loaded: &Loaded,
    route: &Route,
    event: Option<&str>,
) -> Result<Vec<u8>, String> {
    let samples = show::samples(loaded, &route.name);
    let found = match event {
        Some(kind) => samples.iter().find(|(known, _)| known == kind),
        None => samples.first(),
    };
    match (found, event) {
        (Some((_, path)), _) => match catalogue::sample(path) {
            Some(bytes) => Ok(bytes.to_vec()),
            None => {
                let path = config.parent().unwrap_or(config).join(path);
                std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))
            }
        },
        (None, Some(_)) => {
            let known: Vec<&str> = samples.iter().map(|(kind, _)| kind.as_str()).collect();
            Err(format!(
                "there is no such sample; there are: {}",
                known.join(", ")
            ))
        }
        (None, None) => Ok(SAMPLE.to_vec()),
    }
}
