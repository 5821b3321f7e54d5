//! Python: `pyproject.toml`, and what came before it.

mod dependencies;

use dependencies::Dependencies;
use toml::Table;

use super::ini::Ini;
use super::{Detected, Repository};

/// A tool, the files that configure it alone, and its check.
struct Tool {
    name: &'static str,
    files: &'static [&'static str],
    /// The sections of `setup.cfg` and of `tox.ini` that configure it.
    sections: [Option<&'static str>; 2],
}

const CHECKS: [(Tool, &str); 4] = [
    (
        Tool {
            name: "ruff",
            files: &["ruff.toml", ".ruff.toml"],
            sections: [None, None],
        },
        "ruff check .",
    ),
    (
        Tool {
            name: "black",
            files: &[],
            sections: [None, None],
        },
        "black --check .",
    ),
    (
        Tool {
            name: "mypy",
            files: &["mypy.ini", ".mypy.ini"],
            sections: [Some("mypy"), None],
        },
        "mypy .",
    ),
    (
        Tool {
            name: "pyright",
            files: &["pyrightconfig.json"],
            sections: [None, None],
        },
        "pyright",
    ),
];

const PYTEST: Tool = Tool {
    name: "pytest",
    files: &["pytest.ini", ".pytest.ini"],
    sections: [Some("tool:pytest"), Some("pytest")],
};

/// The manifests of a project, read.
struct Project<'a> {
    repository: &'a Repository,
    table: Table,
    setup: Ini<'a>,
    tox: Ini<'a>,
    dependencies: Vec<Dependencies>,
}

/// Finds the checks; returns the names that a package of the project may have.
pub(super) fn detect(repository: &Repository, found: &mut Detected) -> Vec<String> {
    let before = found.sources.len();
    let project = Project::read(repository, found);
    let mut names = vec![repository.name.as_str()];
    names.extend(project.names());
    let packages = names.into_iter().flat_map(package_names).collect();
    if found.sources.len() > before {
        found.globs.push("**/*.py".to_owned());
        let noise = [".venv/**", "**/__pycache__/**", ".pytest_cache/**"];
        found.noise.extend(noise.map(str::to_owned));
        project.checks(found);
    }
    packages
}

impl<'a> Project<'a> {
    fn read(repository: &'a Repository, found: &mut Detected) -> Self {
        let table = found.toml(repository, "pyproject.toml");
        found
            .sources
            .extend(table.as_ref().map(|_| "pyproject.toml".to_owned()));
        let table = table.unwrap_or_default();
        let mut dependencies = vec![Dependencies::of_project(&table)];
        found.sources.extend(there(repository, "pytest.ini"));
        let [setup, tox] = ["setup.cfg", "tox.ini"].map(|name| {
            let text = found.text(repository, name);
            found.sources.extend(text.map(|_| name.to_owned()));
            Ini::read(text.unwrap_or_default())
        });
        dependencies.push(Dependencies::of_setup(&setup));
        dependencies.push(Dependencies::of_tox(&tox));
        for name in repository.requirements() {
            if let Some(text) = found.text(repository, name) {
                found.source(name);
                dependencies.push(Dependencies::of_requirements(name, text));
            }
        }
        for name in ["poetry.lock", "uv.lock"] {
            found.sources.extend(there(repository, name));
        }
        Self {
            repository,
            table,
            setup,
            tox,
            dependencies,
        }
    }

    fn checks(&self, found: &mut Detected) {
        let lock = |name: &'static str| self.repository.first_file(&[name]);
        let (uv, poetry) = (lock("uv.lock"), lock("poetry.lock"));
        let prefix = match (uv, poetry) {
            (Some(_), _) => "uv run ",
            (None, Some(_)) => "poetry run ",
            (None, None) => "",
        };
        for (tool, command) in CHECKS {
            if let Some(source) = self.source_of(&tool) {
                found.check(0, format!("{prefix}{command}"), source);
            }
        }
        let table = self.tool("poetry").map(|_| "pyproject.toml");
        if let Some(source) = table.or(poetry) {
            found.check(1, "poetry check", source);
            found.preset("poetry", source);
        }
        if let Some(source) = uv {
            found.check(1, "uv lock --check", source);
        }
        if let Some(source) = self.source_of(&PYTEST) {
            found.check(2, format!("{prefix}pytest"), source);
            found.preset("pytest", source);
        }
    }

    /// The manifest that shows that the tool is in use.
    fn source_of(&self, tool: &Tool) -> Option<&str> {
        let [in_setup, in_tox] = tool.sections;
        let has = |ini: &Ini<'_>, name: Option<&str>| name.is_some_and(|it| ini.has_section(it));
        let table = self.tool(tool.name).map(|_| "pyproject.toml");
        table
            .or_else(|| self.repository.first_file(tool.files))
            .or_else(|| has(&self.setup, in_setup).then_some("setup.cfg"))
            .or_else(|| has(&self.tox, in_tox).then_some("tox.ini"))
            .or_else(|| {
                let mut lists = self.dependencies.iter();
                let list = lists.find(|list| list.have(tool.name));
                list.map(|list| list.source.as_str())
            })
    }

    fn tool(&self, name: &str) -> Option<&Table> {
        self.table.get("tool")?.get(name)?.as_table()
    }

    /// The names that the manifests give the project.
    fn names(&self) -> impl Iterator<Item = &str> {
        let project = self
            .table
            .get("project")
            .and_then(|project| project.get("name"));
        let poetry = self.tool("poetry").and_then(|poetry| poetry.get("name"));
        let modern = [project, poetry].into_iter().flatten();
        modern.filter_map(toml::Value::as_str).chain(
            self.setup
                .lines(|section, key| section == "metadata" && key == "name"),
        )
    }
}

fn there(repository: &Repository, name: &str) -> Option<String> {
    repository.has_file(name).then(|| name.to_owned())
}

/// What the directory of a package of this name is called.
fn package_names(name: &str) -> Vec<String> {
    let exact = name.replace(['-', '.'], "_");
    let lower = exact.to_ascii_lowercase();
    let is_identifier = |name: &String| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    [exact, lower].into_iter().filter(is_identifier).collect()
}
