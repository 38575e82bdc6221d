//! Signs as RFC 9421 has it.

use http::{HeaderName, HeaderValue};

use super::{NEEDS_PRIVATE_KEY, NONE_IN_FORCE, Outcome, SignError, Signer, name};
use crate::verify::algorithm::{Salt, SignatureFormat};
use crate::verify::http_signature::{Component, HttpSignature, Keys};
use crate::verify::{Encoding, Hash, Head};

/// What is written for every sample anyway.
const OF_THE_CONNECTION: [HeaderName; 3] = [
    http::header::CONTENT_LENGTH,
    http::header::CONTENT_TYPE,
    http::header::HOST,
];

impl Signer<'_> {
    pub(super) fn http_signature(&mut self, step: &HttpSignature) -> Outcome {
        let now = self.signing_time();
        let wanted = |header: &str| step.components.iter().any(|one| one.is_field(header));
        if wanted("content-digest") {
            let digest = Encoding::Base64.encode(&Hash::Sha256.of(&self.delivery.body));
            let mut digests = format!("sha-256=:{digest}:");
            if step.components.iter().any(|one| one.is_digest("sha-512")) {
                let digest = Encoding::Base64.encode(&Hash::Sha512.of(&self.delivery.body));
                digests.extend([", sha-512=:", &digest, ":"]);
            }
            self.header(&HeaderName::from_static("content-digest"), digests.into())?;
        }
        if wanted("date") {
            // RFC 9110 §5.6.7.
            let date = now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
            self.header(&http::header::DATE, date.into())?;
        }
        let written = step.components.iter().filter_map(Component::whole_field);
        for name in written.filter(|name| !OF_THE_CONNECTION.contains(name)) {
            self.add(name, HeaderValue::from_static("sample"));
        }
        let label = step.label.as_deref().unwrap_or("sig1");
        let mut input = step.input(now.as_second());
        if let Some(key) = self.http_key_name(step) {
            input.extend([";keyid=\"", &key, "\""]);
        }
        if let Some(tag) = &step.tag {
            input.extend([";tag=\"", tag, "\""]);
        }
        // What the connection adds.
        let mut headers = self.delivery.headers.clone();
        let json = HeaderValue::from_static("application/json");
        headers.entry(http::header::CONTENT_TYPE).or_insert(json);
        headers.insert(
            http::header::CONTENT_LENGTH,
            HeaderValue::from(self.delivery.body.len()),
        );
        let head = Head {
            method: &self.delivery.method,
            path: &self.delivery.path,
            query: self.delivery.query.as_deref(),
            headers: (&headers).into(),
        };
        let base = step.base_of(&input, &head).ok_or(SignError(
            "the signature covers a header or field that the sample does not have",
        ))?;
        let signature = match &step.keys {
            Keys::Hmac(keys) => {
                let held = keys.candidates(self.now, None).next();
                let key = &held.ok_or(NONE_IN_FORCE)?.key;
                let secret = self.other_key(key.secret().expose().to_vec());
                let mut mac = key.start_with(&secret).ok_or(NONE_IN_FORCE)?;
                mac.update(&base);
                mac.finish()
            }
            Keys::Public(algorithm, _) => {
                let key = self.private_key.ok_or(NEEDS_PRIVATE_KEY)?;
                let key = self.other_private_key(key)?;
                key.sign(*algorithm, Salt::Digest, SignatureFormat::P1363, &base)?
            }
        };
        let signature = Encoding::Base64.encode(&self.altered(signature));
        let field = HeaderName::from_static("signature-input");
        self.header(&field, format!("{label}={input}").into())?;
        let field = HeaderName::from_static("signature");
        self.header(&field, format!("{label}=:{signature}:").into())
    }

    /// The name of the key, where it can be written as one.
    fn http_key_name(&self, step: &HttpSignature) -> Option<String> {
        let name = match &step.keys {
            Keys::Hmac(keys) => name(keys, self.now),
            Keys::Public(_, keys) => name(keys, self.now),
        };
        name.filter(|name| {
            name.bytes()
                .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\'))
        })
    }
}
