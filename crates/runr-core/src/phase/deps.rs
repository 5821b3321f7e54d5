//! Which packages differ between two versions of a manifest, for runs that may touch some only.
//!
//! A manifest is read as the lists of packages it holds; everything else in it (a script, a version
//! of the project) is the scope's business. What concerns packages but belongs to none of them, and
//! a manifest that cannot be read, is a violation by itself: leave for one package is not leave to
//! hide another.

mod json;
mod lines;
mod toml;

use std::collections::{BTreeMap, BTreeSet};

/// What a manifest says of packages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Listing {
    /// Every mention of a package, by its name: where, and what is asked of it.
    packages: BTreeMap<String, Vec<String>>,
    /// What concerns packages and belongs to none, such as another index to take them from.
    other: Vec<String>,
}

impl Listing {
    fn mention(&mut self, name: &str, what: impl Into<String>) {
        let mentions = self.packages.entry(name.to_owned()).or_default();
        mentions.push(what.into());
    }

    /// The same, however the lists were ordered.
    fn sorted(mut self) -> Self {
        self.packages.values_mut().for_each(|all| all.sort());
        self
    }
}

/// A kind of manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Npm,
    Composer,
    Cargo,
    Pyproject,
    Pipfile,
    Requirements,
    GoMod,
    Gemfile,
    /// Known to list packages, in a form that is not read.
    Unread,
}

/// Manifests whose form is not read: programs, and formats of one tool.
const UNREAD: [&str; 19] = [
    "setup.py",
    "setup.cfg",
    "pom.xml",
    "build.gradle",
    "build.gradle.kts",
    "pnpm-workspace.yaml",
    "mix.exs",
    "pubspec.yaml",
    "Package.swift",
    "deno.json",
    "environment.yml",
    "environment.yaml",
    "deno.jsonc",
    "gems.rb",
    "go.work",
    "libs.versions.toml",
    "package.json5",
    "package.yaml",
    "uv.toml",
];

impl Kind {
    fn of(path: &str) -> Option<Self> {
        let (dir, name) = path.rsplit_once('/').unwrap_or(("", path));
        let is_list = name.ends_with(".txt") || name.ends_with(".in");
        let text_in = |stem: &str| name.starts_with(stem) && is_list;
        let dir = dir.rsplit('/').next().unwrap_or_default();
        Some(match name {
            "package.json" => Self::Npm,
            "composer.json" => Self::Composer,
            "Cargo.toml" => Self::Cargo,
            "pyproject.toml" => Self::Pyproject,
            "Pipfile" => Self::Pipfile,
            "go.mod" => Self::GoMod,
            "Gemfile" => Self::Gemfile,
            _ if UNREAD.contains(&name) || name.ends_with(".gemspec") => Self::Unread,
            _ if text_in("requirements") || text_in("constraints") => Self::Requirements,
            _ if dir == "requirements" && is_list => Self::Requirements,
            _ => return None,
        })
    }

    fn read(self, text: &str) -> Result<Listing, String> {
        match self {
            Self::Npm => json::npm(text),
            Self::Composer => json::composer(text),
            Self::Cargo => toml::cargo(text),
            Self::Pyproject => toml::pyproject(text),
            Self::Pipfile => toml::pipfile(text),
            Self::Requirements => Ok(lines::requirements(text)),
            Self::GoMod => Ok(lines::go_mod(text)),
            Self::Gemfile => Ok(lines::gemfile(text)),
            Self::Unread => Err("manifests of this kind are not read".to_owned()),
        }
        .map(Listing::sorted)
    }

    /// The one spelling of a package's name.
    fn normal(self, name: &str) -> String {
        match self {
            Self::Pyproject | Self::Pipfile | Self::Requirements => python_name(name),
            Self::Cargo => name.replace('_', "-"),
            Self::Composer => name.to_lowercase(),
            _ => name.to_owned(),
        }
    }
}

/// The normal form of a Python project's name: lower case, one dash for each run of `-_.`.
fn python_name(name: &str) -> String {
    let parts = name.split(['-', '_', '.']).filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join("-").to_lowercase()
}

/// Whether the file at `path` lists the packages a project depends on.
#[must_use]
pub fn is_manifest(path: &str) -> bool {
    Kind::of(path).is_some()
}

/// The packages that two versions of a manifest say something different of, by their normal names;
/// absent means there is no such file.
///
/// # Errors
/// Why the change cannot be told in packages.
pub fn changed_packages(
    path: &str,
    before: Option<&str>,
    after: Option<&str>,
) -> Result<BTreeSet<String>, String> {
    let Some(kind) = Kind::of(path) else {
        return Ok(BTreeSet::new());
    };
    let read = |text: Option<&str>| text.map_or(Ok(Listing::default()), |text| kind.read(text));
    let (before, after) = (read(before)?, read(after)?);
    if before.other != after.other {
        let differs = |line: &&String| !before.other.contains(*line);
        let line = after.other.iter().find(differs);
        let line = line.or_else(|| {
            before
                .other
                .iter()
                .find(|line| !after.other.contains(*line))
        });
        let shown: String = line.map_or("", String::as_str).chars().take(80).collect();
        return Err(format!("`{shown}` belongs to no package"));
    }
    let names = before.packages.keys().chain(after.packages.keys());
    let differs = |name: &&String| before.packages.get(*name) != after.packages.get(*name);
    Ok(names
        .filter(differs)
        .map(|name| kind.normal(name))
        .collect())
}

/// What is wrong with the change of a manifest if only `allowed` packages may change; nothing if
/// nothing is.
#[must_use]
pub fn objection(
    path: &str,
    before: Option<&str>,
    after: Option<&str>,
    allowed: &[String],
) -> Option<String> {
    let kind = Kind::of(path)?;
    let allowed: BTreeSet<String> = allowed.iter().map(|name| kind.normal(name)).collect();
    match changed_packages(path, before, after) {
        Err(why) => Some(format!("{path}: {why}")),
        Ok(changed) => {
            let strange: Vec<&str> = changed.difference(&allowed).map(String::as_str).collect();
            (!strange.is_empty()).then(|| format!("{path}: {}", strange.join(", ")))
        }
    }
}

#[cfg(test)]
mod tests;
