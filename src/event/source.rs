//! Where a provider writes what happened.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use http::HeaderName;

use crate::form;
use crate::headers::Lines;
use crate::json::{Document, Pointer, Selection, Value};

/// One place of a request that may hold the type, the id or the time of its event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A member of the verified JWT's payload.
    Claim(String),
    /// A field of a body declared as a form.
    Form(String),
    /// A header.
    Header(HeaderName),
    /// A value of a JSON body.
    Json(Pointer),
    /// Several values of a JSON body, joined; those of a batch element by element.
    Joined {
        /// Where they stand.
        pointers: Vec<Pointer>,
        /// What is put between them.
        separator: String,
    },
    /// A parameter of the query.
    Query(String),
    /// A constant.
    Value(String),
}

/// What is read of one request.
#[derive(Clone, Copy)]
pub struct Parts<'a> {
    /// The headers as they came.
    pub headers: Lines<'a>,
    /// The query without its `?`, as it came.
    pub query: Option<&'a str>,
    /// The verified bytes.
    pub body: &'a [u8],
    /// The JSON payload of a verified JWT.
    pub claims: Option<&'a [u8]>,
}

impl fmt::Debug for Parts<'_> {
    /// Shows nothing: all of it belongs to the sender, and some of it may be a credential.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Parts")
    }
}

/// So many distinct texts are compared one by one.
const FEW: usize = 16;

/// A key that is repeated: two readers would read two values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ambiguous;

/// [`Source`], its pointer compiled into one of the two selections.
#[derive(Debug, Clone)]
pub(super) enum Compiled {
    Claim(usize),
    Form(String),
    Header(HeaderName),
    Joined {
        places: Vec<usize>,
        separator: String,
    },
    Json(usize),
    Query(String),
    Value(String),
}

/// The pointers of all sources, while the sources are compiled.
#[derive(Debug, Default)]
pub(super) struct Pointers {
    claims: Vec<Pointer>,
    body: Vec<Pointer>,
}

impl Pointers {
    pub(super) fn compile(&mut self, source: Source) -> Compiled {
        match source {
            Source::Claim(name) => Compiled::Claim(place(&mut self.claims, Pointer::member(&name))),
            Source::Form(name) => Compiled::Form(name),
            Source::Header(name) => Compiled::Header(name),
            Source::Joined {
                pointers,
                separator,
            } => Compiled::Joined {
                places: pointers
                    .into_iter()
                    .map(|pointer| place(&mut self.body, pointer))
                    .collect(),
                separator,
            },
            Source::Json(pointer) => Compiled::Json(place(&mut self.body, pointer)),
            Source::Query(name) => Compiled::Query(name),
            Source::Value(text) => Compiled::Value(text),
        }
    }

    /// The selections for the claims and for the body, where any source needs them.
    pub(super) fn select(&self) -> (Option<Selection>, Option<Selection>) {
        let select =
            |pointers: &[Pointer]| (!pointers.is_empty()).then(|| Selection::new(pointers));
        (select(&self.claims), select(&self.body))
    }
}

fn place(pointers: &mut Vec<Pointer>, pointer: Pointer) -> usize {
    pointers
        .iter()
        .position(|known| *known == pointer)
        .unwrap_or_else(|| {
            pointers.push(pointer);
            pointers.len() - 1
        })
}

/// A request with its documents read.
pub(super) struct Opened<'a> {
    pub(super) parts: Parts<'a>,
    pub(super) claims: Option<Document<'a>>,
    pub(super) body: Option<Document<'a>>,
}

/// What one source holds: distinct texts in their order, none of them empty.
#[derive(Debug, Default)]
pub(super) struct Reading<'a> {
    pub(super) texts: Vec<Cow<'a, str>>,
    /// An element of a batch holds none.
    pub(super) partial: bool,
}

impl<'a> Opened<'a> {
    /// What the first of `sources` that is present holds; empty if none is.
    ///
    /// # Errors
    /// A source is ambiguous before one was present.
    pub(super) fn read(&'a self, sources: &'a [Compiled]) -> Result<Reading<'a>, Ambiguous> {
        for source in sources {
            let reading = self.read_one(source)?;
            if !reading.texts.is_empty() {
                return Ok(reading);
            }
        }
        Ok(Reading::default())
    }

    fn read_one(&'a self, source: &'a Compiled) -> Result<Reading<'a>, Ambiguous> {
        let text = match source {
            Compiled::Claim(place) => return pointed(self.claims.as_ref(), *place),
            Compiled::Joined { places, separator } => {
                return joined(self.body.as_ref(), places, separator);
            }
            Compiled::Json(place) => return pointed(self.body.as_ref(), *place),
            Compiled::Form(name) if form::is_declared(self.parts.headers) => {
                form::single(self.parts.body, name).map_err(|_| Ambiguous)?
            }
            Compiled::Form(_) => None,
            Compiled::Header(name) => header(self.parts.headers, name)?.map(Cow::Borrowed),
            Compiled::Query(name) => {
                let query = self.parts.query.unwrap_or_default();
                form::single(query.as_bytes(), name).map_err(|_| Ambiguous)?
            }
            Compiled::Value(text) => Some(Cow::Borrowed(&**text)),
        };
        let texts = text.into_iter().filter(|text| !text.is_empty()).collect();
        Ok(Reading {
            texts,
            partial: false,
        })
    }
}

/// The text of the header `name`; not UTF-8 is none.
fn header<'a>(headers: Lines<'a>, name: &HeaderName) -> Result<Option<&'a str>, Ambiguous> {
    let mut values = headers.get_all(name);
    match (values.next(), values.next()) {
        (Some(value), None) => Ok(std::str::from_utf8(value).ok()),
        (None, _) => Ok(None),
        (Some(_), Some(_)) => Err(Ambiguous),
    }
}

/// What the pointer at `place` found.
fn pointed<'a>(document: Option<&'a Document<'a>>, place: usize) -> Result<Reading<'a>, Ambiguous> {
    let Some(found) = document.and_then(|document| document.found.get(place)) else {
        return Ok(Reading::default());
    };
    if found.ambiguous {
        return Err(Ambiguous);
    }
    let absent = |present: usize| found.elements.is_some_and(|elements| present < elements);
    // By far the commonest.
    if let [only] = found.values.as_slice() {
        let texts: Vec<_> = text(only).into_iter().map(Cow::Borrowed).collect();
        return Ok(Reading {
            partial: absent(texts.len()),
            texts,
        });
    }
    let (texts, present) = distinct(found.values.iter().filter_map(text));
    Ok(Reading {
        texts: texts.into_iter().map(Cow::Borrowed).collect(),
        partial: absent(present),
    })
}

/// Each text once, where it stands first; and how many there are.
fn distinct<'a>(texts: impl Iterator<Item = &'a str>) -> (Vec<&'a str>, usize) {
    let mut known = Vec::new();
    let mut many = HashSet::new();
    let mut count = 0_usize;
    for text in texts {
        count = count.saturating_add(1);
        // A set, for the sender chooses how many there are; to begin one costs more than to look at
        // a few.
        let new = if known.len() < FEW {
            !known.contains(&text)
        } else {
            if many.is_empty() {
                many.extend(known.iter().copied());
            }
            many.insert(text)
        };
        if new {
            known.push(text);
        }
    }
    (known, count)
}

/// What the pointers at `places` found, joined. Where an element of a batch lacks one of them, it
/// cannot be told which belong together.
fn joined<'a>(
    document: Option<&'a Document<'a>>,
    places: &[usize],
    separator: &str,
) -> Result<Reading<'a>, Ambiguous> {
    let mut columns: Vec<Vec<&str>> = Vec::new();
    for place in places {
        let Some(found) = document.and_then(|document| document.found.get(*place)) else {
            return Ok(Reading::default());
        };
        if found.ambiguous {
            return Err(Ambiguous);
        }
        let column: Vec<&str> = found.values.iter().filter_map(text).collect();
        let whole = found
            .elements
            .is_none_or(|elements| elements == column.len());
        if !whole
            || columns
                .first()
                .is_some_and(|first| first.len() != column.len())
        {
            return Ok(Reading {
                texts: Vec::new(),
                partial: true,
            });
        }
        columns.push(column);
    }
    let rows = columns.first().map_or(0, Vec::len);
    let mut known = HashSet::new();
    let texts = (0..rows)
        .map(|row| {
            let parts: Vec<&str> = columns
                .iter()
                .filter_map(|column| column.get(row).copied())
                .collect();
            parts.join(separator)
        })
        .filter(|text| known.insert(text.clone()))
        .map(Cow::Owned)
        .collect();
    Ok(Reading {
        texts,
        partial: false,
    })
}

fn text<'a>(value: &'a Value<'_>) -> Option<&'a str> {
    match value {
        Value::Text(text) if !text.is_empty() => Some(text),
        Value::NotScalar | Value::Text(_) => None,
    }
}
