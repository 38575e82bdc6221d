//! Durations, sizes and rates as people write them.

use std::fmt;
use std::time::Duration;

/// How often something may happen: `count` times per `period`, and at most `burst` at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many are allowed in one period.
    pub count: u32,
    /// A second, a minute or an hour.
    pub period: Duration,
    /// How many may come at once after a pause; `count` unless written.
    pub burst: u32,
}

/// Why a text is not a quantity. Never repeats the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnitError(&'static str);

impl fmt::Display for UnitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for UnitError {}

/// Reads one number and one unit (ms, s, m, h, d, w), without a space: `"10s"`.
pub fn duration(text: &str) -> Result<Duration, UnitError> {
    let (number, unit) = split(text);
    if number.is_empty() {
        return Err(UnitError(
            "a duration is one whole number and one unit (ms, s, m, h, d, w), as in \"10s\"",
        ));
    }
    let millis: u64 = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60 * 1000,
        "h" => 60 * 60 * 1000,
        "d" => 24 * 60 * 60 * 1000,
        "w" => 7 * 24 * 60 * 60 * 1000,
        "" => {
            return Err(UnitError(
                "the unit is missing (ms, s, m, h, d, w), as in \"10s\"",
            ));
        }
        _ => {
            return Err(UnitError(
                "a duration is one whole number and one unit (ms, s, m, h, d, w), as in \"10s\"",
            ));
        }
    };
    let number: Option<u64> = number.parse().ok();
    number
        .and_then(|number| number.checked_mul(millis))
        .map(Duration::from_millis)
        .ok_or(UnitError(
            "longer than a duration can be; write a shorter one, as in \"15d\"",
        ))
}

/// Reads a size in bytes: one number and B, KiB, MiB or GiB, or a bare number: `"1MiB"`.
pub fn size(text: &str) -> Result<usize, UnitError> {
    let (number, unit) = split(text);
    if number.is_empty() {
        return Err(UnitError(
            "a size is one whole number and one unit (B, KiB, MiB, GiB), as in \"1MiB\"",
        ));
    }
    let bytes: usize = match unit {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "KB" | "kB" | "kb" | "K" | "k" => {
            return Err(UnitError(
                "a size counts in 1024s: write KiB, as in \"16KiB\"",
            ));
        }
        "MB" | "mb" | "M" | "m" => {
            return Err(UnitError(
                "a size counts in 1024s: write MiB, as in \"1MiB\"",
            ));
        }
        "GB" | "gb" | "G" | "g" => {
            return Err(UnitError(
                "a size counts in 1024s: write GiB, as in \"1GiB\"",
            ));
        }
        _ => {
            return Err(UnitError(
                "a size is one whole number and one unit (B, KiB, MiB, GiB), as in \"1MiB\"",
            ));
        }
    };
    let number: Option<usize> = number.parse().ok();
    number
        .and_then(|number| number.checked_mul(bytes))
        .ok_or(UnitError(
            "larger than memory can be; write a smaller size, as in \"1MiB\"",
        ))
}

/// Reads a count per second, minute or hour and an optional burst: `"50/s burst 100"`.
pub fn rate(text: &str) -> Result<Rate, UnitError> {
    const SHAPE: UnitError =
        UnitError("a rate is a count per s, m or h and maybe a burst, as in \"50/s burst 100\"");
    let (often, burst) = match text.split_once(" burst ") {
        Some((often, burst)) => (often, Some(burst)),
        None => (text, None),
    };
    let (count, period) = often.split_once('/').ok_or(SHAPE)?;
    let period = match period {
        "s" => Duration::from_secs(1),
        "m" => Duration::from_secs(60),
        "h" => Duration::from_secs(60 * 60),
        _ => return Err(SHAPE),
    };
    let count = positive(count, SHAPE)?;
    let burst = burst.map_or(Ok(count), |burst| positive(burst, SHAPE))?;
    Ok(Rate {
        count,
        period,
        burst,
    })
}

fn positive(digits: &str, shape: UnitError) -> Result<u32, UnitError> {
    let (number, rest) = split(digits);
    if number.is_empty() || !rest.is_empty() {
        return Err(shape);
    }
    match number.parse() {
        Ok(0) => Err(UnitError(
            "a rate of zero lets nobody in; write at least one, as in \"1/s\"",
        )),
        Ok(number) => Ok(number),
        Err(_) => Err(UnitError(
            "more than a rate can be; write less, as in \"50/s burst 100\"",
        )),
    }
}

/// The leading digits, and what follows.
fn split(text: &str) -> (&str, &str) {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    text.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_durations_of_every_unit() {
        for (text, millis) in [
            ("500ms", 500),
            ("10s", 10_000),
            ("5m", 300_000),
            ("2h", 7_200_000),
            ("15d", 1_296_000_000),
            ("1w", 604_800_000),
            ("0s", 0),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn reads_sizes_of_every_unit() {
        for (text, bytes) in [
            ("512B", 512),
            ("16KiB", 16_384),
            ("1MiB", 1_048_576),
            ("256MiB", 268_435_456),
            ("1GiB", 1_073_741_824),
            ("77", 77),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn reads_rates_with_and_without_a_burst() {
        for (text, count, seconds, burst) in [
            ("50/s", 50, 1, 50),
            ("50/s burst 100", 50, 1, 100),
            ("6/m", 6, 60, 6),
            ("9/h burst 1", 9, 3600, 1),
        ] {
            let expected = Rate {
                count,
                period: Duration::from_secs(seconds),
                burst,
            };
            assert_eq!(rate(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_not_one_number_and_one_unit() {
        for text in [
            "", "s", "10", "10 s", " 10s", "10s ", "1.5s", "-1s", "+1s", "1h30m", "10S", "1y",
            "１s",
        ] {
            assert!(duration(text).is_err(), "{text}");
        }
        for text in ["", "KiB", "1 KiB", "1.5MiB", "-1", "1TiB", "1kib", "1B2"] {
            assert!(size(text).is_err(), "{text}");
        }
        for text in [
            "",
            "50",
            "/s",
            "50/",
            "50/d",
            "50 /s",
            "50/s burst",
            "50/s burst ",
            "50/s  burst 1",
            "0/s",
            "1/s burst 0",
            "+1/s",
            "1/s burst 1 burst 1",
            "1/s burst 1x",
        ] {
            assert!(rate(text).is_err(), "{text}");
        }
    }

    #[test]
    fn refuses_powers_of_ten_and_says_which_unit_to_write() {
        for (text, unit) in [
            ("16KB", "KiB"),
            ("16kb", "KiB"),
            ("1MB", "MiB"),
            ("1M", "MiB"),
            ("1GB", "GiB"),
        ] {
            assert!(size(text).unwrap_err().to_string().contains(unit), "{text}");
        }
    }

    #[test]
    fn refuses_what_overflows() {
        for text in [
            "18446744073709551616ms",
            "18446744073709551615s",
            "99999999999999999999999w",
        ] {
            assert!(
                duration(text).unwrap_err().to_string().contains("longer"),
                "{text}"
            );
        }
        for text in ["18446744073709551616", "18446744073709551615KiB"] {
            assert!(
                size(text).unwrap_err().to_string().contains("larger"),
                "{text}"
            );
        }
        for text in ["4294967296/s", "1/s burst 4294967296"] {
            assert!(
                rate(text).unwrap_err().to_string().contains("more"),
                "{text}"
            );
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_is_a_panic_or_shows_up_in_the_error(text in "\\PC*") {
            for error in [duration(&text).err(), size(&text).err(), rate(&text).err()].into_iter().flatten() {
                proptest::prop_assert!(text.len() < 4 || !error.to_string().contains(&text));
            }
        }
    }
}
