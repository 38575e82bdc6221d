//! The signature base (RFC 9421 §2.5): the very bytes that were signed.

use std::borrow::Cow;

use sfv::{Dictionary, FieldType as _, InnerList, ListEntry, Parser};

use super::Head;
use super::component::{As, Component, Name};
use crate::form;
use crate::rejection::Rejection;

/// Builds the base of the covered components and the parameters of the signature.
///
/// # Errors
///
/// `SignatureMalformed` where a component is not in the request, has no one value, or can only be
/// told from a header that anybody could have written.
pub(super) fn base(
    covered: &[Component],
    input: &InnerList,
    head: &Head<'_>,
    public_url: Option<&str>,
) -> Result<Vec<u8>, Rejection> {
    let mut base = Vec::new();
    for component in covered {
        base.extend_from_slice(component.written.as_bytes());
        base.extend_from_slice(b": ");
        let value =
            value(&component.name, head, public_url).ok_or(Rejection::SignatureMalformed)?;
        // One line is one component: a value with a line break could be two.
        if value.iter().any(|byte| matches!(byte, b'\n' | b'\r' | 0)) {
            return Err(Rejection::SignatureMalformed);
        }
        base.extend_from_slice(&value);
        base.push(b'\n');
    }
    base.extend_from_slice(b"\"@signature-params\": ");
    base.extend_from_slice(parameters(input).as_bytes());
    Ok(base)
}

/// The value of `@signature-params`: the inner list in its only spelling.
pub(super) fn parameters(input: &InnerList) -> String {
    let mut list = sfv::ListSerializer::new();
    {
        let mut inner = list.inner_list();
        inner.items(&input.items);
        drop(inner.finish().parameters(&input.params));
    }
    list.finish().unwrap_or_default()
}

/// Header lines as one value (RFC 9421 §2.1): each without white space around it, `, ` between.
pub(super) fn joined<'l>(lines: impl Iterator<Item = &'l [u8]>) -> Vec<u8> {
    let mut joined = Vec::new();
    for (at, line) in lines.enumerate() {
        if at > 0 {
            joined.extend_from_slice(b", ");
        }
        joined.extend_from_slice(line.trim_ascii());
    }
    joined
}

fn value<'h>(name: &Name, head: &Head<'h>, public_url: Option<&str>) -> Option<Cow<'h, [u8]>> {
    let owned = |text: String| Cow::Owned(text.into_bytes());
    Some(match name {
        Name::Method => head.method.as_bytes().into(),
        Name::Path => path(head).as_bytes().into(),
        // RFC 9421 §2.2.7: an absent query is written as an empty one.
        Name::Query => owned(format!("?{}", head.query.unwrap_or_default())),
        Name::QueryParam(name) => owned(query_parameter(head.query?, name)?),
        Name::RequestTarget => owned(target(head)),
        Name::Authority => owned(authority(public_url?)?),
        Name::Scheme => owned(public_url?.split_once("://")?.0.to_ascii_lowercase()),
        Name::TargetUri => owned(format!(
            "{}{}",
            public_url?.trim_end_matches('/'),
            target(head)
        )),
        Name::Field(name, written) => field(name, written, head)?.into(),
    })
}

fn path<'h>(head: &Head<'h>) -> &'h str {
    if head.path.is_empty() { "/" } else { head.path }
}

fn target(head: &Head<'_>) -> String {
    match head.query {
        Some(query) => format!("{}?{query}", path(head)),
        None => path(head).to_owned(),
    }
}

/// The authority in lower case, without the port that its scheme has anyway (RFC 9421 §2.2.3).
fn authority(public_url: &str) -> Option<String> {
    let (scheme, authority) = public_url.trim_end_matches('/').split_once("://")?;
    let authority = authority.to_ascii_lowercase();
    let port = if scheme.eq_ignore_ascii_case("https") {
        ":443"
    } else {
        ":80"
    };
    Some(match authority.strip_suffix(port) {
        Some(host) => host.to_owned(),
        None => authority,
    })
}

/// The one value of a query parameter, decoded and encoded again (RFC 9421 §2.2.8).
fn query_parameter(query: &str, name: &str) -> Option<String> {
    let wanted = decoded(name)?;
    // A name that is there twice has no one value.
    let value = form::single(query.as_bytes(), &wanted).ok()??;
    (encoded(&wanted) == name).then(|| encoded(&value))
}

fn decoded(name: &str) -> Option<String> {
    // The name alone, read as the name of a pair.
    form::single(format!("x={name}").as_bytes(), "x")
        .ok()?
        .map(Cow::into_owned)
}

/// Percent-encodes with the `application/x-www-form-urlencoded` set of the URL standard.
fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'*' | b'-' | b'.' | b'_' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

fn field(name: &http::HeaderName, written: &As, head: &Head<'_>) -> Option<Vec<u8>> {
    let mut lines = head.headers.get_all(name).peekable();
    lines.peek()?;
    if *written == As::Bytes {
        let encoded: Vec<String> = lines
            .map(|line| {
                let text = crate::encoding::Encoding::Base64.encode(line.trim_ascii());
                format!(":{text}:")
            })
            .collect();
        return Some(encoded.join(", ").into_bytes());
    }
    let joined = joined(lines);
    let dictionary = || Parser::new(&joined).parse::<Dictionary>().ok();
    Some(match written {
        As::Member(key) => member(dictionary()?.get(&**key)?)?.into_bytes(),
        As::Strict => dictionary()?.serialize()?.into_bytes(),
        As::Sent | As::Bytes => joined,
    })
}

/// One member of a dictionary, alone.
fn member(entry: &ListEntry) -> Option<String> {
    let mut list = sfv::ListSerializer::new();
    list.members(std::iter::once(entry));
    list.finish()
}
