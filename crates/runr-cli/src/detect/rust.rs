//! Rust: `Cargo.toml`.

use super::{Detected, Repository};

const MANIFEST: &str = "Cargo.toml";

pub(super) fn detect(repository: &Repository, found: &mut Detected) {
    let Some(manifest) = found.toml(repository, MANIFEST) else {
        return;
    };
    found.source(MANIFEST);
    let all = if manifest.contains_key("workspace") {
        " --workspace"
    } else {
        ""
    };
    found.check(0, "cargo fmt --check", MANIFEST);
    found.check(0, format!("cargo clippy{all} --all-targets"), MANIFEST);
    found.check(1, format!("cargo build{all}"), MANIFEST);
    found.check(2, format!("cargo test{all}"), MANIFEST);
    found.preset("rust", MANIFEST);
    found.globs.push("**/*.rs".to_owned());
    found.noise.push("target/**".to_owned());
}
