//! JavaScript and TypeScript: `package.json`.

use serde_json::{Map, Value};

use super::{Detected, Repository};

const MANIFEST: &str = "package.json";
const ENVIRONMENTS: [&str; 3] = [".env.example", ".env.local.example", ".env.template"];

/// Whether a package has scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scripts {
    /// There is no usable package.
    NoPackage,
    /// A package without scripts.
    Empty,
    /// A package with scripts, known ones or not.
    Some,
}

pub(super) fn detect(repository: &Repository, found: &mut Detected) -> Scripts {
    let manifest = read(repository, found);
    presets(repository, manifest.as_ref(), found);
    let Some(manifest) = manifest else {
        return Scripts::NoPackage;
    };
    found.source(MANIFEST);
    let globs = ["js", "jsx", "mjs", "cjs", "ts", "tsx"];
    let globs = globs.map(|ending| format!("**/*.{ending}"));
    found.globs.extend(globs);
    let scripts = manifest.get("scripts").and_then(Value::as_object);
    let Some(scripts) = scripts.filter(|scripts| !scripts.is_empty()) else {
        return Scripts::Empty;
    };
    checks(scripts, runner(repository, &manifest), found);
    Scripts::Some
}

fn read(repository: &Repository, found: &mut Detected) -> Option<Map<String, Value>> {
    let text = found.text(repository, MANIFEST)?;
    match serde_json::from_str(text) {
        Ok(Value::Object(manifest)) => Some(manifest),
        Ok(_) => {
            found.invalid(MANIFEST, "not an object");
            None
        }
        Err(problem) => {
            found.invalid(MANIFEST, format!("not JSON (line {})", problem.line()));
            None
        }
    }
}

fn checks(scripts: &Map<String, Value>, runner: &str, found: &mut Detected) {
    let has = |name: &str| {
        let script = scripts.get(name).and_then(Value::as_str);
        // A script without a command would be a check of nothing.
        script.is_some_and(|text| !text.trim().is_empty() && !is_placeholder(name, text))
    };
    let groups: [(usize, &[&str]); 4] = [
        (0, &["typecheck", "type-check", "tsc", "types"]),
        (0, &["lint", "eslint"]),
        (1, &["build", "compile"]),
        (2, &["test", "vitest", "jest"]),
    ];
    for (tier, names) in groups {
        let Some(name) = names.iter().find(|name| has(name)) else {
            continue;
        };
        let command = match (*name, runner) {
            // `bun test` is a runner of its own, which passes the script by.
            ("test", "npm" | "pnpm" | "yarn") => format!("{runner} test"),
            (name, runner) => format!("{runner} run {name}"),
        };
        found.check(tier, command, MANIFEST);
    }
}

/// Whether this is the test that `npm init` writes.
fn is_placeholder(name: &str, text: &str) -> bool {
    name == "test" && text.contains("no test specified")
}

/// The program that runs scripts. Only known ones: what stands here becomes a command that is
/// trusted.
fn runner(repository: &Repository, manifest: &Map<String, Value>) -> &'static str {
    let declared = manifest.get("packageManager").and_then(Value::as_str);
    let declared = declared.and_then(|text| text.split('@').next());
    let known = ["npm", "pnpm", "yarn", "bun"];
    if let Some(runner) = known.into_iter().find(|known| Some(*known) == declared) {
        return runner;
    }
    let locks = [
        ("pnpm-lock.yaml", "pnpm"),
        ("yarn.lock", "yarn"),
        ("bun.lock", "bun"),
        ("bun.lockb", "bun"),
    ];
    let lock = locks
        .into_iter()
        .find(|(file, _)| repository.has_file(file));
    lock.map_or("npm", |(_, runner)| runner)
}

fn presets(repository: &Repository, manifest: Option<&Map<String, Value>>, found: &mut Detected) {
    let has = |name: &str| {
        let lists = ["dependencies", "devDependencies"].iter();
        lists
            .filter_map(|list| manifest?.get(*list)?.as_object())
            .any(|list| list.contains_key(name))
    };
    let table: [(&str, &[&str]); 10] = [
        ("nextjs", &["next"]),
        ("react", &["react"]),
        ("drizzle", &["drizzle-orm", "drizzle-kit"]),
        ("prisma", &["prisma", "@prisma/client"]),
        ("vitest", &["vitest"]),
        ("jest", &["jest"]),
        ("playwright", &["playwright", "@playwright/test"]),
        ("typescript", &["typescript"]),
        ("tailwind", &["tailwindcss"]),
        ("eslint", &["eslint"]),
    ];
    for (preset, packages) in table {
        let covered = preset == "react" && has("next");
        if !covered && packages.iter().any(|name| has(name)) {
            found.preset(preset, MANIFEST);
        } else if preset == "typescript" && repository.has_file("tsconfig.json") {
            found.preset(preset, "tsconfig.json");
        }
    }
    if let Some(file) = repository.first_file(&ENVIRONMENTS) {
        found.preset("env", file);
    }
}
