//! Writes proof into its place of a delivery.

use http::{HeaderName, HeaderValue, header};
use serde_json::Value;

use super::{Outcome, SignError, Signer};
use crate::form;
use crate::verify::Place;
use crate::verify::template::Template;

const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");
const NOT_TEXT: SignError = SignError("the value is not text");
const NOT_JSON: SignError = SignError("the sample is not JSON, and the proof stands in it");

impl Signer<'_> {
    /// Makes the sample one that can be signed: its type, its JSON as it will be written again, and
    /// the headers that the provider signs too.
    pub(super) fn prepare(&mut self, places: &[Place], message: &Template) -> Outcome {
        let in_form = places.iter().any(|place| matches!(place, Place::Form(_)));
        if in_form || message.reads_form() {
            self.add(&header::CONTENT_TYPE, FORM);
        }
        if places.iter().any(|place| matches!(place, Place::Json(_))) {
            self.change_json(|_| ())?;
        }
        for name in message.headers() {
            let value = if *name == header::CONTENT_TYPE {
                HeaderValue::from_static("application/json")
            } else {
                HeaderValue::from_static("sample")
            };
            self.add(name, value);
        }
        for list in message.listing_headers() {
            self.add(list, HeaderValue::from_static("x-sample"));
            let name = HeaderName::from_static("x-sample");
            self.add(&name, HeaderValue::from_static("sample"));
        }
        Ok(())
    }

    pub(super) fn add(&mut self, name: &HeaderName, value: HeaderValue) {
        self.delivery.headers.entry(name.clone()).or_insert(value);
    }

    fn change_json(&mut self, change: impl FnOnce(&mut Value)) -> Outcome {
        let mut document: Value =
            serde_json::from_slice(&self.delivery.body).map_err(|_| NOT_JSON)?;
        change(&mut document);
        self.delivery.body = document.to_string().into_bytes();
        Ok(())
    }

    pub(super) fn put(&mut self, place: &Place, value: Vec<u8>) -> Outcome {
        match place {
            Place::Body => {
                self.delivery.body = value;
                Ok(())
            }
            Place::Header(header) => self.header(header, value),
            Place::Query(field) => {
                let query = self.delivery.query.take().unwrap_or_default();
                self.delivery.query = Some(with_field(&query, field, value)?);
                Ok(())
            }
            Place::Form(field) => {
                self.add(&header::CONTENT_TYPE, FORM);
                let body = std::str::from_utf8(&self.delivery.body).map_err(|_| NOT_TEXT)?;
                self.delivery.body = with_field(body, field, value)?.into_bytes();
                Ok(())
            }
            Place::Json(place) => {
                let text = String::from_utf8(value).map_err(|_| NOT_TEXT)?;
                self.change_json(|document| place.pointer.put(document, text.into()))
            }
        }
    }

    pub(super) fn header(&mut self, header: &HeaderName, value: Vec<u8>) -> Outcome {
        let value =
            HeaderValue::try_from(value).map_err(|_| SignError("the value cannot be a header"))?;
        self.delivery.headers.insert(header.clone(), value);
        Ok(())
    }
}

/// The pairs of `text` with `name` as the last of them.
fn with_field(text: &str, name: &str, value: Vec<u8>) -> Result<String, SignError> {
    let value = String::from_utf8(value).map_err(|_| NOT_TEXT)?;
    let others = form::without(text, name).filter(|others| !others.is_empty());
    let pair = format!("{name}={}", form::percent_encoded(&value));
    Ok(others.map_or_else(|| pair.clone(), |others| format!("{others}&{pair}")))
}
