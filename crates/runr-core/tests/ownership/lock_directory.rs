//! The lock directory of the old protocol: honoured, and never left to wedge anybody.

use std::sync::{Arc, Mutex};
use std::thread;

use runr_core::fs::{CancelFlag, FaultFs, MemoryFs, Wait};
use runr_core::ownership::{ClaimStore, FileClaims, Process, Processes};
use runr_core::{Code, Error};
use serde_json::{Value, json};

use crate::world::{LOCK, World, put, target};

/// Claims in memory that wait for nobody.
fn impatient() -> World {
    let world = World::new(MemoryFs::new().into()).with(|claims| claims.wait(Wait::No));
    world.folder();
    world
}

/// What an owner file of ours says.
fn ours(host: &str, boot: &str, pid: u32) -> String {
    json!({
        "pid": pid, "acquiredAt": "2026-02-02T02:40:00.000Z",
        "host": host, "boot": boot, "start": 1, "nonce": "1",
    })
    .to_string()
}

#[track_caller]
fn held(world: &World) -> Error {
    let error = world.claim("a").unwrap_err();
    assert_eq!(error.code(), Code::LockTimeout, "{error:?}");
    assert!(world.has_lock());
    assert_eq!(world.owner(), None);
    let left = world.names();
    assert!(!left.iter().any(|name| name.ends_with(".tmp")), "{left:?}");
    error
}

#[track_caller]
fn free(world: &World) {
    world.claim("a").unwrap();
    assert!(!world.has_lock());
    let left = world.names();
    assert!(!left.iter().any(|name| name.ends_with(".tmp")), "{left:?}");
}

#[test]
fn while_an_operation_runs_the_directory_says_who_it_is() {
    let world = impatient();
    let text = Arc::new(Mutex::new(String::new()));
    let seen = world.claims.update(&target(), &mut |_| {
        let lock = world.dir().open_dir(LOCK).unwrap();
        let bytes = lock.read("owner.json", 4096).unwrap().bytes;
        *text.lock().unwrap() = String::from_utf8(bytes).unwrap();
        Ok(None)
    });
    seen.unwrap();
    let text = text.lock().unwrap();
    let said: Value = serde_json::from_str(&text).unwrap();
    let keys: Vec<_> = said.as_object().unwrap().keys().collect();
    assert_eq!(
        keys,
        ["pid", "acquiredAt", "host", "boot", "start", "nonce"]
    );
    assert_eq!((&said["pid"], &said["start"]), (&json!(1000), &json!(17)));
    assert!(text.starts_with("{\n  \"pid\": 1000,\n"));
    assert!(text.ends_with("\"\n}\n"));
    assert!(!world.has_lock());
}

#[test]
fn who_does_not_say_that_its_process_is_dead_is_waited_for() {
    let cases = [
        (None, json!({"pid": null, "acquiredAt": null, "host": null})),
        (
            Some("{}"),
            json!({"pid": null, "acquiredAt": null, "host": null}),
        ),
        (
            Some("{x"),
            json!({"pid": null, "acquiredAt": null, "host": null}),
        ),
        (
            Some("null"),
            json!({"pid": null, "acquiredAt": null, "host": null}),
        ),
        (
            Some("{\"pid\":0}"),
            json!({"pid": null, "acquiredAt": null, "host": null}),
        ),
        (
            Some("{\"pid\":-1}"),
            json!({"pid": null, "acquiredAt": null, "host": null}),
        ),
        (
            Some("{\"pid\":\"4242\"}"),
            json!({"pid": null, "acquiredAt": null, "host": null}),
        ),
        (
            Some("{\"pid\":99999999999}"),
            json!({"pid": null, "acquiredAt": null, "host": null}),
        ),
    ];
    for (owner, expected) in cases {
        for single_host in [false, true] {
            let world = impatient().with(|claims| claims.single_host(single_host));
            world.lock(owner);
            let error = held(&world);
            assert_eq!(error.context()["holder"], expected, "{owner:?}");
            assert!(error.to_string().contains("process unknown"), "{error}");
            let hint = error.hint_text().unwrap();
            assert!(
                hint.contains("runr owner repair --repo acme/shop --pr 17"),
                "{hint}"
            );
            let path = format!("/.pi/runner-coordination/acme/shop/{LOCK}");
            assert_eq!(error.context()["lock_path"], path);
        }
    }
}

#[test]
fn a_directory_of_a_dead_process_goes_only_where_there_is_one_host() {
    let owner = "{\"pid\":4242,\"acquiredAt\":\"2026-06-05T08:00:00.000Z\"}";
    let shared = impatient().with(|claims| claims.single_host(false));
    shared.lock(Some(owner));
    let error = held(&shared);
    let said = json!({"pid": 4242, "acquiredAt": "2026-06-05T08:00:00.000Z", "host": null});
    assert_eq!(error.context()["holder"], said);
    assert!(
        error
            .to_string()
            .contains("process 4242 (since 2026-06-05T08:00:00.000Z")
    );

    let single = impatient();
    single.lock(Some(owner));
    single.machine.lives(4242, true);
    held(&single);
    single.machine.lives(4242, false);
    free(&single);
}

#[test]
fn a_file_or_a_pipe_in_its_place_keeps_others_out_as_well() {
    let world = impatient();
    world.put(LOCK, "");
    held(&world);
    assert_eq!(world.text(LOCK), "");
}

#[test]
fn what_a_dead_process_of_ours_left_goes_at_once() {
    for (host, boot) in [("this-host", "earlier-boot"), ("renamed", "this-boot")] {
        for single_host in [false, true] {
            let world = impatient().with(|claims| claims.single_host(single_host));
            // Another process may have its number by now.
            world.lock(Some(&ours(host, boot, 1000)));
            free(&world);
        }
    }
    // Of another machine nobody knows, unless there is none.
    let elsewhere = impatient();
    elsewhere.lock(Some(&ours("other-host", "other-boot", 1000)));
    held(&elsewhere);
    elsewhere.machine.lives(1000, false);
    free(&elsewhere);
    let shared = impatient().with(|claims| claims.single_host(false));
    shared.lock(Some(&ours("other-host", "other-boot", 4242)));
    held(&shared);
}

/// A machine that tells nothing of itself.
#[derive(Debug)]
struct Nameless;

impl Processes for Nameless {
    fn own(&self) -> Process {
        Process {
            host: String::new(),
            boot_id: String::new(),
            ..crate::world::process(1000)
        }
    }

    fn exists(&self, _: u32) -> bool {
        true
    }

    fn has_ended(&self, _: &Process) -> bool {
        false
    }
}

/// Claims of the same world as another machine sees them.
fn seen_by(world: &World, processes: impl Processes + 'static) -> World {
    let storage = world.storage.clone();
    let clock = Arc::clone(&world.clock);
    let claims = FileClaims::at(storage, "/", Arc::new(processes), clock);
    world.clone().with(|_| claims.wait(Wait::No))
}

#[test]
fn what_a_machine_does_not_tell_is_not_compared() {
    let world = seen_by(&impatient(), Nameless);
    world.lock(Some(&ours("", "", 1000)));
    held(&world);
}

#[test]
fn what_a_power_cut_left_of_ours_goes_where_there_is_one_host() {
    for owner in [None, Some(""), Some("{\n  \"pid\": 10")] {
        let world = impatient();
        world.dir().create_dir(LOCK, 0o1755).unwrap();
        if let Some(owner) = owner {
            let lock = world.dir().open_dir(LOCK).unwrap();
            put(lock.as_ref(), "owner.json", owner.as_bytes());
        }
        let shared = world.clone().with(|claims| claims.single_host(false));
        held(&shared);
        free(&world);
    }
}

#[test]
fn a_directory_with_more_in_it_goes_too() {
    let world = impatient();
    world.lock(Some("{\"pid\":4242}"));
    let lock = world.dir().open_dir(LOCK).unwrap();
    put(lock.as_ref(), "notes.txt", b"what is this?");
    free(&world);
}

/// A machine on which everything is dead; while it is asked, somebody is faster.
#[derive(Debug)]
struct Faster {
    world: World,
    owner: &'static str,
    left: Mutex<usize>,
}

impl Processes for Faster {
    fn own(&self) -> Process {
        self.world.machine.own()
    }

    fn exists(&self, pid: u32) -> bool {
        let mut left = self.left.lock().unwrap();
        if *left > 0 {
            *left -= 1;
            let dir = self.world.dir();
            dir.open_dir(LOCK).unwrap().unlink("owner.json").unwrap();
            dir.remove_dir(LOCK).unwrap();
            self.world.lock(Some(self.owner));
            return false;
        }
        pid == 7
    }

    fn has_ended(&self, _: &Process) -> bool {
        false
    }
}

#[test]
fn another_directory_than_the_one_that_was_judged_is_put_back() {
    let world = impatient();
    world.lock(Some("{\"pid\":4242}"));
    let faster = Faster {
        world: world.clone(),
        owner: "{\"pid\":7}",
        left: Mutex::new(1),
    };
    let error = held(&seen_by(&world, faster));
    assert_eq!(error.context()["holder"]["pid"], 7);
}

#[test]
fn a_lock_that_is_not_ours_any_more_is_left_to_its_owner() {
    let world = impatient();
    let stolen = world.claims.update(&target(), &mut |_| {
        let dir = world.dir();
        dir.open_dir(LOCK).unwrap().unlink("owner.json").unwrap();
        dir.remove_dir(LOCK).unwrap();
        world.lock(Some("{\"pid\":7}"));
        Ok(None)
    });
    stolen.unwrap();
    let lock = world.dir().open_dir(LOCK).unwrap();
    assert_eq!(lock.read("owner.json", 99).unwrap().bytes, b"{\"pid\":7}");
}

#[test]
fn a_holder_that_ends_in_time_is_waited_for() {
    let world = World::new(MemoryFs::new().into());
    world.folder();
    world.lock(Some("{\"pid\":7}"));
    world.machine.lives(7, true);
    thread::scope(|scope| {
        let waiting = scope.spawn(|| world.claim("a").unwrap());
        let dir = world.dir();
        dir.open_dir(LOCK).unwrap().unlink("owner.json").unwrap();
        dir.remove_dir(LOCK).unwrap();
        assert!(waiting.join().unwrap().ok());
    });
    assert!(!world.has_lock());
}

#[test]
fn a_wait_that_is_cancelled_ends_and_says_so() {
    let cancel = CancelFlag::new();
    let wait = Wait::Cancellable {
        up_to: std::time::Duration::from_secs(3600),
        cancel: cancel.clone(),
    };
    let world = impatient().with(|claims| claims.wait(wait));
    world.lock(None);
    cancel.cancel();
    assert_eq!(held(&world).context()["cancelled"], true);
}

/// Where nothing is renamed without replacing, the directory is made in place.
#[test]
fn it_works_without_a_rename_that_replaces_nothing() {
    let fs = FaultFs::new(MemoryFs::new().into());
    let world = World::new(fs.storage()).with(|claims| claims.wait(Wait::No));
    let unsupported = runr_core::fs::Fault::Error(std::io::ErrorKind::Unsupported);
    fs.fail_call(
        "rename_no_replace",
        1,
        unsupported,
        runr_core::fs::Lasting::FromThenOn,
    );
    free(&world);
    world.lock(Some("{\"pid\":4242}"));
    free(&world);
    world.lock(None);
    let error = world.claim("b").unwrap_err();
    assert_eq!(error.code(), Code::LockTimeout);
    assert!(fs.heal());
}
