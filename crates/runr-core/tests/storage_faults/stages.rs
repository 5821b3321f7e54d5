//! What it means when a call fails: every call of the three ways to write, one by one.
//!
//! A call that may fail without a word is one whose failure changes nothing. All others fail the
//! operation, with the stage they belong to.

use std::io::ErrorKind;

use runr_core::fs::{Document, Durability, Fault, FaultFs, Lasting, MemoryFs, create_dirs, real};
use runr_core::store::RunStore;
use runr_core::{Code, Error};

use crate::runs::new_run;
use crate::{journal, note, write_raw};

/// What the failure of each call of an operation leads to: `done` where nobody minds it, else the
/// code, and the stage where there is one.
fn outcomes(
    prepare: impl Fn(&FaultFs),
    operate: impl Fn(&FaultFs) -> Result<(), Error>,
) -> Vec<(&'static str, String)> {
    let mut outcomes = Vec::new();
    for nth in 1.. {
        let fs = FaultFs::new(MemoryFs::new().into());
        prepare(&fs);
        drop(fs.take_calls());
        fs.fail(
            nth,
            Fault::Error(ErrorKind::PermissionDenied),
            Lasting::Once,
        );
        let result = operate(&fs);
        let calls = fs.take_calls();
        if !fs.heal() {
            break;
        }
        let outcome = result.map_or_else(named, |()| "done".to_owned());
        outcomes.push((calls[nth - 1], outcome));
    }
    outcomes
}

fn named(error: Error) -> String {
    let form = error.to_json();
    match (error.code(), form["stage"].as_str()) {
        (Code::MetaWriteFailed, Some(stage)) if form["committed"] == true => {
            format!("{stage}, committed")
        }
        (Code::MetaWriteFailed, Some(stage)) => stage.to_owned(),
        (code, _) => code.to_string(),
    }
}

#[track_caller]
fn assert_outcomes(actual: &[(&str, String)], expected: &[(&str, &str)]) {
    let actual: Vec<_> = actual
        .iter()
        .map(|(call, it)| (*call, it.as_str()))
        .collect();
    assert_eq!(actual, expected);
}

#[test]
fn every_call_of_an_update_fails_it_with_its_stage() {
    // Readable by others, so that its mode is looked at.
    let document = |fs: &FaultFs| Document::new(fs.storage(), "/", "doc").mode(0o644);
    let outcomes = outcomes(
        |fs| document(fs).create("old").unwrap(),
        |fs| document(fs).update(|_| Ok("new".into())).map(drop),
    );
    assert_outcomes(
        &outcomes,
        &[
            ("open_dir", "E_IO"),
            ("open_lock", "E_IO"),
            ("fstat", "E_IO"),
            ("try_lock", "E_IO"),
            ("stat", "E_IO"),
            ("open", "E_IO"),
            ("fstat", "E_IO"),
            ("read", "E_IO"),
            ("close", "done"),
            ("open", "create"),
            ("fstat", "mode"),
            ("write", "write"),
            ("sync", "sync"),
            ("close", "close"),
            ("rename", "rename"),
            ("sync_dir", "sync_dir, committed"),
            ("unlock", "done"),
            ("close_lock", "done"),
            ("close_dir", "done"),
        ],
    );
}

#[test]
fn every_call_of_a_creation_fails_it_with_its_stage() {
    let store = |fs: &FaultFs| RunStore::open(fs.storage(), "/repo/runs");
    let outcomes = outcomes(
        |fs| drop(create_dirs(&fs.storage(), "/repo".into(), 0o777, Durability::None).unwrap()),
        |fs| store(fs).create(&new_run("one"), false).map(drop),
    );
    assert_outcomes(
        &outcomes,
        &[
            ("open_dir", "E_RUN_DIR_CREATE_FAILED"),
            ("open_dir", "E_RUN_DIR_CREATE_FAILED"),
            ("create_dir", "E_RUN_DIR_CREATE_FAILED"),
            ("sync_dir", "E_RUN_DIR_CREATE_FAILED"),
            ("open_dir", "E_RUN_DIR_CREATE_FAILED"),
            ("close_dir", "done"),
            ("stat", "E_IO"),
            ("create_dir", "E_RUN_DIR_CREATE_FAILED"),
            ("open_dir", "E_RUN_DIR_CREATE_FAILED"),
            ("create_dir", "E_RUN_DIR_CREATE_FAILED"),
            ("open", "create"),
            ("write", "write"),
            ("sync", "sync"),
            ("close", "close"),
            ("sync_dir", "sync_run_dir"),
            ("close_dir", "done"),
            ("rename_no_replace", "E_RUN_DIR_CREATE_FAILED"),
            ("sync_dir", "sync_dir, committed"),
            ("close_dir", "done"),
        ],
    );
}

#[test]
fn every_call_of_an_append_fails_it_with_its_stage() {
    // All torn: to be cut off, and then it is a first record.
    let outcomes = outcomes(
        |fs| write_raw(fs, b"{\"se"),
        |fs| journal(fs.storage()).append(note("a")).map(drop),
    );
    assert_outcomes(
        &outcomes,
        &[
            ("open_dir", "E_IO"),
            ("open_lock", "E_IO"),
            ("fstat", "E_IO"),
            ("try_lock", "E_IO"),
            ("stat", "E_IO"),
            ("open", "create"),
            ("fstat", "E_IO"),
            ("read", "E_IO"),
            ("truncate", "truncate"),
            ("sync_dir", "sync_dir"),
            ("write", "write"),
            ("sync", "sync"),
            ("close", "done"),
            ("unlock", "done"),
            ("close_lock", "done"),
            ("close_dir", "done"),
        ],
    );
}

#[test]
fn every_call_of_a_first_append_fails_it_with_its_stage() {
    let outcomes = outcomes(
        |_| {},
        |fs| journal(fs.storage()).append(note("a")).map(drop),
    );
    assert_outcomes(
        &outcomes,
        &[
            ("open_dir", "E_IO"),
            ("open_lock", "E_IO"),
            ("fstat", "E_IO"),
            ("try_lock", "E_IO"),
            ("stat", "E_IO"),
            ("open", "create"),
            ("open", "create"),
            ("close", "create"),
            ("open", "create"),
            ("fstat", "E_IO"),
            ("sync_dir", "sync_dir"),
            ("write", "write"),
            ("sync", "sync"),
            ("close", "done"),
            ("unlock", "done"),
            ("close_lock", "done"),
            ("close_dir", "done"),
        ],
    );
}

/// The mode of a file is set anew where the umask took a part of it.
#[cfg(unix)]
#[test]
fn a_mode_that_cannot_be_kept_fails_the_update_and_leaves_nothing_behind() {
    use std::os::unix::fs::PermissionsExt;

    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("doc");
    std::fs::write(&path, "old").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).unwrap();
    let fs = FaultFs::new(real());
    let document = Document::new(fs.storage(), temporary.path().to_str().unwrap(), "doc");
    let fault = Fault::Error(ErrorKind::PermissionDenied);
    fs.fail_call("adopt", 1, fault, Lasting::Once);
    let result = document.update(|_| Ok("new".into()));
    if !fs.heal() {
        eprintln!("skipped: the umask takes nothing from a mode");
        return;
    }
    assert_eq!(named(result.unwrap_err()), "mode");
    assert_eq!(std::fs::read_to_string(path).unwrap(), "old");
    let left = std::fs::read_dir(temporary.path()).unwrap();
    assert_eq!(left.count(), 2, "the document and its lock");
}
