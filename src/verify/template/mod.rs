//! What was signed: `{timestamp}.{body}`, with filters (`{body|sha256|hex}`) and parts that may be
//! absent (`[id:{query:id};]`).

mod filter;
mod pairs;
mod parse;
mod variable;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use filter::Filter;
use http::HeaderName;
use pairs::Pairs;
use variable::{Material, Variable};

use super::{Body, Claim, Head};
use crate::json::Selection;
use crate::rejection::Rejection;

/// A compiled `message`. A copy shares what is in it.
#[derive(Debug, Clone)]
pub struct Template {
    /// As it was written.
    text: Arc<str>,
    parts: Arc<[Part]>,
    /// All JSON pointers of the message, read in one pass over the body.
    json: Option<Selection>,
}

#[derive(Debug, Clone)]
enum Part {
    One(Piece),
    /// Left out when anything in it is absent.
    Optional(Vec<Piece>),
}

#[derive(Debug, Clone)]
struct Piece {
    variable: Variable,
    filters: Vec<Filter>,
}

/// What a route says once and for all.
#[derive(Debug, Clone, Default)]
pub struct Constants {
    /// Scheme and host as the provider knows them: a header could be forged, and TLS may end
    /// before us.
    pub public_url: Option<String>,
    /// `config` of the route: `{config:name}`.
    pub config: BTreeMap<String, String>,
}

/// What is wrong with a `message`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TemplateError {
    /// It needs `config.NAME` of the route.
    NeedsConfig(String),
    /// The variable of this name needs the `public_url` of the route.
    NeedsPublicUrl(String),
    /// It cannot be read.
    Text(String),
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NeedsConfig(name) => {
                write!(f, "`{{config:{name}}}` needs the route's `config.{name}`")
            }
            Self::NeedsPublicUrl(name) => write!(
                f,
                "`{{{name}}}` needs the route's `public_url`, the scheme and host that the provider calls"
            ),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// How much of the body a message holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cover {
    /// Single values of it at most.
    None,
    /// A checksum for which another body can be made.
    Checksum,
    /// All of it.
    Whole,
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
    /// Compiles the text of a `message` key.
    pub fn compile(text: &str, constants: &Constants) -> Result<Self, TemplateError> {
        parse::template(text, constants)
    }

    /// This very text.
    pub fn literal(text: &str) -> Self {
        Self {
            text: text.into(),
            parts: Arc::new([Part::One(Piece {
                variable: Variable::Literal(text.into()),
                filters: Vec::new(),
            })]),
            json: None,
        }
    }

    /// Whether it is made of nothing but the head.
    pub fn is_of_head(&self) -> bool {
        !self.needs_body() && !self.has_secret() && !self.has_timestamp() && !self.has_id()
    }

    fn pieces(&self) -> impl Iterator<Item = &Piece> {
        self.parts.iter().flat_map(Part::pieces)
    }

    fn has(&self, wanted: impl Fn(&Variable) -> bool) -> bool {
        self.pieces().any(|piece| wanted(&piece.variable))
    }

    /// Whether line breaks join values of which several may have line breaks of their own.
    pub fn mixes_lines(&self) -> bool {
        let open = self.pieces().filter(|piece| piece.may_break()).count();
        open > 1
            && self
                .has(|variable| matches!(variable, Variable::Literal(text) if text.contains('\n')))
    }

    /// How much of the body is part of what is signed.
    pub fn cover(&self) -> Cover {
        self.pieces().map(Piece::cover).max().unwrap_or(Cover::None)
    }

    /// Whether the secret stands in the message, which keys a plain digest.
    pub fn has_secret(&self) -> bool {
        self.has(|variable| matches!(variable, Variable::Secret))
    }

    /// Whether `{timestamp}` stands in the message.
    pub fn has_timestamp(&self) -> bool {
        self.has(|variable| matches!(variable, Variable::Timestamp))
    }

    /// Whether `{id}` stands in the message.
    pub fn has_id(&self) -> bool {
        self.has(|variable| matches!(variable, Variable::Id))
    }

    /// Whether the body is read as a form.
    pub fn reads_form(&self) -> bool {
        self.has(|variable| {
            matches!(variable, Variable::Form(_)) || variable.pairs().is_some_and(Pairs::needs_body)
        })
    }

    /// Whether this parameter of the query is part of what is signed.
    pub fn covers_query(&self, name: &str) -> bool {
        self.has(|variable| {
            matches!(variable, Variable::Url { .. } | Variable::PathAndQuery)
                || matches!(variable, Variable::Query(signed) if signed == name)
        })
    }

    /// The headers that are signed by their name.
    pub fn headers(&self) -> impl Iterator<Item = &HeaderName> {
        self.pieces().filter_map(|piece| {
            if let Variable::Header(name) = &piece.variable {
                Some(name)
            } else {
                None
            }
        })
    }

    /// The headers that list others, which are signed.
    pub fn listing_headers(&self) -> impl Iterator<Item = &HeaderName> {
        self.pieces()
            .filter_map(|piece| piece.variable.pairs().and_then(Pairs::list))
    }

    /// The scheme and host that `{url}` or `{host}` stand for; `None` when neither is signed.
    pub fn base(&self) -> Option<&str> {
        self.pieces().find_map(|piece| {
            if let Variable::Url { root: base, .. } | Variable::Host(base) = &piece.variable {
                Some(&**base)
            } else {
                None
            }
        })
    }

    /// The same message for another scheme and host.
    #[must_use]
    pub fn rebased(&self, to: &str) -> Self {
        let bare = to.trim_end_matches('/');
        let mut template = self.clone();
        let parts = Arc::make_mut(&mut template.parts).iter_mut();
        for piece in parts.flat_map(Part::pieces_mut) {
            if let Variable::Url { base, root } = &mut piece.variable {
                bare.clone_into(base);
                to.clone_into(root);
            } else if let Variable::Host(host) = &mut piece.variable {
                bare.split_once("://")
                    .map_or(bare, |(_, host)| host)
                    .clone_into(host);
            }
        }
        template
    }

    /// What stands in every message.
    pub fn literals(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::One(Piece {
                variable: Variable::Literal(text),
                filters,
            }) if filters.is_empty() => Some(&**text),
            Part::One(_) | Part::Optional(_) => None,
        })
    }

    /// Whether it can be built only once the body is there.
    pub fn needs_body(&self) -> bool {
        self.has(Variable::needs_body)
    }

    /// The text, where it is the same for every request.
    pub fn constant(&self) -> Option<&str> {
        match &*self.parts {
            [
                Part::One(Piece {
                    variable: Variable::Literal(text),
                    filters,
                }),
            ] if filters.is_empty() => Some(text),
            _ => None,
        }
    }

    /// Where the plain `{body}` stands when nothing else needs the body: then everything before it
    /// can be hashed at once and the body as it arrives.
    pub fn body_at(&self) -> Option<usize> {
        let at = self.parts.iter().position(Part::needs_body)?;
        let plain = self.parts.get(at).is_some_and(|part| {
            matches!(part, Part::One(piece)
                if matches!(piece.variable, Variable::Body) && piece.filters.is_empty())
        });
        let alone = !self
            .parts
            .iter()
            .skip(at.saturating_add(1))
            .any(Part::needs_body);
        (plain && alone).then_some(at)
    }

    /// Gives the whole message to `sink`, piece by piece.
    pub fn feed(
        &self,
        context: &Context<'_>,
        mut sink: impl FnMut(&[u8]),
    ) -> Result<(), Rejection> {
        let Some(selection) = &self.json else {
            return feed(&self.parts, &Material::new(context), &mut sink);
        };
        let body = context.body.map(Body::contiguous).unwrap_or_default();
        let document = selection
            .read(&body)
            .map_err(|_| Rejection::SignatureMalformed)?;
        let material = Material::with_json(context, &document);
        feed(&self.parts, &material, &mut sink)
    }

    /// Gives the parts before `at` to `sink`.
    pub fn feed_before(
        &self,
        at: usize,
        context: &Context<'_>,
        mut sink: impl FnMut(&[u8]),
    ) -> Result<(), Rejection> {
        let parts = self.parts.get(..at).unwrap_or_default();
        feed(parts, &Material::new(context), &mut sink)
    }

    /// Gives the parts after `at` to `sink`.
    pub fn feed_after(
        &self,
        at: usize,
        context: &Context<'_>,
        mut sink: impl FnMut(&[u8]),
    ) -> Result<(), Rejection> {
        let parts = self.parts.get(at.saturating_add(1)..).unwrap_or_default();
        feed(parts, &Material::new(context), &mut sink)
    }

    /// The whole message as bytes.
    pub fn render(&self, context: &Context<'_>) -> Result<Vec<u8>, Rejection> {
        let mut whole = Vec::new();
        self.feed(context, |bytes| whole.extend_from_slice(bytes))?;
        Ok(whole)
    }
}

fn feed(
    parts: &[Part],
    material: &Material<'_, '_>,
    sink: &mut impl FnMut(&[u8]),
) -> Result<(), Rejection> {
    for part in parts {
        match part {
            Part::One(piece) => {
                if !piece.feed(material, sink)?
                    && let Some(missing) = piece.variable.missing()
                {
                    return Err(missing);
                }
            }
            Part::Optional(pieces) => {
                let mut text = Vec::new();
                let mut present = true;
                for piece in pieces {
                    present &= piece.feed(material, &mut |bytes| text.extend_from_slice(bytes))?;
                }
                if present {
                    sink(&text);
                }
            }
        }
    }
    Ok(())
}

/// As it is written in the grammar.
impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Part {
    fn pieces_mut(&mut self) -> &mut [Piece] {
        match self {
            Self::One(piece) => std::slice::from_mut(piece),
            Self::Optional(pieces) => pieces,
        }
    }

    fn pieces(&self) -> &[Piece] {
        match self {
            Self::One(piece) => std::slice::from_ref(piece),
            Self::Optional(pieces) => pieces,
        }
    }

    fn needs_body(&self) -> bool {
        self.pieces()
            .iter()
            .any(|piece| piece.variable.needs_body())
    }
}

impl Piece {
    /// Gives the value to `sink`; false when it is absent.
    fn feed(
        &self,
        material: &Material<'_, '_>,
        sink: &mut impl FnMut(&[u8]),
    ) -> Result<bool, Rejection> {
        if self.filters.is_empty() {
            return self.variable.feed(material, sink);
        }
        let mut value = Vec::new();
        let present = self
            .variable
            .feed(material, &mut |bytes| value.extend_from_slice(bytes))?;
        for filter in &self.filters {
            value = filter.apply(value)?;
        }
        sink(&value);
        Ok(present)
    }

    /// Whether the sender of a request may put a line break into it.
    fn may_break(&self) -> bool {
        let free = matches!(
            self.variable,
            Variable::Body | Variable::Form(_) | Variable::Json(_) | Variable::Query(_)
        );
        free && !self.filters.iter().any(Filter::is_line)
    }

    fn cover(&self) -> Cover {
        if !self.variable.is_whole_body() {
            Cover::None
        } else if self.filters.iter().any(Filter::is_weak) {
            Cover::Checksum
        } else {
            Cover::Whole
        }
    }
}
