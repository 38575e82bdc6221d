//! The texts of an answer: `sha256={proof}`, `{"challenge":"{challenge}"}`.

use std::fmt;

/// A compiled text with variables.
#[derive(Debug, Clone)]
pub struct Text {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    Variable(Variable),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Variable {
    Challenge,
    Proof,
    Url,
    Username,
    VerifyToken,
}

const VARIABLES: [(&str, Variable); 5] = [
    ("{challenge}", Variable::Challenge),
    ("{proof}", Variable::Proof),
    ("{url}", Variable::Url),
    ("{username}", Variable::Username),
    ("{verify_token}", Variable::VerifyToken),
];

/// What the variables stand for.
#[derive(Clone, Copy, Default)]
pub(super) struct Values<'a> {
    pub(super) challenge: &'a str,
    pub(super) proof: &'a str,
    pub(super) url: &'a str,
    pub(super) username: &'a str,
    pub(super) verify_token: &'a [u8],
}

/// Why a text cannot be used, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextError(&'static str);

impl fmt::Display for TextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Text {
    /// Compiles a text. A brace that begins no variable stands for itself: JSON is full of them.
    pub fn new(text: &str) -> Self {
        let mut parts = Vec::new();
        let mut rest = text;
        loop {
            let next = VARIABLES
                .iter()
                .filter_map(|(name, variable)| Some((rest.find(name)?, name, *variable)))
                .min_by_key(|(at, ..)| *at);
            let Some((at, name, variable)) = next else {
                break;
            };
            let (literal, after) = rest.split_at_checked(at).unwrap_or((rest, ""));
            if !literal.is_empty() {
                parts.push(Part::Literal(literal.into()));
            }
            parts.push(Part::Variable(variable));
            rest = after.strip_prefix(name).unwrap_or_default();
        }
        if !rest.is_empty() {
            parts.push(Part::Literal(rest.into()));
        }
        Self { parts }
    }

    /// Compiles the text of a JSON document. A variable inside a string is escaped as JSON wants
    /// it; one that is a whole value must prove to be a number.
    ///
    /// # Errors
    ///
    /// A text that is no JSON whatever the variables are.
    pub fn json(text: &str) -> Result<Self, TextError> {
        let compiled = Self::new(text);
        for stand_in in ["0", "1234567890"] {
            let filled: String = compiled
                .parts
                .iter()
                .map(|part| match part {
                    Part::Literal(text) => text,
                    Part::Variable(_) => stand_in,
                })
                .collect();
            if serde_json::from_str::<serde::de::IgnoredAny>(&filled).is_err() {
                return Err(TextError(
                    "the text is no JSON; write it as the provider wants it, with each variable inside a string or as a whole number",
                ));
            }
        }
        Ok(compiled)
    }

    /// Whether `{challenge}` is in it.
    pub fn has_challenge(&self) -> bool {
        self.has(Variable::Challenge)
    }

    /// Whether `{proof}` is in it.
    pub fn has_proof(&self) -> bool {
        self.has(Variable::Proof)
    }

    /// Whether `{url}` is in it.
    pub fn has_url(&self) -> bool {
        self.has(Variable::Url)
    }

    /// Whether `{username}` is in it.
    pub fn has_username(&self) -> bool {
        self.has(Variable::Username)
    }

    /// Whether `{verify_token}` is in it.
    pub fn has_verify_token(&self) -> bool {
        self.has(Variable::VerifyToken)
    }

    fn has(&self, variable: Variable) -> bool {
        self.parts.contains(&Part::Variable(variable))
    }

    /// The text with its variables filled in.
    pub(super) fn fill(&self, values: &Values<'_>) -> Vec<u8> {
        let mut text = Vec::new();
        for part in &self.parts {
            text.extend_from_slice(match part {
                Part::Literal(literal) => literal.as_bytes(),
                Part::Variable(variable) => values.of(*variable),
            });
        }
        text
    }

    /// The same of a JSON document; `None` when a value would be no JSON.
    pub(super) fn fill_json(&self, values: &Values<'_>) -> Option<Vec<u8>> {
        let mut text = Vec::new();
        let mut in_string = false;
        for part in &self.parts {
            match part {
                Part::Literal(literal) => {
                    in_string = inside(literal, in_string);
                    text.extend_from_slice(literal.as_bytes());
                }
                Part::Variable(variable) => {
                    let value = std::str::from_utf8(values.of(*variable)).ok()?;
                    if in_string {
                        let quoted = serde_json::to_string(value).ok()?;
                        let bare = quoted.strip_prefix('"')?.strip_suffix('"')?;
                        text.extend_from_slice(bare.as_bytes());
                    } else {
                        value.parse::<u64>().ok()?;
                        let plain = value == "0" || !value.starts_with(['0', '+']);
                        plain.then_some(())?;
                        text.extend_from_slice(value.as_bytes());
                    }
                }
            }
        }
        Some(text)
    }
}

/// Whether the end of `literal` is inside a JSON string, when its start is or is not.
fn inside(literal: &str, mut in_string: bool) -> bool {
    let mut escaped = false;
    for byte in literal.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_string,
            b'"' => in_string = !in_string,
            _ => {}
        }
    }
    in_string
}

impl<'a> Values<'a> {
    const fn of(&self, variable: Variable) -> &'a [u8] {
        match variable {
            Variable::Challenge => self.challenge.as_bytes(),
            Variable::Proof => self.proof.as_bytes(),
            Variable::Url => self.url.as_bytes(),
            Variable::Username => self.username.as_bytes(),
            Variable::VerifyToken => self.verify_token,
        }
    }
}
