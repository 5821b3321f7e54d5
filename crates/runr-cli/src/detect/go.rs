//! Go: `go.mod`.

use super::{Detected, Repository};

const MANIFEST: &str = "go.mod";

pub(super) fn detect(repository: &Repository, found: &mut Detected) {
    if found.text(repository, MANIFEST).is_none() {
        return;
    }
    found.source(MANIFEST);
    found.check(0, "go vet ./...", MANIFEST);
    if let Some(linter) = repository.file_like(".golangci.") {
        found.check(0, "golangci-lint run", linter);
    }
    found.check(1, "go build ./...", MANIFEST);
    found.check(2, "go test ./...", MANIFEST);
    found.preset("go", MANIFEST);
    found.globs.push("**/*.go".to_owned());
}
