//! What stands between the braces of a message.

use http::HeaderName;

use super::super::place::{form_field, scalar, single_field, single_header};
use super::Context;
use super::pairs::Pairs;
use crate::form;
use crate::json::Document;
use crate::rejection::Rejection;
use crate::verify::Body;

#[derive(Debug, Clone)]
pub(super) enum Variable {
    Body,
    Form(String),
    Header(HeaderName),
    Host(String),
    Id,
    /// The place of its pointer among those of the message.
    Json(usize),
    Literal(String),
    Method,
    Pairs(Box<Pairs>),
    Path,
    PathAndQuery,
    Query(String),
    Secret,
    Timestamp,
    /// Scheme and host as the provider knows them; path and query are appended. The path `/` has two
    /// spellings, of which the sender signs the one it was given.
    Url {
        base: String,
        root: String,
    },
}

/// One request, with its JSON read.
pub(super) struct Material<'a, 'c> {
    pub(super) context: &'a Context<'c>,
    json: Option<&'a Document<'a>>,
}

impl<'a, 'c> Material<'a, 'c> {
    pub(super) const fn new(context: &'a Context<'c>) -> Self {
        Self {
            context,
            json: None,
        }
    }

    pub(super) const fn with_json(context: &'a Context<'c>, json: &'a Document<'a>) -> Self {
        Self {
            context,
            json: Some(json),
        }
    }
}

impl Variable {
    pub(super) fn needs_body(&self) -> bool {
        matches!(self, Self::Form(_) | Self::Json(_)) || self.is_whole_body()
    }

    /// The pairs that it is.
    pub(super) fn pairs(&self) -> Option<&Pairs> {
        if let Self::Pairs(pairs) = self {
            Some(pairs)
        } else {
            None
        }
    }

    /// Whether no byte of the body could change unnoticed. Of a form what the app reads counts.
    pub(super) fn is_whole_body(&self) -> bool {
        matches!(self, Self::Body) || self.pairs().is_some_and(Pairs::needs_body)
    }

    /// Why a message cannot be built without it; `None` when absent is empty, as senders build it.
    pub(super) const fn missing(&self) -> Option<Rejection> {
        match self {
            Self::Header(_) => Some(Rejection::SignatureMissing),
            Self::Id => Some(Rejection::SignatureMalformed),
            Self::Timestamp => Some(Rejection::TimestampMissing),
            Self::Body
            | Self::Form(_)
            | Self::Host(_)
            | Self::Json(_)
            | Self::Literal(_)
            | Self::Method
            | Self::Pairs(_)
            | Self::Path
            | Self::PathAndQuery
            | Self::Query(_)
            | Self::Secret
            | Self::Url { .. } => None,
        }
    }

    /// Gives the value to `sink`; false when it is absent.
    pub(super) fn feed(
        &self,
        material: &Material<'_, '_>,
        sink: &mut impl FnMut(&[u8]),
    ) -> Result<bool, Rejection> {
        let Context {
            head,
            claim,
            body,
            secret,
        } = *material.context;
        let mut put = |value: Option<&[u8]>| {
            value.map(&mut *sink);
            Ok(value.is_some())
        };
        match self {
            Self::Body => {
                body.iter()
                    .flat_map(|body| body.chunks())
                    .for_each(|chunk| sink(chunk));
                Ok(true)
            }
            // Of another body nothing is read: what is signed would be empty, and the app would read
            // something that is not signed.
            Self::Form(_) if !form::is_declared(head.headers) => Err(Rejection::SignatureMalformed),
            Self::Form(name) => {
                let text = body.map(Body::contiguous).unwrap_or_default();
                require_one_spelling(&text, name)?;
                put(form_field(head, &text, name)?.as_deref())
            }
            Self::Header(name) => put(single_header(head, name)?),
            Self::Host(text) | Self::Literal(text) => put(Some(text.as_bytes())),
            Self::Id => put(claim.id.as_deref().map(str::as_bytes)),
            // An object or a list is refused: it must not be read as if it were empty.
            Self::Json(at) => {
                let found = material.json.and_then(|document| document.found.get(*at));
                put(scalar(found)?.map(str::as_bytes))
            }
            Self::Method => put(Some(head.method.as_bytes())),
            Self::Pairs(pairs) => {
                let text = pairs.render(material.context)?;
                put(text.as_deref().map(str::as_bytes))
            }
            Self::Path => put(Some(head.path.as_bytes())),
            Self::PathAndQuery => {
                sink(head.path.as_bytes());
                query(head, sink);
                Ok(true)
            }
            Self::Query(name) => {
                let text = head.query.unwrap_or_default().as_bytes();
                require_one_spelling(text, name)?;
                put(single_field(text, name)?.as_deref())
            }
            Self::Secret => put(Some(secret)),
            Self::Timestamp => put(claim.timestamp.as_deref().map(str::as_bytes)),
            Self::Url { base, root } => {
                if head.path == "/" {
                    sink(root.as_bytes());
                } else {
                    sink(base.as_bytes());
                    sink(head.path.as_bytes());
                }
                query(head, sink);
                Ok(true)
            }
        }
    }
}

fn query(head: &crate::verify::Head<'_>, sink: &mut impl FnMut(&[u8])) {
    if let Some(query) = head.query {
        sink(b"?");
        sink(query.as_bytes());
    }
}

/// Absent is empty, and what is signed as absent must not be there for some app to read.
fn require_one_spelling(text: &[u8], name: &str) -> Result<(), Rejection> {
    if form::has_other_spelling(text, name) {
        return Err(Rejection::CredentialRepeated);
    }
    Ok(())
}
