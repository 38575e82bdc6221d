//! When a certificate ends (RFC 5280 §4.1): the one thing of it that somebody has to be told.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// The serial number in hex, and `notAfter` in Unix time; `None` for what is no certificate.
pub(super) fn end(der: &[u8]) -> Option<(String, i64)> {
    let (certificate, _) = value(der, SEQUENCE)?;
    let (mut body, _) = value(certificate, SEQUENCE)?;
    if let Some((_, rest)) = value(body, VERSION) {
        body = rest;
    }
    let (serial, rest) = value(body, INTEGER)?;
    let (_algorithm, rest) = value(rest, SEQUENCE)?;
    let (_issuer, rest) = value(rest, SEQUENCE)?;
    let (validity, _) = value(rest, SEQUENCE)?;
    let (_, not_before, rest) = element(validity)?;
    let (tag, not_after, _) = element(rest)?;
    let at = time(tag, not_after)?;
    // The first one is there too, or it is something else.
    (!not_before.is_empty()).then(|| (crate::encoding::Encoding::Hex.encode(serial), at))
}

/// A time in one of the two forms that certificates have.
fn time(tag: u8, text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let full = match tag {
        // RFC 5280 §4.1.2.5.1: 50 to 99 are of the last century.
        UTC_TIME if text.get(..2)? >= "50" => format!("19{text}"),
        UTC_TIME => format!("20{text}"),
        GENERALIZED_TIME => text.to_owned(),
        _ => return None,
    };
    let at = DateTime::strptime("%Y%m%d%H%M%S", &full).ok()?;
    Some(at.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second())
}

/// The value of the next element, if it has this tag, and what follows it.
fn value(der: &[u8], wanted: u8) -> Option<(&[u8], &[u8])> {
    let (tag, value, rest) = element(der)?;
    (tag == wanted).then_some((value, rest))
}

/// Tag, value and rest (X.690 §8.1, definite lengths only).
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = der.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = if *first < 0x80 {
        (usize::from(*first), rest)
    } else {
        let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
        if bytes.is_empty() || bytes.len() > 4 {
            return None;
        }
        let length = bytes.iter().try_fold(0_usize, |length, byte| {
            length.checked_mul(256)?.checked_add(usize::from(*byte))
        })?;
        (length, rest)
    };
    let (value, rest) = rest.split_at_checked(length)?;
    Some((*tag, value, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_real_certificate_is_read() {
        let mut parameters = rcgen::CertificateParams::new(vec!["a.example".into()]).unwrap();
        for (year, expected) in [(2031, 1_925_078_400), (2055, 2_682_460_800)] {
            parameters.not_after = rcgen::date_time_ymd(year, 1, 2);
            parameters.serial_number = Some(vec![1, 2, 255].into());
            let key = rcgen::KeyPair::generate().unwrap();
            let certificate = parameters.self_signed(&key).unwrap();
            let (serial, at) = end(certificate.der()).unwrap();
            assert_eq!((&*serial, at), ("0102ff", expected), "{year}");
            for cut in 0..certificate.der().len() {
                // What is cut is no certificate, and no panic.
                assert_eq!(end(&certificate.der()[..cut]), None);
            }
        }
    }
}
