//! What happened, of which kind and when: read from the verified bytes, told to the app.

mod source;
mod value;

pub use source::{Parts, Source};
pub use value::{HeaderText, MAX_BYTES, header_text, joined, listed};

use std::borrow::Cow;

use crate::fingerprint::Fields;
use crate::json::Selection;
use crate::rejection::Rejection;
use source::{Ambiguous, Compiled, Opened, Pointers, Reading};

/// A route's `event.*`, compiled.
#[derive(Debug, Clone)]
pub struct Rules {
    kind: Vec<Compiled>,
    id: Vec<Compiled>,
    time: Vec<Compiled>,
    required: bool,
    identity: Identity,
    claims: Option<Selection>,
    body: Option<Selection>,
}

/// What tells an event from another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyRule {
    /// Nothing in the request.
    Nothing,
    /// Its type, where it has one, and its id; of a batch all its types and ids in their order.
    TypeAndId,
    /// All of these together.
    Own(Vec<Source>),
}

/// [`KeyRule`], compiled.
#[derive(Debug, Clone)]
enum Identity {
    Nothing,
    TypeAndId,
    Own(Vec<Compiled>),
}

/// What a request tells about its event. Texts are as the provider wrote them, never empty:
/// [`header_text`] and [`joined`] make headers of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Event {
    /// The type; of a batch the distinct types in their order.
    pub types: Vec<String>,
    /// The id; of a batch only if every element has the same one.
    pub id: Option<String>,
    /// The time, as the id.
    pub time: Option<String>,
    /// How many elements the body has if it is a JSON array; read only where a source is JSON.
    pub count: Option<usize>,
    /// What tells it from another event; `None` where a part of that is absent or ambiguous.
    pub key: Option<Fields>,
}

impl Rules {
    /// Compiles the sources of the type, the id and the time; of each list the first that is
    /// present counts. With `required`, a request without a readable type is refused.
    pub fn new(kind: Vec<Source>, id: Vec<Source>, time: Vec<Source>, required: bool) -> Self {
        Self::keyed(kind, id, time, required, KeyRule::Nothing)
    }

    /// The same, and how an event is told from another.
    pub fn keyed(
        kind: Vec<Source>,
        id: Vec<Source>,
        time: Vec<Source>,
        required: bool,
        key: KeyRule,
    ) -> Self {
        let mut pointers = Pointers::default();
        let mut compile = |sources: Vec<Source>| -> Vec<Compiled> {
            sources
                .into_iter()
                .map(|source| pointers.compile(source))
                .collect()
        };
        let (kind, id, time) = (compile(kind), compile(id), compile(time));
        let identity = match key {
            KeyRule::Nothing => Identity::Nothing,
            KeyRule::TypeAndId => Identity::TypeAndId,
            KeyRule::Own(sources) => Identity::Own(compile(sources)),
        };
        let (claims, body) = pointers.select();
        Self {
            kind,
            id,
            time,
            required,
            identity,
            claims,
            body,
        }
    }

    /// Whether the body is looked at.
    pub fn reads_body(&self) -> bool {
        let of_form = |source: &Compiled| matches!(source, Compiled::Form(_));
        let own = match &self.identity {
            Identity::Own(sources) => &**sources,
            Identity::Nothing | Identity::TypeAndId => &[],
        };
        let told = self.kind.iter().chain(&self.id).chain(&self.time);
        let mut sources = told.chain(own);
        self.body.is_some() || sources.any(of_form)
    }

    /// Reads the event of a verified request. The body is looked at only where a source needs it;
    /// a body that is not JSON holds no JSON value.
    ///
    /// A repeated key, field or header makes its value ambiguous: it is left out, and no later
    /// source of the list replaces it.
    ///
    /// # Errors
    /// [`Rejection::EventAmbiguous`] and [`Rejection::EventMissing`], if the type is required.
    pub fn read(&self, parts: &Parts<'_>) -> Result<Event, Rejection> {
        let read = |selection: &Option<Selection>, text| selection.as_ref()?.read(text).ok();
        let opened = Opened {
            parts: *parts,
            claims: parts.claims.and_then(|claims| read(&self.claims, claims)),
            body: read(&self.body, parts.body),
        };
        let (kind, id) = (opened.read(&self.kind), opened.read(&self.id));
        let key = self.key(&opened, &kind, &id);
        let types = match kind {
            Err(Ambiguous) if self.required => return Err(Rejection::EventAmbiguous),
            Ok(reading) if self.required && reading.texts.is_empty() => {
                return Err(Rejection::EventMissing);
            }
            Ok(reading) => reading.texts.into_iter().map(Cow::into_owned).collect(),
            Err(Ambiguous) => Vec::new(),
        };
        Ok(Event {
            types,
            id: one(id),
            time: one(opened.read(&self.time)),
            count: opened
                .body
                .as_ref()
                .and_then(|document| document.root_elements),
            key,
        })
    }

    fn key(
        &self,
        opened: &Opened<'_>,
        kind: &Result<Reading<'_>, Ambiguous>,
        id: &Result<Reading<'_>, Ambiguous>,
    ) -> Option<Fields> {
        match &self.identity {
            Identity::Nothing => None,
            Identity::TypeAndId => {
                let (kind, id) = (kind.as_ref().ok()?, whole(id)?);
                let mut fields = Fields::default();
                push(&mut fields, kind);
                push(&mut fields, id);
                Some(fields)
            }
            Identity::Own(sources) => {
                let mut fields = Fields::default();
                for source in sources {
                    let reading = opened.read(std::slice::from_ref(source));
                    push(&mut fields, whole(&reading)?);
                }
                Some(fields)
            }
        }
    }
}

/// A reading that is there, in every element of a batch.
fn whole<'r, 'a>(reading: &'r Result<Reading<'a>, Ambiguous>) -> Option<&'r Reading<'a>> {
    reading
        .as_ref()
        .ok()
        .filter(|reading| !reading.texts.is_empty() && !reading.partial)
}

/// How many texts there are belongs to it: two of one source are not one of each of two.
fn push(fields: &mut Fields, reading: &Reading<'_>) {
    fields.push(&(reading.texts.len() as u64).to_le_bytes());
    for text in &reading.texts {
        fields.push(text.as_bytes());
    }
}

/// The value that holds for the whole request: a batch is known by an id only if all of it is.
fn one(reading: Result<Reading<'_>, Ambiguous>) -> Option<String> {
    let reading = reading.ok()?;
    match <[_; 1]>::try_from(reading.texts) {
        Ok([text]) if !reading.partial => Some(text.into_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
