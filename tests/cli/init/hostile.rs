//! `runr init` in a repository whose files are not what their names say.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::{CONFIG, assert_tiers};
use crate::support::{Command, Sandbox, strings};

const CRATE: &str = "[package]\nname = \"a\"\nversion = \"0.1.0\"\n";

/// A command that must come to its end although nothing is ever written into a pipe.
fn patient(command: Command) -> Command {
    command.silent_stdin().limit(Duration::from_secs(20))
}

fn pipe(path: &Path) {
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mkfifoat(rustix::fs::CWD, path, mode).unwrap();
}

/// Something in the place of a manifest.
type Plant = fn(&Path);

const PLANTS: [(&str, Plant, &str); 7] = [
    (
        "a directory",
        |path| fs::create_dir(path).unwrap(),
        "a directory",
    ),
    ("a pipe", pipe, "not a file"),
    (
        "a link to nothing",
        |path| symlink("absent", path).unwrap(),
        "a link that leads to no file",
    ),
    (
        "a link to itself",
        |path| symlink(path.file_name().unwrap(), path).unwrap(),
        "a link that leads to no file",
    ),
    (
        "a link to a device that never ends",
        |path| symlink("/dev/zero", path).unwrap(),
        "a link that leads to no file",
    ),
    (
        "four gigabytes of nothing",
        |path| fs::File::create(path).unwrap().set_len(4 << 30).unwrap(),
        "larger than 4 MiB",
    ),
    (
        "bytes that are no text",
        |path| fs::write(path, b"{\"scripts\": {\"test\": \"\xff\"}}").unwrap(),
        "not UTF-8",
    ),
];

#[test]
fn a_hostile_manifest_is_a_warning_and_hides_no_other() {
    let names = [
        "package.json",
        "pyproject.toml",
        "setup.cfg",
        "tox.ini",
        "requirements-dev.txt",
        "go.mod",
        "Makefile",
        "justfile",
    ];
    for (what, plant, why) in PLANTS {
        let sandbox = Sandbox::bare();
        sandbox.write("Cargo.toml", CRATE);
        for name in names {
            plant(&sandbox.repo().join(name));
        }
        let output = patient(sandbox.runr(&["init", "--json"])).output().exits(0);
        let result = output.pretty_json();
        let warnings = strings(&result["warnings"]);
        for name in names {
            let wanted = format!("invalid-manifest: {name}: {why}");
            assert!(warnings.contains(&wanted), "{what}: {wanted}: {warnings:?}");
        }
        assert_eq!(
            result["sources"],
            serde_json::json!(["Cargo.toml"]),
            "{what}"
        );
        let config: Value = serde_json::from_str(&sandbox.read(CONFIG)).unwrap();
        assert_tiers(
            &config,
            &["cargo fmt --check", "cargo clippy --all-targets"],
            &["cargo build"],
            &["cargo test"],
        );
        let shown = patient(sandbox.runr(&["init", "--print"]))
            .output()
            .exits(0);
        assert!(shown.stderr.contains(why), "{what}: {shown}");
    }
}

#[test]
fn a_manifest_that_is_a_link_is_read_where_it_leads() {
    let sandbox = Sandbox::bare();
    let text = "\u{feff}{\"scripts\": {\"test\": \"x\"}}";
    fs::write(sandbox.scratch().join("shared.json"), text).unwrap();
    symlink(
        "../scratch/shared.json",
        sandbox.repo().join("package.json"),
    )
    .unwrap();
    assert_tiers(&super::init(&sandbox), &[], &[], &["npm test"]);
}

#[test]
fn a_directory_that_is_a_link_is_no_source_directory() {
    let sandbox = Sandbox::bare();
    sandbox.write("Cargo.toml", CRATE);
    fs::create_dir(sandbox.scratch().join("elsewhere")).unwrap();
    symlink("../scratch/elsewhere", sandbox.repo().join("lib")).unwrap();
    let config = super::init(&sandbox);
    assert_eq!(config["scope"]["allowlist"], serde_json::json!(["src/**"]));
}

#[test]
fn an_ignore_file_in_any_encoding_is_kept_byte_for_byte() {
    let sandbox = Sandbox::bare();
    let path = sandbox.repo().join(".gitignore");
    let before = b"# caf\xe9\r\n.runr/runs/\r\n*.log";
    fs::write(&path, before).unwrap();
    sandbox.runr(&["init"]).output().exits(0);
    let after = fs::read(&path).unwrap();
    assert!(after.starts_with(before));
    let added = String::from_utf8(after[before.len()..].to_vec()).unwrap();
    assert!(added.starts_with("\n.runr/orchestrations/\n"), "{added:?}");
    assert!(!added.contains(".runr/runs/"), "{added:?}");
}

#[test]
fn an_ignore_file_that_is_no_file_is_left() {
    for plant in [pipe as Plant, |path| symlink("elsewhere", path).unwrap()] {
        let sandbox = Sandbox::bare();
        let path = sandbox.repo().join(".gitignore");
        plant(&path);
        let before = path.symlink_metadata().unwrap().file_type();
        let output = patient(sandbox.runr(&["init", "--json"])).output().exits(0);
        assert!(strings(&output.json()["kept"]).contains(&".gitignore".to_owned()));
        assert_eq!(path.symlink_metadata().unwrap().file_type(), before);
    }
}

#[test]
fn a_configuration_that_is_no_file_is_neither_waited_for_nor_replaced() {
    let sandbox = Sandbox::bare();
    fs::create_dir(sandbox.repo().join(".runr")).unwrap();
    let path = sandbox.repo().join(CONFIG);
    for plant in [
        pipe as Plant,
        |path| fs::create_dir(path).unwrap(),
        |path| {
            symlink("absent", path).unwrap();
        },
    ] {
        plant(&path);
        let before = path.symlink_metadata().unwrap().file_type();
        let refused = patient(sandbox.runr(&["init", "--json"])).output().exits(3);
        refused.error_json("E_CONFIG_EXISTS", "config_exists");
        let failed = patient(sandbox.runr(&["init", "--force", "--json"])).output();
        failed.exits(1).error_json("E_IO", "io");
        assert_eq!(path.symlink_metadata().unwrap().file_type(), before);
        fs::remove_file(&path)
            .or_else(|_| fs::remove_dir(&path))
            .unwrap();
    }
}

#[test]
fn the_name_of_a_manifest_does_not_drive_the_terminal() {
    let sandbox = Sandbox::bare();
    fs::create_dir(sandbox.repo().join("requirements\u{1b}[31m.txt")).unwrap();
    let output = sandbox.runr(&["init"]).output().exits(0);
    assert!(
        output.stderr.contains("requirements\\u{1b}[31m.txt"),
        "{output}"
    );
    assert!(!output.text().contains('\u{1b}'), "{output}");
}
