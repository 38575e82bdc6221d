//! The chunked coding (RFC 9112 §7.1), read and written.

use bytes::{Buf as _, Bytes, BytesMut};

use super::head::Malformed;

/// The line of a chunk's size, extensions included, and each line after the last chunk.
const LONGEST_LINE: usize = 4 * 1024;
/// All lines after the last chunk together.
const LONGEST_TRAILERS: usize = 16 * 1024;

/// Reads a body in chunks. Extensions and trailers are thrown away.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    state: State,
    trailers: usize,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Size,
    Data(u64),
    DataEnd,
    Trailers,
    Over,
}

/// What was found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    Data(Bytes),
    /// More has to be read first.
    Nothing,
    End,
}

impl Decoder {
    /// Takes the next piece off what was read.
    pub(super) fn next(&mut self, buffer: &mut BytesMut) -> Result<Found, Malformed> {
        loop {
            match self.state {
                State::Size => match httparse::parse_chunk_size(buffer) {
                    // A size has a digit at least; the parser takes none for 0.
                    Ok(httparse::Status::Complete((line, size)))
                        if line <= LONGEST_LINE
                            && buffer.first().is_some_and(u8::is_ascii_hexdigit) =>
                    {
                        buffer.advance(line);
                        self.state = match size {
                            0 => State::Trailers,
                            size => State::Data(size),
                        };
                    }
                    Ok(httparse::Status::Partial) if buffer.len() < LONGEST_LINE => {
                        return Ok(Found::Nothing);
                    }
                    _ => return Err(Malformed),
                },
                State::Data(_) if buffer.is_empty() => return Ok(Found::Nothing),
                State::Data(left) => {
                    let data = take(buffer, left);
                    self.state = match left.saturating_sub(data.len() as u64) {
                        0 => State::DataEnd,
                        left => State::Data(left),
                    };
                    return Ok(Found::Data(data));
                }
                State::DataEnd => match &**buffer {
                    [b'\r', b'\n', ..] => {
                        buffer.advance(2);
                        self.state = State::Size;
                    }
                    [] | [b'\r'] => return Ok(Found::Nothing),
                    _ => return Err(Malformed),
                },
                State::Trailers => {
                    let Some(end) = memchr::memchr(b'\n', buffer) else {
                        return match buffer.len() {
                            0..LONGEST_LINE => Ok(Found::Nothing),
                            _ => Err(Malformed),
                        };
                    };
                    let line = buffer.split_to(end + 1);
                    self.trailers += line.len();
                    match &*line {
                        b"\r\n" => self.state = State::Over,
                        [.., b'\r', b'\n'] if self.trailers <= LONGEST_TRAILERS => {}
                        _ => return Err(Malformed),
                    }
                }
                State::Over => return Ok(Found::End),
            }
        }
    }
}

/// At most `most` bytes of what was read.
pub(super) fn take(buffer: &mut BytesMut, most: u64) -> Bytes {
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    buffer.split_to(buffer.len().min(most)).freeze()
}

/// What stands before a chunk of this length.
pub(crate) fn size_line(length: usize) -> Bytes {
    format!("{length:x}\r\n").into()
}

/// What stands after a chunk.
pub(crate) const CHUNK_END: Bytes = Bytes::from_static(b"\r\n");
/// What stands after all of them.
pub(crate) const LAST: Bytes = Bytes::from_static(b"0\r\n\r\n");

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The body, read in pieces of `step` bytes; whether it came to its end; what is left.
    fn decoded(text: &[u8], step: usize) -> Result<(Vec<u8>, bool, Vec<u8>), Malformed> {
        let (mut decoder, mut body, mut buffer) = (Decoder::default(), Vec::new(), BytesMut::new());
        for piece in text.chunks(step) {
            buffer.extend_from_slice(piece);
            while let Found::Data(data) = decoder.next(&mut buffer)? {
                body.extend_from_slice(&data);
            }
        }
        let over = matches!(decoder.state, State::Over);
        Ok((body, over, buffer.to_vec()))
    }

    #[test]
    fn a_body_in_chunks_is_read_however_it_arrives() {
        let text = b"5\r\nhello\r\n6;a=\"b\"\r\n world\r\n0\r\nX-Trailer: a\r\n\r\nHTTP";
        for step in 1..text.len() {
            let (body, over, _) = decoded(text, step).unwrap();
            assert_eq!(body, b"hello world", "{step}");
            assert!(over, "{step}");
        }
        let (_, _, left) = decoded(text, text.len()).unwrap();
        assert_eq!(left, b"HTTP");
    }

    #[test]
    fn what_breaks_off_has_no_end() {
        let text = b"5\r\nhello\r\n0\r\n\r\n";
        for end in 0..text.len() {
            let (_, over, _) = decoded(&text[..end], 3).unwrap();
            assert!(!over, "{end}");
        }
    }

    #[test]
    fn what_is_no_chunk_is_refused() {
        let long = [b"5;".as_slice(), &[b'a'; 5000], b"\r\nhello\r\n"].concat();
        let trailer = [b"0\r\n".as_slice(), &[b'a'; 5000]].concat();
        let trailers = [b"0\r\n".as_slice(), &b"a: b\r\n".repeat(3000)].concat();
        for text in [
            &b"hello"[..],
            b"-1\r\n",
            b"+5\r\nhello\r\n",
            b"0x5\r\nhello\r\n",
            b" 5\r\nhello\r\n",
            b"\r\n",
            b";a=b\r\n\r\n",
            b"5\r\nhello\r\n\r\n",
            b"5\nhello\r\n",
            b"5\r\nhello!\r\n",
            b"5\r\nhello\n",
            b"11111111111111111\r\n",
            b"0\r\nX: a\n\r\n",
            b"0\r\n\n",
            &long,
            &trailer,
            &trailers,
        ] {
            assert_eq!(decoded(text, 7), Err(Malformed), "{}", text.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn what_is_written_in_chunks_is_read_again(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..8),
            step in 1_usize..50,
        ) {
            let mut text = Vec::new();
            for chunk in &chunks {
                text.extend_from_slice(&size_line(chunk.len()));
                text.extend_from_slice(chunk);
                text.extend_from_slice(&CHUNK_END);
            }
            text.extend_from_slice(&LAST);
            let (body, over, left) = decoded(&text, step).unwrap();
            prop_assert_eq!(body, chunks.concat());
            prop_assert!(over && left.is_empty());
        }

        /// And it does not matter in which pieces it comes.
        #[test]
        fn any_bytes_are_read_without_panic(
            text in "([0-9a-f]{1,2}|\r\n|\n|;a=b|0\r\n\r\n|[ -~]){0,20}",
            step in 1_usize..30,
        ) {
            let bytes = text.as_bytes();
            let (in_pieces, whole) = (decoded(bytes, step), decoded(bytes, bytes.len().max(1)));
            if let (Ok((body, over, _)), Ok((all, end, _))) = (&in_pieces, &whole) {
                prop_assert_eq!((body, over), (all, end));
            }
            prop_assert_eq!(in_pieces.is_ok(), whole.is_ok());
        }
    }
}
