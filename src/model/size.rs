//! Sizes in bytes, as Compose and the Docker command line write them.

/// Why a text is not a size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SizeError {
    /// Not a number with a unit.
    #[error(
        "`{0}` is not a size; it is a number of bytes, or one with a unit such as `512m` or `2g`"
    )]
    Form(String),
    /// More bytes than there can be.
    #[error("`{0}` is more than any machine has")]
    TooLarge(String),
}

/// Reads `512`, `64k`, `1.5g`, `2GiB`: units of 1024, as the engine takes them.
///
/// # Errors
/// See [`SizeError`].
pub fn parse_size(text: &str) -> Result<u64, SizeError> {
    let form = || SizeError::Form(text.chars().take(40).collect());
    let large = || SizeError::TooLarge(text.chars().take(40).collect());
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let power = power_of(unit.strip_prefix(' ').unwrap_or(unit)).ok_or_else(form)?;
    let factor = 1u64 << (10 * power);
    if !number.contains('.') {
        if number.is_empty() {
            return Err(form());
        }
        let number: u64 = number.parse().map_err(|_| large())?;
        return number.checked_mul(factor).ok_or_else(large);
    }
    let parts = number.split_once('.').filter(|(whole, rest)| {
        !whole.is_empty() && !rest.is_empty() && !rest.contains('.') && rest.len() <= 12
    });
    let (whole, rest) = parts.ok_or_else(form)?;
    let whole: u64 = whole.parse().map_err(|_| large())?;
    let digits = u32::try_from(rest.len()).map_err(|_| form())?;
    let rest: u64 = rest.parse().map_err(|_| form())?;
    let part = u128::from(rest) * u128::from(factor) / u128::from(10u64.pow(digits));
    let part = u64::try_from(part).map_err(|_| large())?;
    let whole = whole.checked_mul(factor).ok_or_else(large)?;
    whole.checked_add(part).ok_or_else(large)
}

/// The power of 1024 that a unit stands for.
fn power_of(unit: &str) -> Option<u32> {
    let unit = unit.to_ascii_lowercase();
    if unit.is_empty() || unit == "b" {
        return Some(0);
    }
    let (letter, rest) = unit.split_at_checked(1)?;
    if !matches!(rest, "" | "b" | "i" | "ib") {
        return None;
    }
    let power = "kmgtp".find(letter)?;
    u32::try_from(power + 1).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_those_of_the_engine() {
        for (text, bytes) in [
            ("0", 0),
            ("512", 512),
            ("512b", 512),
            ("64k", 65_536),
            ("64Kb", 65_536),
            ("1.5g", 1_610_612_736),
            ("2GiB", 2 << 30),
            ("1 m", 1 << 20),
            ("3tb", 3 << 40),
            ("1P", 1 << 50),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for text in [
            "", "m", "-1", "+1", "1x", "1..5g", "1.g", ".5g", "1 000", "5mm", "1\n", "0x10", "é",
            "1é", "NaN", "1e9",
        ] {
            assert_eq!(
                parse_size(text),
                Err(SizeError::Form(text.into())),
                "{text:?}"
            );
        }
        for text in ["99999999999999999999", "99999999p", "18446744073709551615k"] {
            assert_eq!(parse_size(text), Err(SizeError::TooLarge(text.into())));
        }
    }
}
