//! The number that ECMAScript makes of a text.

use super::text::trim;

/// `StringToNumber` of ECMAScript; `None` for NaN.
pub(super) fn string_to_number(text: &str) -> Option<f64> {
    let text = trim(text);
    let prefix = text.get(..2).unwrap_or_default().to_ascii_lowercase();
    match prefix.as_str() {
        "0x" => binary_digits(&text[2..], 4),
        "0o" => binary_digits(&text[2..], 3),
        "0b" => binary_digits(&text[2..], 1),
        _ if text.is_empty() => Some(0.0),
        // Both read the same decimal literals; `inf` and `nan` are words of Rust alone.
        _ if text.contains(|c: char| c.is_alphabetic() && !matches!(c, 'e' | 'E')) => None,
        _ => text.parse().ok(),
    }
}

/// Digits of `bits` bits each, rounded as a whole to the nearest double.
fn binary_digits(digits: &str, bits: i32) -> Option<f64> {
    if digits.is_empty() {
        return None;
    }
    let (mut mantissa, mut exponent) = (0_u64, 0_i32);
    for c in digits.chars() {
        let digit = c.to_digit(1 << bits)?;
        if mantissa.leading_zeros() >= bits.unsigned_abs() && exponent == 0 {
            mantissa = mantissa << bits | u64::from(digit);
        } else {
            // What lies below only decides between two neighbours: one bit tells that it is there.
            mantissa |= u64::from(digit != 0);
            exponent = exponent.saturating_add(bits);
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "this is the rounding")]
    let value = mantissa as f64;
    Some(value * 2_f64.powi(exponent))
}
