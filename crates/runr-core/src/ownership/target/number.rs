//! The numbers of PRs and issues, as a dynamically typed caller may write them.

use std::fmt;

use super::invalid;
use crate::error::Result;
use crate::json::{Kind, Node, quote};
use crate::ownership::numeric::string_to_number;

/// The number of a PR or an issue: whole, above zero, and printed as ECMAScript prints it.
#[derive(Debug, Clone, Copy)]
pub struct Number(f64);

impl Number {
    /// A number above zero. Beyond 2^53 it is the nearest one that the format can hold.
    ///
    /// # Errors
    /// `E_TARGET_INVALID`.
    pub fn new(number: u64) -> Result<Self> {
        #[expect(
            clippy::cast_precision_loss,
            reason = "numbers are doubles in the format"
        )]
        let value = number as f64;
        Self::checked(value).ok_or_else(|| refused("number", &number.to_string()))
    }

    /// Reads decimal digits.
    ///
    /// # Errors
    /// `E_TARGET_INVALID`.
    pub fn parse(text: &str) -> Result<Self> {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let value = digits.then(|| text.parse().ok()).flatten();
        value
            .and_then(Self::checked)
            .ok_or_else(|| refused("number", &quote(text)))
    }

    /// Reads whatever ECMAScript makes such a number of: `17`, `"17"`, `" 0x11 "`, `true`, `[17]`.
    ///
    /// # Errors
    /// `E_TARGET_INVALID`.
    pub fn coerce(node: Node<'_>) -> Result<Self> {
        Self::from_json("number", Some(node))
    }

    /// The same, where the value may be absent, with a word for what it is.
    pub(super) fn from_json(what: &str, node: Option<Node<'_>>) -> Result<Self> {
        node.and_then(to_number)
            .and_then(Self::checked)
            .ok_or_else(|| refused(what, node.map_or("undefined", Node::text)))
    }

    fn checked(value: f64) -> Option<Self> {
        (value.is_finite() && value > 0.0 && value.fract() == 0.0).then_some(Self(value))
    }
}

fn refused(what: &str, value: &str) -> crate::Error {
    let what = if what == "number" {
        what.to_owned()
    } else {
        format!("{what} number")
    };
    invalid(&what, value, "write a whole number above 0")
}

/// `ToNumber` of ECMAScript, as far as it makes a number of a value.
fn to_number(node: Node<'_>) -> Option<f64> {
    match node.kind() {
        Kind::Null => Some(0.0),
        Kind::Bool => Some(if node.as_bool()? { 1.0 } else { 0.0 }),
        Kind::Number => node.text().parse().ok(),
        Kind::String => string_to_number(&node.as_str()?),
        Kind::Array => array_to_number(node),
        Kind::Object => None,
    }
}

/// An array is a number if its text is one: that of its only element. Numbers print so that they
/// read themselves back.
fn array_to_number(array: Node<'_>) -> Option<f64> {
    let mut elements = array.elements();
    let first = elements.next();
    if elements.next().is_some() {
        return None;
    }
    match first {
        None => Some(0.0),
        // Its text is `true` or `false`, and no number.
        Some(only) if only.kind() == Kind::Bool => None,
        // Not deeper than the scan allowed.
        Some(only) => to_number(only),
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

impl Eq for Number {}

impl std::hash::Hash for Number {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.to_bits().hash(state);
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(ryu_js::Buffer::new().format(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{Rules, scan};

    fn coerced(text: &str) -> Option<String> {
        let tree = scan(text, &Rules::default()).unwrap();
        Number::coerce(tree.root())
            .ok()
            .map(|number| number.to_string())
    }

    #[test]
    fn what_ecmascript_makes_a_number_of_is_one() {
        for text in [
            "17",
            "17.0",
            "1.7e1",
            r#""17""#,
            r#"" 17 ""#,
            r#""0x11""#,
            r#""0X11""#,
            r#""0b10001""#,
            r#""0o21""#,
            r#""17.0""#,
            r#""17.""#,
            r#""1.7e1""#,
            r#""0017""#,
            r#""+17""#,
            "[17]",
            r#"[["\ufeff17"]]"#,
            r#""\u000a17\u2028""#,
        ] {
            assert_eq!(coerced(text).as_deref(), Some("17"), "{text}");
        }
        assert_eq!(coerced("true").as_deref(), Some("1"));
    }

    #[test]
    fn what_is_no_whole_number_above_zero_is_refused() {
        for text in [
            "0",
            "-0",
            "-17",
            "1.5",
            "1e400",
            "null",
            "false",
            "{}",
            "[]",
            "[null]",
            "[true]",
            "[1, 2]",
            r#""""#,
            r#"" ""#,
            r#""1_7""#,
            r#""17n""#,
            r#""Infinity""#,
            r#""inf""#,
            r#""nan""#,
            r#""0x""#,
            r#""-0x11""#,
            r#""0x1g""#,
            r#""\u0661\u0667""#,
            r#""1 7""#,
            r#"".""#,
            r#""e5""#,
            r#""\u008517""#,
            r#""\ud800""#,
            r#""0b12""#,
        ] {
            assert_eq!(coerced(text), None, "{text}");
        }
    }

    #[test]
    fn a_large_number_is_rounded_and_printed_as_the_format_does() {
        let hex = |digits: &str| coerced(&format!("\"0x{digits}\""));
        assert_eq!(
            coerced("9007199254740993").as_deref(),
            Some("9007199254740992")
        );
        assert_eq!(hex("20000000000001").as_deref(), Some("9007199254740992"));
        assert_eq!(hex("20000000000003").as_deref(), Some("9007199254740996"));
        // Half way between two doubles but for the very last digit.
        assert_eq!(
            hex("200000000000010000000001"),
            hex("200000000000020000000000")
        );
        assert_eq!(coerced("1e21").as_deref(), Some("1e+21"));
        assert_eq!(hex(&"f".repeat(300)), None);
        assert_eq!(
            Number::new(u64::MAX).unwrap().to_string(),
            "18446744073709552000"
        );
        assert!(Number::new(0).is_err());
    }

    #[test]
    fn the_text_of_a_target_takes_digits_only() {
        assert_eq!(Number::parse("0017").unwrap(), Number::new(17).unwrap());
        for text in ["", "0", "+17", "1e1", "0x11", "17.0"] {
            assert!(Number::parse(text).is_err(), "{text:?}");
        }
    }
}
