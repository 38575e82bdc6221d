//! The text of a message, compiled.

use http::HeaderName;

use super::filter::{self, Filter};
use super::pairs::{Pairs, Source};
use super::variable::Variable;
use super::{Constants, Part, Piece, Template, TemplateError};
use crate::json::{Pointer, Selection};

/// Compiles the whole text: `[…]` is left out when a variable in it is absent.
pub(super) fn template(text: &str, constants: &Constants) -> Result<Template, TemplateError> {
    let mut reader = Reader {
        constants,
        pointers: Vec::new(),
    };
    let mut parts = Vec::new();
    let mut rest = text;
    // A bracket inside braces belongs to the variable.
    while let Some(at) = outside_braces(rest, '[') {
        let (before, after) = rest.split_at(at);
        parts.extend(reader.pieces(before)?.into_iter().map(Part::One));
        let after = after.get(1..).unwrap_or_default();
        let end = outside_braces(after, ']')
            .ok_or_else(|| TemplateError::Text("a `[` without its `]`".into()))?;
        let (inside, after) = after.split_at(end);
        let pieces = reader.pieces(inside)?;
        if pieces.iter().all(|piece| piece.variable.is_constant()) {
            return Err(TemplateError::Text(
                "a part in `[` and `]` needs a variable that may be absent".into(),
            ));
        }
        parts.push(Part::Optional(pieces));
        rest = after.get(1..).unwrap_or_default();
    }
    parts.extend(reader.pieces(rest)?.into_iter().map(Part::One));
    if parts.is_empty() {
        return Err(TemplateError::Text(
            "an empty message would be the same for every request".into(),
        ));
    }
    let pointers = reader.pointers;
    Ok(Template {
        text: text.into(),
        parts: parts.into(),
        json: (!pointers.is_empty()).then(|| Selection::strict(&pointers)),
    })
}

/// Where `wanted` first stands, not counting what is between braces.
fn outside_braces(text: &str, wanted: char) -> Option<usize> {
    let mut inside = false;
    text.char_indices().find_map(|(at, c)| {
        match c {
            '{' => inside = true,
            '}' => inside = false,
            _ => {}
        }
        (!inside && c == wanted).then_some(at)
    })
}

struct Reader<'c> {
    constants: &'c Constants,
    pointers: Vec<Pointer>,
}

impl Reader<'_> {
    fn pieces(&mut self, text: &str) -> Result<Vec<Piece>, TemplateError> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((text, after)) = rest.split_once('{') {
            literal(&mut pieces, text)?;
            let Some((inner, after)) = after.split_once('}') else {
                return Err(TemplateError::Text("a `{` without its `}`".into()));
            };
            pieces.push(self.piece(inner)?);
            rest = after;
        }
        literal(&mut pieces, rest)?;
        Ok(pieces)
    }

    fn piece(&mut self, inner: &str) -> Result<Piece, TemplateError> {
        let mut names = inner.split('|');
        let mut variable = self.variable(names.next().unwrap_or_default())?;
        let mut filters = Vec::new();
        for name in names {
            if let Variable::Pairs(pairs) = &mut variable
                && filters.is_empty()
                && pairs.add(name)
            {
                continue;
            }
            filters.push(Filter::named(name).ok_or_else(|| unknown_filter(name, &variable))?);
        }
        Ok(Piece { variable, filters })
    }

    fn variable(&mut self, name: &str) -> Result<Variable, TemplateError> {
        Ok(match name.split_once(':') {
            Some(("config", key)) => match self.constants.config.get(key) {
                Some(text) => Variable::Literal(text.clone()),
                None => return Err(TemplateError::NeedsConfig(key.into())),
            },
            Some(("form", field)) => Variable::Form(field.into()),
            Some(("header", header)) => Variable::Header(header_name(header)?),
            Some(("headers", header)) => pairs(Source::Headers(header_name(header)?)),
            Some(("json", pointer)) => {
                let pointer = Pointer::parse(pointer)
                    .map_err(|error| TemplateError::Text(error.to_string()))?;
                self.pointers.push(pointer);
                Variable::Json(self.pointers.len().saturating_sub(1))
            }
            Some(("query", field)) => Variable::Query(field.into()),
            _ => match name {
                "body" => Variable::Body,
                "form" => pairs(Source::Form),
                "host" => {
                    let base = self.base(name)?;
                    Variable::Host(base.split_once("://").map_or(base, |(_, host)| host).into())
                }
                "id" => Variable::Id,
                "method" => Variable::Method,
                "path" => Variable::Path,
                "path_and_query" => Variable::PathAndQuery,
                "query" => pairs(Source::Query),
                "secret" => Variable::Secret,
                "timestamp" => Variable::Timestamp,
                "url" => Variable::Url {
                    base: self.base(name)?.into(),
                    root: self.constants.public_url.clone().unwrap_or_default(),
                },
                _ => {
                    return Err(TemplateError::Text(format!(
                        "`{{{name}}}` is not a variable; there are body, timestamp, id, method, url, path, \
                         path_and_query, host, secret, query, form, header:X, query:x, form:x, json:/p, \
                         headers:X and config:x"
                    )));
                }
            },
        })
    }

    fn base(&self, name: &str) -> Result<&str, TemplateError> {
        let url = self.constants.public_url.as_deref();
        url.map(|url| url.trim_end_matches('/'))
            .ok_or_else(|| TemplateError::NeedsPublicUrl(name.into()))
    }
}

impl Variable {
    /// Whether it can never be absent.
    const fn is_constant(&self) -> bool {
        matches!(
            self,
            Self::Body
                | Self::Host(_)
                | Self::Literal(_)
                | Self::Method
                | Self::Path
                | Self::PathAndQuery
                | Self::Secret
                | Self::Url { .. }
        )
    }
}

fn pairs(source: Source) -> Variable {
    Variable::Pairs(Box::new(Pairs {
        source,
        steps: Vec::new(),
        joined: (String::new(), String::new()),
    }))
}

fn header_name(text: &str) -> Result<HeaderName, TemplateError> {
    HeaderName::try_from(text)
        .map_err(|_| TemplateError::Text(format!("`{text}` is not a header name")))
}

fn unknown_filter(name: &str, variable: &Variable) -> TemplateError {
    TemplateError::Text(if matches!(variable, Variable::Pairs(_)) {
        format!(
            "`{name}` is not a filter; of pairs there are, before the others, sorted, unique, without:x, \
             encoded, grouped:x, tame:xy:z and joined:x:y; of texts {}",
            filter::NAMES
        )
    } else {
        format!("`{name}` is not a filter; there are {}", filter::NAMES)
    })
}

fn literal(pieces: &mut Vec<Piece>, text: &str) -> Result<(), TemplateError> {
    for (character, other) in [('}', '{'), (']', '['), ('[', ']')] {
        if text.contains(character) {
            return Err(TemplateError::Text(format!(
                "a `{character}` without its `{other}`"
            )));
        }
    }
    if !text.is_empty() {
        pieces.push(Piece {
            variable: Variable::Literal(text.into()),
            filters: Vec::new(),
        });
    }
    Ok(())
}
