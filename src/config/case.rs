//! `[[test]]`, read.

use std::net::IpAddr;
use std::path::PathBuf;

use http::HeaderMap;
use jiff::SignedDuration;

/// `[[test]]`: a request and what must come of it.
#[derive(Debug, Clone)]
pub struct Case {
    /// What people call it.
    pub name: String,
    /// The route, by its index.
    pub route: usize,
    /// The body.
    pub body: CaseBody,
    /// Headers beside those that prove something.
    pub headers: HeaderMap,
    /// What is got wrong on purpose: a word of the grammar.
    pub tamper: Option<String>,
    /// How far the sender's clock is off.
    pub clock: SignedDuration,
    /// The client address.
    pub from: Option<IpAddr>,
    /// `verified`, or the code of the rejection.
    pub outcome: Option<String>,
    /// The status of the answer.
    pub status: Option<u16>,
    /// Headers that the app receives; one with an empty value must not be there.
    pub received: Vec<(String, String)>,
}

/// The body of a [`Case`].
#[derive(Debug, Clone)]
pub enum CaseBody {
    /// This file.
    File(PathBuf),
    /// A sample of the provider, by its event type; the first without one.
    Sample(Option<String>),
    /// This very text.
    Text(String),
}
