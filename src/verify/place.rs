//! Where in a request a credential stands.

use std::borrow::Cow;

use http::HeaderName;

use super::{Body, Head};
use crate::form;
use crate::json::{Document, Found, Pointer, Selection, Value};
use crate::rejection::Rejection;

/// The place of a credential, a signature or a timestamp.
#[derive(Debug, Clone)]
pub enum Place {
    /// The whole body.
    Body,
    /// A field of a form body.
    Form(String),
    /// A header.
    Header(HeaderName),
    /// A scalar of a JSON body.
    Json(Box<JsonPlace>),
    /// A parameter of the query.
    Query(String),
}

/// A pointer, compiled.
#[derive(Debug, Clone)]
pub struct JsonPlace {
    /// The pointer, for signing.
    pub pointer: Pointer,
    selection: Selection,
}

impl Place {
    /// A scalar of a JSON body, at `pointer`.
    pub fn json(pointer: Pointer) -> Self {
        let selection = Selection::strict(std::slice::from_ref(&pointer));
        Self::Json(Box::new(JsonPlace { pointer, selection }))
    }

    /// Whether it can be read only once the body is there.
    pub const fn needs_body(&self) -> bool {
        matches!(self, Self::Body | Self::Form(_) | Self::Json(_))
    }

    /// What stands there; `None` when nothing does.
    ///
    /// # Errors
    ///
    /// `CredentialRepeated` when it stands there twice: two readers could take different ones.
    pub fn read<'a>(
        &self,
        head: &Head<'a>,
        body: Option<&'a Body>,
    ) -> Result<Option<Cow<'a, [u8]>>, Rejection> {
        match self {
            Self::Body => Ok(body.map(Body::contiguous)),
            Self::Header(name) => Ok(single_header(head, name)?.map(Cow::Borrowed)),
            Self::Query(name) => match head.query {
                Some(query) => single_field(query.as_bytes(), name),
                None => Ok(None),
            },
            Self::Form(_) if !form::is_declared(head.headers) => Ok(None),
            Self::Form(name) => match body.map(Body::contiguous) {
                Some(Cow::Borrowed(bytes)) => form_field(head, bytes, name),
                Some(Cow::Owned(bytes)) => {
                    let value = form_field(head, &bytes, name)?;
                    Ok(value.map(|value| Cow::Owned(value.into_owned())))
                }
                None => Ok(None),
            },
            Self::Json(place) => match body {
                Some(body) => match place.selection.read(&body.contiguous()) {
                    Ok(document) => {
                        Ok(json_scalar(&document)?.map(|text| text.into_bytes().into()))
                    }
                    Err(_) => Ok(None),
                },
                None => Ok(None),
            },
        }
    }
}

/// More elements than this are no batch that a provider sends, and each costs a verification.
const MAX_ELEMENTS: usize = 100;

/// The elements of an array in the body, each as a body of its own.
///
/// # Errors
///
/// `SignatureMalformed` when there is no such array, or it is too long.
pub(super) fn elements(pointer: &Pointer, body: &Body) -> Result<Vec<Body>, Rejection> {
    let bytes = body.contiguous();
    let elements = crate::json::elements(pointer, &bytes, MAX_ELEMENTS)
        .map_err(|_| Rejection::SignatureMalformed)?;
    Ok(elements
        .into_iter()
        .map(|element| Body::from(bytes::Bytes::copy_from_slice(element.as_bytes())))
        .collect())
}

/// The one value of a header.
///
/// # Errors
///
/// `CredentialRepeated` when the header has several lines.
pub(super) fn single_header<'a>(
    head: &Head<'a>,
    name: &HeaderName,
) -> Result<Option<&'a [u8]>, Rejection> {
    let mut values = head.headers.get_all(name);
    let first = values.next();
    if values.next().is_some() {
        return Err(Rejection::CredentialRepeated);
    }
    Ok(first)
}

/// The one value of a form field, decoded.
///
/// # Errors
///
/// As [`single_field`], and when the query has such a field, too: some apps read that one.
pub(super) fn form_field<'a>(
    head: &Head<'_>,
    text: &'a [u8],
    name: &str,
) -> Result<Option<Cow<'a, [u8]>>, Rejection> {
    if head
        .query
        .is_some_and(|query| form::has(query.as_bytes(), name))
    {
        return Err(Rejection::CredentialRepeated);
    }
    single_field(text, name)
}

/// The one value of a query or form field, decoded.
///
/// # Errors
///
/// `CredentialRepeated` when it stands there twice, or in a spelling that some apps read as the same.
pub(super) fn single_field<'a>(
    text: &'a [u8],
    name: &str,
) -> Result<Option<Cow<'a, [u8]>>, Rejection> {
    match form::single(text, name) {
        Ok(Some(_)) if form::has_other_spelling(text, name) => Err(Rejection::CredentialRepeated),
        Ok(value) => Ok(value.map(|value| match value {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        })),
        Err(form::Repeated) => Err(Rejection::CredentialRepeated),
    }
}

/// The one scalar of a one-pointer selection; `None` when absent or null.
///
/// # Errors
///
/// As [`scalar`].
fn json_scalar(document: &Document<'_>) -> Result<Option<String>, Rejection> {
    Ok(scalar(document.found.first())?.map(str::to_owned))
}

/// The one scalar that a pointer found; `None` when absent or null.
///
/// # Errors
///
/// `CredentialRepeated` when a key on the way is repeated, `SignatureMalformed` for an object or
/// a list: it must not be read as if it were empty.
pub(super) fn scalar<'a>(found: Option<&'a Found<'_>>) -> Result<Option<&'a str>, Rejection> {
    let Some(found) = found else {
        return Ok(None);
    };
    if found.ambiguous || found.values.len() > 1 {
        return Err(Rejection::CredentialRepeated);
    }
    match found.values.first() {
        None => Ok(None),
        Some(Value::Text(text)) => Ok(Some(text)),
        Some(Value::NotScalar) => Err(Rejection::SignatureMalformed),
    }
}
