//! Lists of paths that git reads from a file.

use camino::{Utf8Path, Utf8PathBuf};
use runr_core::fs::{Durability, Replacing, real, write_atomic};
use runr_core::{Error, Result};

/// Writes paths for git into a file of the run's artifacts. It takes the place of whatever stands
/// there: a worker may have put a link to a file of the user's.
pub(crate) fn write(run_dir: &Utf8Path, name: &str, paths: &[String]) -> Result<Utf8PathBuf> {
    let artifacts = run_dir.join("artifacts");
    let dir = real()
        .open_dir_beneath(run_dir, &artifacts)
        .map_err(|source| Error::io("open", &artifacts, source))?;
    let text: String = paths.iter().map(|path| format!("{path}\0")).collect();
    let new = Replacing::Nothing(0o600);
    write_atomic(dir.as_ref(), name, text.as_bytes(), new, Durability::None)?;
    Ok(artifacts.join(name))
}
