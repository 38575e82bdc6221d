//! Request paths: matched as sent, and refused where two readers could differ.

/// Why a configured path cannot be matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathError {
    /// It would be refused in every request.
    Ambiguous,
    /// It does not start with `/`.
    NoSlash,
    /// A `*` elsewhere than at the end after a `/`.
    Star,
    /// It holds a `?`, a `#`, white space or a control character.
    NotAPath,
}

impl std::fmt::Display for PathError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Ambiguous => {
                "a path with an encoded slash, a backslash, `//` or a dot segment is refused in every request"
            }
            Self::NoSlash => "a path starts with `/`",
            Self::Star => "`*` may stand only at the end, after a `/`",
            Self::NotAPath => "a path has no query, fragment, white space or control character",
        })
    }
}

/// What a route's `path` matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pattern {
    /// This path and no other.
    Exact(String),
    /// Every path that starts so; ends in `/`.
    Prefix(String),
}

impl Pattern {
    /// Reads a route's `path`.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        if !text.starts_with('/') {
            return Err(PathError::NoSlash);
        }
        let (fixed, open) = match text.strip_suffix('*') {
            Some(fixed) if fixed.ends_with('/') => (fixed, true),
            Some(_) => return Err(PathError::Star),
            None => (text, false),
        };
        if fixed.contains('*') {
            return Err(PathError::Star);
        }
        if fixed.contains(['?', '#']) || !fixed.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(PathError::NotAPath);
        }
        if is_ambiguous(fixed) {
            return Err(PathError::Ambiguous);
        }
        Ok(if open {
            Self::Prefix(fixed.into())
        } else {
            Self::Exact(fixed.into())
        })
    }
}

/// Whether `path` could be read in two ways: an encoded or doubled slash, a backslash, a NUL, or a
/// dot segment, plain or percent-encoded. The app must never see a path that gatepost read
/// otherwise.
pub fn is_ambiguous(path: &str) -> bool {
    let bytes = path.as_bytes();
    // Most paths hold none of these bytes and no `/.`: one pass settles them.
    if !bytes.iter().any(|b| matches!(b, b'%' | b'\\' | b'.')) && !path.contains("//") {
        return false;
    }
    path.contains("//")
        || path.contains('\\')
        || path.split('/').any(|segment| {
            let plain = segment.to_ascii_lowercase();
            ["%2f", "%5c", "%00"].iter().any(|code| plain.contains(code))
                // `..;x` is a dot segment for servers that cut path parameters off.
                || matches!(
                    plain.replace("%2e", ".").split([';']).next().unwrap_or_default(),
                    "." | ".."
                )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_two_readers_read_differently_are_ambiguous() {
        for path in [
            "//",
            "/a//b",
            "/a/./b",
            "/a/../b",
            "/a/..",
            "/.",
            "/%2e/b",
            "/%2E%2e/b",
            "/.%2e",
            "/a%2fb",
            "/a%2Fb",
            "/a%5cb",
            "/a\\b",
            "/a%00",
            "/a/..;/b",
            "/a/%2e%2e;x=1/b",
        ] {
            assert!(is_ambiguous(path), "{path}");
        }
        for path in [
            "/",
            "/a",
            "/a/b/",
            "/a.b",
            "/...",
            "/.well-known/x",
            "/a%20b",
            "/a;b",
            "/%2ea",
            "/a..b",
        ] {
            assert!(!is_ambiguous(path), "{path}");
        }
    }

    #[test]
    fn patterns_end_in_a_star_or_are_exact() {
        assert_eq!(Pattern::parse("/a"), Ok(Pattern::Exact("/a".into())));
        assert_eq!(Pattern::parse("/a/*"), Ok(Pattern::Prefix("/a/".into())));
        assert_eq!(Pattern::parse("/*"), Ok(Pattern::Prefix("/".into())));
        for (text, error) in [
            ("a", PathError::NoSlash),
            ("", PathError::NoSlash),
            ("/a*", PathError::Star),
            ("/*/a", PathError::Star),
            ("/a?b", PathError::NotAPath),
            ("/a b", PathError::NotAPath),
            ("/a//b", PathError::Ambiguous),
            ("/../*", PathError::Ambiguous),
        ] {
            assert_eq!(Pattern::parse(text), Err(error), "{text}");
        }
    }
}
