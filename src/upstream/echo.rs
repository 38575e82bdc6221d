//! The built-in app: answers with what it received, so that nothing else is needed to try gatepost.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response};
use http_body_util::BodyExt as _;
use serde_json::{Map, Value, json};

use super::{AnswerBody, Request};
use crate::rejection::Rejection;

/// `limits.header_count` and what we write.
const MOST_LINES: usize = 10_100;

pub(super) async fn answer(request: Request) -> Result<Response<AnswerBody>, Rejection> {
    let body = request.body.collect().await;
    let body = body.map_err(|_| Rejection::BodyIncomplete)?.to_bytes();
    // What an app would read, by what was written for it.
    let mut lines = vec![httparse::EMPTY_HEADER; MOST_LINES];
    let mut head = httparse::Request::new(&mut lines);
    head.parse(&request.head).map_err(|_| Rejection::Internal)?;
    let mut headers: Map<String, Value> = Map::new();
    for line in head.headers.iter() {
        let value = Value::from(String::from_utf8_lossy(line.value));
        match headers.get_mut(line.name) {
            Some(Value::Array(values)) => values.push(value),
            Some(first) => *first = json!([first.clone(), value]),
            None => drop(headers.insert(line.name.into(), value)),
        }
    }
    let text = json!({
        "method": head.method,
        "path": head.path,
        "headers": headers,
        "body": String::from_utf8_lossy(&body),
    });
    let mut response = Response::new(AnswerBody::whole(Bytes::from(text.to_string())));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}
