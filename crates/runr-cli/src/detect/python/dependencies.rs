//! What a Python project depends on, from every list that there is; never a word of the prose
//! around it.

use std::collections::BTreeSet;

use toml::{Table, Value};

use crate::detect::ini::Ini;

/// The packages that a manifest names, in the form in which names are compared.
#[derive(Debug, Clone)]
pub(super) struct Dependencies {
    pub(super) source: String,
    names: BTreeSet<String>,
}

impl Dependencies {
    /// `[project]`, `[dependency-groups]`, and the tables of poetry and uv.
    pub(super) fn of_project(table: &Table) -> Self {
        let at = |path: &[&str]| {
            let mut value = table.get(*path.first()?)?;
            for key in &path[1..] {
                value = value.get(key)?;
            }
            Some(value)
        };
        let mut texts = Vec::new();
        for lists in [
            at(&["project", "optional-dependencies"]),
            at(&["dependency-groups"]),
        ] {
            texts.extend(members(lists).flat_map(strings));
        }
        for list in [
            at(&["project", "dependencies"]),
            at(&["tool", "uv", "dev-dependencies"]),
        ] {
            texts.extend(list.into_iter().flat_map(strings));
        }
        for table in [
            at(&["tool", "poetry", "dependencies"]),
            at(&["tool", "poetry", "dev-dependencies"]),
        ] {
            texts.extend(keys(table));
        }
        for group in members(at(&["tool", "poetry", "group"])) {
            texts.extend(keys(group.get("dependencies")));
        }
        Self::new("pyproject.toml", texts)
    }

    pub(super) fn of_setup(setup: &Ini<'_>) -> Self {
        let lists = ["install_requires", "tests_require", "setup_requires"];
        let lines = setup.lines(|section, key| {
            section == "options.extras_require" || (section == "options" && lists.contains(&key))
        });
        Self::new("setup.cfg", lines.flat_map(|line| line.split(';')))
    }

    pub(super) fn of_tox(tox: &Ini<'_>) -> Self {
        let lines = tox.lines(|section, key| {
            (section == "testenv" || section.starts_with("testenv:")) && key == "deps"
        });
        // `py312,lint: ruff` depends on ruff in some environments.
        let texts = lines.map(|line| line.rsplit_once(": ").map_or(line, |(_, text)| text));
        Self::new("tox.ini", texts)
    }

    pub(super) fn of_requirements(name: &str, text: &str) -> Self {
        Self::new(name, text.lines())
    }

    fn new<'a>(source: &str, texts: impl IntoIterator<Item = &'a str>) -> Self {
        Self {
            source: source.to_owned(),
            names: texts.into_iter().filter_map(name_of).collect(),
        }
    }

    pub(super) fn have(&self, package: &str) -> bool {
        self.names.contains(package)
    }
}

/// The name at the start of a requirement such as `Black[jupyter] >=24 ; python_version > "3.8"`.
fn name_of(requirement: &str) -> Option<String> {
    let requirement = requirement.trim_start();
    let end = requirement.find(|c: char| !c.is_ascii_alphanumeric() && !"-_.".contains(c));
    let name = &requirement[..end.unwrap_or(requirement.len())];
    let is_name = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    is_name.then(|| name.to_ascii_lowercase().replace(['_', '.'], "-"))
}

fn members(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    let table = value.and_then(Value::as_table);
    table.into_iter().flat_map(Table::values)
}

fn keys(value: Option<&Value>) -> impl Iterator<Item = &str> {
    let table = value.and_then(Value::as_table);
    table.into_iter().flat_map(Table::keys).map(String::as_str)
}

fn strings(value: &Value) -> impl Iterator<Item = &str> {
    let list = value.as_array();
    list.into_iter().flatten().filter_map(Value::as_str)
}
