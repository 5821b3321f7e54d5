//! The recorded vectors: copied in, never edited here.

use std::path::Path;

use crate::{Failure, places};

/// Copies the `.json` files of a folder, and nothing from the folders below it: recordings of real
/// repositories stay where they are.
pub(crate) fn run(words: &[&str]) -> Result<(), Failure> {
    let ["--from", from] = words else {
        return Err("usage: cargo xtask vectors --from DIR".into());
    };
    let target = places::root().join("tests/vectors");
    std::fs::create_dir_all(&target)
        .map_err(|why| format!("cannot create {}: {why}", target.display()))?;
    let copied = copy(Path::new(from), &target)?;
    if copied == 0 {
        return Err(format!("{from} holds no .json file"));
    }
    println!("{copied} files copied to {}", target.display());
    Ok(())
}

fn copy(from: &Path, target: &Path) -> Result<usize, Failure> {
    let fail = |why: std::io::Error| format!("cannot copy from {}: {why}", from.display());
    let mut copied = 0;
    for entry in std::fs::read_dir(from).map_err(fail)? {
        let entry = entry.map_err(fail)?;
        let path = entry.path();
        if path.is_file() && path.extension().is_some_and(|kind| kind == "json") {
            // Contents only: the source may be read-only, its copy must not be.
            let contents = std::fs::read(&path).map_err(fail)?;
            std::fs::write(target.join(entry.file_name()), contents).map_err(fail)?;
            copied += 1;
        }
    }
    Ok(copied)
}
