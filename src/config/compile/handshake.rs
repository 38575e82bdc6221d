//! Handshakes, compiled.

use http::{HeaderName, Method, StatusCode};

use super::Compiler;
use super::secrets::SecretEncoding;
use super::steps::{Shared, encoding, hash};
use super::values::told;
use crate::config::grammar::{CHALLENGE, HANDSHAKE, PROOF};
use crate::config::shape;
use crate::config::source::Span;
use crate::config::tree::{Node, Table};
use crate::handshake::{
    Asks, Challenge, Condition, Handshake, Handshakes, Kind, Proof, Prover, Reply, Text, Wanted,
};
use crate::secret::Secret;
use crate::verify::signed::MacKey;
use crate::verify::{Alphabet, Hash, Ring, Shape};

/// Longer than any provider's challenge that has no documented length.
const MAX: usize = 512;

/// Headers that mean something to whoever carries or shows the answer.
const OWN_HEADERS: [&str; 18] = [
    "cache-control",
    "connection",
    "content-disposition",
    "content-encoding",
    "content-length",
    "content-location",
    "content-security-policy",
    "content-type",
    "date",
    "keep-alive",
    "link",
    "location",
    "refresh",
    "set-cookie",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-content-type-options",
];

impl Compiler<'_> {
    /// `Some(None)` where a route answers none; `None` after an error.
    pub(super) fn handshakes(
        &mut self,
        keys: &Table,
        methods: &[Method],
        shared: &Shared<'_>,
    ) -> Option<Option<Box<Handshakes>>> {
        let nodes = keys.list("handshake").unwrap_or_default();
        if nodes.is_empty() {
            return Some(None);
        }
        let verify_token = keys.get("verify_token").map(|node| {
            self.used.insert("verify_token");
            self.secrets(node, "", SecretEncoding::Text)
        });
        let username = keys.text("username").unwrap_or_default().to_owned();
        let mut good = true;
        let mut all = Vec::new();
        for node in nodes {
            let Some(table) = node.table() else { continue };
            match self.handshake(table, methods, shared) {
                None => good = false,
                Some(one) => {
                    if needs_token(&one) && verify_token.is_none() {
                        self.unanswered(
                            shared,
                            "verify_token",
                            "the token that was given to the provider",
                        );
                    } else if texts(&one).any(Text::has_url) && public_url(shared).is_none() {
                        self.unanswered(
                            shared,
                            "public_url",
                            "the scheme and host that the provider calls",
                        );
                    } else if needs_username(&one) && username.is_empty() {
                        self.unanswered(shared, "username", "the name of the key at the provider");
                    } else {
                        all.push(one);
                    }
                }
            }
        }
        if keys.get("username").is_some() && all.iter().any(needs_username) {
            self.used.insert("username");
        }
        let handshakes = Handshakes {
            all,
            verify_token,
            username,
        };
        good.then(|| (!handshakes.all.is_empty()).then(|| Box::new(handshakes)))
    }

    /// A route without what a handshake of its provider needs can do all the rest.
    fn unanswered(&mut self, shared: &Shared<'_>, key: &'static str, what: &str) {
        self.problems.warning(
            shared.span,
            format!("the provider's handshake is not answered: the route has no `{key}`"),
            format!("no `{key}`"),
            format!("add `{key}`, {what}; or write `handshake = []` if it is answered elsewhere"),
        );
    }

    fn handshake(
        &mut self,
        table: &Table,
        methods: &[Method],
        shared: &Shared<'_>,
    ) -> Option<Handshake> {
        let method = match table.text("method") {
            Some("GET") => Method::GET,
            Some("HEAD") => Method::HEAD,
            Some("OPTIONS") => Method::OPTIONS,
            _ => Method::POST,
        };
        let signed = table.flag("signed") == Some(true);
        if signed && !methods.contains(&method) {
            self.problems.error(
                table.get("signed").map_or(table.span, |node| node.span),
                "a signed handshake comes with one of the route's `methods`",
                "not one of them",
                "correct `method` of the handshake, or add it to `methods` of the route",
            );
            return None;
        }
        let mut good = true;
        let mut when = Vec::new();
        for node in table.list("when").unwrap_or_default() {
            let condition = node.table().and_then(|one| self.condition(one));
            good &= condition.is_some();
            when.extend(condition);
        }
        let challenge = match table.table("challenge") {
            None => None,
            Some(rule) => Some(self.challenge(rule)?),
        };
        let proof = match table.table("proof") {
            None => None,
            Some(rule) => Some(self.proof(rule, table, shared)?),
        };
        let reply = self.reply(table, challenge.is_some(), proof.is_some(), shared)?;
        let asks = Asks {
            when,
            members: table
                .list("members")
                .map(|list| list.iter().filter_map(Node::text).map(Into::into).collect()),
            any_body: table.text("body") == Some("any"),
        };
        // HEAD asks whether there is somebody; anything else must say that it is a handshake.
        if asks.when.is_empty() && challenge.is_none() && method != Method::HEAD {
            if good
                && shape::lacks(table, &HANDSHAKE, "when")
                && shape::lacks(table, &HANDSHAKE, "challenge")
            {
                self.problems.error(
                    table.span,
                    "this handshake would answer every request, events as well",
                    "no `when`",
                    "add `when = [{ json = \"/type\", equals = \"…\" }]`, or `challenge`",
                );
            }
            return None;
        }
        good.then(|| Handshake {
            method,
            signed,
            asks,
            challenge,
            proof,
            reply,
            hint: table.text("hint").map(Into::into),
        })
    }

    fn condition(&mut self, table: &Table) -> Option<Condition> {
        let place = self.optional_place(table)??;
        let wanted = match (table.text("equals"), table.entry("is")) {
            (None, None) => Wanted::Something,
            (Some(text), None) => Wanted::Text(text.to_owned()),
            (None, Some(_)) => Wanted::VerifyToken,
            (Some(_), Some(entry)) => {
                self.problems.error(
                    entry.name_span,
                    "`equals` and `is` exclude each other",
                    "one too many",
                    "keep one of the two",
                );
                return None;
            }
        };
        Some(Condition { place, wanted })
    }

    fn challenge(&mut self, rule: &Table) -> Option<Challenge> {
        let place = self.optional_place(rule)??;
        let length = |key: &str| {
            rule.integer(key)
                .and_then(|number| usize::try_from(number).ok())
        };
        let (min, max) = (length("min").unwrap_or(1), length("max").unwrap_or(MAX));
        if min > max {
            self.problems.error(
                rule.get("min").map_or(rule.span, |node| node.span),
                "`min` is more than `max`, so no challenge could be answered",
                "more than `max`",
                "swap the two, or leave one out",
            );
            return None;
        }
        let alphabet = match rule.get("alphabet") {
            None => Alphabet::unmarked(),
            Some(node) => match Alphabet::parse(node.text()?) {
                Ok(alphabet) => alphabet,
                Err(error) => {
                    let (message, fix) = told(error.0, "");
                    self.problems
                        .error(node.span, message, "not an alphabet", fix);
                    return None;
                }
            },
        };
        let shape = Shape { alphabet, min, max };
        Some(Challenge { place, shape })
    }

    fn proof(&mut self, rule: &Table, handshake: &Table, shared: &Shared<'_>) -> Option<Proof> {
        let Some(challenge) = handshake.table("challenge") else {
            if shape::lacks(handshake, &HANDSHAKE, "challenge") {
                self.problems.error(
                    rule.span,
                    "a `proof` is made from a `challenge`, and there is none",
                    "of what?",
                    "add `challenge = { query = \"…\", alphabet = \"…\", max = … }`",
                );
            }
            return None;
        };
        let bounds = ["alphabet", "max"];
        let open = bounds
            .iter()
            .find(|key| shape::lacks(challenge, &CHALLENGE, key));
        if let Some(open) = open {
            self.problems.error(
                challenge.span,
                format!("gatepost would sign what anybody sends: the challenge has no `{open}`"),
                format!("no `{open}`"),
                "say which texts the provider sends, as in alphabet = \"A-Za-z0-9\", max = 64: so few that no event is one of them",
            );
        }
        if bounds.iter().any(|key| challenge.get(key).is_none()) {
            return None;
        }
        let hash = hash(rule);
        let prover = match rule.text("scheme") {
            Some("hmac") => {
                if let Some(entry) = rule.entry("message") {
                    self.problems.error(
                        entry.name_span,
                        "an hmac proof is made over the challenge and nothing else",
                        "has no effect",
                        "remove it",
                    );
                    return None;
                }
                let secrets = self.step_secrets(rule, shared)?;
                Prover::Hmac(mac_keys(hash, &secrets))
            }
            Some(_) => self.digest_proof(rule, hash)?,
            None => {
                if shape::lacks(rule, &PROOF, "scheme") {
                    self.problems.error(
                        rule.span,
                        "this proof has no `scheme`",
                        "how is it made?",
                        "add scheme = \"hmac\" or scheme = \"digest\"",
                    );
                }
                return None;
            }
        };
        Some(Proof {
            prover,
            encoding: encoding(rule),
        })
    }

    fn digest_proof(&mut self, rule: &Table, hash: Hash) -> Option<Prover> {
        let message = Text::new(rule.text("message").unwrap_or_default());
        let (span, missing) = (
            rule.get("message").map_or(rule.span, |node| node.span),
            if message.has_proof() {
                "a proof cannot be made over itself"
            } else if !message.has_challenge() || !message.has_verify_token() {
                "a digest proof is made over {challenge} and {verify_token} at least"
            } else {
                ""
            },
        );
        if !missing.is_empty() {
            if rule.get("message").is_some() || shape::lacks(rule, &PROOF, "message") {
                self.problems.error(
                    span,
                    missing,
                    "anybody could make it",
                    "write what the provider hashes, as in message = \"{challenge}{verify_token}{url}\"",
                );
            }
            return None;
        }
        Some(Prover::Digest { hash, message })
    }

    fn reply(
        &mut self,
        handshake: &Table,
        challenged: bool,
        proved: bool,
        shared: &Shared<'_>,
    ) -> Option<Reply> {
        let empty = Table::new(handshake.span);
        if shape::lacks(handshake, &HANDSHAKE, "reply") {
            self.problems.error(
                handshake.span,
                "this handshake has no `reply`",
                "what is answered?",
                "add `reply = { text = \"{challenge}\" }`, or `reply = { status = 200 }`",
            );
            return None;
        }
        let table = handshake.table("reply").unwrap_or(&empty);
        let mut texts: Vec<(Span, Text)> = Vec::new();
        let kind = if let Some(node) = table.get("text") {
            let text = Text::new(node.text()?);
            texts.push((node.span, text.clone()));
            Kind::Text(text)
        } else if let Some(node) = table.get("json") {
            match Text::json(node.text()?) {
                Ok(text) => {
                    texts.push((node.span, text.clone()));
                    Kind::Json(text)
                }
                Err(error) => {
                    let said = error.to_string();
                    let (message, fix) = told(&said, "");
                    self.problems.error(node.span, message, "not JSON", fix);
                    return None;
                }
            }
        } else {
            Kind::Empty
        };
        let mut headers = Vec::new();
        for entry in table
            .table("headers")
            .map(|table| &*table.entries)
            .unwrap_or_default()
        {
            let name = HeaderName::try_from(&*entry.name).ok().filter(|name| {
                !OWN_HEADERS.contains(&name.as_str())
                    && !name.as_str().starts_with("access-control-")
            });
            let Some(name) = name else {
                self.problems.error(
                    entry.name_span,
                    "an answer cannot have this header",
                    "not a header of a handshake",
                    "write the header that the provider's documentation names",
                );
                return None;
            };
            let text = Text::new(entry.node.text()?);
            texts.push((entry.node.span, text.clone()));
            headers.push((name, text));
        }
        for (span, text) in &texts {
            let message = if text.has_verify_token() {
                self.problems.error(
                    *span,
                    "`verify_token` is a secret: whoever asks would be told it",
                    "not for an answer",
                    "take it out: only the `message` of a digest proof may hold it",
                );
                return None;
            } else if text.has_challenge() && !challenged {
                "there is no `challenge` to repeat"
            } else if text.has_proof() && !proved {
                "there is no `proof` to send"
            } else {
                continue;
            };
            let fix = "take the variable out, or add the key it stands for";
            self.problems
                .error(*span, message, "cannot be answered", fix);
            return None;
        }
        if proved && !texts.iter().any(|(_, text)| text.has_proof()) {
            self.problems.warning(
                table.span,
                "this handshake computes a `proof` that its reply does not hold",
                "no {proof}",
                "add {proof} where the provider wants it, or remove `proof`",
            );
        }
        let status = table.integer("status").unwrap_or(200);
        Some(Reply {
            status: StatusCode::from_u16(u16::try_from(status).ok()?).ok()?,
            kind,
            headers,
            public_url: public_url(shared).unwrap_or_default().to_owned(),
        })
    }
}

fn public_url<'t>(shared: &Shared<'t>) -> Option<&'t str> {
    shared
        .keys
        .text("public_url")
        .map(|url| url.trim_end_matches('/'))
}

fn mac_keys(hash: Hash, secrets: &Ring<Secret>) -> Ring<MacKey> {
    let keys = secrets
        .all()
        .iter()
        .filter_map(|held| Some(held.with(MacKey::new(hash, held.key.clone())?)));
    Ring::new(keys.collect())
}

fn texts(one: &Handshake) -> impl Iterator<Item = &Text> {
    let body = match &one.reply.kind {
        Kind::Empty => None,
        Kind::Json(text) | Kind::Text(text) => Some(text),
    };
    let message = one.proof.as_ref().and_then(|proof| match &proof.prover {
        Prover::Digest { message, .. } => Some(message),
        Prover::Hmac(_) => None,
    });
    let headers = one.reply.headers.iter().map(|(_, text)| text);
    body.into_iter().chain(message).chain(headers)
}

fn needs_token(one: &Handshake) -> bool {
    let asked = |condition: &Condition| condition.wanted == Wanted::VerifyToken;
    one.asks.when.iter().any(asked) || texts(one).any(Text::has_verify_token)
}

fn needs_username(one: &Handshake) -> bool {
    texts(one).any(Text::has_username)
}
