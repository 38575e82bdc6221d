//! Trials on an HTTP message signature (RFC 9421): what it covers, which of several it is, whom it is
//! for, when it was made.

use std::time::Duration;

use super::duration::duration;
use super::scene::Scene;
use super::signed;
use super::trial::{Guess, Kind, Trials};
use crate::verify::Step;
use crate::verify::http_signature::{Component, HttpSignature};

/// All that could be wrong but for the key.
pub(super) fn add(trials: &mut Trials, scene: &Scene) {
    let Step::HttpSignature(step) = &*scene.step else {
        return;
    };
    add_components(trials, step);
    for name in labels(scene) {
        if step.label.as_ref() == Some(&name) {
            continue;
        }
        let guess = Guess::new(
            "label",
            format!("the signature that matches has the label `{name}`"),
            format!("set `label = \"{name}\"` in the step"),
        );
        add_change(trials, Kind::Place, guess, move |step| {
            step.label = Some(name.clone());
        });
    }
    if step.tag.is_some() {
        let guess = Guess::new(
            "tag",
            "the signature is made for another application: its `tag` is another, or it has none",
            "compare `tag` of the step with the provider's documentation",
        );
        add_change(trials, Kind::Message, guess, |step| step.tag = None);
    }
    add_urls(trials, scene, step);
    let guess = Guess::new(
        "clock_skew",
        "it was signed at another time than now: it was delayed or replayed, or a clock is wrong",
        format!(
            "check NTP on this host; the step takes {} both ways (`tolerance`)",
            duration(step.tolerance)
        ),
    );
    add_change(trials, Kind::Time, guess, |step| {
        step.tolerance = Duration::MAX;
    });
    if step.covers_body() {
        signed::add_rewritings(trials);
    }
}

fn add_change(
    trials: &mut Trials,
    kind: Kind,
    guess: Guess,
    change: impl Fn(&mut HttpSignature) + 'static,
) {
    trials.add(kind, guess, move |scene| {
        let Step::HttpSignature(step) = scene.step_mut() else {
            return false;
        };
        change(step);
        true
    });
}

/// The sender signs less than the step wants.
fn add_components(trials: &mut Trials, step: &HttpSignature) {
    let fix = "take it out of `components` if the provider's documentation agrees: what is not signed, anybody can change";
    for left_out in &step.components {
        let rest: Vec<Component> = step
            .components
            .iter()
            .filter(|other| *other != left_out)
            .cloned()
            .collect();
        let text = format!("the sender does not sign `{}`", left_out.written());
        let guess = Guess::new("components", text, fix);
        add_change(trials, Kind::Message, guess, move |step| {
            step.components.clone_from(&rest);
        });
    }
    let guess = Guess::new(
        "components",
        "the sender signs less than `components` of the step wants",
        fix,
    );
    add_change(trials, Kind::Message, guess, |step| step.components.clear());
}

/// Scheme and host as the sender may know them.
fn add_urls(trials: &mut Trials, scene: &Scene, step: &HttpSignature) {
    let hosts = ["x-forwarded-host", "host"];
    let hosts = hosts
        .iter()
        .filter_map(|name| scene.headers.get(*name)?.to_str().ok());
    for host in hosts {
        for scheme in ["https", "http"] {
            let url = format!("{scheme}://{host}");
            if step.public_url.as_ref() == Some(&url) {
                continue;
            }
            let shown = super::routing::printable(&url);
            let guess = Guess::new(
                "public_url",
                format!("it matches the URL at `{shown}`"),
                format!("set `public_url = \"{shown}\"` in the route"),
            );
            add_change(trials, Kind::Host, guess, move |step| {
                step.public_url = Some(url.clone());
            });
        }
    }
}

/// The labels of the signatures that came, as far as they are plain words.
fn labels(scene: &Scene) -> Vec<String> {
    let lines = scene.headers.get_all("signature-input").iter();
    let texts = lines.filter_map(|line| line.to_str().ok());
    let before = |part: &str| Some(part.rsplit([',', ' ']).next()?.to_owned());
    texts
        .flat_map(|text| text.split("=(").filter_map(before).collect::<Vec<_>>())
        .filter(|name| {
            let plain =
                |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-.*".contains(&b);
            (1..=40).contains(&name.len()) && name.bytes().all(plain)
        })
        .take(8)
        .collect()
}
