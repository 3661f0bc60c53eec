//! Lengths of time, as Compose writes them.

use std::time::Duration;

/// Longest time that a file may ask for: a hundred years.
const MOST: u128 = 100 * 365 * 86_400 * 1_000_000_000;

/// Why a text is not a time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// Not numbers with units.
    #[error("`{0}` is not a time; it is numbers with units, such as `30s` or `1m30s`")]
    Form(String),
    /// A number alone.
    #[error("`{0}` has no unit; write `{0}s` for seconds")]
    Unit(String),
    /// Longer than anybody waits.
    #[error("`{0}` is longer than a hundred years")]
    TooLong(String),
}

/// Reads `30s`, `1m30s`, `1.5h`, `250ms`, `1h 5m`, `2days`; a bare `0` has no length.
///
/// # Errors
/// See [`TimeError`].
pub fn parse_time(text: &str) -> Result<Duration, TimeError> {
    let shown = || text.chars().take(40).collect::<String>();
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(TimeError::Unit(shown()));
    }
    let mut rest = text;
    let mut all: u128 = 0;
    while !rest.is_empty() {
        let (part, after) = first_part(rest).ok_or_else(|| TimeError::Form(shown()))?;
        all = all.saturating_add(part);
        if all > MOST {
            return Err(TimeError::TooLong(shown()));
        }
        rest = after;
    }
    if text.is_empty() {
        return Err(TimeError::Form(shown()));
    }
    let seconds = u64::try_from(all / 1_000_000_000).map_err(|_| TimeError::TooLong(shown()))?;
    let nanos = u32::try_from(all % 1_000_000_000).unwrap_or_default();
    Ok(Duration::new(seconds, nanos))
}

/// The first number with its unit in nanoseconds, and what follows.
fn first_part(text: &str) -> Option<(u128, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, rest) = text.split_at(end);
    let end = rest
        .find(|c: char| !c.is_alphabetic())
        .unwrap_or(rest.len());
    let (unit, rest) = rest.split_at(end);
    let unit = nanoseconds(unit)?;
    let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
    if whole.is_empty() || part.is_empty() || part.contains('.') || part.len() > 9 {
        return None;
    }
    let whole = whole.parse::<u64>().map_or(u128::MAX, u128::from);
    let divisor = 10u128.pow(u32::try_from(part.len()).ok()?);
    let part = part.parse::<u128>().ok()? * unit / divisor;
    let blank = rest.strip_prefix(' ').filter(|rest| !rest.is_empty());
    Some((
        whole.saturating_mul(unit).saturating_add(part),
        blank.unwrap_or(rest),
    ))
}

fn nanoseconds(unit: &str) -> Option<u128> {
    Some(match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" | "sec" | "second" | "seconds" => 1_000_000_000,
        "m" | "min" | "minute" | "minutes" => 60 * 1_000_000_000,
        "h" | "hour" | "hours" => 3_600 * 1_000_000_000,
        "d" | "day" | "days" => 86_400 * 1_000_000_000,
        "w" | "week" | "weeks" => 7 * 86_400 * 1_000_000_000,
        _ => return None,
    })
}

/// A time as [`parse_time`] reads it: `1m 30s`.
pub fn show_time(time: Duration) -> String {
    if time.is_zero() {
        return "0s".into();
    }
    let (seconds, nanos) = (time.as_secs(), time.subsec_nanos());
    let mut words = Vec::new();
    for (number, unit) in [
        (seconds / 3_600, "h"),
        (seconds / 60 % 60, "m"),
        (seconds % 60, "s"),
        (u64::from(nanos / 1_000_000), "ms"),
        (u64::from(nanos / 1_000 % 1_000), "us"),
        (u64::from(nanos % 1_000), "ns"),
    ] {
        if number > 0 {
            words.push(format!("{number}{unit}"));
        }
    }
    words.concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_and_written_back() {
        for (text, nanos, back) in [
            ("0", 0, "0s"),
            ("30s", 30_000_000_000, "30s"),
            ("1m30s", 90_000_000_000, "1m30s"),
            ("1m 30s", 90_000_000_000, "1m30s"),
            ("1h5m30s20ms", 3_930_020_000_000, "1h5m30s20ms"),
            ("1.5s", 1_500_000_000, "1s500ms"),
            ("250ms", 250_000_000, "250ms"),
            ("7us", 7_000, "7us"),
            ("1day", 86_400_000_000_000, "24h"),
        ] {
            let time = parse_time(text).unwrap();
            assert_eq!(time.as_nanos(), nanos, "{text}");
            assert_eq!(show_time(time), back);
            assert_eq!(parse_time(back), Ok(time));
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        assert_eq!(parse_time("5"), Err(TimeError::Unit("5".into())));
        for text in [
            "", "s", "5x", "-5s", "+5s", "1..5s", ".5s", "5s ", " 5s", "5s\n", "1M", "five",
        ] {
            assert_eq!(
                parse_time(text),
                Err(TimeError::Form(text.into())),
                "{text:?}"
            );
        }
        for text in ["99999999999999999999h", "9999999h"] {
            assert_eq!(parse_time(text), Err(TimeError::TooLong(text.into())));
        }
    }
}
