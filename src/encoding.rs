//! Strict text encodings of bytes: hex, base64, base64url.

use data_encoding::{
    BASE64, BASE64_NOPAD, BASE64URL, BASE64URL_NOPAD, HEXLOWER, HEXLOWER_PERMISSIVE,
};

/// How bytes are written as text (RFC 4648).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Standard alphabet; padding may be present or absent.
    Base64,
    /// URL-safe alphabet; padding may be present or absent.
    Base64Url,
    /// Either letter case.
    Hex,
}

impl Encoding {
    /// Decodes `text`, or returns `None`.
    ///
    /// Strict: no white space, no foreign character, no partial padding, no stray trailing bits
    /// (RFC 4648 §3.5): one value has one spelling, padding and hex case aside.
    pub fn decode(self, text: &[u8]) -> Option<Vec<u8>> {
        let padded = text.last() == Some(&b'=');
        let codec = match (self, padded) {
            (Self::Base64, true) => &BASE64,
            (Self::Base64, false) => &BASE64_NOPAD,
            (Self::Base64Url, true) => &BASE64URL,
            (Self::Base64Url, false) => &BASE64URL_NOPAD,
            (Self::Hex, _) => &HEXLOWER_PERMISSIVE,
        };
        codec.decode(text).ok()
    }

    /// Encodes `bytes` in the commonest spelling: lower-case hex, padded base64, bare base64url.
    pub fn encode(self, bytes: &[u8]) -> String {
        match self {
            Self::Base64 => BASE64.encode(bytes),
            Self::Base64Url => BASE64URL_NOPAD.encode(bytes),
            Self::Hex => HEXLOWER.encode(bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_each_alphabet_padded_and_bare() {
        for (encoding, text) in [
            (Encoding::Base64, "+/8="),
            (Encoding::Base64, "+/8"),
            (Encoding::Base64Url, "-_8="),
            (Encoding::Base64Url, "-_8"),
            (Encoding::Hex, "fbff"),
            (Encoding::Hex, "FbfF"),
        ] {
            assert_eq!(
                encoding.decode(text.as_bytes()),
                Some(vec![0xfb, 0xff]),
                "{text}"
            );
        }
    }

    #[test]
    fn refuses_other_alphabets_white_space_and_stray_bits() {
        for (encoding, text) in [
            (Encoding::Base64, "-_8="),
            (Encoding::Base64Url, "+/8="),
            (Encoding::Base64, "+/8 "),
            (Encoding::Base64, "+/9="), // trailing bits set
            (Encoding::Base64, "+/8=="),
            (Encoding::Base64, "=+/8"),
            (Encoding::Hex, "fbf"),
            (Encoding::Hex, "0xfb"),
            (Encoding::Hex, "fb\n"),
        ] {
            assert_eq!(encoding.decode(text.as_bytes()), None, "{text}");
        }
    }
}
