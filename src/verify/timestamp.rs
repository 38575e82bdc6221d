//! When a request was signed, and whether that is recent enough.

use std::time::Duration;

use jiff::fmt::rfc2822;
use jiff::{Timestamp, civil, tz::TimeZone};

use super::Place;
use crate::rejection::Rejection;

/// How a timestamp is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Unix time in seconds, perhaps with a fraction.
    Float,
    /// Unix time in milliseconds.
    Milliseconds,
    /// The date of mails and of HTTP (RFC 2822, RFC 9110 §5.6.7).
    Rfc2822,
    /// RFC 3339; without a zone it is UTC.
    Rfc3339,
    /// Unix time in seconds.
    Seconds,
}

/// Where the timestamp stands, how it is written, how far it may be off.
#[derive(Debug, Clone)]
pub struct Freshness {
    /// Its place; `None` when it is a field of the signature's `format`.
    pub place: Option<Place>,
    /// How it is written.
    pub unit: Unit,
    /// How far it may be from now, in both directions.
    pub tolerance: Duration,
}

impl Unit {
    /// Reads a timestamp; `None` when it is not written so.
    pub fn read(self, text: &str) -> Option<Timestamp> {
        let number = || -> Option<i64> {
            text.bytes()
                .all(|b| b.is_ascii_digit())
                .then(|| text.parse().ok())?
        };
        match self {
            Self::Float => float(text),
            Self::Rfc2822 => rfc2822::parse(text).ok().map(|time| time.timestamp()),
            Self::Milliseconds => Timestamp::from_millisecond(number()?).ok(),
            Self::Seconds => Timestamp::from_second(number()?).ok(),
            Self::Rfc3339 => text.parse::<Timestamp>().ok().or_else(|| {
                let local: civil::DateTime = text.parse().ok()?;
                Some(local.to_zoned(TimeZone::UTC).ok()?.timestamp())
            }),
        }
    }

    /// Writes a timestamp: the way back, for `send`.
    pub fn write(self, at: Timestamp) -> String {
        match self {
            Self::Float => {
                let milliseconds = at.as_millisecond();
                format!("{}.{:03}", milliseconds / 1000, milliseconds % 1000)
            }
            Self::Rfc2822 => rfc2822::DateTimePrinter::new()
                .timestamp_to_rfc9110_string(&at)
                .unwrap_or_default(),
            Self::Milliseconds => at.as_millisecond().to_string(),
            Self::Seconds => at.as_second().to_string(),
            Self::Rfc3339 => at.to_string(),
        }
    }
}

/// Digits, and at most nine more after a dot.
fn float(text: &str) -> Option<Timestamp> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || fraction.len() > 9 {
        return None;
    }
    let nanoseconds = format!("{fraction:0<9}").parse().ok()?;
    Timestamp::new(whole.parse().ok()?, nanoseconds).ok()
}

impl Freshness {
    /// Refuses a timestamp that is too far from `now`; exactly `tolerance` away still passes.
    pub fn require(&self, text: &str, now: Timestamp) -> Result<(), Rejection> {
        let at = self.unit.read(text).ok_or(Rejection::TimestampMalformed)?;
        let tolerance = i128::try_from(self.tolerance.as_nanos()).unwrap_or(i128::MAX);
        let age = now.as_nanosecond().saturating_sub(at.as_nanosecond());
        if age > tolerance {
            Err(Rejection::TimestampTooOld)
        } else if age < tolerance.saturating_neg() {
            Err(Rejection::TimestampInFuture)
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_read_only_their_own_spelling() {
        let at = Timestamp::from_second(1_700_000_000).unwrap();
        assert_eq!(Unit::Seconds.read("1700000000"), Some(at));
        assert_eq!(Unit::Milliseconds.read("1700000000000"), Some(at));
        assert_eq!(Unit::Rfc3339.read("2023-11-14T22:13:20Z"), Some(at));
        assert_eq!(
            Unit::Rfc3339.read("2023-11-14T23:13:20.000+01:00"),
            Some(at)
        );
        assert_eq!(Unit::Rfc3339.read("2023-11-14T22:13:20"), Some(at));
        for text in [
            "",
            "+1700000000",
            "-1",
            "1700000000.5",
            " 1700000000",
            "1e9",
            "99999999999999999999",
        ] {
            assert_eq!(Unit::Seconds.read(text), None, "{text:?}");
            assert_eq!(Unit::Milliseconds.read(text), None, "{text:?}");
        }
        assert_eq!(Unit::Rfc3339.read("1700000000"), None);
        let half = Timestamp::from_millisecond(1_700_000_000_500).unwrap();
        assert_eq!(Unit::Float.read("1700000000.5"), Some(half));
        assert_eq!(Unit::Float.read("1700000000"), Some(at));
        for text in ["", ".5", "5.", "1e9", "-1.5", "+1", "1.5.5", "1.0000000001"] {
            assert_eq!(Unit::Float.read(text), None, "{text:?}");
        }
        let date = "Tue, 14 Nov 2023 22:13:20 GMT";
        assert_eq!(Unit::Rfc2822.read(date), Some(at));
        assert_eq!(Unit::Rfc2822.read("2023-11-14T22:13:20Z"), None);
        for unit in [
            Unit::Float,
            Unit::Seconds,
            Unit::Milliseconds,
            Unit::Rfc3339,
            Unit::Rfc2822,
        ] {
            assert_eq!(unit.read(&unit.write(at)), Some(at), "{unit:?}");
        }
    }

    #[test]
    fn the_edge_of_the_tolerance_passes_and_one_past_it_does_not() {
        let rule = Freshness {
            place: None,
            unit: Unit::Seconds,
            tolerance: Duration::from_secs(300),
        };
        let now = Timestamp::from_second(1_000_000).unwrap();
        for (text, expected) in [
            ("1000000", Ok(())),
            ("999700", Ok(())),
            ("1000300", Ok(())),
            ("999699", Err(Rejection::TimestampTooOld)),
            ("1000301", Err(Rejection::TimestampInFuture)),
            ("x", Err(Rejection::TimestampMalformed)),
        ] {
            assert_eq!(rule.require(text, now), expected, "{text}");
        }
    }
}
