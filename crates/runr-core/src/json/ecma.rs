//! Values as ECMAScript prints them after it has parsed them.
//!
//! Programs in that language share files with us and write them whole. What they make of a value
//! they do not know is a rule of the format: numbers are doubles (and `null` beyond their range), of
//! repeated keys the first place and the last value count, and keys that are array indices come
//! first.

use std::borrow::Cow;
use std::collections::HashMap;

use super::scan::{Rules, scan};
use super::string;
use super::tree::{Kind, Node};
use super::written::Written;

/// The value on one line.
pub(crate) fn compact(value: &Written) -> Written {
    printed(value.text(), None).map_or_else(|| value.clone(), Written::trusted)
}

/// The value with two spaces of indentation, as long as the text is not longer than `limit`:
/// indentation alone can make a small text of many levels a hundred times as large.
pub(crate) fn pretty(value: &Written, limit: usize) -> Option<String> {
    printed(value.text(), Some(limit))
}

fn printed(text: &str, limit: Option<usize>) -> Option<String> {
    // The text is a value that was put together of ones that were scanned.
    let mut rules = Rules::default().max_bytes(usize::MAX);
    rules.max_depth += DEEPER;
    let tree = scan(text, &rules).ok()?;
    let mut printer = Printer {
        out: String::with_capacity(text.len()),
        limit,
    };
    printer.value(tree.root(), 0);
    limit
        .is_none_or(|limit| printer.out.len() <= limit)
        .then_some(printer.out)
}

/// So many levels may stand around a value that was scanned by itself.
const DEEPER: usize = 8;

struct Printer {
    out: String,
    /// The greatest length of the text, if it is indented.
    limit: Option<usize>,
}

impl Printer {
    fn value(&mut self, node: Node<'_>, level: usize) {
        match node.kind() {
            Kind::Null | Kind::Bool => self.out.push_str(node.text()),
            Kind::Number => self.number(node.text()),
            Kind::String => self.string(node.text()),
            // As deep as the scan allowed, no deeper.
            Kind::Array => self.array(node, level),
            Kind::Object => self.object(node, level),
        }
    }

    fn number(&mut self, text: &str) {
        let value: f64 = text.parse().unwrap_or(f64::INFINITY);
        if value.is_finite() {
            self.out.push_str(ryu_js::Buffer::new().format(value));
        } else {
            self.out.push_str("null");
        }
    }

    fn string(&mut self, token: &str) {
        if token.contains('\\') {
            string::push_quoted_units(&mut self.out, &string::units(token));
        } else {
            self.out.push_str(token);
        }
    }

    fn array(&mut self, array: Node<'_>, level: usize) {
        self.out.push('[');
        let mut empty = true;
        for element in array.elements() {
            if self.is_too_long() {
                return;
            }
            self.next(&mut empty, level + 1);
            self.value(element, level + 1);
        }
        self.close(empty, level, ']');
    }

    fn object(&mut self, object: Node<'_>, level: usize) {
        self.out.push('{');
        let mut empty = true;
        for (key, value) in properties(object) {
            if self.is_too_long() {
                return;
            }
            self.next(&mut empty, level + 1);
            self.string(key);
            self.out
                .push_str(if self.limit.is_some() { ": " } else { ":" });
            self.value(value, level + 1);
        }
        self.close(empty, level, '}');
    }

    fn is_too_long(&self) -> bool {
        self.limit.is_some_and(|limit| self.out.len() > limit)
    }

    /// What stands before a value in a container.
    fn next(&mut self, empty: &mut bool, level: usize) {
        if !std::mem::take(empty) {
            self.out.push(',');
        }
        self.new_line(level);
    }

    fn close(&mut self, empty: bool, level: usize, bracket: char) {
        if !empty {
            self.new_line(level);
        }
        self.out.push(bracket);
    }

    fn new_line(&mut self, level: usize) {
        if self.limit.is_some() {
            self.out.push('\n');
            for _ in 0..level {
                self.out.push_str("  ");
            }
        }
    }
}

/// The properties of an object in their order, each key as it is written in its first place.
fn properties(object: Node<'_>) -> Vec<(&str, Node<'_>)> {
    let mut properties: Vec<(&str, Node<'_>)> = Vec::new();
    let mut places: HashMap<Cow<'_, str>, usize> = HashMap::new();
    for member in object.members() {
        let place = *places
            .entry(string::identity(member.key_text()))
            .or_insert(properties.len());
        match properties.get_mut(place) {
            Some((_, value)) => *value = member.value,
            None => properties.push((member.key_text(), member.value)),
        }
    }
    // The sort is stable: other keys keep their order.
    properties.sort_by_key(|(key, _)| array_index(key).map_or(u64::MAX, u64::from));
    properties
}

/// The array index that a key is: decimal digits without a needless zero, below 2^32 - 1.
fn array_index(key: &str) -> Option<u32> {
    let name = string::decode(key)?;
    let index: u32 = name.parse().ok()?;
    (index != u32::MAX && name == index.to_string()).then_some(index)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one_line(text: &str) -> String {
        compact(&Written::parse(text).unwrap()).to_string()
    }

    #[test]
    fn numbers_are_doubles_as_ecmascript_prints_them() {
        for (text, printed) in [
            ("1.0", "1"),
            ("1e3", "1000"),
            ("-0", "0"),
            ("-0.0", "0"),
            ("1e-7", "1e-7"),
            ("0.000001", "0.000001"),
            ("1e21", "1e+21"),
            ("100000000000000000000", "100000000000000000000"),
            ("12345678901234567890", "12345678901234567000"),
            ("9007199254740993", "9007199254740992"),
            ("5e-324", "5e-324"),
            ("1e-400", "0"),
            ("1E400", "null"),
            ("-1E400", "null"),
        ] {
            assert_eq!(one_line(text), printed);
        }
    }

    #[test]
    fn of_repeated_keys_the_first_place_and_the_last_value_count() {
        assert_eq!(one_line(r#"{"b":1,"a":2,"\u0062":3}"#), r#"{"b":3,"a":2}"#);
        assert_eq!(
            one_line(r#"{"\ud800":1,"\udc00":2,"\uD800":3}"#),
            r#"{"\ud800":3,"\udc00":2}"#
        );
    }

    #[test]
    fn keys_that_are_array_indices_come_first() {
        let text = r#"{"x":1,"10":2,"__proto__":3,"2":4,"01":5,"4294967295":6,"4294967294":7,"+3":8,"-1":9,"\u0030":10}"#;
        let printed = r#"{"0":10,"2":4,"10":2,"4294967294":7,"x":1,"__proto__":3,"01":5,"4294967295":6,"+3":8,"-1":9}"#;
        assert_eq!(one_line(text), printed);
    }

    #[test]
    fn strings_escape_what_they_must_and_nothing_else() {
        let text = r#"["\u00e9\/\ud83d\ude80\ud800\u2028\u007f\u0000\b\u001F","\ude80\ud83d"]"#;
        let printed =
            "[\"\u{e9}/\u{1f680}\\ud800\u{2028}\u{7f}\\u0000\\b\\u001f\",\"\\ude80\\ud83d\"]";
        assert_eq!(one_line(text), printed);
    }

    #[test]
    fn containers_are_laid_out_with_two_spaces_and_empty_ones_on_their_line() {
        let value = Written::parse(r#" { "a" : [ 1 , { } , [ ] , [ [ 2 ] ] ] , "b":{"c":null} } "#);
        let laid_out = pretty(&value.unwrap(), 1000).unwrap();
        let expected = "{\n  \"a\": [\n    1,\n    {},\n    [],\n    [\n      [\n        2\n      ]\n    ]\n  ],\n  \"b\": {\n    \"c\": null\n  }\n}";
        assert_eq!(laid_out, expected);
    }

    #[test]
    fn a_value_that_would_grow_beyond_the_limit_is_not_laid_out() {
        let deep = format!(
            "{}{}{}",
            "[".repeat(120),
            "1,".repeat(999) + "1",
            "]".repeat(120)
        );
        let value = Written::parse(&deep).unwrap();
        assert_eq!(pretty(&value, 10_000), None);
        assert_eq!(compact(&value).text(), deep);
    }
}
