use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::*;
use crate::fs::{MemoryFs, real};

fn memory() -> Storage {
    MemoryFs::new().into()
}

const LONG: Wait = Wait::UpTo(Duration::from_secs(60));

#[test]
fn a_second_thread_waits_until_the_guard_is_dropped() {
    let storage = memory();
    let guard = Lock::acquire(&storage, "/".into(), "l", LONG).unwrap();
    let other = Storage::clone(&storage);
    let (sender, receiver) = mpsc::channel();
    let waiter = thread::spawn(move || {
        let guard = Lock::acquire(&other, "/".into(), "l", LONG).unwrap();
        sender.send(()).unwrap();
        drop(guard);
    });
    assert!(receiver.recv_timeout(Duration::from_millis(100)).is_err());
    drop(guard);
    receiver.recv().unwrap();
    waiter.join().unwrap();
}

#[test]
fn entering_twice_is_refused_at_once_and_says_so() {
    let storage = memory();
    let _guard = Lock::acquire(&storage, "/".into(), "l", Wait::No).unwrap();
    let wait = Wait::UpTo(Duration::from_secs(1));
    let error = Lock::acquire(&storage, "/".into(), "l", wait).unwrap_err();
    assert_eq!(error.code(), Code::LockTimeout);
    assert!(!error.is_retryable());
    assert_eq!(error.to_json()["reentrant"], true);
    assert!(
        Lock::try_acquire(&storage, "/".into(), "l")
            .unwrap()
            .is_none()
    );
    assert!(Lock::is_held(&storage, "/".into(), "l").unwrap());
}

#[test]
fn threads_wait_for_each_other_without_asking_the_kernel() {
    let fs = crate::fs::FaultFs::new(memory());
    let storage = fs.storage();
    let guard = Lock::acquire(&storage, "/".into(), "l", Wait::No).unwrap();
    drop(fs.take_calls());
    let waiter = {
        let storage = Storage::clone(&storage);
        thread::spawn(move || {
            let wait = Wait::UpTo(Duration::from_millis(20));
            Lock::acquire(&storage, "/".into(), "l", wait).map(drop)
        })
    };
    waiter.join().unwrap().unwrap_err();
    let calls = fs.take_calls();
    assert!(
        !calls.contains(&"try_lock") && !calls.contains(&"lock"),
        "{calls:?}"
    );
    // Nor did the waiter take the holder's place.
    let error = Lock::acquire(&storage, "/".into(), "l", LONG).unwrap_err();
    assert_eq!(error.to_json()["reentrant"], true);
    drop(guard);
}

#[test]
fn a_thread_holds_two_different_locks() {
    let storage = memory();
    let one = Lock::acquire(&storage, "/".into(), "one", Wait::No).unwrap();
    let two = Lock::acquire(&storage, "/".into(), "two", Wait::No).unwrap();
    assert_eq!((one.path(), two.path()), ("/one".into(), "/two".into()));
}

#[test]
fn a_timeout_names_the_lock_and_the_wait() {
    let storage = memory();
    let guard = Lock::acquire(&storage, "/".into(), "l", Wait::No).unwrap();
    let error = thread::spawn(move || {
        let wait = Wait::UpTo(Duration::from_millis(20));
        Lock::acquire(&storage, "/".into(), "l", wait).unwrap_err()
    })
    .join()
    .unwrap();
    assert_eq!(error.code(), Code::LockTimeout);
    assert!(error.is_retryable());
    let json = error.to_json();
    assert_eq!(json["lock_path"], "/l");
    assert!(json["waited_ms"].as_u64().unwrap() >= 20);
    drop(guard);
}

/// Another process is played by a lock file opened beside the table of this process.
fn foreign(storage: &Storage, dir: &Utf8Path) -> Box<dyn LockFile> {
    let mut file = storage.open_dir(dir).unwrap().open_lock("l", true).unwrap();
    assert!(file.try_lock().unwrap());
    file
}

#[test]
fn a_raised_flag_ends_a_wait_for_another_process() {
    let storage = memory();
    let _foreign = foreign(&storage, "/".into());
    let cancel = CancelFlag::new();
    let wait = Wait::Cancellable {
        up_to: Duration::from_secs(60),
        cancel: cancel.clone(),
    };
    let waiter = thread::spawn(move || Lock::acquire(&storage, "/".into(), "l", wait));
    cancel.cancel();
    let error = waiter.join().unwrap().unwrap_err();
    assert_eq!(error.to_json()["cancelled"], true);
}

#[test]
fn a_grant_nobody_waits_for_any_more_is_given_back() {
    let directory = tempfile::tempdir().unwrap();
    let dir = Utf8Path::from_path(directory.path()).unwrap();
    let mut foreign = foreign(&real(), dir);
    let wait = Wait::UpTo(Duration::from_millis(20));
    let error = Lock::acquire(&real(), dir, "l", wait).unwrap_err();
    assert_eq!(error.code(), Code::LockTimeout);
    foreign.unlock().unwrap();
    // The helper thread left behind takes the lock now, and must not keep it.
    drop(Lock::acquire(&real(), dir, "l", LONG).unwrap());
    assert!(foreign.try_lock().unwrap());
}

#[test]
fn a_wait_for_another_process_ends_with_its_release() {
    let storage = memory();
    let mut foreign = foreign(&storage, "/".into());
    assert!(Lock::is_held(&storage, "/".into(), "l").unwrap());
    let waiter = {
        let storage = Storage::clone(&storage);
        thread::spawn(move || Lock::acquire(&storage, "/".into(), "l", LONG))
    };
    foreign.unlock().unwrap();
    let guard = waiter.join().unwrap().unwrap();
    assert!(Lock::is_held(&storage, "/".into(), "l").unwrap());
    drop(guard);
    assert!(!Lock::is_held(&storage, "/".into(), "l").unwrap());
}

#[test]
fn a_lock_file_replaced_while_we_wait_is_opened_anew() {
    let storage = memory();
    let dir = storage.open_dir("/".into()).unwrap();
    let mut old = foreign(&storage, "/".into());
    let waiter = {
        let storage = Storage::clone(&storage);
        thread::spawn(move || Lock::acquire(&storage, "/".into(), "l", LONG).unwrap())
    };
    thread::sleep(Duration::from_millis(20));
    dir.unlink("l").unwrap();
    dir.open_lock("l", true).unwrap();
    old.unlock().unwrap();
    let _guard = waiter.join().unwrap();
    assert!(!dir.open_lock("l", false).unwrap().try_lock().unwrap());
}

#[test]
fn threads_exclude_each_other_and_all_are_served() {
    static INSIDE: AtomicUsize = AtomicUsize::new(0);
    let directory = tempfile::tempdir().unwrap();
    let dir = Utf8Path::from_path(directory.path()).unwrap();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..50 {
                    let guard = Lock::acquire(&real(), dir, "l", LONG).unwrap();
                    assert_eq!(INSIDE.fetch_add(1, Ordering::SeqCst), 0);
                    thread::yield_now();
                    INSIDE.fetch_sub(1, Ordering::SeqCst);
                    drop(guard);
                }
            });
        }
    });
}

#[test]
fn a_guard_may_be_dropped_by_another_thread() {
    let storage = memory();
    let guard = Lock::acquire(&storage, "/".into(), "l", Wait::No).unwrap();
    thread::spawn(move || drop(guard)).join().unwrap();
    drop(Lock::acquire(&storage, "/".into(), "l", Wait::No).unwrap());
}

#[test]
fn threads_are_served_in_the_order_in_which_they_came() {
    let storage = memory();
    let id = foreign(&storage, "/".into()).stat().unwrap().id;
    let guard = Lock::acquire(&storage, "/".into(), "l", Wait::No).unwrap();
    let (sender, served) = mpsc::channel();
    let waiters: Vec<_> = (0..8)
        .map(|number| {
            let (storage, sender) = (Storage::clone(&storage), sender.clone());
            let waiter = thread::spawn(move || {
                let guard = Lock::acquire(&storage, "/".into(), "l", LONG).unwrap();
                sender.send(number).unwrap();
                drop(guard);
            });
            while table::waiting(id) <= number {
                thread::yield_now();
            }
            waiter
        })
        .collect();
    drop((guard, sender));
    assert_eq!(
        served.iter().collect::<Vec<_>>(),
        (0..8).collect::<Vec<_>>()
    );
    for waiter in waiters {
        waiter.join().unwrap();
    }
}

#[test]
fn a_flag_below_another_is_raised_with_it_and_not_the_other_way_round() {
    let above = CancelFlag::new();
    let (one, other) = (above.below(), above.below());
    one.cancel();
    assert!(one.is_cancelled() && !above.is_cancelled() && !other.is_cancelled());
    above.cancel();
    assert!(other.is_cancelled() && other.below().is_cancelled());
    // A signal handler raises it, too.
    let above = CancelFlag::new();
    let below = above.below();
    above.shared().store(true, Ordering::SeqCst);
    assert!(below.is_cancelled());
}
