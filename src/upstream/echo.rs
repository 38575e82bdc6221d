//! The built-in app: answers with what it received, so that nothing else is needed to try gatepost.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request, Response};
use http_body_util::BodyExt as _;
use serde_json::{Map, Value, json};

use super::{AnswerBody, Outgoing};
use crate::rejection::Rejection;

pub(super) async fn answer(request: Request<Outgoing>) -> Result<Response<AnswerBody>, Rejection> {
    let (parts, body) = request.into_parts();
    let body = body
        .collect()
        .await
        .map_err(|_| Rejection::BodyIncomplete)?
        .to_bytes();
    let mut headers: Map<String, Value> = Map::new();
    for (name, value) in &parts.headers {
        let value = Value::from(String::from_utf8_lossy(value.as_bytes()));
        match headers.get_mut(name.as_str()) {
            Some(Value::Array(values)) => values.push(value),
            Some(first) => *first = json!([first.clone(), value]),
            None => drop(headers.insert(name.as_str().into(), value)),
        }
    }
    let text = json!({
        "method": parts.method.as_str(),
        "path": parts.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str),
        "headers": headers,
        "body": String::from_utf8_lossy(&body),
    });
    let mut response = Response::new(AnswerBody::whole(Bytes::from(text.to_string())));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}
