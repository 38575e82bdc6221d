//! Other readings of a secret: what people do to them.

use crate::encoding::Encoding;

/// One way in which a secret is got wrong.
pub(super) struct Reading {
    pub(super) cause: &'static str,
    pub(super) text: &'static str,
    pub(super) fix: &'static str,
    /// The bytes that the sender used, if ours are read in this way.
    pub(super) read: fn(&[u8]) -> Option<Vec<u8>>,
}

const fn reading(
    cause: &'static str,
    text: &'static str,
    fix: &'static str,
    read: fn(&[u8]) -> Option<Vec<u8>>,
) -> Reading {
    Reading {
        cause,
        text,
        fix,
        read,
    }
}

/// The commonest first.
pub(super) static READINGS: [Reading; 19] = [
    reading(
        "secret_newline",
        "it matches with a newline at the end of the secret: the sender holds the secret with one",
        "paste the secret into the provider's dashboard once more, without a line end",
        |bytes| Some([bytes, b"\n"].concat()),
    ),
    reading(
        "secret_newline",
        "it matches with CR LF at the end of the secret: the sender holds the secret with a line end",
        "paste the secret into the provider's dashboard once more, without a line end",
        |bytes| Some([bytes, b"\r\n"].concat()),
    ),
    reading(
        "secret_whsec",
        "it matches with the secret read as `whsec_` and base64",
        "set `secret_encoding = \"whsec\"` in the step",
        |bytes| {
            let bare = bytes.strip_prefix(b"v1,").unwrap_or(bytes);
            Encoding::Base64.decode(bare.strip_prefix(b"whsec_")?)
        },
    ),
    reading(
        "secret_base64",
        "it matches with the secret read as base64",
        "set `secret_encoding = \"base64\"` in the step",
        |bytes| {
            Encoding::Base64
                .decode(bytes)
                .or_else(|| Encoding::Base64Url.decode(bytes))
        },
    ),
    reading(
        "secret_hex",
        "it matches with the secret read as hex",
        "set `secret_encoding = \"hex\"` in the step",
        |bytes| Encoding::Hex.decode(bytes),
    ),
    reading(
        "secret_text",
        "it matches with the secret taken as the text that is shown, `whsec_` included",
        "set `secret_encoding = \"text\"` in the step",
        |bytes| Some([b"whsec_", Encoding::Base64.encode(bytes).as_bytes()].concat()),
    ),
    reading(
        "secret_text",
        "it matches with the secret taken as base64 text, not decoded",
        "set `secret_encoding = \"text\"` in the step (after `whsec_`, if the secret has it: without)",
        |bytes| Some(Encoding::Base64.encode(bytes).into_bytes()),
    ),
    reading(
        "secret_text",
        "it matches with the secret taken as base64 text without padding, not decoded",
        "set `secret_encoding = \"text\"` in the step",
        |bytes| {
            let text = Encoding::Base64.encode(bytes);
            text.ends_with('=')
                .then(|| text.trim_end_matches('=').as_bytes().to_vec())
        },
    ),
    reading(
        "secret_text",
        "it matches with the secret taken as hex text, not decoded",
        "set `secret_encoding = \"text\"` in the step",
        |bytes| Some(Encoding::Hex.encode(bytes).into_bytes()),
    ),
    reading(
        "secret_text",
        "it matches with the secret taken as hex text in capitals, not decoded",
        "set `secret_encoding = \"text\"` in the step",
        |bytes| {
            Some(
                Encoding::Hex
                    .encode(bytes)
                    .to_ascii_uppercase()
                    .into_bytes(),
            )
        },
    ),
    reading(
        "secret_prefix",
        "it matches without the `whsec_` at the beginning of the secret",
        "leave `whsec_` out of the secret",
        |bytes| bytes.strip_prefix(b"whsec_").map(Into::into),
    ),
    reading(
        "secret_prefix",
        "it matches without the scheme word at the beginning of the secret",
        "write the secret alone, without `Bearer`, `Basic` or `Token` before it",
        |bytes| {
            ["Bearer ", "Basic ", "Token "]
                .iter()
                .find_map(|word| bytes.strip_prefix(word.as_bytes()).map(Into::into))
        },
    ),
    reading(
        "secret_quotes",
        "it matches without the quotes around the secret",
        "remove the quotes from the file or variable: they are taken as part of the secret",
        |bytes| {
            let inner = |quote: &[u8]| bytes.strip_prefix(quote)?.strip_suffix(quote);
            inner(b"\"").or_else(|| inner(b"'")).map(Into::into)
        },
    ),
    reading(
        "secret_whitespace",
        "it matches with a space at the end of the secret",
        "paste the secret into the provider's dashboard once more, without white space",
        |bytes| Some([bytes, b" "].concat()),
    ),
    reading(
        "secret_whitespace",
        "it matches with a space before the secret",
        "paste the secret into the provider's dashboard once more, without white space",
        |bytes| Some([b" ", bytes].concat()),
    ),
    reading(
        "secret_case",
        "it matches with the secret in small letters",
        "copy the secret from the provider's dashboard: letter case counts",
        |bytes| changed(bytes, bytes.to_ascii_lowercase()),
    ),
    reading(
        "secret_case",
        "it matches with the secret in capitals",
        "copy the secret from the provider's dashboard: letter case counts",
        |bytes| changed(bytes, bytes.to_ascii_uppercase()),
    ),
    reading(
        "secret_escaped",
        "it matches with `%XX` of the secret decoded",
        "write the secret as the dashboard shows it, not percent-encoded",
        |bytes| {
            let text = std::str::from_utf8(bytes).ok()?;
            if !text.contains('%') {
                return None;
            }
            unescaped(text)
        },
    ),
    reading(
        "secret_escaped",
        "it matches with `\\n` of the secret read as a line end",
        "write the secret with real line ends",
        |bytes| {
            let text = std::str::from_utf8(bytes).ok()?;
            changed(bytes, text.replace("\\n", "\n").into_bytes())
        },
    ),
];

/// The bytes, unless they are the same as before.
pub(super) fn changed(before: &[u8], after: Vec<u8>) -> Option<Vec<u8>> {
    (before != after).then_some(after)
}

/// `%XX` decoded; `None` when one of them is broken.
pub(super) fn unescaped(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        if *first == b'%' {
            let (code, after) = after.split_at_checked(2)?;
            bytes.extend(Encoding::Hex.decode(code)?);
            rest = after;
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_reading_gives_the_secret_itself() {
        for secret in [
            "plain-secret-123",
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "6162636465666768",
        ] {
            for reading in &READINGS {
                let read = (reading.read)(secret.as_bytes());
                assert_ne!(read.as_deref(), Some(secret.as_bytes()), "{}", reading.text);
            }
        }
    }
}
