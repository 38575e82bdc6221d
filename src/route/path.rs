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

/// A slash, a backslash and a NUL, and the overlong UTF-8 of `.`, `/` and `\` (RFC 3629 §10).
const ENCODED: [&str; 6] = ["%2f", "%5c", "%00", "%c0%ae", "%c0%af", "%c1%9c"];

/// Whether `path` could be read in two ways: an encoded or doubled slash, a backslash, a NUL, or a
/// dot segment, plain or percent-encoded, however often. The app must never see a path that gatepost
/// read otherwise.
pub fn is_ambiguous(path: &str) -> bool {
    let bytes = path.as_bytes();
    // Most paths hold none of these bytes and no `/.`: one pass settles them.
    if !bytes.iter().any(|b| matches!(b, b'%' | b'\\' | b'.')) && !path.contains("//") {
        return false;
    }
    if is_ambiguous_as_written(path) {
        return true;
    }
    // Some apps decode twice: `%252e` would be a dot after that. Each round is shorter.
    let mut decoded = unescaped(bytes);
    let mut before = bytes.len();
    while decoded.len() < before {
        if is_ambiguous_as_written(&String::from_utf8_lossy(&decoded)) {
            return true;
        }
        before = decoded.len();
        decoded = unescaped(&decoded);
    }
    false
}

fn is_ambiguous_as_written(path: &str) -> bool {
    path.contains("//")
        || path.contains(['\\', '\0'])
        || path.split('/').any(|segment| {
            let plain = segment.to_ascii_lowercase();
            ENCODED.iter().any(|code| plain.contains(code))
                // `..;x` is a dot segment for servers that cut path parameters off, and so is what
                // an encoded `?` or `#` ends.
                || matches!(
                    plain
                        .replace("%2e", ".")
                        .split([';', '?', '#'])
                        .next()
                        .unwrap_or_default(),
                    "." | ".."
                )
        })
}

/// How the most careless app reads a path: decoded (twice), in any letter case, without path
/// parameters and what an encoded `?` or `#` begins, and its last segment without a slash, dot,
/// white space or format (`.json`) after it.
///
/// Only to notice that a path means another route; never to choose one.
pub(super) fn loosened(path: &str) -> String {
    let decoded = unescaped(&unescaped(path.as_bytes()));
    let text = String::from_utf8_lossy(&decoded).to_lowercase();
    let segments: Vec<&str> = text
        .split(['?', '#'])
        .next()
        .unwrap_or_default()
        .split('/')
        .map(|segment| segment.split(';').next().unwrap_or_default())
        .filter(|segment| !segment.is_empty())
        .collect();
    let mut loose = String::with_capacity(text.len());
    for (at, segment) in segments.iter().enumerate() {
        let last = at.saturating_add(1) == segments.len();
        loose.push('/');
        loose.push_str(if last {
            without_format(segment)
        } else {
            segment
        });
    }
    loose
}

/// A last segment without what frameworks take for the wanted format: `.json`, but not `v1.2`.
fn without_format(segment: &str) -> &str {
    let blank = |c: char| c == '.' || c.is_whitespace() || c.is_control();
    let segment = segment.trim_end_matches(blank);
    match segment.rsplit_once('.') {
        Some((name, format)) if !name.is_empty() && is_format(format) => name,
        _ => segment,
    }
}

fn is_format(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
}

/// Whether the path names a script, which servers also run for every path below it (RFC 3875
/// §4.1.5).
pub(super) fn is_script(path: &str) -> bool {
    let last = path.rsplit('/').next().unwrap_or_default();
    last.rsplit_once('.')
        .is_some_and(|(_, format)| is_format(format))
}

fn unescaped(text: &[u8]) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        let escaped = match (*first, after) {
            (b'%', [high, low, ..]) => digit(*high).zip(digit(*low)),
            _ => None,
        };
        let escaped = escaped.and_then(|(high, low)| u8::try_from(high << 4 | low).ok());
        if escaped.is_some() {
            rest = after.get(2..).unwrap_or_default();
        }
        bytes.push(escaped.unwrap_or(*first));
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_a_careless_app_takes_for_one_are_one() {
        for path in [
            "/hooks/a",
            "/hooks/a/",
            "/Hooks/A",
            "/hooks/%61",
            "/hooks/%2561",
            "/%48ooks/a",
            "/hooks/a;x=1",
            "/hooks;v=1/a",
            "/hooks/a%3bx",
            "/hooks/a.json",
            "/hooks/a.JSON/",
            "/hooks/a.",
            "/hooks/a%20",
            "/hooks/a%0a",
            "/hooks/a%3fx/y",
            "/hooks/a%23x",
        ] {
            assert_eq!(loosened(path), "/hooks/a", "{path}");
        }
        for path in [
            "/hooks/ab",
            "/hooks",
            "/hooks/a/b",
            "/hooks/a.2",
            "/hooks/.json",
            "/hooks/%6",
            "/",
        ] {
            assert_ne!(loosened(path), "/hooks/a", "{path}");
        }
        assert_eq!(loosened("/"), "");
        assert!(is_script("/a/hook.php") && !is_script("/a.b/hook") && !is_script("/v1.2"));
    }

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
            "/a%C0%AFb",
            "/a/%c0%ae%c0%ae/b",
            "/a/%252e%252e/b",
            "/a/%25252e./b",
            "/a/%25%32%65%252e/b",
            "/a/..%252fb",
            "/a%255cb",
            "/a%2500",
            "/a/%2e%2e%3fx/b",
            "/a/..%23x/b",
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
            "/a%25b",
            "/100%2525",
            "/%252ea",
            "/a%3f",
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
