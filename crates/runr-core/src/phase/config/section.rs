//! Reading one JSON object key by key, with pointers in every complaint.

use serde_json::{Map, Value};

use super::Warning;
use super::lines::pointer_part;
use super::problem_of_command;
use crate::error::{Code, Error, Result};

/// A limit beyond which a duration is a slip of the pen, and could overflow a deadline.
pub(super) const YEAR_IN_SECONDS: u64 = 365 * 24 * 60 * 60;

/// One object of the file. Each reader overwrites a default if its key is present and remembers the
/// key; what nobody asked for is an unknown key.
pub(super) struct Section<'a> {
    pointer: String,
    pub(super) map: &'a Map<String, Value>,
    pub(super) known: Vec<&'a str>,
    warnings: Vec<Warning>,
}

impl<'a> Section<'a> {
    pub(super) fn new(pointer: String, map: &'a Map<String, Value>) -> Self {
        Self {
            pointer,
            map,
            known: Vec::new(),
            warnings: Vec::new(),
        }
    }

    pub(super) fn finish(mut self) -> Vec<Warning> {
        let unknown: Vec<&String> = self
            .map
            .keys()
            .filter(|key| !self.known.contains(&key.as_str()))
            .collect();
        let known = self
            .known
            .iter()
            .filter(|key| !key.starts_with('$'))
            .copied()
            .collect::<Vec<_>>()
            .join(", ");
        for key in unknown {
            self.warn(
                &pointer_part(key),
                format!("unknown key `{key}` is ignored; known here: {known}"),
            );
        }
        self.warnings
    }

    pub(super) fn warn(&mut self, below: &str, message: String) {
        self.warnings.push(Warning {
            pointer: format!("{}/{below}", self.pointer),
            line: None,
            message,
        });
    }

    pub(super) fn pointer_to(&self, key: &str) -> String {
        format!("{}/{}", self.pointer, pointer_part(key))
    }

    pub(super) fn wrong(&self, key: &str, problem: &str) -> Error {
        invalid(&self.pointer_to(key), problem)
    }

    fn take(&mut self, key: &'a str) -> Option<&'a Value> {
        if !self.known.contains(&key) {
            self.known.push(key);
        }
        self.map.get(key)
    }

    pub(super) fn must_have(&self, keys: &[&str]) -> Result<()> {
        match keys.iter().find(|key| !self.map.contains_key(**key)) {
            Some(missing) => Err(self.wrong(missing, "is required")),
            None => Ok(()),
        }
    }

    pub(super) fn required(
        &mut self,
        key: &'a str,
        read: impl FnOnce(&mut Self) -> Result<()>,
    ) -> Result<()> {
        self.must_have(&[key])?;
        self.optional(key, read)
    }

    pub(super) fn optional(
        &mut self,
        key: &'a str,
        read: impl FnOnce(&mut Self) -> Result<()>,
    ) -> Result<()> {
        match self.take(key) {
            Some(value) => self.within(self.pointer_to(key), value, read),
            None => Ok(()),
        }
    }

    pub(super) fn objects(
        &mut self,
        key: &'a str,
        mut read: impl FnMut(&mut Self) -> Result<()>,
    ) -> Result<()> {
        for (index, item) in self.items(key)?.into_iter().flatten().enumerate() {
            self.within(format!("{}/{index}", self.pointer_to(key)), item, &mut read)?;
        }
        Ok(())
    }

    fn within(
        &mut self,
        pointer: String,
        value: &'a Value,
        read: impl FnOnce(&mut Self) -> Result<()>,
    ) -> Result<()> {
        let Some(map) = value.as_object() else {
            return Err(wrong_type(&pointer, "an object", value));
        };
        let mut inner = Section::new(pointer, map);
        read(&mut inner)?;
        self.warnings.extend(inner.finish());
        Ok(())
    }

    fn items(&mut self, key: &'a str) -> Result<Option<&'a Vec<Value>>> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::Array(items)) => Ok(Some(items)),
            Some(other) => Err(wrong_type(&self.pointer_to(key), "an array", other)),
        }
    }

    pub(super) fn string(&mut self, key: &'a str, slot: &mut String) -> Result<()> {
        match self.take(key) {
            None => Ok(()),
            Some(value) => set(slot, text(&self.pointer_to(key), value)?),
        }
    }

    /// An optional text; in a snapshot its absence is written as `null`.
    pub(super) fn string_or_null(&mut self, key: &'a str, slot: &mut Option<String>) -> Result<()> {
        match self.take(key) {
            None => Ok(()),
            Some(Value::Null) => set(slot, None),
            Some(value) => {
                let text = text(&self.pointer_to(key), value)?;
                if text.trim().is_empty() {
                    return Err(self.wrong(key, "must not be empty"));
                }
                set(slot, Some(text))
            }
        }
    }

    pub(super) fn strings(&mut self, key: &'a str, slot: &mut Vec<String>) -> Result<()> {
        let Some(items) = self.items(key)? else {
            return Ok(());
        };
        let pointer = self.pointer_to(key);
        let texts = items
            .iter()
            .enumerate()
            .map(|(index, item)| text(&format!("{pointer}/{index}"), item));
        set(slot, texts.collect::<Result<_>>()?)
    }

    /// Shell commands.
    pub(super) fn commands(&mut self, key: &'a str, slot: &mut Vec<String>) -> Result<()> {
        self.strings(key, slot)?;
        for (index, command) in slot.iter().enumerate() {
            if let Some(problem) = problem_of_command(command) {
                let pointer = format!("{}/{index}", self.pointer_to(key));
                return Err(invalid(&pointer, problem));
            }
        }
        Ok(())
    }

    pub(super) fn boolean(&mut self, key: &'a str, slot: &mut bool) -> Result<()> {
        match self.take(key) {
            None => Ok(()),
            Some(Value::Bool(value)) => set(slot, *value),
            Some(other) => Err(wrong_type(&self.pointer_to(key), "true or false", other)),
        }
    }

    pub(super) fn integer<T: TryFrom<u64>>(
        &mut self,
        key: &'a str,
        min: u64,
        max: u64,
        slot: &mut T,
    ) -> Result<()> {
        let Some(value) = self.take(key) else {
            return Ok(());
        };
        let number = integer(&self.pointer_to(key), value, min, max)?;
        match T::try_from(number) {
            Ok(number) => set(slot, number),
            Err(_) => Err(self.wrong(key, "is too large")),
        }
    }

    pub(super) fn positive_integers(&mut self, key: &'a str, slot: &mut Vec<u64>) -> Result<()> {
        let Some(items) = self.items(key)? else {
            return Ok(());
        };
        if items.is_empty() {
            return Err(self.wrong(key, "must not be empty"));
        }
        let pointer = self.pointer_to(key);
        let numbers = items.iter().enumerate().map(|(index, item)| {
            integer(
                &format!("{pointer}/{index}"),
                item,
                1,
                YEAR_IN_SECONDS * 1000,
            )
        });
        set(slot, numbers.collect::<Result<_>>()?)
    }

    pub(super) fn minutes(&mut self, key: &'a str, slot: &mut f64) -> Result<()> {
        const YEAR: f64 = (YEAR_IN_SECONDS / 60) as f64;
        let Some(value) = self.take(key) else {
            return Ok(());
        };
        match value.as_f64() {
            None => Err(wrong_type(&self.pointer_to(key), "a number", value)),
            Some(minutes) if minutes > 0.0 && minutes <= YEAR => set(slot, minutes),
            Some(_) => Err(self.wrong(
                key,
                &format!("must be greater than 0 and at most {YEAR}, found {value}"),
            )),
        }
    }

    pub(super) fn word<T: Copy>(
        &mut self,
        key: &'a str,
        words: &[(&str, T)],
        slot: &mut T,
    ) -> Result<()> {
        let Some(value) = self.take(key) else {
            return Ok(());
        };
        let word = text(&self.pointer_to(key), value)?;
        match words.iter().find(|(known, _)| *known == word) {
            Some((_, meaning)) => set(slot, *meaning),
            None => {
                let known: Vec<&str> = words.iter().map(|(known, _)| *known).collect();
                Err(self.wrong(
                    key,
                    &format!("must be one of {}, found `{word}`", known.join(", ")),
                ))
            }
        }
    }
}

fn set<T>(slot: &mut T, value: T) -> Result<()> {
    *slot = value;
    Ok(())
}

fn text(pointer: &str, value: &Value) -> Result<String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        other => Err(wrong_type(pointer, "a string", other)),
    }
}

fn integer(pointer: &str, value: &Value, min: u64, max: u64) -> Result<u64> {
    if !value.is_number() {
        return Err(wrong_type(pointer, "an integer", value));
    }
    match value.as_u64() {
        Some(number) if (min..=max).contains(&number) => Ok(number),
        _ if max == u64::MAX => Err(invalid(
            pointer,
            &format!("must be an integer from {min}, found {value}"),
        )),
        _ => Err(invalid(
            pointer,
            &format!("must be an integer from {min} to {max}, found {value}"),
        )),
    }
}

pub(super) fn wrong_type(pointer: &str, wanted: &str, found: &Value) -> Error {
    let found = match found {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    };
    invalid(pointer, &format!("expected {wanted}, found {found}"))
}

pub(super) fn invalid(pointer: &str, problem: &str) -> Error {
    Error::new(
        Code::ConfigInvalid,
        format!("Invalid config: {pointer}: {problem}"),
    )
    .with("pointer", pointer)
    .with("problem", problem)
    .hint("correct the value; `runr schema config` describes every key")
}
