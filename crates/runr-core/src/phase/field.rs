//! Reading untrusted JSON field by field, so that every complaint names its place.

use std::fmt;

use serde_json::{Map, Value};

/// A complaint about one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    /// JSON pointer to the field.
    pub(super) pointer: String,
    /// What is wrong with it.
    pub(super) what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pointer = if self.pointer.is_empty() {
            "/"
        } else {
            &self.pointer
        };
        write!(f, "{pointer}: {}", self.what)
    }
}

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Field<'a> {
    pub(super) pointer: String,
    pub(super) value: &'a Value,
}

impl<'a> Field<'a> {
    /// The document itself.
    pub(super) fn root(value: &'a Value) -> Self {
        let pointer = String::new();
        Self { pointer, value }
    }

    pub(super) fn problem(&self, what: impl Into<String>) -> Problem {
        Problem {
            pointer: self.pointer.clone(),
            what: what.into(),
        }
    }

    fn wrong_type(&self, wanted: &str) -> Problem {
        let found = match self.value {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::String(_) => "a string",
            Value::Array(_) => "a list",
            Value::Object(_) => "an object",
        };
        self.problem(format!("must be {wanted}, not {found}"))
    }

    fn below(&self, step: &str, value: &'a Value) -> Self {
        let step = step.replace('~', "~0").replace('/', "~1");
        Self {
            pointer: format!("{}/{step}", self.pointer),
            value,
        }
    }

    pub(super) fn object(&self) -> Result<&'a Map<String, Value>, Problem> {
        self.value
            .as_object()
            .ok_or_else(|| self.wrong_type("an object"))
    }

    /// A member that may be missing; `null` is a value.
    pub(super) fn optional(&self, key: &str) -> Result<Option<Self>, Problem> {
        Ok(self.object()?.get(key).map(|value| self.below(key, value)))
    }

    /// A member that must be there.
    pub(super) fn required(&self, key: &str) -> Result<Self, Problem> {
        self.optional(key)?.ok_or_else(|| Problem {
            pointer: self.below(key, &Value::Null).pointer,
            what: "is missing".to_owned(),
        })
    }

    pub(super) fn items(&self) -> Result<Vec<Self>, Problem> {
        let items = self
            .value
            .as_array()
            .ok_or_else(|| self.wrong_type("a list"))?;
        let numbered = items.iter().enumerate();
        Ok(numbered
            .map(|(i, item)| self.below(&i.to_string(), item))
            .collect())
    }

    pub(super) fn text(&self) -> Result<String, Problem> {
        let text = self
            .value
            .as_str()
            .ok_or_else(|| self.wrong_type("a string"))?;
        Ok(text.to_owned())
    }

    pub(super) fn filled_text(&self) -> Result<String, Problem> {
        let text = self.text()?;
        if text.trim().is_empty() {
            return Err(self.problem("must not be empty"));
        }
        Ok(text)
    }

    pub(super) fn texts(&self) -> Result<Vec<String>, Problem> {
        self.items()?.iter().map(Self::text).collect()
    }

    pub(super) fn boolean(&self) -> Result<bool, Problem> {
        self.value
            .as_bool()
            .ok_or_else(|| self.wrong_type("true or false"))
    }

    pub(super) fn integer(&self) -> Result<i64, Problem> {
        self.value
            .as_i64()
            .ok_or_else(|| self.wrong_type("a whole number"))
    }

    pub(super) fn whole_from(&self, least: u64) -> Result<u64, Problem> {
        let number = self.value.as_u64().filter(|number| *number >= least);
        number.ok_or_else(|| self.wrong_value(&format!("a whole number from {least} on")))
    }

    fn wrong_value(&self, wanted: &str) -> Problem {
        match self.value {
            Value::Number(number) => self.problem(format!("must be {wanted}, not {number}")),
            _ => self.wrong_type(wanted),
        }
    }

    /// One word out of a closed list.
    pub(super) fn word<T>(
        &self,
        parse: impl Fn(&str) -> Option<T>,
        all: &str,
    ) -> Result<T, Problem> {
        let text = self.text()?;
        parse(&text).ok_or_else(|| self.problem(format!("must be one of {all}, not `{text}`")))
    }
}
