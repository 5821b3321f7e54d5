use std::collections::BTreeMap;

use serde::Deserialize;

use super::*;

/// A repository, and what must be found in it; a list that is not named must be empty. There is a
/// row for each line of the tables of tools, scripts and presets, and for mixtures.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    /// Names and texts; a name that ends in `/` is a directory.
    files: BTreeMap<String, String>,
    #[serde(default)]
    tier0: Vec<String>,
    #[serde(default)]
    tier1: Vec<String>,
    #[serde(default)]
    tier2: Vec<String>,
    #[serde(default)]
    presets: Vec<String>,
    #[serde(default)]
    allow: Vec<String>,
    #[serde(default)]
    warnings: Vec<String>,
    /// Unless named, the three that a repository without any gets.
    #[serde(default = "usual_locks")]
    locks: Vec<String>,
}

fn usual_locks() -> Vec<String> {
    ["package-lock.json", "pnpm-lock.yaml", "yarn.lock"]
        .map(str::to_owned)
        .into()
}

fn rows() -> Vec<Row> {
    serde_json::from_str(include_str!("tests/rows.json")).unwrap()
}

impl Row {
    /// A repository called `shop` with these files.
    fn repository(&self) -> Repository {
        let files = self.files.iter();
        Repository::of(
            "shop",
            files.map(|(name, text)| (name.as_str(), text.as_str())),
        )
    }
}

/// The repositories of all rows, for whoever writes down what is found in them.
pub(crate) fn repositories() -> impl Iterator<Item = Repository> {
    rows().into_iter().map(|row| row.repository())
}

fn texts(warnings: &[Warning]) -> Vec<String> {
    warnings.iter().map(Warning::to_string).collect()
}

#[test]
fn every_row_of_the_table_is_found_as_it_says() {
    let rows = rows();
    assert!(rows.len() >= 60, "only {} rows", rows.len());
    let wrong = rows.iter().filter_map(|row| {
        let found = detect(&row.repository());
        let same = found.commands(0) == row.tier0
            && found.commands(1) == row.tier1
            && found.commands(2) == row.tier2
            && found.preset_names() == row.presets
            && found.allowlist == row.allow
            && found.lockfiles == row.locks
            && texts(&found.warnings) == row.warnings;
        (!same).then(|| format!("{row:#?}\n{found:#?}"))
    });
    let wrong: Vec<_> = wrong.collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn everything_found_names_a_manifest_that_is_there() {
    for row in rows() {
        let found = detect(&row.repository());
        for it in found.tiers.iter().flatten().chain(&found.presets) {
            assert!(row.files.contains_key(&it.source), "{}: {it:?}", row.name);
        }
    }
}

/// Names become patterns and commands that are trusted, so none of them may come from a file.
#[test]
fn no_command_is_made_of_words_that_a_manifest_chose() {
    let manifest =
        r#"{"packageManager": "rm -rf ~;npm@1", "scripts": {"test": "x", "lint;id": "y"}}"#;
    let found = detect(&Repository::of("shop", [("package.json", manifest)]));
    assert_eq!(found.commands(2), ["npm test"]);
    let manifest = "[project]\nname = '**/..'\n";
    let files = [("pyproject.toml", manifest), ("**/../__init__.py", "")];
    assert_eq!(
        detect(&Repository::of("shop", files)).allowlist,
        ["**/*.py"]
    );
}

/// Nested so deep that a parser or a destructor that calls itself would run out of its stack.
#[test]
fn a_manifest_of_any_depth_is_a_warning() {
    let deep = 1_000_000;
    let json = format!("{{\"a\": {}", "[".repeat(deep));
    let keys = vec!["a"; deep].join(".");
    for (name, text) in [
        ("package.json", json),
        ("pyproject.toml", format!("a = {}", "[".repeat(deep))),
        ("pyproject.toml", format!("{keys} = 1")),
        ("Cargo.toml", format!("[{keys}]")),
        ("Cargo.toml", format!("a = {}", "{a=".repeat(deep))),
    ] {
        let found = detect(&Repository::of("shop", [(name, text.as_str())]));
        let warnings = texts(&found.warnings);
        let about = format!("invalid-manifest: {name}: not ");
        assert!(
            matches!(warnings.as_slice(), [one] if one.starts_with(&about)),
            "{name}: {warnings:?}"
        );
        assert!(found.tiers.iter().all(Vec::is_empty), "{name}");
    }
}

#[test]
fn the_noise_of_the_languages_that_are_there_is_added() {
    let noise =
        |files: &[(&str, &str)]| detect(&Repository::of("shop", files.iter().copied())).noise;
    assert!(noise(&[("package.json", "{}")]).is_empty());
    assert_eq!(noise(&[("Cargo.toml", "")]), ["target/**"]);
    let python = [".venv/**", "**/__pycache__/**", ".pytest_cache/**"];
    assert_eq!(noise(&[("tox.ini", "")]), python);
    assert!(noise(&[("go.mod", "")]).is_empty());
}

#[test]
fn checks_that_were_given_replace_those_that_were_found() {
    let mut found = detect(&Repository::of(
        "shop",
        [("Cargo.toml", ""), ("package.json", "")],
    ));
    found.replace_checks(&["make all".to_owned()]);
    assert_eq!(found.commands(0), ["make all"]);
    assert!(found.commands(1).is_empty() && found.commands(2).is_empty());
    assert_eq!(found.preset_names(), ["rust"]);
    assert_eq!(
        found.warnings.len(),
        1,
        "the broken package.json is still told"
    );
}
