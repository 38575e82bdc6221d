//! Trials on a signed URL: scheme, host, port, path, slash and query.

use super::scene::Scene;
use super::trial::{Guess, Kind, Trials};
use crate::verify::signed::Signature;

/// Scheme, host, port, slash and query of a signed URL.
pub(super) fn add(trials: &mut Trials, scene: &Scene, step: &Signature) {
    let message = step.message.to_string();
    add_bases(trials, scene, step);
    if message.contains("{url") || message.contains("{path") {
        add_rewritten_paths(trials, scene);
        add_paths(trials);
    }
}

/// Scheme, host and port.
fn add_bases(trials: &mut Trials, scene: &Scene, step: &Signature) {
    if let Some(base) = step.message.base().map(ToOwned::to_owned) {
        let (scheme, host) = base.split_once("://").unwrap_or(("", &base));
        let (scheme, host) = (scheme.to_owned(), host.to_owned());
        let other = if scheme == "https" { "http" } else { "https" };
        let public = |url: &str| format!("set `public_url = \"{url}\"` in the route");
        let rebase = |trials: &mut Trials, kind, guess, url: String| {
            trials.add(kind, guess, move |scene: &mut Scene| {
                scene
                    .signature_mut()
                    .map(|step| step.message = step.message.rebased(&url))
                    .is_some()
            });
        };
        if !scheme.is_empty() {
            let url = format!("{other}://{host}");
            let guess = Guess::new(
                "url_scheme",
                format!("the provider signs the URL with `{other}://`"),
                public(&url),
            );
            rebase(trials, Kind::Scheme, guess, url);
        }
        for (cause, host) in hosts(scene, &host) {
            for (scheme, both) in [(&*scheme, false), (other, true)] {
                let url = if scheme.is_empty() || !base.contains("://") {
                    host.clone()
                } else {
                    format!("{scheme}://{host}")
                };
                let text = format!("the provider signs the URL of `{url}`");
                let mut guess = Guess::new(cause, text, public(&url));
                if both {
                    guess.cause = format!("{cause}+url_scheme");
                }
                rebase(trials, Kind::Host, guess, url);
            }
        }
    }
}

/// What proxies say that the path was.
fn add_rewritten_paths(trials: &mut Trials, scene: &Scene) {
    for name in ["x-original-uri", "x-forwarded-uri", "x-original-url"] {
        if let Some(value) = scene
            .headers
            .get(name)
            .and_then(|value| value.to_str().ok())
        {
            let (path, query) = match value.split_once('?') {
                Some((path, query)) => (path.to_owned(), Some(query.to_owned())),
                None => (value.to_owned(), None),
            };
            let guess = Guess::new(
                "url_path",
                format!("the provider signs another path: a proxy in front rewrote it (`{name}`)"),
                "let the proxy in front pass the path on as it was asked for",
            );
            trials.add(Kind::Path, guess, move |scene| {
                scene.path.clone_from(&path);
                scene.query.clone_from(&query);
                true
            });
        }
    }
    if let Some(prefix) = scene
        .headers
        .get("x-forwarded-prefix")
        .and_then(|value| value.to_str().ok())
    {
        let prefix = prefix.trim_end_matches('/').to_owned();
        let guess = Guess::new(
            "url_path",
            format!("the provider signs the path with `{prefix}` before it, which a proxy removed"),
            "let the proxy in front pass the path on as it was asked for",
        );
        trials.add(Kind::Path, guess, move |scene| {
            scene.path.insert_str(0, &prefix);
            true
        });
    }
}

/// Slash, query and encoding.
fn add_paths(trials: &mut Trials) {
    let guess = Guess::new(
        "url_slash",
        "the provider signs the URL with a slash at the end of its path",
        "register the URL at the provider exactly as the route has it, without the slash at the end",
    );
    trials.add(Kind::Path, guess, |scene| {
        let add = !scene.path.ends_with('/');
        if add {
            scene.path.push('/');
        }
        add
    });
    let guess = Guess::new(
        "url_slash",
        "the provider signs the URL without the slash at the end of its path",
        "register the URL at the provider exactly as the route has it, with the slash at the end",
    );
    trials.add(Kind::Path, guess, |scene| {
        let removed = scene.path.len() > 1 && scene.path.ends_with('/');
        if removed {
            scene.path.pop();
        }
        removed
    });
    let guess = Guess::new(
        "url_path",
        "the provider signs the URL with no path",
        "use `{host}` or a constant in `message` of the step",
    );
    trials.add(Kind::Path, guess, |scene| {
        scene.path.clear();
        true
    });
    let guess = Guess::new(
        "url_query",
        "the provider signs the URL without its query",
        "use `{path}` in `message`, or register the URL without a query",
    );
    trials.add(Kind::Path, guess, |scene| scene.query.take().is_some());
    let guess = Guess::new(
        "url_encoding",
        "the provider signs the path decoded",
        "register a path without `%XX` at the provider",
    );
    trials.add(Kind::Path, guess, |scene| {
        let plain = super::readings::unescaped(&scene.path).and_then(|p| String::from_utf8(p).ok());
        match plain.filter(|plain| *plain != scene.path) {
            Some(plain) => {
                scene.path = plain;
                true
            }
            None => false,
        }
    });
}

/// Hosts that the provider may have signed, and what that would mean.
fn hosts(scene: &Scene, own: &str) -> Vec<(&'static str, String)> {
    let mut found: Vec<(&'static str, String)> = Vec::new();
    let mut add = |cause, host: String| {
        if host != own && !host.is_empty() && !found.iter().any(|(_, other)| *other == host) {
            found.push((cause, host));
        }
    };
    let value = |name: &str| {
        let value = scene.headers.get(name)?.to_str().ok()?;
        Some(value.split(',').next().unwrap_or(value).trim().to_owned())
    };
    let bare = |host: &str| match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name.to_owned(),
        _ => host.to_owned(),
    };
    let name = bare(own);
    add("url_port", name.clone());
    for port in ["443", "80", "8080", "8443"] {
        add("url_port", format!("{name}:{port}"));
    }
    for header in ["host", "x-forwarded-host", "x-original-host"] {
        if let Some(host) = value(header) {
            let cause = if bare(&host) == name {
                "url_port"
            } else {
                "url_host"
            };
            add(cause, host.clone());
            let cause = if bare(&host) == name {
                "url_port"
            } else {
                "url_host"
            };
            add(cause, bare(&host));
            for port in ["443", "80", "8080"] {
                add(cause, format!("{}:{port}", bare(&host)));
            }
        }
    }
    let toggled = own
        .strip_prefix("www.")
        .map_or_else(|| format!("www.{own}"), ToOwned::to_owned);
    add("url_host", toggled);
    add("url_host", own.to_lowercase());
    found
}
