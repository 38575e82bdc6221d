//! Trials on static credentials: another place, another prefix, another user.

use http::HeaderName;
use http::header::AUTHORIZATION;

use super::each;
use super::scene::Scene;
use super::trial::{Guess, Kind, Trials};
use crate::encoding::Encoding;
use crate::verify::{Place, Step};

/// What stands before a credential, the commonest first.
const PREFIXES: [&str; 7] = [
    "", "Bearer ", "Token ", "token ", "ApiKey ", "Basic ", "Key ",
];

/// All that could be wrong with a static credential but for the secret itself.
pub(super) fn add(trials: &mut Trials, scene: &Scene) {
    match &*scene.step {
        Step::ApiKey(step) => {
            add_bare(trials, scene);
            each::add_lists(trials, scene);
            let own = (&step.place, &*step.prefix);
            for (name, place) in places(scene) {
                for prefix in PREFIXES {
                    let same = same(&step.place, &place);
                    if same && own.1 == prefix {
                        continue;
                    }
                    let guess = if same {
                        Guess::new(
                            "prefix",
                            if prefix.is_empty() {
                                "the key comes without the prefix that the step expects".to_owned()
                            } else {
                                format!("the key comes after `{prefix}`")
                            },
                            format!("set `prefix = \"{prefix}\"` in the step"),
                        )
                    } else {
                        other_place("key", &name, prefix)
                    };
                    let (place, prefix) = (place.clone(), prefix.to_owned());
                    trials.add(Kind::Place, guess, move |scene| {
                        let Step::ApiKey(step) = scene.step_mut() else {
                            return false;
                        };
                        step.place = place.clone();
                        step.prefix.clone_from(&prefix);
                        true
                    });
                }
            }
            add_basic_password(trials);
        }
        Step::Bearer(step) => {
            add_bare(trials, scene);
            let own = step.header.clone();
            for (name, place) in places(scene) {
                for prefix in PREFIXES {
                    let here = matches!(&place, Place::Header(header) if *header == own);
                    if here && prefix == "Bearer " {
                        continue;
                    }
                    let guess = if here {
                        Guess::new(
                            "authorization_scheme",
                            if prefix.is_empty() {
                                "the token comes without `Bearer` before it".to_owned()
                            } else {
                                format!("the token comes after `{prefix}` instead of `Bearer `")
                            },
                            format!(
                                "use {{ scheme = \"api_key\", header = \"{name}\", prefix = \"{prefix}\" }}"
                            ),
                        )
                    } else {
                        other_place("token", &name, prefix)
                    };
                    let (place, own) = (place.clone(), own.clone());
                    trials.add(Kind::Place, guess, move |scene| {
                        moved(scene, &place, prefix, &own, "Bearer ")
                    });
                }
            }
            add_basic_password(trials);
        }
        Step::Basic(_) => add_basic(trials, scene),
        Step::Jwt(_) | Step::HttpSignature(_) | Step::Mtls(_) | Step::Signature(_) => {}
    }
}

fn other_place(what: &str, name: &str, prefix: &str) -> Guess {
    let after = if prefix.is_empty() {
        String::new()
    } else {
        format!(", after `{prefix}`")
    };
    let (cause, key) = if name.starts_with('`') {
        (
            "other_place",
            "use that place in the step instead".to_owned(),
        )
    } else {
        (
            "other_header",
            format!("set `header = \"{name}\"` in the step"),
        )
    };
    let shown = if name.starts_with('`') {
        name.to_owned()
    } else {
        format!("the header `{name}`")
    };
    let fix = if prefix.is_empty() {
        key
    } else {
        format!("{key}, and `prefix = \"{prefix}\"`")
    };
    Guess::new(cause, format!("the {what} comes in {shown}{after}"), fix)
}

/// Every place of the request that could hold a credential: its name for people, and itself.
pub(super) fn places(scene: &Scene) -> Vec<(String, Place)> {
    let mut found: Vec<(String, Place)> = scene
        .headers
        .keys()
        .filter(|name| scene.headers.get_all(*name).iter().count() == 1)
        .map(|name| (name.to_string(), Place::Header(name.clone())))
        .collect();
    let fields = scene.query.as_deref().unwrap_or_default().split('&');
    for field in fields {
        let name = field.split('=').next().unwrap_or_default();
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        if !name.is_empty() && name.bytes().all(plain) {
            found.push((format!("`{name}` of the query"), Place::Query(name.into())));
        }
    }
    found
}

fn same(a: &Place, b: &Place) -> bool {
    match (a, b) {
        (Place::Header(a), Place::Header(b)) => a == b,
        (Place::Query(a), Place::Query(b)) => a == b,
        _ => false,
    }
}

/// Moves what stands at `from` after `prefix` to the header `to` after `wanted`.
pub(super) fn moved(
    scene: &mut Scene,
    from: &Place,
    prefix: &str,
    to: &HeaderName,
    wanted: &str,
) -> bool {
    let body = crate::verify::Body::from(scene.body.clone());
    let value = match from.read(&scene.head(), Some(&body)) {
        Ok(Some(value)) => value.into_owned(),
        _ => return false,
    };
    let Some(rest) = value.strip_prefix(prefix.as_bytes()) else {
        return false;
    };
    scene.set_header(to, &[wanted.as_bytes(), rest].concat())
}

/// The credential with quotes or white space in the request.
fn add_bare(trials: &mut Trials, scene: &Scene) {
    let name = match &*scene.step {
        Step::ApiKey(step) => match &step.place {
            Place::Header(name) => name.clone(),
            Place::Body | Place::Form(_) | Place::Json(_) | Place::Query(_) => return,
        },
        Step::Bearer(step) => step.header.clone(),
        Step::Basic(_)
        | Step::Jwt(_)
        | Step::HttpSignature(_)
        | Step::Mtls(_)
        | Step::Signature(_) => return,
    };
    for (cause, text, change) in [
        (
            "credential_quotes",
            "the credential comes in quotes",
            (|value| {
                let text = String::from_utf8(value).ok()?;
                Some(text.replace(['"', '\''], "").into_bytes())
            }) as fn(Vec<u8>) -> Option<Vec<u8>>,
        ),
        (
            "whitespace",
            "the credential comes with white space that does not belong to it",
            |value| {
                let text = String::from_utf8(value).ok()?;
                let words: Vec<&str> = text.split_whitespace().collect();
                Some(words.join(" ").into_bytes())
            },
        ),
        (
            "credential_encoded",
            "the credential comes as base64 of the secret",
            |value| {
                let text = String::from_utf8(value).ok()?;
                let (word, rest) = text.rsplit_once(' ').unwrap_or(("", &text));
                let plain = Encoding::Base64.decode(rest.as_bytes())?;
                let lead = if word.is_empty() { "" } else { " " };
                Some([word.as_bytes(), lead.as_bytes(), &plain].concat())
            },
        ),
    ] {
        let guess = Guess::new(
            cause,
            text,
            "enter the secret in the provider's dashboard exactly as it is here",
        );
        let name = name.clone();
        trials.add(Kind::Encoding, guess, move |scene| {
            let Some(value) = scene.header(&name).map(<[u8]>::to_vec) else {
                return false;
            };
            match change(value.clone()) {
                Some(other) if other != value => scene.set_header(&name, &other),
                _ => false,
            }
        });
    }
}

/// The secret as the password of basic authentication.
fn add_basic_password(trials: &mut Trials) {
    let guess = Guess::new(
        "authorization_scheme",
        "the secret comes as the password of basic authentication",
        "use { scheme = \"basic\", username = \"…\" } in the route",
    );
    trials.add(Kind::Place, guess, |scene| {
        let Some((_, password)) = pair(scene) else {
            return false;
        };
        match &*scene.step {
            Step::ApiKey(step) => {
                let value = [step.prefix.as_bytes(), &password].concat();
                let Place::Header(name) = step.place.clone() else {
                    return false;
                };
                scene.set_header(&name, &value)
            }
            Step::Bearer(step) => {
                let name = step.header.clone();
                scene.set_header(&name, &[b"Bearer ", &*password].concat())
            }
            Step::Basic(_)
            | Step::Jwt(_)
            | Step::HttpSignature(_)
            | Step::Mtls(_)
            | Step::Signature(_) => false,
        }
    });
}

/// User and password of basic authentication, as they came.
pub(super) fn pair(scene: &Scene) -> Option<(Vec<u8>, Vec<u8>)> {
    let value = scene.header(&AUTHORIZATION)?;
    let (word, rest) = value.split_at_checked("Basic ".len())?;
    if !word.eq_ignore_ascii_case(b"Basic ") {
        return None;
    }
    let text = Encoding::Base64
        .decode(rest.trim_ascii())
        .or_else(|| Encoding::Base64Url.decode(rest.trim_ascii()))
        .unwrap_or_else(|| rest.to_vec());
    let colon = text.iter().position(|b| *b == b':')?;
    let (user, password) = text.split_at(colon);
    Some((user.to_vec(), password.get(1..)?.to_vec()))
}

fn add_basic(trials: &mut Trials, scene: &Scene) {
    let Step::Basic(step) = &*scene.step else {
        return;
    };
    let put = |scene: &mut Scene, user: &[u8], password: &[u8]| {
        let text = Encoding::Base64.encode(&[user, b":", password].concat());
        scene.set_header(&AUTHORIZATION, format!("Basic {text}").as_bytes())
    };
    for (cause, text, prefix) in [
        (
            "credential_encoding",
            "`user:password` comes as plain text, not as base64",
            "Basic ",
        ),
        (
            "authorization_scheme",
            "the pair comes without `Basic` before it",
            "",
        ),
    ] {
        let guess = Guess::new(
            cause,
            text,
            "let the provider send `Basic ` and the base64 of `user:password` (RFC 7617)",
        );
        trials.add(Kind::Encoding, guess, move |scene| {
            let Some(value) = scene.header(&AUTHORIZATION).map(<[u8]>::to_vec) else {
                return false;
            };
            let Some(rest) = value.strip_prefix(prefix.as_bytes()) else {
                return false;
            };
            let text = if prefix.is_empty() {
                rest.to_vec()
            } else {
                Encoding::Base64.encode(rest).into_bytes()
            };
            scene.set_header(&AUTHORIZATION, &[b"Basic ", &*text].concat())
        });
    }
    let username = step.username.clone();
    let guess = Guess::new(
        "username",
        format!("the password is right, but the user is not `{username}`"),
        "set `username` to the name that the provider sends",
    );
    let user = username.clone();
    trials.add(Kind::Claim, guess, move |scene| {
        pair(scene).is_some_and(|(_, password)| put(scene, user.as_bytes(), &password))
    });
    let guess = Guess::new(
        "swapped",
        "user name and password are swapped",
        "enter them the other way round in the provider's dashboard",
    );
    let user = username.clone();
    trials.add(Kind::Place, guess, move |scene| {
        pair(scene).is_some_and(|(password, _)| put(scene, user.as_bytes(), &password))
    });
    for (name, place) in places(scene) {
        for prefix in PREFIXES {
            let authorization = matches!(&place, Place::Header(name) if *name == AUTHORIZATION);
            if prefix == "Basic " && !authorization {
                let guess = other_place("user name and password", &name, prefix);
                let place = place.clone();
                trials.add(Kind::Place, guess, move |scene| {
                    moved(scene, &place, prefix, &AUTHORIZATION, "Basic ")
                });
                continue;
            }
            let guess = if authorization {
                Guess::new(
                    "authorization_scheme",
                    format!("the password comes alone, after `{prefix}`"),
                    "use { scheme = \"bearer\" } in the route, or choose basic authentication in the provider's dashboard",
                )
            } else {
                other_place("password", &name, prefix)
            };
            let (place, user) = (place.clone(), username.clone());
            trials.add(Kind::Place, guess, move |scene| {
                let body = crate::verify::Body::from(scene.body.clone());
                let value = match place.read(&scene.head(), Some(&body)) {
                    Ok(Some(value)) => value.into_owned(),
                    _ => return false,
                };
                value
                    .strip_prefix(prefix.as_bytes())
                    .is_some_and(|password| put(scene, user.as_bytes(), password))
            });
        }
    }
}
