//! Trials on how a signature is written: its header, format and encoding.

use http::HeaderName;

use super::scene::Scene;
use super::trial::{Guess, Kind, Trials};
use crate::encoding::Encoding;
use crate::verify::Place;
use crate::verify::format::Format;
use crate::verify::signed::Signature;

const ENCODINGS: [(Encoding, &str); 3] = [
    (Encoding::Hex, "hex"),
    (Encoding::Base64, "base64"),
    (Encoding::Base64Url, "base64url"),
];

/// How providers write a signature, the commonest first.
const FORMATS: [&str; 17] = [
    "{signature}",
    "sha256={signature}",
    "sha1={signature}",
    "sha512={signature}",
    "sha384={signature}",
    "v1={signature}",
    "v0={signature}",
    "v1,{signature}",
    "t={timestamp},v1={signature}",
    "t={timestamp},v0={signature}",
    "t={timestamp},s={signature}",
    "ts={timestamp};h1={signature}",
    "hmac-sha256={signature}",
    "rsassa-pss-sha256={signature}",
    "HMAC {signature}",
    "Signature {signature}",
    "Bearer {signature}",
];

/// Header, format and encoding.
pub(super) fn add(trials: &mut Trials, scene: &Scene, step: &Signature) {
    for (encoding, name) in ENCODINGS {
        if encoding != step.encoding {
            let guess = Guess::new(
                "encoding",
                format!("the signature is written in {name}"),
                format!("set `encoding = \"{name}\"` in the step"),
            );
            trials.add(Kind::Encoding, guess, move |scene| {
                scene
                    .signature_mut()
                    .map(|step| step.encoding = encoding)
                    .is_some()
            });
        }
    }
    for place in &step.places {
        let Place::Header(name) = place else { continue };
        let name = name.clone();
        let guess = Guess::new(
            "whitespace",
            "the signature has quotes or white space around it",
            "look which proxy in front adds them to the header",
        );
        trials.add(Kind::Place, guess, move |scene| {
            let bare = |b: &u8| !b.is_ascii_whitespace() && !matches!(b, b'"' | b'\'');
            let Some(value) = scene.header(&name).map(<[u8]>::to_vec) else {
                return false;
            };
            let trimmed: Vec<u8> = value.iter().copied().filter(bare).collect();
            trimmed != value && scene.set_header(&name, &trimmed)
        });
    }
    for (name, place) in places(scene) {
        let is_own = |own: &Place| matches!(own, Place::Header(own) if *own == name);
        if step.places.iter().any(is_own) {
            continue;
        }
        let guess = Guess::new(
            "other_header",
            format!("the signature comes in the header `{name}`"),
            format!("set `header = \"{name}\"` in the step"),
        );
        trials.add(Kind::Place, guess, move |scene| {
            scene
                .signature_mut()
                .map(|step| step.places = vec![place.clone()])
                .is_some()
        });
    }
    for text in FORMATS {
        let Ok(format) = Format::compile(text) else {
            continue;
        };
        if text == written(&step.format) {
            continue;
        }
        let written = written(&step.format);
        let guess = if text == "{signature}" {
            Guess::new(
                "prefix",
                format!("the signature comes bare, and the step expects `{written}`"),
                "remove `format` from the step",
            )
        } else {
            Guess::new(
                "prefix",
                format!("the signature is written as `{text}`, and the step expects `{written}`"),
                format!("set `format = \"{text}\"` in the step"),
            )
        };
        trials.add(Kind::Format, guess, move |scene| {
            scene
                .signature_mut()
                .map(|step| step.format = format.clone())
                .is_some()
        });
    }
}

/// The text of a `format`.
pub(super) fn written(format: &Format) -> String {
    format.render(|field| format!("{{{}}}", field.name()))
}

/// Every header that is there once.
fn places(scene: &Scene) -> Vec<(HeaderName, Place)> {
    scene
        .headers
        .keys()
        .filter(|name| scene.headers.get_all(*name).iter().count() == 1)
        .map(|name| (name.clone(), Place::Header(name.clone())))
        .collect()
}
