//! How a signature header is written: `sha256={signature}`, `t={timestamp},v1={signature}`.

use std::fmt;

/// More signatures than this in one header are an attack on our CPU, not a rotation.
const MAX_SIGNATURES: usize = 16;

/// A variable part of a signature header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// The id of the message.
    Id,
    /// The name of the key that signed.
    KeyId,
    /// The signature itself.
    Signature,
    /// When it was signed.
    Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Field(Field),
}

/// One item of a separated list: `v1=` and what follows it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Item {
    prefix: String,
    field: Field,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Shape {
    /// Items in any order, repeated, with unknown ones between.
    List { separator: char, items: Vec<Item> },
    /// Exactly these pieces, in this order.
    Sequence(Vec<Piece>),
}

/// A compiled `format`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Format(Shape);

/// What one header value holds, still encoded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parsed<'a> {
    /// Every signature; any of them may match.
    pub signatures: Vec<&'a str>,
    /// The timestamp, verbatim.
    pub timestamp: Option<&'a str>,
    /// The message id.
    pub id: Option<&'a str>,
    /// The key's name.
    pub key_id: Option<&'a str>,
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
        let pieces = pieces(text)?;
        let fields: Vec<Field> = pieces.iter().filter_map(Piece::field).collect();
        if !fields.contains(&Field::Signature) {
            return Err(FormatError("a format needs `{signature}`".into()));
        }
        for (at, field) in fields.iter().enumerate() {
            if fields
                .iter()
                .skip(at.saturating_add(1))
                .any(|other| other == field)
            {
                return Err(FormatError(format!("`{{{}}}` stands twice", field.name())));
            }
        }
        let adjacent = pieces
            .windows(2)
            .any(|pair| matches!(pair, [Piece::Field(_), Piece::Field(_)]));
        if adjacent {
            return Err(FormatError(
                "two fields need something between them that tells where one ends".into(),
            ));
        }
        Ok(Self(as_list(&pieces).unwrap_or(Shape::Sequence(pieces))))
    }

    /// Whether the header carries this field.
    pub fn has(&self, field: Field) -> bool {
        match &self.0 {
            Shape::List { items, .. } => items.iter().any(|item| item.field == field),
            Shape::Sequence(pieces) => pieces.contains(&Piece::Field(field)),
        }
    }

    /// Takes a header value apart; `None` when it is not written so.
    pub fn parse<'a>(&self, value: &'a str) -> Option<Parsed<'a>> {
        let mut parsed = Parsed::default();
        match &self.0 {
            Shape::List { separator, items } => {
                for part in value.split(*separator).map(str::trim) {
                    let found = items
                        .iter()
                        .filter_map(|item| Some((item, part.strip_prefix(&*item.prefix)?)))
                        .max_by_key(|(item, _)| item.prefix.len());
                    if let Some((item, text)) = found {
                        parsed.put(item.field, text)?;
                    }
                }
            }
            Shape::Sequence(pieces) => {
                let mut rest = value;
                let mut pieces = pieces.iter().peekable();
                while let Some(piece) = pieces.next() {
                    match piece {
                        Piece::Literal(literal) => rest = rest.strip_prefix(&**literal)?,
                        Piece::Field(field) => {
                            let (text, after) = match pieces.peek() {
                                Some(Piece::Literal(next)) => rest.split_at(rest.find(&**next)?),
                                _ => (rest, ""),
                            };
                            parsed.put(*field, text)?;
                            rest = after;
                        }
                    }
                }
                if !rest.is_empty() {
                    return None;
                }
            }
        }
        (!parsed.signatures.is_empty()).then_some(parsed)
    }

    /// Writes a header value: the way back, for `send`.
    pub fn render(&self, field: impl Fn(Field) -> String) -> String {
        match &self.0 {
            Shape::List { separator, items } => {
                let items: Vec<String> = items
                    .iter()
                    .map(|item| format!("{}{}", item.prefix, field(item.field)))
                    .collect();
                items.join(&separator.to_string())
            }
            Shape::Sequence(pieces) => pieces
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
    /// Files a field; `None` when it must not stand twice, or is empty.
    fn put(&mut self, field: Field, text: &'a str) -> Option<()> {
        let slot = match field {
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
    const ALL: [Self; 4] = [Self::Id, Self::KeyId, Self::Signature, Self::Timestamp];

    /// The name in the grammar.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::KeyId => "key_id",
            Self::Signature => "signature",
            Self::Timestamp => "timestamp",
        }
    }
}

impl Piece {
    const fn field(&self) -> Option<Field> {
        match self {
            Self::Field(field) => Some(*field),
            Self::Literal(_) => None,
        }
    }
}

fn pieces(text: &str) -> Result<Vec<Piece>, FormatError> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let Some((literal, after)) = rest.split_once('{') else {
            if rest.contains('}') {
                return Err(FormatError("a `}` without its `{`".into()));
            }
            pieces.push(Piece::Literal(rest.into()));
            break;
        };
        if literal.contains('}') {
            return Err(FormatError("a `}` without its `{`".into()));
        }
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal.into()));
        }
        let Some((name, after)) = after.split_once('}') else {
            return Err(FormatError("a `{` without its `}`".into()));
        };
        let Some(field) = Field::ALL.into_iter().find(|field| field.name() == name) else {
            return Err(FormatError(format!(
                "`{{{name}}}` is not a field; there are {{signature}}, {{timestamp}}, {{id}} and {{key_id}}"
            )));
        };
        pieces.push(Piece::Field(field));
        rest = after;
    }
    Ok(pieces)
}

/// Reads the pieces as a separated list, if they are one: every field after a prefix of its own,
/// or one field followed by the separator (`v1,{signature} ` is a list of such items).
fn as_list(pieces: &[Piece]) -> Option<Shape> {
    let separator = pieces
        .iter()
        .skip_while(|piece| piece.field().is_none())
        .find_map(|piece| match piece {
            Piece::Literal(text) => text.chars().find(|c| matches!(c, ',' | ';' | '&' | ' ')),
            Piece::Field(_) => None,
        })?;
    let mut items: Vec<Item> = Vec::new();
    let mut prefix = "";
    for piece in pieces {
        match piece {
            Piece::Literal(text) if items.is_empty() => prefix = text,
            Piece::Literal(text) => {
                let (before, after) = text.split_once(separator)?;
                if !before.trim().is_empty() {
                    return None;
                }
                prefix = after.trim_start();
            }
            Piece::Field(field) => {
                if items.iter().any(|item| item.prefix == prefix) {
                    return None;
                }
                items.push(Item {
                    prefix: prefix.into(),
                    field: *field,
                });
                prefix = "";
            }
        }
    }
    let keyed = items.iter().all(|item| !item.prefix.is_empty());
    (prefix.is_empty() && (keyed || items.len() == 1)).then_some(Shape::List { separator, items })
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
            assert_eq!(found.timestamp, Some("5"), "{value}");
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
        assert_eq!((found.timestamp, found.signatures), (Some("5"), vec!["ab"]));
        assert_eq!(parse("v0,{timestamp},{signature}", "v0,5"), None);
        let found = parse("Application {key_id}:{signature}", "Application k:a:b").unwrap();
        assert_eq!((found.key_id, found.signatures), (Some("k"), vec!["a:b"]));
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
