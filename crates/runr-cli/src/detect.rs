//! What a repository is made of: its checks, source directories and presets, decided from its
//! manifests. Nothing is executed; a manifest that cannot be used is a warning.

mod go;
mod ini;
mod javascript;
mod python;
mod repository;
mod rust;
mod targets;

use std::fmt;

use runr_core::phase::scope::default_lockfiles;

pub(crate) use repository::Repository;

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Detected {
    pub(crate) tiers: [Vec<Found>; 3],
    pub(crate) presets: Vec<Found>,
    /// The manifests that were read and understood.
    pub(crate) sources: Vec<String>,
    pub(crate) warnings: Vec<Warning>,
    /// What a worker may change.
    pub(crate) allowlist: Vec<String>,
    pub(crate) lockfiles: Vec<String>,
    /// What the languages leave behind, besides the defaults.
    pub(crate) noise: Vec<String>,
    /// Globs of the languages, for sources outside of the usual directories.
    globs: Vec<String>,
}

/// A command or preset, and the manifest it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) what: String,
    pub(crate) source: String,
}

/// Something that a person should look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Warning {
    /// There is no manifest.
    NoManifest,
    /// `package.json` has no scripts, and nothing else has checks.
    EmptyScripts,
    /// There are manifests, but none has a check.
    NoMatchingScripts,
    /// A manifest that cannot be used.
    InvalidManifest { file: String, why: String },
    /// Neither of the default workers is installed.
    NoWorker,
    /// `AGENTS.md` was left as it is.
    AgentsFile { why: &'static str },
}

/// The directories that are worked in, by their usual names.
const DIRECTORIES: [&str; 11] = [
    "src",
    "lib",
    "app",
    "pages",
    "components",
    "tests",
    "test",
    "crates",
    "cmd",
    "internal",
    "pkg",
];
/// Those of them that hold no sources.
const TESTS: [&str; 2] = ["tests", "test"];

/// Decides what a repository is made of.
pub(crate) fn detect(repository: &Repository) -> Detected {
    let mut found = Detected::default();
    let scripts = javascript::detect(repository, &mut found);
    let packages = python::detect(repository, &mut found);
    rust::detect(repository, &mut found);
    go::detect(repository, &mut found);
    targets::detect(repository, &mut found);
    found.explain_emptiness(scripts);
    found.allowlist = allowlist(repository, &packages, &found.globs);
    found.lockfiles = lockfiles(repository);
    found
}

impl Detected {
    /// The commands of a tier.
    pub(crate) fn commands(&self, tier: usize) -> Vec<&str> {
        self.tiers[tier].iter().map(|it| it.what.as_str()).collect()
    }

    /// The names of the presets.
    pub(crate) fn preset_names(&self) -> Vec<&str> {
        self.presets.iter().map(|it| it.what.as_str()).collect()
    }

    /// Puts these checks in the place of those that were found.
    pub(crate) fn replace_checks(&mut self, commands: &[String]) {
        const SOURCE: &str = "--verify";
        self.tiers = Default::default();
        for command in commands {
            self.check(0, command, SOURCE);
        }
        self.sources = vec![SOURCE.to_owned()];
        let invalid = |warning: &Warning| matches!(warning, Warning::InvalidManifest { .. });
        self.warnings.retain(invalid);
    }

    fn check(&mut self, tier: usize, command: impl Into<String>, source: &str) {
        add(&mut self.tiers[tier], command.into(), source);
    }

    fn preset(&mut self, name: &str, source: &str) {
        add(&mut self.presets, name.to_owned(), source);
    }

    fn source(&mut self, manifest: &str) {
        self.sources.push(manifest.to_owned());
    }

    fn invalid(&mut self, file: &str, why: impl Into<String>) {
        self.warnings.push(Warning::InvalidManifest {
            file: file.to_owned(),
            why: why.into(),
        });
    }

    /// The text of a manifest, if it is there; one that cannot be read is a warning.
    fn text<'a>(&mut self, repository: &'a Repository, name: &str) -> Option<&'a str> {
        match repository.manifest(name)? {
            Ok(text) => Some(text),
            Err(why) => {
                self.invalid(name, *why);
                None
            }
        }
    }

    /// A manifest in TOML, if it is there and can be used.
    fn toml(&mut self, repository: &Repository, name: &str) -> Option<toml::Table> {
        let text = self.text(repository, name)?;
        match text.parse() {
            Ok(table) => Some(table),
            Err(problem) => {
                let problem: toml::de::Error = problem;
                let before = problem.span().and_then(|span| text.get(..span.start));
                let line = before.unwrap_or_default().lines().count().max(1);
                self.invalid(name, format!("not TOML (line {line})"));
                None
            }
        }
    }

    /// Names the cause when there is no check at all.
    fn explain_emptiness(&mut self, scripts: javascript::Scripts) {
        if !self.tiers.iter().all(Vec::is_empty) || !self.warnings.is_empty() {
            return;
        }
        self.warnings
            .push(match (self.sources.is_empty(), scripts) {
                (true, _) => Warning::NoManifest,
                (false, javascript::Scripts::Empty) => Warning::EmptyScripts,
                (false, _) => Warning::NoMatchingScripts,
            });
    }
}

fn add(list: &mut Vec<Found>, what: String, source: &str) {
    if !list.iter().any(|known| known.what == what) {
        let source = source.to_owned();
        list.push(Found { what, source });
    }
}

/// The source directories. Where there are none but tests, the sources lie beside them, so that the
/// globs of the languages have to stand in.
fn allowlist(repository: &Repository, packages: &[String], globs: &[String]) -> Vec<String> {
    let usual = DIRECTORIES
        .into_iter()
        .filter(|dir| repository.has_directory(dir));
    let mut directories: Vec<&str> = usual.collect();
    for package in packages {
        if repository.is_package(package) && !directories.contains(&package.as_str()) {
            directories.push(package);
        }
    }
    let only_tests = directories.iter().all(|dir| TESTS.contains(dir));
    let inside = directories.iter().map(|dir| format!("{dir}/**"));
    let mut all: Vec<String> = inside.collect();
    if only_tests {
        all.extend(globs.iter().cloned());
    }
    all
}

/// The lockfiles that are there; without any, the ones that a first install may bring.
fn lockfiles(repository: &Repository) -> Vec<String> {
    let known = default_lockfiles();
    let there = known.iter().filter(|file| repository.has_file(file));
    let there: Vec<String> = there.cloned().collect();
    if there.is_empty() {
        return known.into_iter().take(3).collect();
    }
    there
}

impl fmt::Display for Warning {
    /// The code, for programs, and what it is about.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoManifest => f.write_str("no-manifest"),
            Self::EmptyScripts => f.write_str("empty-scripts"),
            Self::NoMatchingScripts => f.write_str("no-matching-scripts"),
            Self::InvalidManifest { file, why } => write!(f, "invalid-manifest: {file}: {why}"),
            Self::NoWorker => f.write_str("no-worker"),
            Self::AgentsFile { why } => write!(f, "agents-md: {why}"),
        }
    }
}

impl Warning {
    /// What to do about it.
    pub(crate) const fn advice(&self) -> &'static str {
        match self {
            Self::NoManifest => {
                "no manifest says how the project is checked; add commands to `verification`"
            }
            Self::EmptyScripts => {
                "package.json has no scripts; add commands to `verification`, or scripts"
            }
            Self::NoMatchingScripts => {
                "no known check in any manifest; add commands to `verification`"
            }
            Self::InvalidManifest { .. } => {
                "it was left out; mend it and run `runr init --force`, or add commands to `verification`"
            }
            Self::NoWorker => {
                "neither `claude` nor `codex` is on PATH; install one, or name another under `workers` and `phases`"
            }
            Self::AgentsFile { .. } => "AGENTS.md was left as it is",
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
