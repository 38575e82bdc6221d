//! The grammar as a JSON Schema (2020-12), for editors: what it refuses `check` refuses too. What
//! takes more than the shape of one value (templates, keys, overlapping routes) only `check` sees.

use serde_json::{Map, Value, json};

use super::catalogue;
use super::grammar::{
    Choice, Key, Kind, ROOT, ROUTE, SCHEMES, SECRET_SOURCE, STEP_ANY, Section, sections,
};

/// The schema as it is shipped.
pub fn text() -> String {
    // A `Value` can always be written.
    let mut text = serde_json::to_string_pretty(&document()).unwrap_or_default();
    text.push('\n');
    text
}

fn document() -> Value {
    let mut schema = Map::new();
    schema.insert(
        "$schema".into(),
        "https://json-schema.org/draft/2020-12/schema".into(),
    );
    schema.insert("title".into(), "gatepost: sidecar.toml".into());
    schema.extend(table(&ROOT));
    let mut definitions: Map<String, Value> = sections()
        .into_iter()
        .filter(|section| !std::ptr::eq(*section, &raw const ROOT))
        .map(|section| (name(section), Value::Object(table(section))))
        .collect();
    let steps = SCHEMES.iter().copied().chain([&STEP_ANY]);
    definitions.insert(
        "step".into(),
        json!({ "type": "object", "oneOf": steps.map(reference).collect::<Vec<_>>() }),
    );
    schema.insert("$defs".into(), definitions.into());
    schema.into()
}

/// The name of a section among the definitions: `[server.tls]` is `server-tls`.
fn name(section: &Section) -> String {
    let words = section
        .name
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| !word.is_empty() && *word != "a" && *word != "an" && *word != "NAME");
    let name = words.collect::<Vec<_>>().join("-");
    let scheme = SCHEMES.iter().any(|known| std::ptr::eq(*known, section));
    if scheme { format!("step-{name}") } else { name }
}

fn reference(section: &Section) -> Value {
    json!({ "$ref": format!("#/$defs/{}", name(section)) })
}

fn table(section: &Section) -> Map<String, Value> {
    let scheme = SCHEMES.iter().any(|known| std::ptr::eq(*known, section));
    let properties: Map<String, Value> = section
        .keys
        .iter()
        .map(|key| {
            let value = if scheme && key.name == "scheme" {
                json!({ "const": section.name, "description": section.doc })
            } else {
                property(section, key)
            };
            (key.name.to_owned(), value)
        })
        .collect();
    let mut table = Map::new();
    table.insert("type".into(), "object".into());
    table.insert("description".into(), section.doc.into());
    table.insert("properties".into(), properties.into());
    table.insert("additionalProperties".into(), false.into());
    if scheme {
        table.insert("required".into(), json!(["scheme"]));
    } else if std::ptr::eq(section, &raw const STEP_ANY) {
        table.insert("required".into(), json!(["any"]));
    }
    let one = |names: &[&str]| -> Vec<Value> {
        names
            .iter()
            .map(|name| json!({ "required": [name] }))
            .collect()
    };
    match section.choice {
        Choice::Free => {}
        Choice::AtMostOne(names) => {
            let mut cases = one(names);
            cases.push(json!({ "not": { "anyOf": one(names) } }));
            table.insert("oneOf".into(), cases.into());
        }
        Choice::ExactlyOne(names) => {
            table.insert("oneOf".into(), one(names).into());
        }
    }
    table
}

fn property(section: &Section, key: &Key) -> Value {
    let mut schema = Map::new();
    if std::ptr::eq(section, &raw const ROUTE) && key.name == "provider" {
        // One of one's own is as good.
        schema.insert(
            "anyOf".into(),
            json!([{ "enum": catalogue::names() }, { "type": "string" }]),
        );
    } else if let Value::Object(shape) = of(&key.kind) {
        schema = shape;
    }
    schema.insert("description".into(), key.doc.into());
    if !key.default.is_empty() {
        schema.insert("default".into(), default(key));
    }
    schema.into()
}

/// A default as a value: lists, numbers and switches are shown as JSON writes them.
fn default(key: &Key) -> Value {
    let bare = matches!(
        key.kind,
        Kind::Flag | Kind::Integer { .. } | Kind::List(_) | Kind::OpenList(_)
    );
    let parsed = serde_json::from_str(key.default).ok().filter(|_| bare);
    parsed.unwrap_or_else(|| key.default.into())
}

fn of(kind: &Kind) -> Value {
    match kind {
        Kind::Address => json!({ "type": "string", "pattern": "^(unix:.+|[^/\\s]+:[0-9]{1,5})$" }),
        Kind::Duration => json!({ "type": "string", "pattern": "^[0-9]+(ms|s|m|h|d|w)$" }),
        Kind::Either(kinds) => json!({ "anyOf": kinds.iter().map(of).collect::<Vec<_>>() }),
        Kind::Flag => json!({ "type": "boolean" }),
        Kind::Integer { min, max } => {
            json!({ "type": "integer", "minimum": min, "maximum": max })
        }
        Kind::List(kind) => json!({ "type": "array", "items": of(kind), "minItems": 1 }),
        Kind::NamedTables(section) => {
            json!({ "type": "object", "additionalProperties": reference(section) })
        }
        Kind::OneOf(words) => json!({ "enum": words }),
        Kind::OneOrMany(kind) => json!({ "anyOf": [of(kind), of(&Kind::List(kind))] }),
        Kind::OpenList(kind) => json!({ "type": "array", "items": of(kind) }),
        Kind::Rate => {
            json!({ "type": "string", "pattern": "^[0-9]+/(s|m|h)( burst [0-9]+)?$" })
        }
        Kind::Secret => {
            let source = reference(&SECRET_SOURCE);
            json!({ "anyOf": [source, { "type": "array", "items": source, "minItems": 1 }] })
        }
        Kind::Size => json!({ "anyOf": [
            { "type": "string", "pattern": "^[0-9]+(B|KiB|MiB|GiB)?$" },
            { "type": "integer", "minimum": 0 },
        ] }),
        Kind::Steps => {
            json!({ "type": "array", "items": { "$ref": "#/$defs/step" }, "minItems": 1 })
        }
        Kind::Table(section) => reference(section),
        Kind::Tables(section) => json!({ "type": "array", "items": reference(section) }),
        Kind::Text => json!({ "type": "string" }),
        Kind::TextTable => {
            json!({ "type": "object", "additionalProperties": { "type": "string" } })
        }
        Kind::Time => json!({ "type": "string", "format": "date-time" }),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::config::source;
    use crate::config::tree::{self, Node, Table};

    fn validator() -> jsonschema::Validator {
        let schema = document();
        assert!(jsonschema::draft202012::meta::is_valid(&schema));
        jsonschema::draft202012::new(&schema).unwrap()
    }

    /// The file as an editor sees it.
    fn value(text: &str) -> Option<Value> {
        let mut files = source::Files::new();
        let id = files.add("x", text);
        let (root, problems) = tree::parse(&files, id);
        if !problems.is_empty() {
            // A test that fails shows it.
            let spans = problems
                .iter()
                .filter_map(|problem| Some(files.position(problem.span?).line));
            println!("mistakes in lines {:?}", spans.collect::<Vec<_>>());
            return None;
        }
        Some(object(&root))
    }

    fn object(table: &Table) -> Value {
        let entries = table.entries.iter();
        entries
            .map(|entry| (entry.name.clone(), json(&entry.node)))
            .collect()
    }

    fn json(node: &Node) -> Value {
        match &node.value {
            tree::Value::Text(text) => text.as_str().into(),
            tree::Value::Integer(integer) => (*integer).into(),
            tree::Value::Float(float) => (*float).into(),
            tree::Value::Flag(flag) => (*flag).into(),
            tree::Value::Time(time) => time.map_or("a date".into(), |time| time.to_string()).into(),
            tree::Value::List(list) => list.iter().map(json).collect(),
            tree::Value::Table(table) => object(table),
        }
    }

    fn repository() -> &'static Path {
        Path::new(env!("CARGO_MANIFEST_DIR"))
    }

    fn read(path: impl AsRef<Path>) -> String {
        std::fs::read_to_string(path).unwrap()
    }

    fn accepted(validator: &jsonschema::Validator, name: &str, text: &str) {
        let mut value = value(text).unwrap_or_else(|| panic!("{name} is no TOML"));
        if value.get("title").is_some() {
            // The file of a provider: what stands under [provider.NAME].
            value = json!({ "provider": { "example": value } });
        }
        let faults: Vec<String> = validator
            .iter_errors(&value)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(faults.is_empty(), "{name}: {faults:#?}");
    }

    /// The blocks of a Markdown file that are TOML.
    fn blocks(text: &str) -> Vec<&str> {
        let parts = text.split("```toml\n").skip(1);
        parts.filter_map(|part| part.split("```").next()).collect()
    }

    /// The reference with the keys set that are not set there.
    fn whole_reference(text: &str) -> String {
        let lines = text.lines().map(|line| match line.strip_prefix("#: ") {
            Some(key) => key.to_owned(),
            None if line == "# [server.tls]" => "[server.tls]".to_owned(),
            None if line.starts_with("# === Every other key of a route") => {
                "[[route]]\npath = \"/other\"".to_owned()
            }
            None => line.to_owned(),
        });
        let text = lines.collect::<Vec<_>>().join("\n");
        assert!(text.contains("\nclient_ca = ") && text.contains("\nrate = "));
        text
    }

    fn folders_of_mistakes() -> Vec<PathBuf> {
        let root = repository().join("tests/fixtures/config");
        let entries = std::fs::read_dir(root).unwrap();
        entries
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.join("sidecar.toml").is_file())
            .collect()
    }

    #[test]
    fn the_shipped_schema_is_this_one() {
        crate::blessed::agrees("docs/sidecar.schema.json", &text());
    }

    /// TOML 1.1 allows line ends and a last comma inside `{ }`; many editors know TOML 1.0 only.
    fn keeps_to_toml_1_0(text: &str) -> bool {
        let mut open = Vec::new();
        let mut before = ' ';
        let mut rest = text;
        while let Some(next) = rest.chars().next() {
            let length = match next {
                '#' => rest.find('\n').unwrap_or(rest.len()),
                '"' | '\'' => {
                    let thrice = next.to_string().repeat(3);
                    let mark = if rest.starts_with(&thrice) {
                        thrice
                    } else {
                        next.to_string()
                    };
                    let inner = rest.strip_prefix(&mark).unwrap();
                    let ends = inner.match_indices(&mark).map(|(at, _)| at);
                    let escaped =
                        |at: usize| next == '"' && inner.get(..at).unwrap().ends_with('\\');
                    let end = ends.into_iter().find(|at| !escaped(*at)).unwrap();
                    end + 2 * mark.len()
                }
                _ => next.len_utf8(),
            };
            match next {
                '{' | '[' => open.push(next),
                '}' if before == ',' => return false,
                '}' | ']' => drop(open.pop()),
                '\n' if open.last() == Some(&'{') => return false,
                _ => {}
            }
            if !next.is_whitespace() && next != '#' {
                before = next;
            }
            rest = rest.get(length..).unwrap();
        }
        true
    }

    #[test]
    fn what_is_shipped_keeps_to_toml_1_0() {
        for (text, good) in [
            ("a = { b = 1, c = [\n 1,\n] } # }\n[d]", true),
            ("a = '{\n' # {\nb = \"\\\"{\"\nc = \"\"\"\n{\"\"\"\n", true),
            ("a = { b = 1,\n c = 2 }", false),
            ("a = { b = 1, }", false),
            ("a = [{\n b = 1 }]", false),
        ] {
            assert_eq!(keeps_to_toml_1_0(text), good, "{text}");
        }
        let reference = read(repository().join("sidecar.toml"));
        assert!(keeps_to_toml_1_0(&reference));
        let whole = whole_reference(&reference);
        assert!(whole.contains("[[route]]") && keeps_to_toml_1_0(&whole));
        for name in catalogue::names() {
            assert!(keeps_to_toml_1_0(catalogue::text(name).unwrap()), "{name}");
        }
        for entry in std::fs::read_dir(repository().join("docs")).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|ending| ending == "md") {
                for block in blocks(&read(path.clone())) {
                    assert!(keeps_to_toml_1_0(block), "{}: {block}", path.display());
                }
            }
        }
    }

    #[test]
    fn every_section_has_a_name_of_its_own() {
        let names: BTreeSet<String> = sections().into_iter().map(name).collect();
        assert_eq!(names.len(), sections().len(), "{names:?}");
        assert!(!names.contains("step"));
    }

    #[test]
    fn every_example_is_accepted() {
        let validator = validator();
        for path in [
            "sidecar.toml",
            "src/command/demo/demo.toml",
            "src/config/shape/contract.toml",
        ] {
            accepted(&validator, path, &read(repository().join(path)));
        }
        let all = whole_reference(&read(repository().join("sidecar.toml")));
        accepted(
            &validator,
            "the keys that are not set in sidecar.toml",
            &all,
        );
        let mut documents = vec![repository().join("README.md")];
        for entry in std::fs::read_dir(repository().join("docs")).unwrap() {
            documents.push(entry.unwrap().path());
        }
        let mut seen = 0;
        for path in documents {
            if path.extension().is_some_and(|extension| extension == "md") {
                for block in blocks(&read(&path)) {
                    seen += 1;
                    accepted(&validator, &path.display().to_string(), block);
                }
            }
        }
        assert!(seen >= 1);
    }

    #[test]
    fn every_provider_of_the_catalogue_is_accepted() {
        let validator = validator();
        let mut route = Map::new();
        route.insert("path".into(), "/x".into());
        for name in catalogue::names() {
            let value = value(catalogue::text(name).unwrap()).unwrap();
            let file = json!({ "provider": { name: value }, "route": [{ "path": "/x", "provider": name }] });
            let faults: Vec<String> = validator
                .iter_errors(&file)
                .map(|error| format!("{}: {error}", error.instance_path()))
                .collect();
            assert!(faults.is_empty(), "{name}: {faults:#?}");
        }
    }

    /// What the schema can see it must refuse: an unknown key, a wrong type, a word that is no
    /// choice. The golden texts of `check` say which mistakes these are.
    #[test]
    fn mistakes_of_shape_are_refused_and_no_warning_is() {
        const VISIBLE: [&str; 7] = [
            "unknown key",
            "` must be ",
            "has no such choice",
            "unknown scheme",
            "exclude each other",
            "` is out of range",
            "must say where it is kept",
        ];
        let validator = validator();
        let (mut refused, mut taken) = (0, 0);
        for folder in folders_of_mistakes() {
            let name = folder.file_name().unwrap().to_string_lossy().into_owned();
            let bytes = std::fs::read(folder.join("sidecar.toml")).unwrap();
            let Some(value) = String::from_utf8(bytes).ok().and_then(|text| value(&text)) else {
                continue;
            };
            let said = read(folder.join("expected.txt"));
            if name.starts_with("warn-") {
                assert!(validator.is_valid(&value), "{name} is no mistake");
                taken += 1;
            } else if VISIBLE.iter().any(|words| said.contains(words)) {
                assert!(!validator.is_valid(&value), "{name} is accepted");
                refused += 1;
            }
        }
        assert!(
            refused >= 20 && taken >= 3,
            "{refused} refused, {taken} taken"
        );
    }

    /// Each key of each section, misspelt, is refused where the right one is taken.
    #[test]
    fn a_key_that_is_not_there_is_refused_everywhere() {
        let schema = document();
        let definitions = schema["$defs"].as_object().unwrap();
        for section in sections() {
            let definition = if section.name == ROOT.name {
                &schema
            } else {
                &definitions[&name(section)]
            };
            assert_eq!(
                definition["additionalProperties"], false,
                "{}",
                section.name
            );
            for key in section.keys {
                let property = &definition["properties"][key.name];
                assert!(
                    property["description"].is_string(),
                    "{} {}",
                    section.name,
                    key.name
                );
            }
        }
    }
}
