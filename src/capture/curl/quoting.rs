//! The quoting that only bash and its like know, `$'…'` and `$"…"`, rewritten for every shell.

/// Turns `$'…'` (ANSI-C quoting of bash) and `$"…"` into what every shell reads.
pub(super) fn plain_quotes(command: &[u8]) -> Vec<u8> {
    #[derive(PartialEq)]
    enum In {
        Nothing,
        Single,
        Double,
    }
    let mut out = Vec::with_capacity(command.len());
    let mut state = In::Nothing;
    let mut rest = command;
    while let Some((first, after)) = rest.split_first() {
        match (&state, first) {
            (In::Nothing, b'$') if after.starts_with(b"'") => {
                let (bytes, left) = ansi(after.get(1..).unwrap_or_default());
                out.push(b'\'');
                for byte in bytes {
                    if byte == b'\'' {
                        out.extend_from_slice(b"'\\''");
                    } else {
                        out.push(byte);
                    }
                }
                out.push(b'\'');
                rest = left;
                continue;
            }
            (In::Nothing, b'$') if after.starts_with(b"\"") => {
                rest = after;
                continue;
            }
            (In::Nothing | In::Double, b'\\') => {
                out.push(*first);
                if let Some((next, left)) = after.split_first() {
                    out.push(*next);
                    rest = left;
                    continue;
                }
            }
            (In::Nothing, b'\'') => {
                state = In::Single;
                out.push(*first);
            }
            (In::Nothing, b'"') => {
                state = In::Double;
                out.push(*first);
            }
            (In::Single, b'\'') | (In::Double, b'"') => {
                state = In::Nothing;
                out.push(*first);
            }
            _ => out.push(*first),
        }
        rest = after;
    }
    out
}

/// The inside of `$'…'` up to its end, and what follows.
fn ansi(mut rest: &[u8]) -> (Vec<u8>, &[u8]) {
    let mut out = Vec::new();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match first {
            b'\'' => return (out, rest),
            b'\\' => {
                let whole = rest;
                let Some((code, after)) = rest.split_first() else {
                    break;
                };
                rest = after;
                match code {
                    b'n' => out.push(b'\n'),
                    b'r' => out.push(b'\r'),
                    b't' => out.push(b'\t'),
                    b'a' => out.push(7),
                    b'b' => out.push(8),
                    b'e' | b'E' => out.push(27),
                    b'f' => out.push(12),
                    b'v' => out.push(11),
                    b'x' => number(&mut out, &mut rest, 16, 2),
                    b'u' => number(&mut out, &mut rest, 16, 4),
                    b'U' => number(&mut out, &mut rest, 16, 8),
                    b'0'..=b'7' => {
                        rest = whole;
                        number(&mut out, &mut rest, 8, 3);
                    }
                    other => out.push(*other),
                }
            }
            other => out.push(*other),
        }
    }
    (out, rest)
}

/// A number of at most `most` digits: a byte, or a character from `\u` on.
fn number(out: &mut Vec<u8>, rest: &mut &[u8], base: u32, most: usize) {
    let digits = rest
        .iter()
        .take(most)
        .take_while(|b| char::from(**b).is_digit(base))
        .count();
    let (text, after) = rest.split_at(digits);
    *rest = after;
    let number = std::str::from_utf8(text)
        .ok()
        .and_then(|text| u32::from_str_radix(text, base).ok());
    match number {
        Some(number) if base == 16 && most > 2 => {
            let mut buffer = [0; 4];
            let character = char::from_u32(number).unwrap_or(char::REPLACEMENT_CHARACTER);
            out.extend_from_slice(character.encode_utf8(&mut buffer).as_bytes());
        }
        Some(number) => out.push(u8::try_from(number & 0xff).unwrap_or_default()),
        None => {}
    }
}
