//! Where things lie in the checkout.

use std::path::{Path, PathBuf};

/// The root of the checkout.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// The Python package.
pub(crate) fn python() -> PathBuf {
    root().join("bindings/python")
}

/// The npm package.
pub(crate) fn node() -> PathBuf {
    root().join("bindings/node")
}

/// The virtual environment of the checkout; `.venv/bin/python -c "import runr"` works from the root.
pub(crate) fn venv() -> PathBuf {
    root().join(".venv")
}

/// Where packages for publishing are put.
pub(crate) fn dist() -> PathBuf {
    root().join("dist")
}
