//! Secrets are blanked before anything is kept: `[REDACTED]` stands where one was.
//!
//! A [`Redactor`] knows two kinds of secrets: what looks like one (keys and tokens of well-known
//! services, `Authorization` headers, private key blocks, passwords in addresses, values given to
//! names such as `password`, long random base64), and the exact values it was given, which come from
//! the environment ([`secret_values`]). Commit ids, SHA-256 sums, UUIDs, paths and the integrity
//! fields of lockfiles survive.
//!
//! What is replaced never includes a JSON string's end, so JSON stays JSON; redacting again changes
//! nothing; and a [`Stream`] gives the same bytes however its input is cut in pieces, in bounded memory.

mod addresses;
mod assignment;
mod block;
mod environment;
mod extent;
mod hints;
mod names;
mod options;
mod random;
mod rules;
mod shapes;
mod stream;
#[cfg(test)]
mod tests;
mod words;

use regex::bytes::{Regex, RegexBuilder};
use serde_json::Value;

pub use environment::secret_values;
pub use stream::Stream;

/// What stands in place of a secret.
pub const REDACTED: &str = "[REDACTED]";

/// Finds secrets and replaces them. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Redactor {
    on: bool,
    exact: Option<Regex>,
}

impl Default for Redactor {
    fn default() -> Self {
        Self::new(&[])
    }
}

/// Compiles the patterns that every text is looked through with: the first one waits for them
/// otherwise. For a thread beside other work.
pub fn warm_up() {
    drop(Redactor::default().text("a"));
}

impl Redactor {
    /// Knows what secrets look like, and these values.
    #[must_use]
    pub fn new(values: &[String]) -> Self {
        let mut values: Vec<&String> = values.iter().filter(|value| !value.is_empty()).collect();
        // Of two that begin alike the longer one counts.
        values.sort_by_key(|value| std::cmp::Reverse(value.len()));
        let any: Vec<String> = values.iter().map(|value| regex::escape(value)).collect();
        let exact = RegexBuilder::new(&any.join("|"))
            // A long list of values is not worth refusing.
            .size_limit(64 << 20)
            .build();
        Self {
            on: true,
            exact: exact.ok().filter(|_| !any.is_empty()),
        }
    }

    /// Replaces nothing.
    #[must_use]
    pub fn off() -> Self {
        Self {
            on: false,
            exact: None,
        }
    }

    /// The text without its secrets.
    #[must_use]
    pub fn text(&self, text: &str) -> String {
        String::from_utf8_lossy(&self.bytes(text.as_bytes())).into_owned()
    }

    /// The bytes without their secrets.
    #[must_use]
    pub fn bytes(&self, bytes: &[u8]) -> Vec<u8> {
        let mut clean = Vec::with_capacity(bytes.len());
        let mut stream = self.stream();
        stream.push(bytes, &mut clean);
        stream.finish(&mut clean);
        clean
    }

    /// Blanks every text in a JSON value but those under a key that `keeps` names, with all that is
    /// below it.
    pub fn value(&self, value: &mut Value, keeps: &dyn Fn(&str) -> bool) {
        match value {
            Value::String(text) => *text = self.text(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.value(item, keeps)),
            Value::Object(map) => map
                .iter_mut()
                .filter(|(key, _)| !keeps(key))
                .for_each(|(_, value)| self.value(value, keeps)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// For output that comes in pieces.
    #[must_use]
    pub fn stream(&self) -> Stream {
        Stream::new(self)
    }
}
