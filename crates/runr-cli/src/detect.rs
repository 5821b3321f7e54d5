//! What a repository is made of: its checks, source directories and presets, read from its
//! manifests. Nothing is executed.

use camino::Utf8Path;
use serde_json::Value;

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Detected {
    pub(crate) tiers: [Vec<String>; 3],
    pub(crate) presets: Vec<String>,
    /// The manifests that were read.
    pub(crate) sources: Vec<String>,
    pub(crate) warnings: Vec<String>,
    pub(crate) directories: Vec<String>,
    pub(crate) noise: Vec<String>,
    /// Globs of the languages, for a repository without a source directory of a usual name.
    pub(crate) globs: Vec<String>,
}

const DIRECTORIES: &[&str] = &[
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

/// Looks at the manifests in `root`.
pub(crate) fn detect(root: &Utf8Path) -> Detected {
    let mut found = Detected::default();
    javascript(root, &mut found);
    python(root, &mut found);
    rust(root, &mut found);
    go(root, &mut found);
    for (file, runner) in [("Makefile", "make"), ("justfile", "just")] {
        targets(root, file, runner, &mut found);
    }
    if found.tiers.iter().all(Vec::is_empty) && found.warnings.is_empty() {
        let why = if found.sources.is_empty() {
            "no-manifest"
        } else {
            "no-matching-scripts"
        };
        found.warnings.push(why.to_owned());
    }
    found.directories = DIRECTORIES
        .iter()
        .filter(|dir| root.join(dir).is_dir())
        .map(|dir| (*dir).to_owned())
        .collect();
    found
}

impl Detected {
    fn add(&mut self, tier: usize, command: impl Into<String>) {
        let command = command.into();
        if !self.tiers[tier].contains(&command) {
            self.tiers[tier].push(command);
        }
    }

    fn preset(&mut self, name: &str) {
        if !self.presets.iter().any(|known| known == name) {
            self.presets.push(name.to_owned());
        }
    }
}

fn read(root: &Utf8Path, name: &str) -> Option<String> {
    std::fs::read_to_string(root.join(name)).ok()
}

fn javascript(root: &Utf8Path, found: &mut Detected) {
    let Some(text) = read(root, "package.json") else {
        return;
    };
    found.sources.push("package.json".to_owned());
    let Ok(manifest) = serde_json::from_str::<Value>(&text) else {
        found.warnings.push("invalid-manifest".to_owned());
        return;
    };
    found
        .globs
        .extend(["**/*.js", "**/*.ts", "**/*.tsx"].map(str::to_owned));
    javascript_presets(root, &manifest, found);
    let empty = serde_json::Map::new();
    let scripts = manifest
        .get("scripts")
        .and_then(Value::as_object)
        .unwrap_or(&empty);
    if scripts.is_empty() {
        found.warnings.push("empty-scripts".to_owned());
        return;
    }
    let runner = package_runner(root, &manifest);
    let first = |names: &'static [&'static str]| {
        names
            .iter()
            .copied()
            .find(|name| scripts.contains_key(*name))
    };
    for names in [
        ["typecheck", "type-check", "tsc", "types"].as_slice(),
        &["lint", "eslint"],
    ] {
        if let Some(name) = first(names) {
            found.add(0, format!("{runner} run {name}"));
        }
    }
    if let Some(name) = first(&["build", "compile"]) {
        found.add(1, format!("{runner} run {name}"));
    }
    let placeholder = |text: &str| text.contains("no test specified");
    let has_test = scripts
        .get("test")
        .and_then(Value::as_str)
        .is_some_and(|text| !placeholder(text));
    if has_test {
        found.add(
            2,
            if runner == "bun" {
                "bun run test".to_owned()
            } else {
                format!("{runner} test")
            },
        );
    } else if let Some(name) = first(&["vitest", "jest"]) {
        found.add(2, format!("{runner} run {name}"));
    }
}

fn package_runner(root: &Utf8Path, manifest: &Value) -> String {
    if let Some(declared) = manifest.get("packageManager").and_then(Value::as_str) {
        return declared.split('@').next().unwrap_or("npm").to_owned();
    }
    let locks = [
        ("pnpm-lock.yaml", "pnpm"),
        ("yarn.lock", "yarn"),
        ("bun.lock", "bun"),
        ("bun.lockb", "bun"),
    ];
    let runner = locks
        .iter()
        .find(|(file, _)| root.join(file).exists())
        .map_or("npm", |(_, runner)| runner);
    runner.to_owned()
}

fn javascript_presets(root: &Utf8Path, manifest: &Value, found: &mut Detected) {
    let has = |name: &str| {
        ["dependencies", "devDependencies"]
            .iter()
            .any(|kind| manifest.get(*kind).is_some_and(|d| d.get(name).is_some()))
    };
    let any = |names: &[&str]| names.iter().any(|name| has(name));
    let table: [(&str, bool); 11] = [
        ("nextjs", has("next")),
        ("react", has("react") && !has("next")),
        ("drizzle", any(&["drizzle-orm", "drizzle-kit"])),
        ("prisma", any(&["prisma", "@prisma/client"])),
        ("vitest", has("vitest")),
        ("jest", has("jest")),
        ("playwright", any(&["playwright", "@playwright/test"])),
        (
            "typescript",
            has("typescript") || root.join("tsconfig.json").exists(),
        ),
        ("tailwind", has("tailwindcss")),
        ("eslint", has("eslint")),
        (
            "env",
            [".env.example", ".env.local.example", ".env.template"]
                .iter()
                .any(|f| root.join(f).exists()),
        ),
    ];
    for (name, present) in table {
        if present {
            found.preset(name);
        }
    }
}

fn python(root: &Utf8Path, found: &mut Detected) {
    let manifests = [
        "pyproject.toml",
        "pytest.ini",
        "setup.cfg",
        "tox.ini",
        "requirements.txt",
        "poetry.lock",
        "uv.lock",
    ];
    let present: Vec<&str> = manifests
        .into_iter()
        .filter(|file| root.join(file).exists())
        .collect();
    if present.is_empty() {
        return;
    }
    found
        .sources
        .extend(present.iter().map(|file| (*file).to_owned()));
    found.globs.push("**/*.py".to_owned());
    found
        .noise
        .extend([".venv/**", "**/__pycache__/**", ".pytest_cache/**"].map(str::to_owned));
    let project = match read(root, "pyproject.toml").map(|text| text.parse::<toml::Table>()) {
        Some(Ok(table)) => table,
        Some(Err(_)) => {
            found.warnings.push("invalid-manifest".to_owned());
            toml::Table::new()
        }
        None => toml::Table::new(),
    };
    let requirements = read(root, "requirements.txt").unwrap_or_default();
    let has = |tool: &str, files: &[&str]| {
        let table = project
            .get("tool")
            .and_then(|tools| tools.get(tool))
            .is_some();
        table
            || files.iter().any(|file| root.join(file).exists())
            || depends_on(&project, &requirements, tool)
    };
    let uv = root.join("uv.lock").exists();
    let poetry = root.join("poetry.lock").exists();
    let prefix = if uv {
        "uv run "
    } else if poetry {
        "poetry run "
    } else {
        ""
    };
    let checks: [(&str, &[&str], &str); 4] = [
        ("ruff", &["ruff.toml", ".ruff.toml"], "ruff check ."),
        ("black", &[], "black --check ."),
        ("mypy", &["mypy.ini", ".mypy.ini"], "mypy ."),
        ("pyright", &["pyrightconfig.json"], "pyright"),
    ];
    for (tool, files, command) in checks {
        if has(tool, files) {
            found.add(0, format!("{prefix}{command}"));
        }
    }
    if poetry
        || project
            .get("tool")
            .and_then(|tools| tools.get("poetry"))
            .is_some()
    {
        found.add(1, "poetry check");
        found.preset("poetry");
    }
    if uv {
        found.add(1, "uv lock --check");
    }
    let in_setup = read(root, "setup.cfg")
        .is_some_and(|text| text.lines().any(|line| line.trim() == "[tool:pytest]"));
    if has("pytest", &["pytest.ini"]) || in_setup {
        found.add(2, format!("{prefix}pytest"));
        found.preset("pytest");
    }
}

/// Whether a dependency list names the package; never a substring of the file.
fn depends_on(project: &toml::Table, requirements: &str, package: &str) -> bool {
    let names = |text: &str| {
        let name: String = text
            .trim()
            .chars()
            .take_while(|c| c.is_ascii_alphanumeric() || "-_.".contains(*c))
            .collect();
        name.eq_ignore_ascii_case(package)
    };
    fn lists<'a>(value: &'a toml::Value, texts: &mut Vec<&'a str>) {
        match value {
            toml::Value::String(text) => texts.push(text),
            toml::Value::Array(items) => items.iter().for_each(|item| lists(item, texts)),
            toml::Value::Table(table) => {
                texts.extend(table.keys().map(String::as_str));
                table.values().for_each(|item| lists(item, texts));
            }
            _ => {}
        }
    }
    let mut texts = Vec::new();
    let project_table = project.get("project");
    let poetry = project.get("tool").and_then(|tools| tools.get("poetry"));
    for value in [
        project_table.and_then(|p| p.get("dependencies")),
        project_table.and_then(|p| p.get("optional-dependencies")),
        project.get("dependency-groups"),
        poetry.and_then(|p| p.get("dependencies")),
        poetry.and_then(|p| p.get("dev-dependencies")),
        poetry.and_then(|p| p.get("group")),
    ]
    .into_iter()
    .flatten()
    {
        lists(value, &mut texts);
    }
    texts.into_iter().any(names) || requirements.lines().any(names)
}

fn rust(root: &Utf8Path, found: &mut Detected) {
    let Some(text) = read(root, "Cargo.toml") else {
        return;
    };
    found.sources.push("Cargo.toml".to_owned());
    let all = match text.parse::<toml::Table>() {
        Ok(table) if table.contains_key("workspace") => " --workspace",
        Ok(_) => "",
        Err(_) => return found.warnings.push("invalid-manifest".to_owned()),
    };
    found.add(0, "cargo fmt --check");
    found.add(0, format!("cargo clippy{all} --all-targets"));
    found.add(1, format!("cargo build{all}"));
    found.add(2, format!("cargo test{all}"));
    found.preset("rust");
    found.globs.push("**/*.rs".to_owned());
    found.noise.push("target/**".to_owned());
}

fn go(root: &Utf8Path, found: &mut Detected) {
    if read(root, "go.mod").is_none() {
        return;
    }
    found.sources.push("go.mod".to_owned());
    found.add(0, "go vet ./...");
    if [
        ".golangci.yml",
        ".golangci.yaml",
        ".golangci.toml",
        ".golangci.json",
    ]
    .iter()
    .any(|f| root.join(f).exists())
    {
        found.add(0, "golangci-lint run");
    }
    found.add(1, "go build ./...");
    found.add(2, "go test ./...");
    found.preset("go");
    found.globs.push("**/*.go".to_owned());
}

/// Targets of a Makefile or justfile, for tiers nothing else filled.
fn targets(root: &Utf8Path, file: &str, runner: &str, found: &mut Detected) {
    let Some(text) = read(root, file) else {
        return;
    };
    found.sources.push(file.to_owned());
    let defined = |target: &str| {
        text.lines().any(|line| {
            line.strip_prefix(target).is_some_and(|rest| {
                rest.trim_start().starts_with(':') && !rest.trim_start().starts_with(":=")
            })
        })
    };
    let empty: [bool; 3] = std::array::from_fn(|tier| found.tiers[tier].is_empty());
    let wanted: [&[&str]; 3] = [&["lint", "check", "typecheck"], &["build"], &["test"]];
    for (tier, names) in wanted
        .into_iter()
        .enumerate()
        .filter(|(tier, _)| empty[*tier])
    {
        for name in names.iter().filter(|name| defined(name)) {
            found.add(tier, format!("{runner} {name}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use camino::Utf8PathBuf;

    use super::*;

    fn repository(files: &[(&str, &str)]) -> (tempfile::TempDir, Utf8PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8PathBuf::from_path_buf(dir.path().to_owned()).unwrap();
        for (name, text) in files {
            let path = root.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        (dir, root)
    }

    #[test]
    fn scripts_of_a_package_become_tiers_with_the_right_runner() {
        let manifest = r#"{"scripts": {"lint": "x", "build": "y", "test": "z"}, "devDependencies": {"vitest": "1"}}"#;
        let (_dir, root) = repository(&[
            ("package.json", manifest),
            ("pnpm-lock.yaml", ""),
            ("src/a.ts", ""),
        ]);
        let found = detect(&root);
        assert_eq!(
            found.tiers,
            [
                vec!["pnpm run lint"],
                vec!["pnpm run build"],
                vec!["pnpm test"]
            ]
        );
        assert_eq!(found.presets, ["vitest"]);
        assert_eq!(found.directories, ["src"]);
    }

    #[test]
    fn the_placeholder_test_of_npm_is_no_test() {
        let manifest = r#"{"scripts": {"test": "echo \"Error: no test specified\" && exit 1"}}"#;
        let (_dir, root) = repository(&[("package.json", manifest)]);
        let found = detect(&root);
        assert!(found.tiers[2].is_empty());
        assert_eq!(found.warnings, ["no-matching-scripts"]);
    }

    #[test]
    fn python_tools_are_found_in_tables_and_dependencies_but_not_in_prose() {
        let manifest = "[project]\nname = 'ruff-like'\ndescription = 'like ruff and mypy'\ndependencies = ['pytest>=8']\n[tool.black]\n";
        let (_dir, root) = repository(&[("pyproject.toml", manifest)]);
        let found = detect(&root);
        assert_eq!(
            found.tiers,
            [vec!["black --check ."], vec![], vec!["pytest"]]
        );
    }

    #[test]
    fn a_mixed_repository_gets_the_checks_of_all_its_languages() {
        let (_dir, root) = repository(&[
            ("Cargo.toml", "[workspace]\n"),
            ("go.mod", "module x\n"),
            ("Makefile", "lint:\n\ttrue\ntest:\n\ttrue\n"),
        ]);
        let found = detect(&root);
        assert_eq!(found.tiers[2], ["cargo test --workspace", "go test ./..."]);
        assert!(!found.tiers[0].contains(&"make lint".to_owned()));
    }

    #[test]
    fn an_empty_repository_says_why_nothing_was_found() {
        let (_dir, root) = repository(&[]);
        assert_eq!(detect(&root).warnings, ["no-manifest"]);
    }
}
