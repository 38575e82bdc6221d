//! `gatepost send --handshake`: asks what the provider would ask.

use serde_json::Value;

use crate::config::tree::{Node, Table};
use crate::config::{Loaded, show};
use crate::form;
use crate::route::Route;
use crate::sign::Delivery;
use crate::verify::{Alphabet, Moment};

/// The length of a made-up challenge, where the handshake allows it.
const LENGTH: usize = 24;

/// A handshake of a route as a request, and whether it has to be signed.
pub(super) struct Question {
    pub(super) delivery: Delivery,
    pub(super) signed: bool,
}

/// Makes `delivery` the `number`th handshake of the route, as its keys describe it.
pub(super) fn question(
    loaded: &Loaded,
    route: &Route,
    number: usize,
    mut delivery: Delivery,
    now: Moment,
) -> Result<Question, String> {
    let keys = show::keys_of(loaded, &route.name).unwrap_or_else(|| Table::new(loaded.root.span));
    let all: Vec<&Table> = keys
        .list("handshake")
        .unwrap_or_default()
        .iter()
        .filter_map(Node::table)
        .collect();
    let table = number.checked_sub(1).and_then(|at| all.get(at));
    let table = table.ok_or_else(|| match all.len() {
        0 => "this route has no handshake".to_owned(),
        count => format!("this route has {count} handshakes, from 1 on"),
    })?;
    table
        .text("method")
        .unwrap_or("POST")
        .clone_into(&mut delivery.method);
    delivery.body.clear();
    let mut body = Value::Null;
    for rule in table.list("when").unwrap_or_default() {
        let Some(rule) = rule.table() else { continue };
        let place = |table: &Table| {
            ["header", "query", "json"].map(|place| table.text(place).map(str::to_owned))
        };
        if table.table("challenge").map(place) == Some(place(rule)) {
            continue;
        }
        let value = match (rule.text("equals"), rule.text("is")) {
            (Some(text), _) => text.to_owned(),
            (None, Some(_)) => token(route, now)?,
            (None, None) => "sample".to_owned(),
        };
        put(rule, &value, &mut delivery, &mut body)?;
    }
    if let Some(rule) = table.table("challenge") {
        put(rule, &challenge(rule), &mut delivery, &mut body)?;
    }
    for name in table.list("members").unwrap_or_default() {
        let name = name.text().unwrap_or_default();
        if body.get(name).is_none() {
            set(&mut body, &[name], "sample");
        }
    }
    if !body.is_null() {
        delivery.body = body.to_string().into_bytes();
    }
    Ok(Question {
        delivery,
        signed: table.flag("signed") == Some(true),
    })
}

fn token(route: &Route, now: Moment) -> Result<String, String> {
    let tokens = route
        .handshakes
        .as_ref()
        .and_then(|handshakes| handshakes.verify_token.as_ref());
    let held = tokens.and_then(|tokens| tokens.candidates(now, None).next());
    let bytes = held
        .ok_or("the route has no `verify_token` in force")?
        .key
        .expose();
    String::from_utf8(bytes.to_vec()).map_err(|_| "the `verify_token` is no text".to_owned())
}

/// A text of the challenge's alphabet: every character in turn.
fn challenge(rule: &Table) -> String {
    let length = |key: &str, otherwise: usize| {
        rule.integer(key)
            .and_then(|number| usize::try_from(number).ok())
            .unwrap_or(otherwise)
    };
    let alphabet = rule
        .text("alphabet")
        .and_then(|text| Alphabet::parse(text).ok())
        .unwrap_or_else(Alphabet::unmarked);
    // A header or a number would lose or refuse some of the others.
    let plain: Vec<u8> = alphabet
        .characters()
        .filter(|byte| byte.is_ascii_alphanumeric() && *byte != b'0')
        .collect();
    let all: Vec<u8> = alphabet.characters().collect();
    let from = if plain.is_empty() { &all } else { &plain };
    let length = LENGTH.clamp(
        length("min", 1),
        length("max", LENGTH).max(length("min", 1)),
    );
    let digits = from.iter().all(u8::is_ascii_digit);
    // Of a number that the reply repeats as one, 64 bits are taken.
    let length = if digits { length.min(18) } else { length };
    from.iter()
        .cycle()
        .take(length)
        .copied()
        .map(char::from)
        .collect()
}

fn put(rule: &Table, value: &str, delivery: &mut Delivery, body: &mut Value) -> Result<(), String> {
    if let Some(name) = rule.text("header") {
        let name = http::HeaderName::try_from(name).map_err(|error| error.to_string())?;
        let value = http::HeaderValue::try_from(value).map_err(|error| error.to_string())?;
        delivery.headers.insert(name, value);
    } else if let Some(name) = rule.text("query") {
        let pair = format!(
            "{}={}",
            form::percent_encoded(name),
            form::percent_encoded(value)
        );
        let query = delivery.query.take();
        delivery.query = Some(query.map_or(pair.clone(), |query| format!("{query}&{pair}")));
    } else if let Some(pointer) = rule.text("json") {
        let names: Vec<String> = pointer
            .split('/')
            .skip(1)
            .map(|name| name.replace("~1", "/").replace("~0", "~"))
            .collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        set(body, &names, value);
    } else {
        return Err("a form body is not made up: give it with `--data`".into());
    }
    Ok(())
}

/// Puts a text into a document, with all that lies on the way.
fn set(document: &mut Value, names: &[&str], text: &str) {
    let Some((name, rest)) = names.split_first() else {
        *document = Value::from(text);
        return;
    };
    if *name == "0" || *name == "*" {
        if !document.is_array() {
            *document = Value::Array(vec![Value::Null]);
        }
        if let Some(first) = document.get_mut(0) {
            set(first, rest, text);
        }
        return;
    }
    if !document.is_object() {
        *document = Value::Object(serde_json::Map::new());
    }
    if let Some(object) = document.as_object_mut() {
        set(object.entry(*name).or_insert(Value::Null), rest, text);
    }
}
