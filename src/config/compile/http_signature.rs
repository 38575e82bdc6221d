//! The `http_signature` step, compiled.

use super::Compiler;
use super::steps::{Compiled, Shared};
use super::values::told;
use crate::config::grammar;
use crate::config::shape;
use crate::config::tree::Table;
use crate::verify::algorithm::{Algorithm, Salt, SignatureFormat};
use crate::verify::http_signature::{Component, HttpSignature, Keys};
use crate::verify::signed::MacKey;
use crate::verify::{Hash, Ring, Step};

/// How old a signature may be where nothing else is said: as of every signed timestamp.
const TOLERANCE: std::time::Duration = std::time::Duration::from_secs(300);

/// The names of RFC 9421 §6.2.2; without an algorithm for public keys it is HMAC.
const ALGORITHMS: [(&str, Option<Algorithm>); 6] = [
    ("ecdsa-p256-sha256", Some(Algorithm::EcdsaP256Sha256)),
    ("ecdsa-p384-sha384", Some(Algorithm::EcdsaP384Sha384)),
    ("ed25519", Some(Algorithm::Ed25519)),
    ("hmac-sha256", None),
    ("rsa-pss-sha512", Some(Algorithm::RsaPss(Hash::Sha512))),
    ("rsa-v1_5-sha256", Some(Algorithm::RsaPkcs1(Hash::Sha256))),
];

impl Compiler<'_> {
    pub(super) fn http_signature(
        &mut self,
        table: &Table,
        shared: &Shared<'_>,
    ) -> Option<Compiled> {
        let section = grammar::scheme("http_signature")?;
        let public_url = shared.keys.text("public_url");
        let components = self.components(table, section, public_url.is_some());
        self.positive(table, "tolerance", "no request could arrive in it");
        // What lacks both is one mistake.
        if table.get("components").is_some() && shape::lacks(table, section, "algorithm") {
            self.problems.error(
                table.span,
                "scheme `http_signature` needs an `algorithm`: a request must not choose its own",
                "no algorithm",
                "add `algorithm = \"ed25519\"` or the one the provider documents",
            );
        }
        // Salt and form of RFC 9421 §3.3.
        let (name, algorithm) = *ALGORITHMS
            .iter()
            .find(|(name, _)| Some(*name) == table.text("algorithm"))?;
        let keys = if let Some(algorithm) = algorithm {
            let Some(node) = table
                .get("public_key")
                .or_else(|| shared.keys.get("public_key"))
            else {
                self.needs(table, shared, "public_key");
                return None;
            };
            if table.get("public_key").is_none() {
                self.used.insert("public_key");
            }
            let (salt, form) = (Salt::Digest, SignatureFormat::P1363);
            Keys::Public(
                algorithm,
                Ring::new(self.verifying_keys(node, algorithm, salt, form)),
            )
        } else {
            let secrets = self.step_secrets(table, shared)?;
            let keys = secrets
                .all()
                .iter()
                .filter_map(|held| Some(held.with(MacKey::new(Hash::Sha256, held.key.clone())?)));
            Keys::Hmac(Ring::new(keys.collect()))
        };
        Some(Compiled {
            step: Step::HttpSignature(Box::new(HttpSignature {
                label: table.text("label").map(Into::into),
                components: components?,
                tag: table.text("tag").map(Into::into),
                tolerance: table.duration("tolerance").unwrap_or(TOLERANCE),
                algorithm: name,
                keys,
                public_url: public_url.map(Into::into),
            })),
            authenticates: true,
            credential: None,
            challenge: None,
        })
    }

    /// What the sender must have signed at least.
    fn components(
        &mut self,
        table: &Table,
        section: &'static grammar::Section,
        url_known: bool,
    ) -> Option<Vec<Component>> {
        if shape::lacks(table, section, "components") {
            self.problems.error(
                table.span,
                "scheme `http_signature` needs `components`: a sender that signs nothing signs every request",
                "no components",
                "add `components = [\"@method\", \"@target-uri\", \"content-digest\"]`, or those that the provider documents",
            );
        }
        let mut good = table.get("components").is_some();
        let mut components = Vec::new();
        for node in table.list("components").unwrap_or_default() {
            let Some(text) = node.text() else {
                good = false;
                continue;
            };
            match Component::parse(text) {
                Ok(one) if one.needs_url() && !url_known => {
                    good = false;
                    self.problems.error(
                        node.span,
                        format!("`{text}` needs the route's `public_url`, the scheme and host that the provider calls"),
                        "no `public_url`",
                        "add `public_url = \"https://hooks.example.com\"` to the route: a header could be forged",
                    );
                }
                Ok(one) => components.push(one),
                Err(error) => {
                    good = false;
                    let (message, fix) = told(error.0, "");
                    self.problems
                        .error(node.span, message, "not a component", fix);
                }
            }
        }
        good.then_some(components)
    }
}
