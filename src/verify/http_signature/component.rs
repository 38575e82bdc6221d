//! What a signature covers: a header, or something of the request line (RFC 9421 §2).

use std::fmt;

use sfv::{BareItem, Item, ItemSerializer, Parser};

/// A component identifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Component {
    /// What it names.
    pub(super) name: Name,
    /// Its only spelling: the item as RFC 9651 §4.1.3 writes it.
    pub(super) written: String,
}

/// What a component names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Name {
    Authority,
    Field(http::HeaderName, As),
    Method,
    Path,
    Query,
    /// A query parameter, by its percent-encoded name.
    QueryParam(String),
    RequestTarget,
    Scheme,
    TargetUri,
}

/// How the value of a header is written (RFC 9421 §2.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum As {
    /// As it was sent, lines joined.
    Sent,
    /// Each line as a byte sequence.
    Bytes,
    /// One member of a dictionary.
    Member(String),
    /// A dictionary, in its only spelling.
    Strict,
}

/// The dictionaries that this reader knows to be ones: of another field nobody could tell the type.
const DICTIONARIES: [&str; 6] = [
    "content-digest",
    "priority",
    "repr-digest",
    "signature",
    "signature-input",
    "want-content-digest",
];

/// Why a text names no component of a request, and what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ComponentError(pub &'static str);

impl fmt::Display for ComponentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

const UNKNOWN: ComponentError = ComponentError(
    "this is no component of a request that can be verified; there are header names in lower case, @method, @target-uri, @authority, @scheme, @request-target, @path, @query, and @query-param;name=\"…\"",
);
const PARAMETER: ComponentError = ComponentError(
    "this component has no such parameter; headers take ;key=\"…\", ;bs and, if they are known dictionaries, ;sf",
);
const WEAK_DIGEST: ComponentError = ComponentError(
    "this member of content-digest says nothing certain of the body; take key=\"sha-256\" or key=\"sha-512\", those that RFC 9530 calls active",
);

impl Component {
    /// Reads a component as the configuration writes it: `content-digest`, or with its parameters,
    /// `@query-param;name="id"`; quotes around the name may stand or not.
    ///
    /// # Errors
    ///
    /// Anything that a request has no such component for.
    pub fn parse(text: &str) -> Result<Self, ComponentError> {
        let quoted = if text.starts_with('"') {
            text.to_owned()
        } else {
            let (name, parameters) = text.split_once(';').unwrap_or((text, ""));
            let semicolon = if parameters.is_empty() { "" } else { ";" };
            format!("\"{name}\"{semicolon}{parameters}")
        };
        let item: Item = Parser::new(&quoted).parse().map_err(|_| UNKNOWN)?;
        Self::of(&item)
    }

    /// The component that an item names.
    pub(super) fn of(item: &Item) -> Result<Self, ComponentError> {
        let BareItem::String(name) = &item.bare_item else {
            return Err(UNKNOWN);
        };
        let name = Name::of(name.as_str(), item)?;
        let serializer = ItemSerializer::new().bare_item(&item.bare_item);
        Ok(Self {
            name,
            written: serializer.parameters(&item.params).finish(),
        })
    }

    /// Whether it is the header `name`, in whatever form.
    pub fn is_field(&self, name: &str) -> bool {
        matches!(&self.name, Name::Field(own, _) if own == name)
    }

    /// The header, if it is all that it says, not one member of it.
    pub const fn whole_field(&self) -> Option<&http::HeaderName> {
        if let Name::Field(name, As::Sent | As::Bytes | As::Strict) = &self.name {
            Some(name)
        } else {
            None
        }
    }

    /// Whether it is the digest of the body by this algorithm alone.
    pub fn is_digest(&self, algorithm: &str) -> bool {
        self.is_content_digest()
            && matches!(&self.name, Name::Field(_, As::Member(key)) if key == algorithm)
    }

    /// Whether the query parameter `name` cannot be changed without it. A name that must be encoded
    /// counts only with the whole query.
    pub fn covers_query(&self, name: &str) -> bool {
        match &self.name {
            Name::Query | Name::RequestTarget | Name::TargetUri => true,
            Name::QueryParam(own) => own == name,
            Name::Authority | Name::Field(..) | Name::Method | Name::Path | Name::Scheme => false,
        }
    }

    /// Whether it is the digest of the body, in whatever form.
    pub fn is_content_digest(&self) -> bool {
        self.is_field("content-digest")
    }

    /// Its only spelling.
    pub fn written(&self) -> &str {
        &self.written
    }

    /// Whether its value comes from `public_url`.
    pub const fn needs_url(&self) -> bool {
        matches!(self.name, Name::Authority | Name::Scheme | Name::TargetUri)
    }
}

impl Name {
    fn of(name: &str, item: &Item) -> Result<Self, ComponentError> {
        let mut parameters = item.params.iter();
        let parameter = parameters.next();
        if parameters.next().is_some() {
            return Err(PARAMETER);
        }
        let bare = |this: Self| match parameter {
            None => Ok(this),
            Some(_) => Err(PARAMETER),
        };
        match name {
            "@authority" => bare(Self::Authority),
            "@method" => bare(Self::Method),
            "@path" => bare(Self::Path),
            "@query" => bare(Self::Query),
            "@query-param" => match parameter {
                Some((key, BareItem::String(value))) if key.as_str() == "name" => {
                    Ok(Self::QueryParam(value.as_str().to_owned()))
                }
                _ => Err(PARAMETER),
            },
            "@request-target" => bare(Self::RequestTarget),
            "@scheme" => bare(Self::Scheme),
            "@target-uri" => bare(Self::TargetUri),
            _ => {
                let lower = !name.bytes().any(|byte| byte.is_ascii_uppercase());
                let header = http::HeaderName::try_from(name).ok().filter(|_| lower);
                let header = header.ok_or(UNKNOWN)?;
                let weak = |key: &str| !super::digest::is_active(key);
                let written = match parameter.map(|(key, value)| (key.as_str(), value)) {
                    None => As::Sent,
                    Some(("bs", BareItem::Boolean(true))) => As::Bytes,
                    // The body would be bound by another member, which nobody signed.
                    Some(("key", BareItem::String(key)))
                        if header.as_str() == "content-digest" && weak(key.as_str()) =>
                    {
                        return Err(WEAK_DIGEST);
                    }
                    Some(("key", BareItem::String(key))) => As::Member(key.as_str().to_owned()),
                    Some(("sf", BareItem::Boolean(true)))
                        if DICTIONARIES.contains(&header.as_str()) =>
                    {
                        As::Strict
                    }
                    // `req` is of responses, `tr` of trailers, which are not forwarded.
                    Some(_) => return Err(PARAMETER),
                };
                Ok(Self::Field(header, written))
            }
        }
    }
}
