//! Projects of other people, as they are published: `runr init` finds their checks, and their own
//! suites decide about a run.
//!
//! The pins stand in [`PACKAGES`], by version and SHA-256. These three, because each archive holds
//! the project's own tests, which need nothing else to run; because they are small, finished, and
//! under permissive licences; and because none is made for runr: `inherits` has a script in
//! `package.json`, `six` a section in `setup.cfg`, `heck` nothing but a crate.
//!
//! The registries are asked through their own clients, once; the archives are kept below the build
//! folder. Without a network the tests say `SKIPPED: offline` and pass.

mod fetch;

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Command, Sandbox, Script, ok, plan, strings};
use fetch::{Client, Pin};

/// A published project, and what is known about it.
struct Package {
    pin: Pin,
    tiers: [&'static [&'static str]; 3],
    presets: &'static [&'static str],
    allow: &'static [&'static str],
    /// The file that the worker changes, and a line in it after which it adds a comment.
    file: &'static str,
    line: &'static str,
    comment: &'static str,
    /// A piece of that file, and what breaks the project in its place.
    sound: &'static str,
    broken: &'static str,
    /// What a person does who puts it under git: no archive holds a lockfile.
    prepare: &'static [&'static str],
    /// What the suite says when it passes, and when it meets the broken piece.
    passes: &'static str,
    fails: &'static str,
}

const PACKAGES: [Package; 3] = [INHERITS, SIX, HECK];

/// ISC. The test is a program that asserts.
const INHERITS: Package = Package {
    pin: Pin {
        client: Client::Npm,
        name: "inherits",
        version: "2.0.1",
        archive: "inherits-2.0.1.tgz",
        sha256: "e0d5493f8142aff09125344665a90a8227b9a3ffa4bb8d086d0fb471c00deb29",
    },
    tiers: [&[], &[], &["npm test"]],
    presets: &[],
    allow: &[
        "**/*.js", "**/*.jsx", "**/*.mjs", "**/*.cjs", "**/*.ts", "**/*.tsx",
    ],
    file: "inherits.js",
    line: "",
    comment: "// The way of Node itself.\n",
    sound: ".inherits",
    broken: ".isDeepStrictEqual",
    prepare: &[],
    passes: "ok",
    fails: "AssertionError",
};

/// MIT. Needs pytest, which the tests of the Python package bring.
const SIX: Package = Package {
    pin: Pin {
        client: Client::Pip,
        name: "six",
        version: "1.17.0",
        archive: "six-1.17.0.tar.gz",
        sha256: "ff70335d468e7eb6ec65b95b99d3a2836546063f63acc5171de367e834932a81",
    },
    tiers: [&[], &[], &["pytest"]],
    presets: &["pytest"],
    allow: &["**/*.py"],
    file: "six.py",
    line: "import types\n",
    comment: "# Python 2 and 3.\n",
    sound: "return s.encode(\"latin-1\")",
    broken: "return s.encode(\"utf-16\")",
    prepare: &[],
    passes: " passed",
    fails: "FAILED test_six.py::test_b",
};

/// MIT or Apache-2.0. No dependencies, so cargo fetches nothing.
const HECK: Package = Package {
    pin: Pin {
        client: Client::Cargo,
        name: "heck",
        version: "0.5.0",
        archive: "heck-0.5.0.crate",
        sha256: "2304e00983f87ffb38b55b444b5e3b60a884b5d30c0fca7d82fe33449bbe55ea",
    },
    tiers: [
        &["cargo fmt --check", "cargo clippy --all-targets"],
        &["cargo build"],
        &["cargo test"],
    ],
    presets: &["rust"],
    allow: &["src/**"],
    file: "src/snake.rs",
    line: "use crate::{lowercase, transform};\n",
    comment: "\n// Snakes are long and low.\n",
    sound: "write!(f, \"_\")",
    broken: "write!(f, \"-\")",
    prepare: &["cargo", "generate-lockfile"],
    passes: "test result: ok. 111 passed",
    fails: "test result: FAILED",
};

/// A package in a repository of its own, set up by `runr init`.
struct Project {
    package: &'static Package,
    sandbox: Sandbox,
    /// What init said.
    found: Value,
}

impl Project {
    /// Nothing, and a line that says so, without the package or without its tools.
    fn of(package: &'static Package) -> Option<Self> {
        let archive = package.pin.fetch()?;
        let sandbox = Sandbox::bare();
        sandbox.git(&["rm", "-r", "-q", "src", "docs"]);
        let archive = archive.to_str().unwrap();
        let unpack = ["-xzf", archive, "--strip-components=1"];
        sandbox.command("tar").args(&unpack).output().exits(0);
        if let [program, words @ ..] = package.prepare {
            let command = with_tools(sandbox.command(program).args(words));
            command.output().exits(0);
        }
        sandbox.commit("as published");
        let init = with_tools(sandbox.runr(&["init", "--json"]));
        let found = init.output().exits(0).json();
        sandbox.commit("prepare runr");
        Some(Self {
            package,
            sandbox,
            found,
        })
    }

    /// The changed file, once sound and once broken.
    fn change(&self, broken: bool) -> Value {
        let Package { file, line, .. } = self.package;
        let text = self.sandbox.read(file);
        let at = text.find(line).unwrap() + line.len();
        let (before, after) = text.split_at(at);
        let mut text = format!("{before}{}{after}", self.package.comment);
        if broken {
            assert!(text.contains(self.package.sound), "{file}");
            text = text.replacen(self.package.sound, self.package.broken, 1);
        }
        ok(json!({ *file: text }))
    }

    /// A fast run in a worktree whose worker makes these changes; its line.
    fn run(&self, changes: &[Value], code: i32) -> (String, Value) {
        self.sandbox.script(&Script::new(plan(&[]), changes, &[]));
        let words = [
            "run",
            "--task",
            "example-feature.md",
            "--fast",
            "--worktree",
            "--json",
        ];
        let started = self
            .sandbox
            .started(with_tools(self.sandbox.runr(&words)).output().exits(code));
        (started.id, started.line)
    }

    /// The logs of all checks, in the order of their attempts.
    fn logs(&self, id: &str) -> Vec<String> {
        let folder = self.sandbox.run_dir(id).join("logs/verify");
        let entries = std::fs::read_dir(folder).unwrap();
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        let read =
            |path: &PathBuf| String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned();
        paths.iter().map(read).collect()
    }
}

/// A command with the tools of the machine, none of which may fetch anything. Compilers take their
/// time where many tests run at once.
fn with_tools(command: Command) -> Command {
    let command = command
        .limit(Duration::from_secs(300))
        .env("PATH", fetch::path())
        .env("CARGO_NET_OFFLINE", "true")
        .env("npm_config_offline", "true")
        .env("npm_config_update_notifier", "false");
    fetch::toolchain().fold(command, |command, (name, place)| command.env(name, place))
}

/// How many logs say that the suite failed, and how many that it passed.
fn verdicts(package: &Package, logs: &[String]) -> (usize, usize) {
    let failed = |log: &&String| log.contains(package.fails);
    let passed = |log: &&String| log.contains(package.passes) && !failed(log);
    (
        logs.iter().filter(failed).count(),
        logs.iter().filter(passed).count(),
    )
}

#[test]
fn the_checks_of_published_packages_are_found() {
    for package in &PACKAGES {
        let Some(project) = Project::of(package) else {
            continue;
        };
        let name = package.pin.name;
        let [tier0, tier1, tier2] = package.tiers;
        let checks = json!({"tier0": tier0, "tier1": tier1, "tier2": tier2});
        assert_eq!(project.found["verification"], checks, "{name}");
        assert_eq!(project.found["presets"], json!(package.presets), "{name}");
        let config: Value =
            serde_json::from_str(&project.sandbox.read(".runr/runr.config.json")).unwrap();
        assert_eq!(config["scope"]["allowlist"], json!(package.allow), "{name}");
        let warnings = strings(&project.found["warnings"]);
        assert!(
            warnings.iter().all(|it| it == "no-worker"),
            "{name}: {warnings:?}"
        );
    }
}

/// Three runs: a sound change, a broken one that is mended, and one that stays broken.
fn its_suite_decides(package: &'static Package) {
    let Some(project) = Project::of(package) else {
        return;
    };
    let (sound, broken) = (project.change(false), project.change(true));
    let checks: usize = package.tiers.iter().map(|tier| tier.len()).sum();

    let (id, _) = project.run(std::slice::from_ref(&sound), 0);
    let logs = project.logs(&id);
    assert_eq!(logs.len(), checks);
    assert_eq!(verdicts(package, &logs), (0, 1), "{logs:#?}");
    let base = project.sandbox.head();
    let branch = format!("runr/{id}");
    assert_eq!(project.sandbox.changed(&base, &branch), [package.file]);

    let (id, _) = project.run(&[broken.clone(), sound], 0);
    let logs = project.logs(&id);
    assert_eq!(verdicts(package, &logs), (1, 1), "{logs:#?}");
    let retries = project.sandbox.payloads(&id, "verify_failed_retry");
    let suite = package.tiers.iter().flat_map(|tier| tier.iter()).last();
    assert_eq!(retries.len(), 1);
    assert_eq!(retries[0]["failed_command"], json!(suite));
    let branch = format!("runr/{id}");
    let kept = project
        .sandbox
        .git(&["show", &format!("{branch}:{}", package.file)]);
    assert!(kept.contains(package.sound) && !kept.contains(package.broken));

    let (id, _) = project.run(&[broken], 1);
    assert_eq!(
        project.sandbox.status(&id)["stop_reason"],
        "verification_failed_max_retries"
    );
    assert_eq!(verdicts(package, &project.logs(&id)), (4, 0));
    let branch = format!("runr/{id}");
    assert_eq!(
        project.sandbox.git(&["rev-parse", &branch]),
        base,
        "nothing was committed"
    );
}

#[test]
fn the_test_of_inherits_decides_about_a_run() {
    its_suite_decides(&INHERITS);
}

#[test]
fn the_suite_of_six_decides_about_a_run() {
    if !fetch::can_run("pytest") {
        return fetch::skip("the suite of six", "no pytest");
    }
    its_suite_decides(&SIX);
}

#[test]
fn the_suite_of_heck_decides_about_a_run() {
    its_suite_decides(&HECK);
}

/// The root of this checkout.
fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}
