//! How a signature is written in its place: `sha256={signature}`, `t={timestamp},v1={signature}`.

mod pieces;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use super::Encoding;
use super::place::scalar;
use crate::json::{Pointer, Selection};
use pieces::{Item, Piece};

/// More signatures than this in one request are an attack on our CPU, not a rotation.
pub const MAX_SIGNATURES: usize = 16;

/// A variable part of a signature header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// What is not looked at.
    Any,
    /// The id of the message.
    Id,
    /// The name of the key that signed.
    KeyId,
    /// The signature itself.
    Signature,
    /// When it was signed.
    Timestamp,
}

#[derive(Debug, Clone)]
enum Shape {
    /// A JSON document with the fields at these pointers, perhaps encoded.
    Json {
        encoding: Option<Encoding>,
        fields: Vec<(Field, Pointer)>,
        selection: Box<Selection>,
    },
    /// Items in any order, repeated, with unknown ones between.
    List { separator: char, items: Vec<Item> },
    /// Exactly these pieces, in this order; the last one may repeat after a separator.
    Sequence {
        pieces: Vec<Piece>,
        repeat: Option<char>,
    },
}

/// A compiled `format`. A copy shares what is in it.
#[derive(Debug, Clone)]
pub struct Format {
    /// The first that fits counts.
    shapes: Arc<[Shape]>,
    /// What parts several values in one place, each written so.
    groups: Option<char>,
}

/// What one value holds, still encoded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parsed<'a> {
    /// Every signature; any of them may match.
    pub signatures: Vec<Cow<'a, str>>,
    /// The timestamp, verbatim.
    pub timestamp: Option<Cow<'a, str>>,
    /// The message id.
    pub id: Option<Cow<'a, str>>,
    /// The key's name.
    pub key_id: Option<Cow<'a, str>>,
}

/// What is wrong with a `format`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormatError(String);

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Format {
    /// Compiles the text of a `format` key.
    pub fn compile(text: &str) -> Result<Self, FormatError> {
        Self::first_of(&[text])
    }

    /// Compiles several texts, of which the first that fits counts.
    pub fn first_of(texts: &[&str]) -> Result<Self, FormatError> {
        let shapes = texts
            .iter()
            .map(|text| pieces::shape(text))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            shapes,
            groups: None,
        })
    }

    /// A JSON document, perhaps encoded, with a field at each pointer.
    pub fn json(encoding: Option<Encoding>, fields: Vec<(Field, Pointer)>) -> Self {
        let pointers: Vec<Pointer> = fields.iter().map(|(_, pointer)| pointer.clone()).collect();
        Self {
            shapes: Arc::new([Shape::Json {
                encoding,
                fields,
                selection: Box::new(Selection::strict(&pointers)),
            }]),
            groups: None,
        }
    }

    /// Several values in one place, `separator` between them.
    #[must_use]
    pub fn grouped(self, separator: char) -> Self {
        Self {
            groups: Some(separator),
            ..self
        }
    }

    /// Whether one place may hold several values.
    pub const fn has_groups(&self) -> bool {
        self.groups.is_some()
    }

    /// Whether every value carries this field.
    pub fn has(&self, field: Field) -> bool {
        self.shapes.iter().all(|shape| shape.has(field))
    }

    /// Takes one value apart; `None` when it is not written so.
    pub fn parse<'a>(&self, value: &'a str) -> Option<Parsed<'a>> {
        self.shapes.iter().find_map(|shape| shape.parse(value))
    }

    /// Takes apart what stands in one place, and hands on each value that is written so.
    pub fn parse_each<'a, E>(
        &self,
        text: &'a str,
        mut each: impl FnMut(Parsed<'a>) -> Result<(), E>,
    ) -> Result<(), E> {
        match self.groups {
            None => self.parse(text).map_or(Ok(()), each),
            Some(separator) => text
                .split(separator)
                .filter_map(|group| self.parse(group.trim()))
                .try_for_each(&mut each),
        }
    }

    /// Writes a value: the way back, for `send`.
    pub fn render(&self, field: impl Fn(Field) -> String) -> String {
        self.shapes
            .first()
            .map_or_else(String::new, |shape| shape.render(field))
    }
}

impl Shape {
    fn has(&self, field: Field) -> bool {
        match self {
            Self::Json { fields, .. } => fields.iter().any(|(known, _)| *known == field),
            Self::List { items, .. } => items.iter().any(|item| item.field == field),
            Self::Sequence { pieces, .. } => pieces.contains(&Piece::Field(field)),
        }
    }

    fn parse<'a>(&self, value: &'a str) -> Option<Parsed<'a>> {
        let mut parsed = Parsed::default();
        match self {
            Self::Json {
                encoding,
                fields,
                selection,
            } => {
                let text = match encoding {
                    Some(encoding) => encoding.decode(value.as_bytes())?.into(),
                    None => Cow::Borrowed(value.as_bytes()),
                };
                let document = selection.read(&text).ok()?;
                for ((field, _), found) in fields.iter().zip(&document.found) {
                    if let Some(text) = scalar(Some(found)).ok()? {
                        parsed.put(*field, Cow::Owned(text.to_owned()))?;
                    }
                }
            }
            Self::List { separator, items } => {
                for part in value.split(*separator).map(str::trim) {
                    let found = items
                        .iter()
                        .filter_map(|item| Some((item, part.strip_prefix(&*item.prefix)?)))
                        .max_by_key(|(item, _)| item.prefix.len());
                    if let Some((item, text)) = found {
                        parsed.put(item.field, Cow::Borrowed(text))?;
                    }
                }
            }
            Self::Sequence { pieces, repeat } => parsed.sequence(pieces, *repeat, value)?,
        }
        (!parsed.signatures.is_empty()).then_some(parsed)
    }

    fn render(&self, field: impl Fn(Field) -> String) -> String {
        match self {
            Self::Json {
                encoding, fields, ..
            } => {
                let mut document = serde_json::json!({});
                for (name, pointer) in fields {
                    pointer.put(&mut document, field(*name).into());
                }
                let text = document.to_string();
                match encoding {
                    Some(encoding) => encoding.encode(text.as_bytes()),
                    None => text,
                }
            }
            Self::List { separator, items } => {
                let items: Vec<String> = items
                    .iter()
                    .map(|item| format!("{}{}", item.prefix, field(item.field)))
                    .collect();
                items.join(&separator.to_string())
            }
            Self::Sequence { pieces, .. } => pieces
                .iter()
                .map(|piece| match piece {
                    Piece::Literal(text) => text.clone(),
                    Piece::Field(name) => field(*name),
                })
                .collect(),
        }
    }
}

impl<'a> Parsed<'a> {
    fn sequence(&mut self, pieces: &[Piece], repeat: Option<char>, value: &'a str) -> Option<()> {
        let mut rest = value;
        let mut pieces = pieces.iter().peekable();
        while let Some(piece) = pieces.next() {
            match (piece, pieces.peek()) {
                (Piece::Literal(literal), _) => rest = rest.strip_prefix(&**literal)?,
                (Piece::Field(field), Some(Piece::Literal(next))) => {
                    let (text, after) = rest.split_at(rest.find(&**next)?);
                    self.put(*field, Cow::Borrowed(text))?;
                    rest = after;
                }
                (Piece::Field(field), _) => {
                    match repeat {
                        Some(separator) => rest
                            .split(separator)
                            .try_for_each(|text| self.put(*field, Cow::Borrowed(text.trim())))?,
                        None => self.put(*field, Cow::Borrowed(rest))?,
                    }
                    rest = "";
                }
            }
        }
        rest.is_empty().then_some(())
    }

    /// Files a field; `None` when it must not stand twice, or there are too many.
    fn put(&mut self, field: Field, text: Cow<'a, str>) -> Option<()> {
        let slot = match field {
            Field::Any => return Some(()),
            Field::Signature => {
                self.signatures.push(text);
                return (self.signatures.len() <= MAX_SIGNATURES).then_some(());
            }
            Field::Timestamp => &mut self.timestamp,
            Field::Id => &mut self.id,
            Field::KeyId => &mut self.key_id,
        };
        slot.replace(text).is_none().then_some(())
    }
}

impl Field {
    /// All that a format may hold.
    pub const ALL: [Self; 5] = [
        Self::Any,
        Self::Id,
        Self::KeyId,
        Self::Signature,
        Self::Timestamp,
    ];

    /// Its name in a format.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Id => "id",
            Self::KeyId => "key_id",
            Self::Signature => "signature",
            Self::Timestamp => "timestamp",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse<'a>(format: &str, value: &'a str) -> Option<Parsed<'a>> {
        Format::compile(format).unwrap().parse(value)
    }

    #[test]
    fn a_prefix_must_be_there_and_nothing_else() {
        let found = parse("sha256={signature}", "sha256=ab").unwrap();
        assert_eq!(found.signatures, ["ab"]);
        for wrong in ["sha1=ab", "SHA256=ab", "ab", "", " sha256=ab", "sha256"] {
            assert_eq!(parse("sha256={signature}", wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn a_keyed_list_may_repeat_reorder_and_hold_unknown_items() {
        let format = "t={timestamp},v1={signature}";
        for value in [
            "t=5,v1=a,v1=b",
            "v1=a, v1=b , t=5",
            "v0=x,t=5,v1=a,v1=b,foo",
        ] {
            let found = parse(format, value).unwrap();
            assert_eq!(found.signatures, ["a", "b"], "{value}");
            assert_eq!(found.timestamp.as_deref(), Some("5"), "{value}");
        }
        for value in ["t=5", "t=5,t=6,v1=a", "", "T=5,V1=a"] {
            assert_eq!(parse(format, value), None, "{value}");
        }
        assert_eq!(parse(format, "v1=a").unwrap().timestamp, None);
    }

    #[test]
    fn a_trailing_separator_makes_a_list_of_one_kind() {
        let found = parse("v1,{signature} ", "v1,a v1a,b v1,c").unwrap();
        assert_eq!(found.signatures, ["a", "c"]);
        assert_eq!(
            parse("{signature},", "a, b").unwrap().signatures,
            ["a", "b"]
        );
    }

    #[test]
    fn bare_items_are_positional() {
        let found = parse("v0,{timestamp},{signature}", "v0,5,ab").unwrap();
        assert_eq!(
            (found.timestamp.as_deref(), found.signatures),
            (Some("5"), vec!["ab".into()])
        );
        assert_eq!(parse("v0,{timestamp},{signature}", "v0,5"), None);
        let found = parse("Application {key_id}:{signature}", "Application k:a:b").unwrap();
        assert_eq!(
            (found.key_id.as_deref(), found.signatures),
            (Some("k"), vec!["a:b".into()])
        );
    }

    fn parse_all(format: &Format, value: &str) -> Vec<String> {
        let mut found = Vec::new();
        let each = |parsed: Parsed<'_>| {
            let (time, key) = (parsed.timestamp, parsed.key_id);
            found.push(format!(
                "{} {} {}",
                time.unwrap_or_default(),
                key.unwrap_or_default(),
                parsed.signatures.join("+")
            ));
            Ok::<(), ()>(())
        };
        format.parse_each(value, each).unwrap();
        found
    }

    #[test]
    fn groups_are_values_of_their_own() {
        let persona = Format::compile("t={timestamp},v1={signature}").unwrap();
        let persona = persona.grouped(' ');
        assert_eq!(
            parse_all(&persona, "t=5,v1=a,v1=b t=6,v1=c x=1 t=7"),
            ["5  a+b", "6  c"]
        );
        let worldpay = Format::compile("{key_id}/SHA256/{signature}").unwrap();
        let worldpay = worldpay.grouped(',');
        assert_eq!(
            parse_all(&worldpay, "1/SHA256/ab,2/SHA512/cd, 3/SHA256/ef"),
            [" 1 ab", " 3 ef"]
        );
        assert!(parse_all(&worldpay, "").is_empty());
    }

    #[test]
    fn the_first_format_that_fits_counts() {
        let either = Format::first_of(&["sha256={signature}", "{signature}"]).unwrap();
        assert_eq!(either.parse("sha256=ab").unwrap().signatures, ["ab"]);
        assert_eq!(either.parse("ab").unwrap().signatures, ["ab"]);
        assert!(
            !Format::first_of(&["t={timestamp},v1={signature}", "{signature}"])
                .unwrap()
                .has(Field::Timestamp)
        );
    }

    #[test]
    fn the_last_position_repeats_where_the_format_says_so() {
        let found = parse("{timestamp},{signature},", "5,ab,cd").unwrap();
        assert_eq!(found.timestamp.as_deref(), Some("5"));
        assert_eq!(found.signatures, ["ab", "cd"]);
        assert_eq!(
            parse("{timestamp},{signature}", "5,ab,cd")
                .unwrap()
                .signatures,
            ["ab,cd"]
        );
        let found = parse("v0,{timestamp},{signature},", "v0,5,ab").unwrap();
        assert_eq!(found.signatures, ["ab"]);
        assert_eq!(
            parse("{any}|{signature}", "pk|ab").unwrap().signatures,
            ["ab"]
        );
        let many = vec!["a"; MAX_SIGNATURES + 1].join(",");
        assert_eq!(
            parse("{timestamp},{signature},", &format!("5,{many}")),
            None
        );
    }

    #[test]
    fn a_document_holds_its_fields_at_pointers() {
        let pointer = |text| Pointer::parse(text).unwrap();
        let fields = vec![
            (Field::Signature, pointer("/signature")),
            (Field::KeyId, pointer("/kid")),
        ];
        let format = Format::json(Some(Encoding::Base64), fields.clone());
        let wrap = |text: &str| Encoding::Base64.encode(text.as_bytes());
        let value = wrap(r#"{"alg":"ecdsa","kid":"k","signature":"ab","digest":"SHA1"}"#);
        let found = format.parse(&value).unwrap();
        assert_eq!(found.key_id.as_deref(), Some("k"));
        assert_eq!(found.signatures, ["ab"]);
        for wrong in [
            r#"{"kid":"k"}"#,
            r#"{"signature":"ab","signature":"cd"}"#,
            r#"{"signature":["ab"]}"#,
            r#"{"signature":"ab"} x"#,
            "",
        ] {
            assert_eq!(format.parse(&wrap(wrong)), None, "{wrong}");
        }
        assert_eq!(format.parse("{}"), None);
        let bare = Format::json(None, fields);
        let text = bare.render(|field| field.name().to_owned());
        assert_eq!(bare.parse(&text).unwrap().signatures, ["signature"]);
    }

    #[test]
    fn a_flood_of_signatures_is_refused() {
        let many = vec!["v1=a"; MAX_SIGNATURES + 1].join(",");
        assert_eq!(parse("t={timestamp},v1={signature}", &many), None);
    }

    #[test]
    fn what_is_rendered_is_parsed() {
        for format in [
            "{signature}",
            "t={timestamp},v1={signature}",
            "v1,{signature} ",
            "{timestamp}.{signature}",
            "{timestamp},{signature},",
            "{any}|{signature}",
        ] {
            let compiled = Format::compile(format).unwrap();
            let text = compiled.render(|field| field.name().to_owned());
            assert_eq!(
                compiled.parse(&text).unwrap().signatures,
                ["signature"],
                "{format}"
            );
        }
    }

    #[test]
    fn mistakes_in_a_format_are_named() {
        for (format, part) in [
            ("v1=", "needs `{signature}`"),
            ("{signature", "without its `}`"),
            ("signature}", "without its `{`"),
            ("{signature}{timestamp}", "between them"),
            ("{signature},{signature}", "twice"),
            ("{sig}", "not a field"),
        ] {
            let error = Format::compile(format).unwrap_err().to_string();
            assert!(error.contains(part), "{format}: {error}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_header_value_panics(value in ".*", at in 0_usize..4) {
            let formats = ["{signature}", "t={timestamp},v1={signature}", "v1,{signature} ", "{id}.{signature}"];
            drop(Format::compile(formats[at]).unwrap().parse(&value));
        }
    }
}
