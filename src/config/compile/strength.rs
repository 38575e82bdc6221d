//! How much a route proves, and what its author should know about it.

use super::Compiler;
use crate::config::grammar::ROUTE;
use crate::config::shape;
use crate::config::tree::{Node, Table};
use crate::verify::template::Cover;
use crate::verify::{Plan, Step};

impl Compiler<'_> {
    /// Whether a route on which nothing authenticates is what its author asked for.
    pub(super) fn accepts_weak(&mut self, keys: &Table, own: &Table, plan: &Plan) -> bool {
        let span = own
            .get("provider")
            .or_else(|| own.get("path"))
            .map_or(own.span, |node| node.span);
        if plan.groups.is_empty() && plan.addresses.is_none() {
            // A `verify` that is no list of steps, or misspelt, was reported; so was a `provider`.
            let missing = shape::lacks(keys, &ROUTE, "verify")
                && (own.get("provider").is_some() || shape::lacks(own, &ROUTE, "provider"));
            if !missing {
                return false;
            }
            self.problems.error(
                span,
                "nothing on this route verifies anything",
                "open to everybody",
                verify_hint(keys),
            );
            return false;
        }
        let what = if plan.groups.is_empty() {
            "an address list alone authenticates nobody"
        } else {
            "a digest without a secret can be computed by anybody"
        };
        if keys.flag("accept_weak") == Some(true) {
            self.problems.warning(
                keys.get("accept_weak").map_or(span, |node| node.span),
                format!("this route accepts requests that nothing authenticates: {what}"),
                "weak",
                "add a step with a secret or a key as soon as the provider offers one",
            );
            return true;
        }
        let weak = if plan.groups.is_empty() {
            own.get("allow_ips")
        } else {
            own.list("verify").and_then(<[Node]>::first)
        };
        self.problems.error(
            weak.map_or(span, |node| node.span),
            format!("nothing on this route authenticates the sender: {what}"),
            "not authenticated",
            "add a step with a secret or a key; `accept_weak = true` accepts it as it is",
        );
        false
    }

    /// What a route says that nothing of it uses: mostly a step that looks elsewhere.
    pub(super) fn warn_unused(&mut self, own: &Table, authenticated: bool) {
        for key in ["secret", "public_key", "username", "verify_token"] {
            if let Some(entry) = own.entry(key)
                && !self.used.contains(key)
            {
                self.problems.warning(
                    entry.name_span,
                    format!("no step of this route uses its `{key}`"),
                    "not used",
                    "remove it, or look whether the route verifies what you meant",
                );
            }
        }
        if let (true, Some(true), Some(entry)) = (
            authenticated,
            own.flag("accept_weak"),
            own.entry("accept_weak"),
        ) {
            self.problems.warning(
                entry.name_span,
                "nothing on this route is weak, so there is nothing to accept",
                "not needed",
                "remove it, so that it accepts nothing later",
            );
        }
    }

    /// A signature that leaves the body out proves little about it.
    pub(super) fn warn_unsigned_body(&mut self, own: &Table, plan: &Plan) {
        let steps = || plan.groups.iter().flatten();
        let signed =
            steps().any(|step| matches!(step, Step::Signature(_) | Step::HttpSignature(_)));
        let covered = steps().any(|step| match step {
            Step::Signature(signature) => {
                signature.for_each.is_none() && signature.message.cover() == Cover::Whole
            }
            Step::HttpSignature(signature) => signature.covers_body(),
            Step::Jwt(token) => token.covers_body(),
            Step::ApiKey(_) | Step::Basic(_) | Step::Bearer(_) | Step::Mtls(_) => false,
        });
        let checksum = steps().any(|step| {
            matches!(step, Step::Signature(signature)
                if signature.message.cover() == Cover::Checksum)
        });
        if checksum && !covered {
            let node = own.get("provider").or_else(|| own.get("path"));
            self.problems.warning(
                node.map_or(own.span, |node| node.span),
                "only a checksum of the body is signed: another body with the same one can be made",
                "body not signed",
                "ask the provider for a signature of the body; until then let TLS end here",
            );
        } else if signed && !covered {
            let node = own.get("provider").or_else(|| own.get("path"));
            self.problems.warning(
                node.map_or(own.span, |node| node.span),
                "the whole body is in no signature: whoever sees a request can send another body with its signature",
                "body not signed",
                "add `{body}` to `message`, or `content-digest` to `components`, if the provider signs it; else let TLS end here",
            );
        }
    }

    pub(super) fn warn_mode(&mut self, keys: &Table) {
        let Some(node) = keys.get("mode") else { return };
        match node.text() {
            Some("observe") => self.problems.warning(
                node.span,
                "this route only observes: requests that fail reach the app",
                "not enforced",
                "change it to \"enforce\" when the log shows no `would_reject` any more",
            ),
            Some("passthrough") => self.problems.warning(
                node.span,
                "this route verifies nothing: every request reaches the app",
                "not verified",
                "keep webhooks off this path",
            ),
            _ => {}
        }
    }
}

/// What to do where there is no step: a provider that lets its customers choose says so itself.
fn verify_hint(keys: &Table) -> String {
    match keys.text("provider") {
        Some(name) => format!(
            "`{name}` leaves the credential to its customers: add `verify = [{{ scheme = … }}]`; \
             `gatepost providers {name}` shows how"
        ),
        None => "add `provider = \"…\"` or `verify = [{ scheme = … }]`".to_owned(),
    }
}
