//! Lists of names and values in a message: a whole form, a whole query, the headers that a header
//! lists.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use http::HeaderName;

use super::super::place::single_header;
use super::Context;
use crate::form;
use crate::rejection::Rejection;
use crate::verify::Body;

/// Sorting more of them would cost more than a request should; PHP stops here too.
const MAX_PAIRS: usize = 1000;

/// Where the pairs come from, what is done to them, and how they are written.
#[derive(Debug, Clone)]
pub(super) struct Pairs {
    pub(super) source: Source,
    pub(super) steps: Vec<Step>,
    /// What stands between name and value, and between pairs.
    pub(super) joined: (String, String),
}

#[derive(Debug, Clone)]
pub(super) enum Source {
    Form,
    Headers(HeaderName),
    Query,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// Percent-encodes names and values (RFC 3986 §2.3).
    Encoded,
    /// Joins the values of one name.
    Grouped(String),
    /// By name, then by value, byte by byte.
    Sorted,
    /// Replaces characters of the values.
    Tame { characters: String, with: String },
    /// Drops repetitions of the same pair.
    Unique,
    /// Drops the pairs of a name.
    Without(String),
}

type Pair<'a> = (Cow<'a, str>, Cow<'a, str>);

impl Pairs {
    pub(super) const fn needs_body(&self) -> bool {
        matches!(self.source, Source::Form)
    }

    /// The header that lists headers.
    pub(super) const fn list(&self) -> Option<&HeaderName> {
        match &self.source {
            Source::Headers(list) => Some(list),
            Source::Form | Source::Query => None,
        }
    }

    /// Adds what a filter of the message says; false when it is none of pairs.
    pub(super) fn add(&mut self, filter: &str) -> bool {
        let end = filter
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .unwrap_or(filter.len());
        let (name, arguments) = filter.split_at(end);
        // The first character after the name parts the arguments: `joined:=:&`, `joined/:/;`.
        let mut parts = arguments
            .chars()
            .next()
            .map(|separator| arguments.split(separator).skip(1))
            .into_iter()
            .flatten();
        let given = (parts.next(), parts.next(), parts.next());
        let step = match (name, given) {
            ("encoded", (None, None, None)) => Step::Encoded,
            ("grouped", (Some(with), None, None)) => Step::Grouped(with.into()),
            ("joined", (Some(inner), Some(outer), None)) => {
                self.joined = (inner.into(), outer.into());
                return true;
            }
            ("sorted", (None, None, None)) => Step::Sorted,
            ("tame", (Some(characters), Some(with), None)) => Step::Tame {
                characters: characters.into(),
                with: with.into(),
            },
            ("unique", (None, None, None)) => Step::Unique,
            ("without", (Some(name), None, None)) if !name.is_empty() => Step::Without(name.into()),
            _ => return false,
        };
        self.steps.push(step);
        true
    }

    /// The pairs as they are signed; `None` when there are none.
    pub(super) fn render(&self, context: &Context<'_>) -> Result<Option<String>, Rejection> {
        let body;
        let mut pairs = match &self.source {
            // Where nothing declares what the body is, nobody reads it as something else.
            Source::Form => {
                let headers = context.head.headers;
                if !form::is_declared(headers) && headers.contains_key(&http::header::CONTENT_TYPE)
                {
                    return Err(Rejection::SignatureMalformed);
                }
                body = context.body.map(Body::contiguous).unwrap_or_default();
                form::pairs(&body, MAX_PAIRS).ok_or(Rejection::SignatureMalformed)?
            }
            Source::Query => {
                form::pairs(context.head.query.unwrap_or_default().as_bytes(), MAX_PAIRS)
                    .ok_or(Rejection::SignatureMalformed)?
            }
            Source::Headers(list) => listed(context, list)?,
        };
        for step in &self.steps {
            pairs = step.apply(pairs);
        }
        if pairs.is_empty() {
            return Ok(None);
        }
        let (inner, outer) = &self.joined;
        let written: Vec<String> = pairs
            .iter()
            .map(|(name, value)| format!("{name}{inner}{value}"))
            .collect();
        Ok(Some(written.join(outer)))
    }
}

/// The headers that the header `list` names, names in lower case.
fn listed<'a>(context: &Context<'a>, list: &HeaderName) -> Result<Vec<Pair<'a>>, Rejection> {
    let malformed = Rejection::SignatureMalformed;
    let names = single_header(context.head, list)?.ok_or(Rejection::SignatureMissing)?;
    let names = std::str::from_utf8(names).map_err(|_| malformed)?;
    if !names.is_ascii() {
        return Err(malformed);
    }
    let mut pairs = Vec::new();
    for name in names.split(',').map(str::trim) {
        let name = HeaderName::try_from(name).map_err(|_| malformed)?;
        let value = single_header(context.head, &name)?.ok_or(Rejection::SignatureMissing)?;
        let value = std::str::from_utf8(value).map_err(|_| malformed)?;
        pairs.push((name.as_str().to_owned().into(), value.into()));
        // Each is looked for among all lines: no list is longer that names each of them once.
        if pairs.len() > MAX_PAIRS.min(context.head.headers.len()) {
            return Err(malformed);
        }
    }
    Ok(pairs)
}

impl Step {
    fn apply<'a>(&self, mut pairs: Vec<Pair<'a>>) -> Vec<Pair<'a>> {
        match self {
            Self::Encoded => pairs
                .into_iter()
                .map(|(name, value)| {
                    (
                        form::percent_encoded(&name).into(),
                        form::percent_encoded(&value).into(),
                    )
                })
                .collect(),
            Self::Grouped(with) => grouped(pairs, with),
            Self::Sorted => {
                pairs.sort_unstable();
                pairs
            }
            Self::Tame { characters, with } => pairs
                .into_iter()
                .map(|(name, value)| {
                    let tamed = value.replace(|c| characters.contains(c), with);
                    (name, tamed.into())
                })
                .collect(),
            Self::Unique => {
                let mut seen = HashSet::new();
                pairs
                    .into_iter()
                    .filter(|pair| seen.insert(pair.clone()))
                    .collect()
            }
            Self::Without(unwanted) => {
                pairs.retain(|(name, _)| name != unwanted);
                pairs
            }
        }
    }
}

fn grouped<'a>(pairs: Vec<Pair<'a>>, with: &str) -> Vec<Pair<'a>> {
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut groups: Vec<Pair<'a>> = Vec::new();
    for (name, value) in pairs {
        match places.get(&*name).and_then(|at| groups.get_mut(*at)) {
            Some((_, values)) => {
                let values = values.to_mut();
                values.push_str(with);
                values.push_str(&value);
            }
            None => {
                places.insert(name.clone().into_owned(), groups.len());
                groups.push((name, value));
            }
        }
    }
    groups
}
