//! What was signed: `{timestamp}.{body}`, with filters (`{body|sha256|hex}`).

use std::fmt;

use http::HeaderName;

use super::place::{json_scalar, single_field, single_header};
use super::{Body, Claim, Encoding, Hash, Head};
use crate::form;
use crate::json::{Pointer, Selection};
use crate::rejection::Rejection;

/// A compiled `message`.
#[derive(Debug, Clone)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, Clone)]
struct Part {
    variable: Variable,
    filters: Vec<Filter>,
}

#[derive(Debug, Clone)]
enum Variable {
    Body,
    Form(String),
    Header(HeaderName),
    Host(String),
    Id,
    Json(Box<Selection>),
    Literal(String),
    Method,
    Path,
    Query(String),
    Secret,
    Timestamp,
    /// Scheme and host as the provider knows them; path and query are appended.
    Url(String),
}

#[derive(Debug, Clone, Copy)]
enum Filter {
    Encode(Encoding),
    Hash(Hash),
    Lower,
    Upper,
}

/// What is wrong with a `message`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateError(String);

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// All that a message can be made of.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The request head.
    pub head: &'a Head<'a>,
    /// What the signature header said.
    pub claim: &'a Claim,
    /// The body, once it is there.
    pub body: Option<&'a Body>,
    /// The secret being tried.
    pub secret: &'a [u8],
}

impl fmt::Debug for Context<'_> {
    /// Shows nothing: it holds a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Context")
    }
}

impl Template {
    /// Compiles the text of a `message` key. `public_url` is the route's: scheme and host as the
    /// provider knows them, because a header could be forged and TLS may end before us.
    pub fn compile(text: &str, public_url: Option<&str>) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((literal, after)) = rest.split_once('{') {
            push_literal(&mut parts, literal)?;
            let Some((inner, after)) = after.split_once('}') else {
                return Err(TemplateError("a `{` without its `}`".into()));
            };
            parts.push(part(inner, public_url)?);
            rest = after;
        }
        push_literal(&mut parts, rest)?;
        if parts.is_empty() {
            return Err(TemplateError(
                "an empty message would be the same for every request".into(),
            ));
        }
        Ok(Self { parts })
    }

    /// Whether the body is part of what is signed.
    pub fn covers_body(&self) -> bool {
        self.parts
            .iter()
            .any(|part| matches!(part.variable, Variable::Body))
    }

    /// Whether the secret stands in the message, which keys a plain digest.
    pub fn has_secret(&self) -> bool {
        self.parts
            .iter()
            .any(|part| matches!(part.variable, Variable::Secret))
    }

    /// Whether `{timestamp}` stands in the message.
    pub fn has_timestamp(&self) -> bool {
        self.parts
            .iter()
            .any(|part| matches!(part.variable, Variable::Timestamp))
    }

    /// Whether `{id}` stands in the message.
    pub fn has_id(&self) -> bool {
        self.parts
            .iter()
            .any(|part| matches!(part.variable, Variable::Id))
    }

    /// The scheme and host that `{url}` or `{host}` stand for; `None` when neither is signed.
    pub fn base(&self) -> Option<&str> {
        self.parts.iter().find_map(|part| {
            if let Variable::Url(base) | Variable::Host(base) = &part.variable {
                Some(&**base)
            } else {
                None
            }
        })
    }

    /// The same message for another scheme and host.
    #[must_use]
    pub fn rebased(&self, base: &str) -> Self {
        let host = base.split_once("://").map_or(base, |(_, host)| host);
        let mut template = self.clone();
        for part in &mut template.parts {
            if let Variable::Url(old) = &mut part.variable {
                base.clone_into(old);
            } else if let Variable::Host(old) = &mut part.variable {
                host.clone_into(old);
            }
        }
        template
    }

    /// The headers that are signed.
    pub fn headers(&self) -> impl Iterator<Item = &HeaderName> {
        self.parts.iter().filter_map(|part| {
            if let Variable::Header(name) = &part.variable {
                Some(name)
            } else {
                None
            }
        })
    }

    /// Where the plain `{body}` stands when nothing else needs the body: then everything before it
    /// can be hashed at once and the body as it arrives.
    pub fn body_at(&self) -> Option<usize> {
        let at = self.parts.iter().position(Part::needs_body)?;
        let plain = self
            .parts
            .get(at)
            .is_some_and(|part| matches!(part.variable, Variable::Body) && part.filters.is_empty());
        let alone = !self
            .parts
            .iter()
            .skip(at.saturating_add(1))
            .any(Part::needs_body);
        (plain && alone).then_some(at)
    }

    /// Gives the whole message to `sink`, piece by piece.
    pub fn feed(&self, context: &Context<'_>, sink: impl FnMut(&[u8])) -> Result<(), Rejection> {
        feed(&self.parts, context, sink)
    }

    /// Gives the parts before `at` to `sink`.
    pub fn feed_before(
        &self,
        at: usize,
        context: &Context<'_>,
        sink: impl FnMut(&[u8]),
    ) -> Result<(), Rejection> {
        feed(self.parts.get(..at).unwrap_or_default(), context, sink)
    }

    /// Gives the parts after `at` to `sink`.
    pub fn feed_after(
        &self,
        at: usize,
        context: &Context<'_>,
        sink: impl FnMut(&[u8]),
    ) -> Result<(), Rejection> {
        feed(
            self.parts.get(at.saturating_add(1)..).unwrap_or_default(),
            context,
            sink,
        )
    }
}

fn feed(
    parts: &[Part],
    context: &Context<'_>,
    mut sink: impl FnMut(&[u8]),
) -> Result<(), Rejection> {
    for part in parts {
        if part.filters.is_empty() {
            part.variable.feed(context, &mut sink)?;
        } else {
            let mut value = Vec::new();
            part.variable
                .feed(context, &mut |bytes| value.extend_from_slice(bytes))?;
            for filter in &part.filters {
                value = filter.apply(&value);
            }
            sink(&value);
        }
    }
    Ok(())
}

/// As it is written in the grammar.
impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Part { variable, filters } in &self.parts {
            let name = match variable {
                Variable::Literal(text) => {
                    f.write_str(text)?;
                    continue;
                }
                Variable::Body => "body".into(),
                Variable::Form(field) => format!("form:{field}"),
                Variable::Header(name) => format!("header:{name}"),
                Variable::Host(_) => "host".into(),
                Variable::Id => "id".into(),
                Variable::Json(_) => "json:…".into(),
                Variable::Method => "method".into(),
                Variable::Path => "path".into(),
                Variable::Query(field) => format!("query:{field}"),
                Variable::Secret => "secret".into(),
                Variable::Timestamp => "timestamp".into(),
                Variable::Url(_) => "url".into(),
            };
            write!(f, "{{{name}")?;
            for filter in filters {
                f.write_str(match filter {
                    Filter::Encode(Encoding::Base64) => "|base64",
                    Filter::Encode(Encoding::Base64Url) => "|base64url",
                    Filter::Encode(Encoding::Hex) => "|hex",
                    Filter::Hash(Hash::Sha1) => "|sha1",
                    Filter::Hash(Hash::Sha256) => "|sha256",
                    Filter::Hash(Hash::Sha384) => "|sha384",
                    Filter::Hash(Hash::Sha512) => "|sha512",
                    Filter::Lower => "|lower",
                    Filter::Upper => "|upper",
                })?;
            }
            f.write_str("}")?;
        }
        Ok(())
    }
}

impl Part {
    const fn needs_body(&self) -> bool {
        matches!(
            self.variable,
            Variable::Body | Variable::Form(_) | Variable::Json(_)
        )
    }
}

impl Variable {
    fn feed(&self, context: &Context<'_>, sink: &mut impl FnMut(&[u8])) -> Result<(), Rejection> {
        let Context {
            head,
            claim,
            body,
            secret,
        } = *context;
        match self {
            Self::Body => body
                .iter()
                .flat_map(|body| body.chunks())
                .for_each(|chunk| sink(chunk)),
            // Of another body nothing is read: what is signed would be empty, and the app would read
            // something that is not signed.
            Self::Form(name) => {
                if !form::is_declared(head.headers) {
                    return Err(Rejection::SignatureMalformed);
                }
                if let Some(value) = single_field(&contiguous(body), name)? {
                    sink(&value);
                }
            }
            Self::Header(name) => {
                sink(
                    single_header(head, name)?
                        .ok_or(Rejection::SignatureMissing)?
                        .as_bytes(),
                );
            }
            Self::Host(host) => sink(host.as_bytes()),
            Self::Id => {
                sink(
                    claim
                        .id
                        .as_deref()
                        .ok_or(Rejection::SignatureMalformed)?
                        .as_bytes(),
                );
            }
            // Absent is empty, as senders build it; an object or a list is refused.
            Self::Json(selection) => {
                let body = contiguous(body);
                let document = selection
                    .read(&body)
                    .map_err(|_| Rejection::SignatureMalformed)?;
                if let Some(text) = json_scalar(document)? {
                    sink(text.as_bytes());
                }
            }
            Self::Literal(text) => sink(text.as_bytes()),
            Self::Method => sink(head.method.as_bytes()),
            Self::Path => sink(head.path.as_bytes()),
            Self::Query(name) => {
                if let Some(value) = single_field(head.query.unwrap_or_default().as_bytes(), name)?
                {
                    sink(&value);
                }
            }
            Self::Secret => sink(secret),
            Self::Timestamp => {
                let text = claim
                    .timestamp
                    .as_deref()
                    .ok_or(Rejection::TimestampMissing)?;
                sink(text.as_bytes());
            }
            Self::Url(base) => {
                sink(base.as_bytes());
                sink(head.path.as_bytes());
                if let Some(query) = head.query {
                    sink(b"?");
                    sink(query.as_bytes());
                }
            }
        }
        Ok(())
    }
}

fn contiguous(body: Option<&Body>) -> std::borrow::Cow<'_, [u8]> {
    body.map(Body::contiguous).unwrap_or_default()
}

impl Filter {
    fn apply(self, value: &[u8]) -> Vec<u8> {
        match self {
            Self::Encode(encoding) => encoding.encode(value).into_bytes(),
            Self::Hash(hash) => hash.of(value),
            Self::Lower => value.to_ascii_lowercase(),
            Self::Upper => value.to_ascii_uppercase(),
        }
    }

    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "base64" => Self::Encode(Encoding::Base64),
            "base64url" => Self::Encode(Encoding::Base64Url),
            "hex" => Self::Encode(Encoding::Hex),
            "lower" => Self::Lower,
            "sha1" => Self::Hash(Hash::Sha1),
            "sha256" => Self::Hash(Hash::Sha256),
            "sha384" => Self::Hash(Hash::Sha384),
            "sha512" => Self::Hash(Hash::Sha512),
            "upper" => Self::Upper,
            _ => return None,
        })
    }
}

fn push_literal(parts: &mut Vec<Part>, text: &str) -> Result<(), TemplateError> {
    if text.contains('}') {
        return Err(TemplateError("a `}` without its `{`".into()));
    }
    if !text.is_empty() {
        parts.push(Part {
            variable: Variable::Literal(text.into()),
            filters: Vec::new(),
        });
    }
    Ok(())
}

fn part(inner: &str, public_url: Option<&str>) -> Result<Part, TemplateError> {
    let mut names = inner.split('|');
    let name = names.next().unwrap_or_default();
    let base = || {
        public_url.map(|url| url.trim_end_matches('/')).ok_or_else(|| {
            TemplateError(format!(
                "`{{{name}}}` needs the route's `public_url`, the scheme and host that the provider calls"
            ))
        })
    };
    let variable = match name.split_once(':') {
        Some(("form", field)) => Variable::Form(field.into()),
        Some(("header", header)) => Variable::Header(
            HeaderName::try_from(header)
                .map_err(|_| TemplateError(format!("`{header}` is not a header name")))?,
        ),
        Some(("json", pointer)) => {
            let pointer =
                Pointer::parse(pointer).map_err(|error| TemplateError(error.to_string()))?;
            Variable::Json(Box::new(Selection::new(&[pointer])))
        }
        Some(("query", field)) => Variable::Query(field.into()),
        _ => match name {
            "body" => Variable::Body,
            "host" => {
                let base = base()?;
                Variable::Host(base.split_once("://").map_or(base, |(_, host)| host).into())
            }
            "id" => Variable::Id,
            "method" => Variable::Method,
            "path" => Variable::Path,
            "secret" => Variable::Secret,
            "timestamp" => Variable::Timestamp,
            "url" => Variable::Url(base()?.into()),
            _ => {
                return Err(TemplateError(format!(
                    "`{{{name}}}` is not a variable; there are body, timestamp, id, method, url, path, \
                     host, secret, header:X, query:x, form:x and json:/p"
                )));
            }
        },
    };
    let filters = names
        .map(|name| {
            Filter::named(name).ok_or_else(|| {
                TemplateError(format!(
                    "`{name}` is not a filter; there are sha1, sha256, sha384, sha512, hex, base64, \
                     base64url, lower and upper"
                ))
            })
        })
        .collect::<Result<_, _>>()?;
    Ok(Part { variable, filters })
}
