//! The effective configuration as TOML: providers expanded, secrets by name only.

use std::fmt::Write as _;
use std::path::PathBuf;

use super::Loaded;
use super::compile::overlaid;
use super::tree::{Entry, Node, Table, Value};

/// Keys that are for people reading the catalogue, not for the effective configuration.
const ABOUT: [&str; 5] = ["title", "docs", "notes", "confidence", "samples"];

/// Every section of the file, then every route with its provider's keys in it.
pub fn effective(loaded: &Loaded) -> String {
    let mut text = String::new();
    for entry in &loaded.root.entries {
        if let ("route" | "provider", _) | (_, None) = (&*entry.name, entry.node.table()) {
            continue;
        }
        if let Some(table) = entry.node.table() {
            let _ = writeln!(text, "[{}]", entry.name);
            keys(&mut text, table);
            text.push('\n');
        }
    }
    for route in loaded.root.list("route").unwrap_or_default() {
        let Some(own) = route.table() else { continue };
        let table = overlaid(own, &loaded.root, PathBuf::new()).unwrap_or_else(|| own.clone());
        text.push_str("[[route]]\n");
        keys(&mut text, &table);
        text.push('\n');
    }
    text
}

/// The samples of the route at `path`: event type and file.
pub fn samples(loaded: &Loaded, path: &str) -> Vec<(String, String)> {
    let table = keys_of(loaded, path);
    let samples = table.as_ref().and_then(|table| table.table("samples"));
    samples
        .map(|samples| &*samples.entries)
        .unwrap_or_default()
        .iter()
        .filter_map(|entry| Some((entry.name.clone(), entry.node.text()?.to_owned())))
        .collect()
}

/// The keys of the route at `path`, its provider's included.
pub fn keys_of(loaded: &Loaded, path: &str) -> Option<Table> {
    let routes = loaded.root.list("route").unwrap_or_default();
    let own = routes
        .iter()
        .filter_map(Node::table)
        .find(|table| table.text("path") == Some(path))?;
    overlaid(own, &loaded.root, PathBuf::new())
}

fn keys(text: &mut String, table: &Table) {
    for entry in &table.entries {
        if !ABOUT.contains(&&*entry.name) {
            assigned(text, entry);
            text.push('\n');
        }
    }
}

fn assigned(text: &mut String, entry: &Entry) {
    text.push_str(&key(&entry.name));
    text.push_str(" = ");
    inline(text, &entry.name, &entry.node);
}

fn inline(text: &mut String, name: &str, node: &Node) {
    // A string takes whatever is written.
    let _ = match &node.value {
        Value::Text(_) if name == "inline" => text.write_str("\"(hidden)\""),
        Value::Text(value) => text.write_str(&quoted(value)),
        Value::Integer(value) => write!(text, "{value}"),
        Value::Float(value) => write!(text, "{value}"),
        Value::Flag(value) => write!(text, "{value}"),
        Value::Time(value) => value.map_or(Ok(()), |time| write!(text, "{time}")),
        Value::List(items) => {
            text.push('[');
            for (number, item) in items.iter().enumerate() {
                text.push_str(if number > 0 { ", " } else { "" });
                inline(text, name, item);
            }
            text.write_str("]")
        }
        Value::Table(table) => {
            text.push_str("{ ");
            for (number, entry) in table.entries.iter().enumerate() {
                text.push_str(if number > 0 { ", " } else { "" });
                assigned(text, entry);
            }
            text.write_str(" }")
        }
    };
}

fn key(name: &str) -> String {
    let bare = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    if !name.is_empty() && name.bytes().all(bare) {
        name.to_owned()
    } else {
        quoted(name)
    }
}

/// A TOML basic string.
fn quoted(value: &str) -> String {
    let mut text = String::from("\"");
    for character in value.chars() {
        match character {
            '"' | '\\' => {
                text.push('\\');
                text.push(character);
            }
            _ if character.is_control() => {
                let _ = write!(text, "\\u{:04X}", u32::from(character));
            }
            _ => text.push(character),
        }
    }
    text.push('"');
    text
}
