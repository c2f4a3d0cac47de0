//! What a plain scalar means.

use std::borrow::Cow;

/// A plain scalar by its type in JSON.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Scalar<'t> {
    Null,
    Bool(bool),
    /// JSON text of a number.
    Number(Cow<'t, str>),
    Text,
}

/// Resolves a plain scalar as the YAML reader of `kubectl` does: `yes`, `no`, `on` and `off` are booleans,
/// `010` is octal, `1_000` a number.
///
/// The single letters `y` and `n` stay text: YAML readers disagree on them, and people name things so.
pub(super) fn plain(text: &str) -> Scalar<'_> {
    let Some(first) = text.bytes().next() else { return Scalar::Null };
    match first {
        b'~' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'y' | b'Y' | b'o' | b'O' => word(text),
        b'0'..=b'9' | b'-' | b'+' | b'.' => number(text),
        _ => Scalar::Text,
    }
}

fn word(text: &str) -> Scalar<'_> {
    match text {
        "~" | "null" | "Null" | "NULL" => Scalar::Null,
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Scalar::Bool(true),
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => Scalar::Bool(false),
        _ => Scalar::Text,
    }
}

fn number(text: &str) -> Scalar<'_> {
    let (negative, digits) = match text.as_bytes() {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        all => (false, all),
    };
    // As nearly all numbers are written, and as JSON writes them.
    if digits.len() <= 18 && digits.iter().all(u8::is_ascii_digit) && (digits == b"0" || digits.first() > Some(&b'0')) {
        return Scalar::Number(text.strip_prefix('+').unwrap_or(text).into());
    }
    let Some(first) = digits.first() else { return Scalar::Text };
    if first.is_ascii_digit()
        && let Some(value) = integer(&text[text.len() - digits.len()..])
    {
        let sign = if negative && value != 0 { "-" } else { "" };
        return Scalar::Number(format!("{sign}{value}").into());
    }
    if is_float(digits)
        && let Ok(value) = text.parse::<f64>()
        && value.is_finite()
    {
        return Scalar::Number(serde_json::Value::from(value).to_string().into());
    }
    Scalar::Text
}

/// An integer with its base prefix; a leading zero means octal.
fn integer(digits: &str) -> Option<u64> {
    let plain = digits.replace('_', "");
    let (base, plain) = match plain.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &plain[2..]),
        [b'0', b'o' | b'O', ..] => (8, &plain[2..]),
        [b'0', b'b' | b'B', ..] => (2, &plain[2..]),
        [b'0', _, ..] => (8, &plain[1..]),
        _ => (10, plain.as_str()),
    };
    if plain.starts_with(['+', '-']) {
        return None;
    }
    u64::from_str_radix(plain, base).ok()
}

/// `1.5`, `.5`, `1.`, `1e3`, `08`.
fn is_float(digits: &[u8]) -> bool {
    let mantissa_end = digits.iter().position(|b| matches!(b, b'e' | b'E')).unwrap_or(digits.len());
    let (mantissa, exponent) = digits.split_at(mantissa_end);
    let dots = memchr::memchr_iter(b'.', mantissa).count();
    let numerals = mantissa.iter().filter(|b| b.is_ascii_digit()).count();
    let exponent_ok = match exponent {
        [] => true,
        [_, b'+' | b'-', rest @ ..] | [_, rest @ ..] => !rest.is_empty() && rest.iter().all(u8::is_ascii_digit),
    };
    numerals > 0 && dots <= 1 && dots + numerals == mantissa.len() && exponent_ok
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_mean_what_they_mean_to_kubectl() {
        for (text, meaning) in [
            ("", Scalar::Null),
            ("~", Scalar::Null),
            ("yes", Scalar::Bool(true)),
            ("Off", Scalar::Bool(false)),
            ("y", Scalar::Text),
            ("n", Scalar::Text),
            ("=", Scalar::Text),
            ("80", Scalar::Number("80".into())),
            ("0", Scalar::Number("0".into())),
            ("-5", Scalar::Number("-5".into())),
            ("+5", Scalar::Number("5".into())),
            ("0x1F", Scalar::Number("31".into())),
            ("010", Scalar::Number("8".into())),
            ("0o17", Scalar::Number("15".into())),
            ("1_000", Scalar::Number("1000".into())),
            ("08", Scalar::Number("8.0".into())),
            ("1.27", Scalar::Number("1.27".into())),
            (".5", Scalar::Number("0.5".into())),
            ("1e3", Scalar::Number("1000.0".into())),
            ("12e4567", Scalar::Text),
            ("1.2.3", Scalar::Text),
            ("10.0.0.0/8", Scalar::Text),
            ("2024-01-01", Scalar::Text),
            ("-", Scalar::Text),
            (".", Scalar::Text),
            ("0x", Scalar::Text),
            ("e3", Scalar::Text),
        ] {
            assert_eq!(plain(text), meaning, "{text}");
        }
    }
}
