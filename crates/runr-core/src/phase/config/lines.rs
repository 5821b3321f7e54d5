//! Where the parts of a JSON text stand.

use std::collections::HashMap;

/// The line, from 1, of every object key and array element, by JSON pointer.
///
/// The text must have been parsed as JSON before: nothing is checked here, and of a key that is
/// repeated the last one counts, as it does for the value.
pub(super) fn lines_by_pointer(text: &str) -> HashMap<String, usize> {
    let mut scanner = Scanner {
        text,
        at: 0,
        line: 1,
        lines: HashMap::new(),
    };
    scanner.value("");
    scanner.lines
}

/// A key as a part of a JSON pointer.
pub(super) fn pointer_part(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
    line: usize,
    lines: HashMap<String, usize>,
}

impl Scanner<'_> {
    fn value(&mut self, pointer: &str) {
        match self.peek() {
            Some(b'{') => self.object(pointer),
            Some(b'[') => self.array(pointer),
            Some(b'"') => drop(self.string()),
            _ => {
                while self
                    .byte()
                    .is_some_and(|byte| !b",]} \t\r\n".contains(&byte))
                {
                    self.at += 1;
                }
            }
        }
    }

    fn object(&mut self, pointer: &str) {
        self.at += 1;
        while self.peek() == Some(b'"') {
            let line = self.line;
            let inner = format!("{pointer}/{}", pointer_part(&self.string()));
            self.peek();
            self.at += 1; // the colon
            self.value(&inner);
            self.lines.insert(inner, line);
            if self.peek() == Some(b',') {
                self.at += 1;
            }
        }
        self.at += 1;
    }

    fn array(&mut self, pointer: &str) {
        self.at += 1;
        let mut index = 0_usize;
        while self.peek().is_some_and(|byte| byte != b']') {
            let inner = format!("{pointer}/{index}");
            self.lines.insert(inner.clone(), self.line);
            self.value(&inner);
            index += 1;
            if self.peek() == Some(b',') {
                self.at += 1;
            }
        }
        self.at += 1;
    }

    /// The string at this place, escapes resolved.
    fn string(&mut self) -> String {
        let start = self.at;
        self.at += 1;
        while self.byte().is_some_and(|byte| byte != b'"') {
            self.at += if self.byte() == Some(b'\\') { 2 } else { 1 };
        }
        self.at += 1;
        let quoted = self.text.get(start..self.at).unwrap_or_default();
        serde_json::from_str(quoted).unwrap_or_default()
    }

    /// The next byte that is not white space.
    fn peek(&mut self) -> Option<u8> {
        while let Some(byte) = self.byte() {
            if !byte.is_ascii_whitespace() {
                return Some(byte);
            }
            self.line += usize::from(byte == b'\n');
            self.at += 1;
        }
        None
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_elements_are_found_on_their_lines() {
        let text = "{\n \"a\": {\"b~/\\n\": [1,\n   \"}]\\\"\\\\\",\n {\"c\": -1.5e3}]},\n\"d\":[], \"e\":{}\n,\"f\":null}";
        serde_json::from_str::<serde_json::Value>(text).unwrap();
        let lines = lines_by_pointer(text);
        let expected = [
            ("/a", 2),
            ("/a/b~0~1\n", 2),
            ("/a/b~0~1\n/0", 2),
            ("/a/b~0~1\n/1", 3),
            ("/a/b~0~1\n/2", 4),
            ("/a/b~0~1\n/2/c", 4),
            ("/d", 5),
            ("/e", 5),
            ("/f", 6),
        ];
        for (pointer, line) in expected {
            assert_eq!(lines.get(pointer), Some(&line), "{pointer:?}");
        }
        assert_eq!(lines.len(), expected.len());
    }
}
