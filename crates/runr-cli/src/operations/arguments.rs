//! The arguments of a function, by name.

use std::collections::BTreeMap;
use std::fmt::Display;

use camino::Utf8PathBuf;
use runr_core::json::{Kind, Rules, Written, scan};
use runr_core::ownership::Text;
use runr_core::{Code, Error, Result};
use serde::de::DeserializeOwned;

use super::Operation;

/// Named arguments, each taken once, as they are written: a number keeps its spelling for those
/// who pass it on.
pub(super) struct Arguments {
    of: &'static Operation,
    left: BTreeMap<String, Written>,
}

impl Arguments {
    /// Refuses what the function does not have, before it does anything.
    pub(super) fn new(of: &'static Operation, text: &str) -> Result<Self> {
        let function = of.name;
        let usage = |problem: String| Error::new(Code::Usage, format!("{function}: {problem}"));
        let rules = Rules::default().max_bytes(usize::MAX).levels(1);
        let tree = scan(text, &rules).map_err(|bad| usage(bad.to_string()))?;
        if tree.root().kind() != Kind::Object {
            return Err(usage("the arguments are not a JSON object".to_owned()));
        }
        let members = tree.root().members();
        let left: BTreeMap<_, _> = members
            .map(|member| (member.key_lossy(), member.value.written()))
            .collect();
        let is_unknown = |name: &&String| !of.arguments.contains(&name.as_str());
        if let Some(unknown) = left.keys().find(is_unknown) {
            return Err(usage(format!("there is no argument `{unknown}`"))
                .with("argument", unknown.as_str())
                .with("known", of.arguments.to_vec()));
        }
        Ok(Self { of, left })
    }

    /// An argument as it is written.
    pub(super) fn written(&mut self, name: &'static str) -> Option<Written> {
        debug_assert!(
            self.of.arguments.contains(&name),
            "{} does not list `{name}`",
            self.of.name
        );
        self.left
            .remove(name)
            .filter(|value| value.text() != "null")
    }

    pub(super) fn unusable(&self, name: &'static str, problem: impl Display) -> Error {
        Error::new(
            Code::Usage,
            format!("{}: `{name}`: {problem}", self.of.name),
        )
        .with("argument", name)
    }

    pub(super) fn optional<T: DeserializeOwned>(
        &mut self,
        name: &'static str,
    ) -> Result<Option<T>> {
        let value = self.written(name);
        let read = |value: Written| serde_json::from_str(value.text());
        value
            .map(read)
            .transpose()
            .map_err(|e| self.unusable(name, e))
    }

    pub(super) fn required<T: DeserializeOwned>(&mut self, name: &'static str) -> Result<T> {
        self.optional(name)?.ok_or_else(|| self.missing(name))
    }

    /// The same where the function may not have the argument at all.
    pub(super) fn optional_if_listed<T: DeserializeOwned>(
        &mut self,
        name: &'static str,
    ) -> Result<Option<T>> {
        if self.of.arguments.contains(&name) {
            self.optional(name)
        } else {
            Ok(None)
        }
    }

    /// A text, with lone surrogates; `None` for what has another type.
    pub(super) fn text(&mut self, name: &'static str) -> Option<Text> {
        let value = self.written(name)?;
        let rules = Rules::default().max_bytes(usize::MAX).levels(1);
        Text::of(scan(value.text(), &rules).ok()?.root())
    }

    pub(super) fn missing(&self, name: &'static str) -> Error {
        let message = format!("{}: `{name}` is missing", self.of.name);
        Error::new(Code::Usage, message).with("argument", name)
    }

    pub(super) fn or<T: DeserializeOwned>(&mut self, name: &'static str, default: T) -> Result<T> {
        Ok(self.optional(name)?.unwrap_or(default))
    }

    pub(super) fn root(&mut self) -> Result<Utf8PathBuf> {
        self.or("root", Utf8PathBuf::from("."))
    }
}
