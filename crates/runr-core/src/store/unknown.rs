//! What other programs keep in a `meta.json`: not ours to understand, not ours to lose.

use std::collections::BTreeMap;

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;

use crate::json::{Member, Node, Rules, quote, scan};

/// The fields of an object that this version does not know, in the order read.
///
/// Keys and values keep their text, so numbers of any length survive an update. Those who
/// calculate with a value get an approximation where the number is beyond 64 bits or a float.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unknown(Vec<Field>);

/// A member as it is written: the key with its quotes, and the value.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Field {
    key: String,
    value: String,
}

impl Unknown {
    /// These members.
    pub(super) fn of<'a>(members: impl Iterator<Item = Member<'a>>) -> Self {
        Self(
            members
                .map(|member| Field {
                    key: member.key_text().to_owned(),
                    value: member.value.text().to_owned(),
                })
                .collect(),
        )
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value of a field.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Value> {
        self.0
            .iter()
            .find(|field| field.is_called(key))
            .map(Field::view)
    }

    /// Sets a field; a new one stands last.
    pub fn set(&mut self, key: &str, value: &Value) {
        match self.0.iter_mut().find(|field| field.is_called(key)) {
            Some(field) if field.view() == *value => {}
            Some(field) => field.value = value.to_string(),
            None => self.0.push(Field {
                key: quote(key),
                value: value.to_string(),
            }),
        }
    }

    /// Removes a field.
    pub fn remove(&mut self, key: &str) {
        self.0.retain(|field| !field.is_called(key));
    }

    /// Keys with their quotes, and values, as they are written.
    pub(super) fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|field| (field.key.as_str(), field.value.as_str()))
    }
}

impl Field {
    fn is_called(&self, key: &str) -> bool {
        with_node(&self.key, |node| node.as_str().as_deref() == Some(key)).unwrap_or(false)
    }

    fn view(&self) -> Value {
        with_node(&self.value, |node| node.to_value()).unwrap_or(Value::Null)
    }
}

/// Looks at a text that was scanned before, as a part of a larger one.
pub(super) fn with_node<T>(text: &str, look: impl FnOnce(Node<'_>) -> T) -> Option<T> {
    let tree = scan(text, &Rules::default().max_bytes(usize::MAX)).ok()?;
    Some(look(tree.root()))
}

impl Serialize for Unknown {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for field in &self.0 {
            let key = with_node(&field.key, |node| node.as_str_lossy()).flatten();
            map.serialize_entry(&key.unwrap_or_default(), &field.view())?;
        }
        map.end()
    }
}

/// Known texts with half of a surrogate pair in them, by the path of the field: how they read, and
/// how they are written. As long as nobody changes one, it is written as it was.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Spellings(BTreeMap<String, (String, String)>);

impl Spellings {
    pub(super) fn remember(&mut self, path: String, read: String, written: &str) {
        self.0.insert(path, (read, written.to_owned()));
    }

    /// How this value of this field is written, if that is remembered; `path` is that of the
    /// object around it, with a dot at its end.
    pub(super) fn of(&self, path: &str, key: &str, value: &str) -> Option<&str> {
        if self.0.is_empty() {
            return None;
        }
        let (read, written) = self.0.get(&format!("{path}{key}"))?;
        (read == value).then_some(written.as_str())
    }
}
