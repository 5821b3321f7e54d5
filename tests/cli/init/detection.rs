//! What `runr init` finds, from end to end. The tables themselves are tested beside the rule.

use serde_json::{Value, json};

use super::{assert_contains, assert_tiers, init};
use crate::support::Sandbox;

/// What init detects in a repository with these files.
fn detect(files: &[(&str, &str)]) -> Value {
    let sandbox = Sandbox::bare();
    for (path, text) in files {
        sandbox.write(path, text);
    }
    init(&sandbox)
}

#[test]
fn a_node_project_is_detected() {
    let manifest = json!({
        "name": "shop",
        "scripts": {"type-check": "tsc --noEmit", "tsc": "tsc", "eslint": "eslint .", "build": "vite build", "test": "vitest run"},
        "dependencies": {"react": "^19"},
        "devDependencies": {"typescript": "^5", "vitest": "^3", "eslint": "^9"},
    });
    let config = detect(&[
        ("package.json", &manifest.to_string()),
        ("pnpm-lock.yaml", "lockfileVersion: '9.0'\n"),
    ]);
    assert_tiers(
        &config,
        &["pnpm run type-check", "pnpm run eslint"],
        &["pnpm run build"],
        &["pnpm test"],
    );
    assert_contains(
        &config["scope"]["presets"],
        &["react", "typescript", "vitest", "eslint"],
    );
    assert_eq!(config["scope"]["lockfiles"], json!(["pnpm-lock.yaml"]));
}

#[test]
fn a_python_project_is_detected() {
    let manifest = "[project]\nname = \"shop\"\ndependencies = [\"httpx\"]\n[project.optional-dependencies]\ndev = [\"pytest>=8\"]\n\
                    [tool.ruff]\nline-length = 100\n[tool.mypy]\nstrict = true\n";
    let config = detect(&[("pyproject.toml", manifest), ("uv.lock", "version = 1\n")]);
    assert_tiers(
        &config,
        &["uv run ruff check .", "uv run mypy ."],
        &["uv lock --check"],
        &["uv run pytest"],
    );
    assert_contains(&config["scope"]["presets"], &["pytest"]);
    assert_contains(
        &config["scope"]["env_allowlist"],
        &[".venv/**", "**/__pycache__/**", ".pytest_cache/**"],
    );
}

#[test]
fn a_rust_workspace_is_detected() {
    let config = detect(&[
        ("Cargo.toml", "[workspace]\nmembers = [\"crates/*\"]\n"),
        ("crates/a/src/lib.rs", ""),
    ]);
    let clippy = config["verification"]["tier0"][1].as_str().unwrap();
    let same = [
        "cargo clippy --all-targets --workspace",
        "cargo clippy --workspace --all-targets",
    ];
    assert!(same.contains(&clippy), "{clippy}");
    assert_tiers(
        &config,
        &["cargo fmt --check", clippy],
        &["cargo build --workspace"],
        &["cargo test --workspace"],
    );
    assert_contains(&config["scope"]["presets"], &["rust"]);
    assert_contains(&config["scope"]["allowlist"], &["src/**", "crates/**"]);
    assert_contains(
        &config["scope"]["env_allowlist"],
        &["target/**", "node_modules/**"],
    );
}

#[test]
fn a_mixed_repository_gets_the_checks_of_all_its_languages() {
    let manifest = json!({"name": "shop", "scripts": {"lint": "x", "test": "y"}}).to_string();
    let config = detect(&[
        ("go.mod", "module example.org/shop\n"),
        ("package.json", &manifest),
        ("Makefile", "lint:\n\ttrue\nbuild:\n\ttrue\n"),
    ]);
    assert_tiers(
        &config,
        &["npm run lint", "go vet ./..."],
        &["go build ./..."],
        &["npm test", "go test ./..."],
    );
}

#[test]
fn a_makefile_fills_the_tiers_that_are_still_empty() {
    let config = detect(&[(
        "Makefile",
        "lint:\n\ttrue\nbuild: lint\n\ttrue\ntest:\n\ttrue\n",
    )]);
    assert_tiers(&config, &["make lint"], &["make build"], &["make test"]);
}
