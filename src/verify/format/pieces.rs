//! The text of a format, compiled.

use super::{Field, FormatError, Shape};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    Literal(String),
    Field(Field),
}

/// One item of a separated list: `v1=` and what follows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) prefix: String,
    pub(super) field: Field,
}

const SEPARATORS: [char; 4] = [',', ';', '&', ' '];

pub(super) fn shape(text: &str) -> Result<Shape, FormatError> {
    let mut pieces = pieces(text)?;
    let fields: Vec<Field> = pieces.iter().filter_map(Piece::field).collect();
    if !fields.contains(&Field::Signature) {
        return Err(FormatError("a format needs `{signature}`".into()));
    }
    for (at, field) in fields.iter().enumerate() {
        let mut others = fields.iter().skip(at.saturating_add(1));
        if *field != Field::Any && others.any(|other| other == field) {
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
    if let Some(list) = as_list(&pieces) {
        return Ok(list);
    }
    let repeat = match pieces.as_slice() {
        [.., Piece::Field(Field::Signature), Piece::Literal(last)] => SEPARATORS
            .into_iter()
            .find(|separator| last.strip_prefix(*separator) == Some("")),
        _ => None,
    };
    if repeat.is_some() {
        pieces.pop();
    }
    Ok(Shape::Sequence { pieces, repeat })
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
                "`{{{name}}}` is not a field; there are {{signature}}, {{timestamp}}, {{id}}, {{key_id}} and {{any}}"
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
            Piece::Literal(text) => text.chars().find(|c| SEPARATORS.contains(c)),
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
