//! What a verified body must look like: a JSON Schema (2020-12 unless the file says otherwise).
//!
//! Nothing is fetched: references lead into the same file. Patterns are matched in linear time.

use std::collections::BTreeSet;
use std::fmt;

use jsonschema::{PatternOptions, Validator};
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// A pattern that needs more memory than this when compiled is refused.
const PATTERN_BYTES: usize = 1 << 20;

/// Places are cut here.
const PLACE_LENGTH: usize = 200;

/// The keywords that can refuse something. A file without any of them is no schema.
const ASSERTIONS: &[&str] = &[
    "$ref",
    "additionalItems",
    "additionalProperties",
    "allOf",
    "anyOf",
    "const",
    "contains",
    "dependencies",
    "dependentRequired",
    "dependentSchemas",
    "else",
    "enum",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "format",
    "if",
    "items",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "multipleOf",
    "not",
    "oneOf",
    "pattern",
    "patternProperties",
    "prefixItems",
    "properties",
    "propertyNames",
    "required",
    "then",
    "type",
    "unevaluatedItems",
    "unevaluatedProperties",
    "uniqueItems",
];

/// A compiled schema.
pub struct Schema {
    validator: Validator,
    /// Every key of the file: names that may be shown, because they were not sent.
    names: BTreeSet<String>,
}

/// Where a body does not satisfy a schema. Holds nothing of what was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// A JSON Pointer into the body; a name that the schema does not know is `*`.
    pub at: String,
    /// The keyword that refused it; `json` where the body is not JSON, `unique` for a repeated key.
    pub keyword: String,
}

/// Why a file is no schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SchemaError {
    /// It is not JSON; line and column from 1.
    NotJson(usize, usize),
    /// A key stands twice in one object; line and column from 1.
    Repeated(usize, usize),
    /// It has no keyword that could refuse a body.
    RefusesNothing,
    /// A reference leads out of the file, or nowhere.
    Reference,
    /// A keyword is used wrongly, at this JSON Pointer into the schema.
    Keyword(String),
}

impl Schema {
    /// Reads a schema.
    ///
    /// # Errors
    ///
    /// When it is not JSON, is no schema, or needs another file.
    pub fn compile(text: &[u8]) -> Result<Self, SchemaError> {
        let Strict(schema) = serde_json::from_slice(text).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            if error.is_data() {
                SchemaError::Repeated(line, column)
            } else {
                SchemaError::NotJson(line, column)
            }
        })?;
        let asserts = |object: &Map<String, Value>| {
            object.keys().any(|key| ASSERTIONS.contains(&key.as_str()))
        };
        if !schema.as_object().is_some_and(asserts) {
            return Err(SchemaError::RefusesNothing);
        }
        let validator = jsonschema::options()
            .offline()
            .with_pattern_options(PatternOptions::regex().size_limit(PATTERN_BYTES))
            .build(&schema)
            .map_err(|error| match error.kind().keyword() {
                "$ref" => SchemaError::Reference,
                _ => SchemaError::Keyword(cut(error.instance_path().as_str())),
            })?;
        let mut names = BTreeSet::new();
        gather(&schema, &mut names);
        Ok(Self { validator, names })
    }

    /// The first thing in `body` that does not satisfy it.
    pub fn violation(&self, body: &[u8]) -> Option<Violation> {
        let violation = |at: String, keyword: &str| {
            let keyword = keyword.to_owned();
            Some(Violation { at, keyword })
        };
        let body = match serde_json::from_slice(body) {
            Ok(Strict(body)) => body,
            Err(error) if error.is_data() => return violation(String::new(), "unique"),
            Err(_) => return violation(String::new(), "json"),
        };
        let error = self.validator.validate(&body).err()?;
        violation(
            self.shown(error.instance_path().as_str()),
            error.kind().keyword(),
        )
    }

    /// A place without the names that only the body has.
    fn shown(&self, place: &str) -> String {
        let known = |token: &&str| {
            token.bytes().all(|b| b.is_ascii_digit())
                || self
                    .names
                    .contains(&token.replace("~1", "/").replace("~0", "~"))
        };
        let tokens: Vec<&str> = place
            .split('/')
            .map(|token| if known(&token) { token } else { "*" })
            .collect();
        cut(&tokens.join("/"))
    }
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Schema")
    }
}

fn cut(text: &str) -> String {
    text.chars().take(PLACE_LENGTH).collect()
}

fn gather(schema: &Value, names: &mut BTreeSet<String>) {
    match schema {
        Value::Array(items) => items.iter().for_each(|item| gather(item, names)),
        Value::Object(members) => {
            for (name, value) in members {
                names.insert(name.clone());
                gather(value, names);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// A document in which no object has a key twice: readers disagree about which of the two counts.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader).map(Self)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Strict(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(list.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some((name, Strict(value))) = members.next_entry::<String, Strict>()? {
            if object.insert(name, value).is_some() {
                return Err(A::Error::custom("a key stands twice"));
            }
        }
        Ok(object.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(text: &str) -> Schema {
        Schema::compile(text.as_bytes()).unwrap()
    }

    fn refused(schema: &Schema, body: &str) -> (String, String) {
        let violation = schema.violation(body.as_bytes()).expect(body);
        (violation.at, violation.keyword)
    }

    #[test]
    fn says_where_and_which_keyword_and_nothing_that_was_sent() {
        let schema = schema(
            r#"{"type":"object","required":["a"],"properties":{"a":{"type":"string","maxLength":3},
                "list":{"items":{"properties":{"n":{"type":"integer"}}}}},
                "additionalProperties":{"type":"number"}}"#,
        );
        assert_eq!(schema.violation(br#"{"a":"x","other":1}"#), None);
        for (body, at, keyword) in [
            ("[]", "", "type"),
            ("{}", "", "required"),
            (r#"{"a":1}"#, "/a", "type"),
            (r#"{"a":"MARKED"}"#, "/a", "maxLength"),
            (
                r#"{"a":"x","list":[{"n":1},{"n":"MARKED"}]}"#,
                "/list/1/n",
                "type",
            ),
            (r#"{"a":"x","MARKED":"MARKED"}"#, "/*", "type"),
            (r#"{"a":"x","MARKED/~":"MARKED"}"#, "/*", "type"),
            (r#"{"a":"x","a":"y"}"#, "", "unique"),
            (r#"{"a":"x"}{"a":"x"}"#, "", "json"),
            (r#"{"a":"x""#, "", "json"),
            ("", "", "json"),
            ("a=x", "", "json"),
        ] {
            let expected = (at.to_owned(), keyword.to_owned());
            assert_eq!(refused(&schema, body), expected, "{body}");
        }
        assert_eq!(refused(&schema, &"[".repeat(100_000)).1, "json");
        assert_eq!(schema.violation(b"\xff").unwrap().keyword, "json");
    }

    #[test]
    fn a_deep_body_and_a_schema_that_leads_back_to_itself_end() {
        let recursive = schema(
            r##"{"$defs":{"n":{"anyOf":[{"type":"string"},{"items":{"$ref":"#/$defs/n"}},
                {"items":{"$ref":"#/$defs/n"}}]}},"$ref":"#/$defs/n","type":"array"}"##,
        );
        let deep = format!("{}1{}", "[".repeat(120), "]".repeat(120));
        drop(recursive.violation(deep.as_bytes()));
        for circle in [
            r##"{"$ref":"#"}"##,
            r##"{"allOf":[{"$ref":"#"}],"type":"object"}"##,
            r##"{"$defs":{"a":{"$ref":"#/$defs/b"},"b":{"$ref":"#/$defs/a"}},"$ref":"#/$defs/a"}"##,
        ] {
            if let Ok(schema) = Schema::compile(circle.as_bytes()) {
                drop(schema.violation(b"{}"));
            }
        }
    }

    #[test]
    fn patterns_take_linear_time() {
        let schema = schema(r#"{"type":"string","pattern":"^(a+)+$"}"#);
        let body = format!("\"{}!\"", "a".repeat(100_000));
        assert_eq!(refused(&schema, &body).1, "pattern");
    }

    #[test]
    fn what_is_no_schema_is_refused_when_it_is_loaded() {
        use SchemaError::{Keyword, NotJson, RefusesNothing, Repeated};
        let keyword = |at: &str| Keyword(at.to_owned());
        for (text, expected) in [
            ("", NotJson(1, 0)),
            ("{\"type\": \"object\",\n x}", NotJson(2, 2)),
            ("{\"type\": 1, \"type\": 2}", Repeated(1, 22)),
            ("{}", RefusesNothing),
            ("true", RefusesNothing),
            ("[]", RefusesNothing),
            (r#"{"kty":"RSA","n":"x","e":"AQAB"}"#, RefusesNothing),
            (r#"{"type":"objekt"}"#, keyword("/type")),
            (
                r#"{"properties":{"a":{"minLength":-1}}}"#,
                keyword("/properties/a/minLength"),
            ),
            (
                r#"{"properties":{"a":{"pattern":"("}}}"#,
                keyword("/properties/a/pattern"),
            ),
            (r#"{"pattern":"(?=a)"}"#, keyword("/pattern")),
            (r#"{"pattern":"(a{1000}){1000}"}"#, keyword("/pattern")),
            (
                r#"{"$ref":"https://example.com/x.json"}"#,
                SchemaError::Reference,
            ),
            (r#"{"$ref":"other.json"}"#, SchemaError::Reference),
            (r#"{"$ref":"file:///etc/passwd"}"#, SchemaError::Reference),
            (r##"{"$ref":"#/$defs/none"}"##, SchemaError::Reference),
            (
                r#"{"$schema":"https://example.com/mine","type":"object"}"#,
                SchemaError::Reference,
            ),
        ] {
            let found = Schema::compile(text.as_bytes()).unwrap_err();
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn the_draft_is_the_one_that_the_file_names() {
        // In draft 4 `exclusiveMinimum` is a switch.
        let old = r#"{"$schema":"http://json-schema.org/draft-04/schema#","minimum":3,"exclusiveMinimum":true}"#;
        assert_eq!(refused(&schema(old), "3").1, "exclusiveMinimum");
        assert!(Schema::compile(br#"{"minimum":3,"exclusiveMinimum":true}"#).is_err());
    }
}
