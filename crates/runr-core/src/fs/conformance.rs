//! One test for every file system: what the rest of the code relies on.

use std::io::ErrorKind;

use camino::Utf8Path;

use super::dir::{Dir, read_range, read_whole, write_all};
use super::{
    Document, Durability, FaultFs, Journal, Kind, Lock, MemoryFs, Open, Sequenced, Storage,
    create_dirs, real,
};

#[derive(serde::Serialize, serde::Deserialize)]
struct Record {
    seq: u64,
}

impl Sequenced for Record {
    fn seq(&self) -> u64 {
        self.seq
    }
}

/// `atomic` says whether the file system can rename without replacing.
fn conforms(storage: &Storage, root: &Utf8Path, atomic: bool) {
    directories_and_names(storage, root, atomic);
    files(storage, root);
    short_ways(storage, root);
    locks(storage, root);
    primitives(storage, root);
}

fn directories_and_names(storage: &Storage, root: &Utf8Path, atomic: bool) {
    let missing = storage.open_dir(&root.join("absent")).unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    let dir = create_dirs(storage, &root.join("a/b"), 0o777, Durability::Full).unwrap();
    assert_eq!(dir.path(), root.join("a/b"));
    create_dirs(storage, &root.join("a/b"), 0o777, Durability::Full).unwrap();

    dir.create_dir("sub", 0o700).unwrap();
    let again = dir.create_dir("sub", 0o700).unwrap_err();
    assert_eq!(again.kind(), ErrorKind::AlreadyExists);
    let file = dir.open("f", Open::CreateNew(0o600)).unwrap();
    file.close().unwrap();
    let mut entries = dir.list().unwrap();
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    let entries: Vec<_> = entries.iter().map(|e| (e.name.as_str(), e.kind)).collect();
    assert_eq!(entries, [("f", Kind::File), ("sub", Kind::Dir)]);
    assert!(dir.open_dir("f").is_err());
    assert!(dir.read("sub", 10).is_err());

    let renamed = dir.rename_no_replace("f", "g");
    if atomic {
        renamed.unwrap();
        let taken = dir.rename_no_replace("g", "sub").unwrap_err();
        assert_eq!(taken.kind(), ErrorKind::AlreadyExists);
    } else {
        assert_eq!(renamed.unwrap_err().kind(), ErrorKind::Unsupported);
        dir.rename("f", "g").unwrap();
    }
    assert_eq!(dir.stat("f").unwrap_err().kind(), ErrorKind::NotFound);
    moves(storage, root, dir.as_ref(), atomic);
    dir.sync().unwrap();
    dir.unlink("g").unwrap();
    dir.remove_dir("sub").unwrap();
    assert!(dir.list().unwrap().is_empty());
}

/// `dir` holds the file `g` and the directory `sub`.
fn moves(storage: &Storage, root: &Utf8Path, dir: &dyn Dir, atomic: bool) {
    let other = create_dirs(storage, &root.join("c"), 0o777, Durability::Full).unwrap();
    let moved = dir.move_no_replace("sub", other.as_ref(), "moved");
    if !atomic {
        assert_eq!(moved.unwrap_err().kind(), ErrorKind::Unsupported);
        return;
    }
    moved.unwrap();
    assert_eq!(dir.stat("sub").unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(other.stat("moved").unwrap().kind, Kind::Dir);
    // Not even an empty directory is replaced.
    dir.create_dir("sub", 0o700).unwrap();
    let taken = other.move_no_replace("moved", dir, "sub").unwrap_err();
    assert_eq!(taken.kind(), ErrorKind::AlreadyExists);
    let absent = dir.move_no_replace("absent", other.as_ref(), "x");
    assert_eq!(absent.unwrap_err().kind(), ErrorKind::NotFound);
    other.remove_dir("moved").unwrap();
}

fn files(storage: &Storage, root: &Utf8Path) {
    let dir = storage.open_dir(root).unwrap();
    let mut file = dir.open("data", Open::CreateNew(0o600)).unwrap();
    write_all(file.as_mut(), b"hello ").unwrap();
    write_all(file.as_mut(), b"world").unwrap();
    file.sync().unwrap();
    file.close().unwrap();
    let taken = dir.open("data", Open::CreateNew(0o600)).unwrap_err();
    assert_eq!(taken.kind(), ErrorKind::AlreadyExists);

    let contents = dir.read("data", 11).unwrap();
    assert_eq!(contents.bytes, b"hello world");
    assert_eq!(contents.stat.id, dir.stat("data").unwrap().id);
    let large = dir.read("data", 10).unwrap_err();
    assert_eq!(large.kind(), ErrorKind::FileTooLarge);

    let mut file = dir.open("data", Open::Append).unwrap();
    file.truncate(5).unwrap();
    write_all(file.as_mut(), b"!").unwrap();
    assert_eq!(read_range(file.as_ref(), 3, 99).unwrap(), b"lo!");
    assert_eq!(file.stat().unwrap().size, 6);
    file.close().unwrap();
    let absent = dir.open("absent", Open::Append).unwrap_err();
    assert_eq!(absent.kind(), ErrorKind::NotFound);

    let file = dir.open("other", Open::CreateNew(0o600)).unwrap();
    file.close().unwrap();
    let other = dir.stat("other").unwrap().id;
    assert_ne!(other, dir.stat("data").unwrap().id);
    dir.rename("data", "other").unwrap();
    assert_eq!(dir.read("other", 100).unwrap().bytes, b"hello!");
    dir.unlink("other").unwrap();
}

/// Reading a file below a directory without opening the directory.
fn short_ways(storage: &Storage, root: &Utf8Path) {
    let dir = storage.open_dir(root).unwrap();
    dir.create_dir("in", 0o700).unwrap();
    let inner = dir.open_dir("in").unwrap();
    for size in [0, 4095, 4096, 4097, 9000] {
        let bytes = vec![b'x'; size];
        let mut file = inner.open("data", Open::CreateNew(0o600)).unwrap();
        write_all(file.as_mut(), &bytes).unwrap();
        file.close().unwrap();
        for file in [
            dir.open_in("in", "data").unwrap(),
            storage.open_file(&root.join("in/data")).unwrap(),
            storage
                .open_file_beneath(root, &root.join("in/data"))
                .unwrap(),
        ] {
            assert_eq!(read_whole(file.as_ref(), 9000).unwrap(), bytes);
            let large = read_whole(file.as_ref(), 8999);
            assert_eq!(large.is_err(), size == 9000, "{size}");
        }
        inner.unlink("data").unwrap();
    }
    for absent in [
        dir.open_in("in", "data"),
        dir.open_in("absent", "data"),
        storage.open_file(&root.join("in/data")),
        storage.open_file(&root.join("absent/data")),
        storage.open_file_beneath(root, &root.join("in/data")),
        storage.open_file_beneath(root, &root.join("absent/data")),
    ] {
        assert_eq!(absent.unwrap_err().kind(), ErrorKind::NotFound);
    }
    dir.remove_dir("in").unwrap();
}

fn locks(storage: &Storage, root: &Utf8Path) {
    assert!(!Lock::is_held(storage, root, "l").unwrap());
    let dir = storage.open_dir(root).unwrap();
    let absent = dir.open_lock("l", false).unwrap_err();
    assert_eq!(absent.kind(), ErrorKind::NotFound);

    // The lock files themselves exclude each other, without the table of this process.
    let mut one = dir.open_lock("l", true).unwrap();
    let mut two = dir.open_lock("l", true).unwrap();
    assert_eq!(one.stat().unwrap().id, two.stat().unwrap().id);
    assert!(one.try_lock().unwrap());
    assert!(!two.try_lock().unwrap());
    let waiter = std::thread::spawn(move || two.lock().map(|()| two).unwrap());
    one.unlock().unwrap();
    let two = waiter.join().unwrap();
    assert!(!one.try_lock().unwrap());
    drop(two);
    assert!(one.try_lock().unwrap());
    assert!(Lock::is_held(storage, root, "l").unwrap());
}

fn primitives(storage: &Storage, root: &Utf8Path) {
    let document = Document::new(Storage::clone(storage), root, "d.json");
    assert_eq!(document.read().unwrap(), None);
    document.create("one").unwrap();
    assert!(document.create("two").is_err());
    let update = document.update(|old| Ok(format!("{}+", old.unwrap())));
    assert_eq!(update.unwrap().text, "one+");
    assert!(!document.update(|_| Ok("one+".into())).unwrap().changed);
    document.replace("three").unwrap();
    assert_eq!(document.read().unwrap().as_deref(), Some("three"));

    let journal = Journal::<Record>::new(Storage::clone(storage), root, "j.jsonl");
    assert!(journal.replay(0).unwrap().is_empty());
    assert_eq!(journal.append(|seq| Record { seq }).unwrap().seq, 1);
    let batch = journal.append_batch(3, |_, seq| Record { seq }).unwrap();
    assert_eq!(batch.last().unwrap().seq, 4);
    assert_eq!(journal.replay(2).unwrap().len(), 2);
}

fn temporary() -> (tempfile::TempDir, camino::Utf8PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_str().unwrap().into();
    (dir, path)
}

#[test]
fn the_real_disk_conforms() {
    let (_keep, root) = temporary();
    conforms(&real(), &root, true);
}

#[test]
fn memory_conforms() {
    conforms(&MemoryFs::new().into(), "/".into(), true);
}

#[test]
fn the_fault_layer_without_a_plan_conforms() {
    let layer = FaultFs::new(MemoryFs::new().into());
    conforms(&layer.storage(), "/".into(), true);
}

#[test]
fn the_plain_disk_conforms() {
    let (_keep, root) = temporary();
    let storage: Storage = std::sync::Arc::new(super::plain::PlainFs);
    conforms(&storage, &root, false);
}

#[cfg(unix)]
mod planted {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::time::Duration;

    use crate::fs::Wait;

    #[test]
    fn links_are_never_followed() {
        let (_keep, root) = temporary();
        std::fs::create_dir(root.join("real")).unwrap();
        std::fs::write(root.join("secret"), "s").unwrap();
        symlink(root.join("real"), root.join("link")).unwrap();
        symlink(root.join("secret"), root.join("real/doc")).unwrap();
        symlink(root.join("secret"), root.join("real/.doc.tmp")).unwrap();
        symlink(root.join("secret"), root.join("real/.link.lock")).unwrap();

        assert!(real().open_dir(&root.join("link")).is_err());
        std::fs::write(root.join("real/plain"), "p").unwrap();
        let dir = real().open_dir(&root).unwrap();
        dir.open_in("real", "plain").unwrap();
        assert!(dir.open_in("link", "plain").is_err());
        assert!(dir.open_in("real", "doc").is_err());
        real().open_file(&root.join("real/plain")).unwrap();
        assert!(real().open_file(&root.join("link/plain")).is_err());
        assert!(real().open_file(&root.join("real/doc")).is_err());
        let document = Document::new(real(), root.join("real"), "doc");
        assert!(document.read().is_err());
        document.replace("new").unwrap();
        assert_eq!(document.read().unwrap().as_deref(), Some("new"));
        assert_eq!(std::fs::read_to_string(root.join("secret")).unwrap(), "s");
        let lock = Lock::acquire(&real(), &root.join("real"), ".link.lock", Wait::No);
        assert!(lock.is_err());
    }

    #[test]
    fn a_link_above_the_directory_of_a_file_is_welcome() {
        let (_keep, root) = temporary();
        std::fs::create_dir_all(root.join("real/runs/a")).unwrap();
        std::fs::write(root.join("real/runs/a/doc"), "d").unwrap();
        symlink(root.join("real"), root.join("link")).unwrap();
        let file = real().open_file(&root.join("link/runs/a/doc")).unwrap();
        assert_eq!(read_whole(file.as_ref(), 9).unwrap(), b"d");
        let runs = real().open_dir(&root.join("link/runs")).unwrap();
        runs.open_in("a", "doc").unwrap();
    }

    #[test]
    fn no_link_below_the_base_is_followed_and_every_link_above_is() {
        let (_keep, root) = temporary();
        std::fs::create_dir_all(root.join("real/runs/a")).unwrap();
        std::fs::write(root.join("real/runs/a/doc"), "d").unwrap();
        symlink(root.join("real"), root.join("link")).unwrap();
        let open = |base: &str, path: &str| {
            let opened = real().open_file_beneath(&root.join(base), &root.join(path));
            opened.map(|file| read_whole(file.as_ref(), 9).unwrap())
        };
        for base in ["real", "real/runs", "link", "link/runs"] {
            let place = base.split('/').next().unwrap();
            let opened = open(base, &format!("{place}/runs/a/doc")).unwrap();
            assert_eq!(opened, b"d", "{base}");
        }
        // The link is on the way from the base, and no longer on the way to it.
        assert!(open("", "link/runs/a/doc").is_err());
        symlink(root.join("real/runs/a"), root.join("real/runs/b")).unwrap();
        symlink(root.join("real/runs/a/doc"), root.join("real/runs/a/e")).unwrap();
        for path in ["runs/b/doc", "runs/a/e"] {
            assert!(open("real", &format!("real/{path}")).is_err(), "{path}");
            assert!(open("link", &format!("link/{path}")).is_err(), "{path}");
        }
    }

    #[test]
    fn a_pipe_makes_nothing_hang() {
        let (done, watch) = std::sync::mpsc::channel::<()>();
        let work = std::thread::spawn(move || {
            let _done = done;
            pipes_are_refused();
        });
        let long = Duration::from_secs(10);
        if watch.recv_timeout(long) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            panic!("it hangs");
        }
        work.join().unwrap();
    }

    fn pipes_are_refused() {
        let (_keep, root) = temporary();
        for name in ["doc", "log", ".lock"] {
            let path = root.join(name);
            let fifo = rustix::fs::FileType::Fifo;
            let mode = rustix::fs::Mode::from_raw_mode(0o600);
            rustix::fs::mknodat(rustix::fs::CWD, path.as_str(), fifo, mode, 0).unwrap();
        }
        assert!(Document::new(real(), &root, "doc").read().is_err());
        let pipe = real().open_file(&root.join("doc")).unwrap();
        assert!(read_whole(pipe.as_ref(), 9).is_err());
        let journal = Journal::<Record>::new(real(), &root, "log");
        assert!(journal.replay(0).is_err());
        let wait = Wait::UpTo(Duration::from_secs(1));
        assert!(Lock::acquire(&real(), &root, ".lock", wait).is_err());
        std::fs::remove_file(root.join(".lock")).unwrap();
        assert!(journal.append(|seq| Record { seq }).is_err());
    }

    #[test]
    fn names_cannot_leave_the_directory() {
        let (_keep, root) = temporary();
        std::fs::create_dir(root.join("sub")).unwrap();
        let dir = real().open_dir(&root).unwrap();
        for name in ["", ".", "..", "a/b", "/etc", "a\0b"] {
            let error = dir.open(name, Open::CreateNew(0o600)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{name:?}");
            assert!(dir.open_dir(name).is_err(), "{name:?}");
            for error in [dir.open_in(name, "doc"), dir.open_in("sub", name)] {
                assert_eq!(
                    error.unwrap_err().kind(),
                    ErrorKind::InvalidInput,
                    "{name:?}"
                );
            }
        }
    }

    #[test]
    fn a_replaced_file_keeps_its_mode() {
        let (_keep, root) = temporary();
        let document = Document::new(real(), &root, "doc");
        document.create("1").unwrap();
        for mode in [0o600, 0o664, 0o666] {
            let permissions = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(root.join("doc"), permissions).unwrap();
            document.update(|_| Ok(format!("{mode}"))).unwrap();
            let now = std::fs::metadata(root.join("doc")).unwrap();
            assert_eq!(now.permissions().mode() & 0o7777, mode, "{mode:o}");
        }
        let lock = std::fs::metadata(root.join(".lock")).unwrap();
        assert_eq!(lock.permissions().mode() & 0o777, 0o600);
    }
}
