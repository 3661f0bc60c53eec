//! Plain booleans and numbers of a Compose file as Compose spells them.
//!
//! To Compose an unquoted `True`, `0755` or `1.50` is a value of YAML, and where a text is wanted it
//! is written out again: `true`, `493`, `1.5`. The rules are those of the YAML reader that Compose
//! has (go-yaml 3: YAML 1.2 with the octal numbers and underscores of 1.1) and of Go's `fmt.Sprint`.
//! A quoted value, and one that holds a variable, is a text and stays. In locker's own layouts every
//! value stays as it is written.

use super::tree::{Kind, Node};

/// Spells all plain values of a tree.
pub(super) fn respell(node: &mut Node) {
    match &mut node.kind {
        Kind::Scalar(text) => {
            if node.plain
                && let Some(spelled) = spelled(text)
            {
                *text = spelled;
            }
        }
        Kind::Sequence(nodes) => nodes.iter_mut().for_each(respell),
        Kind::Mapping(entries) => entries
            .iter_mut()
            .for_each(|entry| respell(&mut entry.value)),
        Kind::Null => {}
    }
}

/// What a boolean or number is written as; none for any other text.
fn spelled(text: &str) -> Option<String> {
    match text {
        "true" | "True" | "TRUE" => return Some("true".into()),
        "false" | "False" | "FALSE" => return Some("false".into()),
        ".nan" | ".NaN" | ".NAN" => return Some("NaN".into()),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Some("+Inf".into()),
        "-.inf" | "-.Inf" | "-.INF" => return Some("-Inf".into()),
        _ => {}
    }
    if !text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.')) {
        return None;
    }
    let digits = text.replace('_', "");
    whole(&digits).or_else(|| float(&digits).map(printed))
}

/// A whole number: decimal, `0x`, `0o`, `0b`, or octal behind a `0`.
fn whole(text: &str) -> Option<String> {
    let (sign, digits) = match text.strip_prefix(['+', '-']) {
        Some(digits) => (&text[..1], digits),
        None => ("", text),
    };
    let (radix, digits) = match digits.get(..2) {
        Some("0x" | "0X") => (16, &digits[2..]),
        Some("0o" | "0O") => (8, &digits[2..]),
        Some("0b" | "0B") => (2, &digits[2..]),
        Some(_) if digits.starts_with('0') => (8, &digits[1..]),
        Some(_) | None => (10, digits),
    };
    // The standard reader takes a second sign.
    let plain = digits.chars().all(|c| c.is_digit(radix));
    let number = u64::from_str_radix(digits, radix).ok().filter(|_| plain)?;
    match (sign, number) {
        ("-", 0) => Some("0".into()),
        ("-", number) => i64::try_from(-i128::from(number))
            .ok()
            .map(|n| n.to_string()),
        (_, number) => Some(number.to_string()),
    }
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn float(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let (before, after) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent = exponent.map(|text| text.strip_prefix(['+', '-']).unwrap_or(text));
    let fits = digits(before)
        && digits(after)
        && !(before.is_empty() && after.is_empty())
        && exponent.is_none_or(|text| !text.is_empty() && digits(text));
    text.parse()
        .ok()
        .filter(|number: &f64| fits && number.is_finite())
}

/// As Go's `%v` has it: the shortest digits that mean the same, with an exponent below 1e-4 and from
/// 1e+06 on.
fn printed(number: f64) -> String {
    let short = format!("{number:e}");
    let (digits, exponent) = short.split_once('e').unwrap_or((&short, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..6).contains(&exponent) || number == 0.0 {
        return number.to_string();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_values_are_spelled_as_compose_does() {
        for (text, expected) in [
            ("True", "true"),
            ("FALSE", "false"),
            ("0755", "493"),
            ("0o17", "15"),
            ("0x1F", "31"),
            ("0b11", "3"),
            ("1_000", "1000"),
            ("+12", "12"),
            ("-010", "-8"),
            ("0", "0"),
            ("18446744073709551615", "18446744073709551615"),
            ("089", "89"),
            ("1.50", "1.5"),
            ("1.0", "1"),
            (".5", "0.5"),
            ("5.", "5"),
            ("1e3", "1000"),
            ("1E-7", "1e-07"),
            ("0.0001", "0.0001"),
            ("200000.0", "200000"),
            ("1234567.8", "1.2345678e+06"),
            ("2e6", "2e+06"),
            (".inf", "+Inf"),
        ] {
            assert_eq!(spelled(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn texts_stay() {
        for text in [
            "yes",
            "On",
            "n",
            "tRue",
            "1.2.3",
            "1,5",
            "0x",
            "08:30",
            "22:22",
            "2026-11-30",
            "1e",
            "--1",
            "+-1",
            "-",
            ".",
            "1__",
            "v1",
            "0xfg",
            "infinity",
            "inf",
            "nan",
            "",
        ] {
            let expected = (text == "1__").then(|| "1".to_string());
            assert_eq!(spelled(text), expected, "{text}");
        }
    }
}
