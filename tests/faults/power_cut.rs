//! Power cuts: a disk that forgets whatever was not flushed, at any moment.
//!
//! A disk image is mounted, commands run on it, the file system is shut down without flushing its
//! journal, and mounted again. What was acknowledged is there; everything is the old or the new.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Process, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::form::{Budget, long, skip, succeeds};
use crate::kept::{Kept, RUN};
use crate::mount::Mount;
use crate::support::{Random, Sandbox, seed};

/// `FS_IOC_SHUTDOWN` without a flush of the journal, at a word: as if the power were cut. There is
/// no safe call for it, hence another language.
const SHUTDOWN: &str = "import fcntl, os, struct, sys
disk = os.open(sys.argv[1], os.O_RDONLY)
print('ready', flush=True)
sys.stdin.readline()
fcntl.ioctl(disk, 0x8004587D, struct.pack('I', 2))";

/// What cuts the power the moment it is told to.
struct Switch(Child);

impl Switch {
    fn new(point: &Path) -> Self {
        let mut child = Process::new("python3")
            .args(["-c", SHUTDOWN, point.to_str().unwrap()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut ready = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut ready).unwrap();
        assert_eq!(ready, "ready\n");
        Self(child)
    }

    fn cut(mut self) {
        drop(self.0.stdin.take());
        assert!(self.0.wait().unwrap().success(), "no cut");
    }
}

/// A file system and how it is mounted.
struct Disk {
    name: &'static str,
    make: &'static [&'static str],
    options: &'static str,
    megabytes: u64,
}

const DISKS: [Disk; 3] = [
    Disk {
        name: "ext4",
        make: &["mkfs.ext4", "-q", "-F"],
        options: "loop",
        megabytes: 16,
    },
    // Without the ways in which this file system guesses what programs forgot to ask for.
    Disk {
        name: "ext4, writeback",
        make: &["mkfs.ext4", "-q", "-F"],
        options: "loop,data=writeback,noauto_da_alloc",
        megabytes: 16,
    },
    Disk {
        name: "xfs",
        make: &["mkfs.xfs", "-q", "-f"],
        options: "loop",
        megabytes: 300,
    },
];

/// A made disk, mounted or not.
struct Image {
    disk: &'static Disk,
    file: PathBuf,
    point: PathBuf,
    mount: Option<Mount>,
}

impl Image {
    /// `None`, with a visible word, where this machine cannot.
    fn make(disk: &'static Disk, dir: &Path) -> Option<Self> {
        let file = dir.join(disk.name);
        // Sparse: it takes what is written to it.
        File::create(&file)
            .unwrap()
            .set_len(disk.megabytes << 20)
            .unwrap();
        let shown = file.to_str().unwrap().to_owned();
        let words = [disk.make, &[shown.as_str()]].concat();
        let point = dir.join(format!("{} mounted", disk.name));
        let mut image = Self {
            disk,
            file,
            point,
            mount: None,
        };
        if !succeeds(&words) || !image.attach() {
            let what = format!("power cuts, {}", disk.name);
            skip(&what, "needs root, loop devices and its `mkfs`");
            return None;
        }
        Some(image)
    }

    fn attach(&mut self) -> bool {
        let file = self.file.to_str().unwrap();
        self.mount = Mount::new(&self.point, &["-o", self.disk.options, file]);
        self.mount.is_some()
    }

    fn cut(&self) {
        Switch::new(&self.point).cut();
    }

    /// What is on the disk is all there is; then it is there again.
    fn restart(&mut self) {
        self.mount = None;
        assert!(self.attach(), "{} cannot be mounted again", self.disk.name);
    }
}

fn images(dir: &Path) -> Vec<Image> {
    if !succeeds(&["python3", "-c", "import fcntl"]) {
        skip("power cuts", "need `python3`");
        return Vec::new();
    }
    DISKS
        .iter()
        .filter_map(|disk| Image::make(disk, dir))
        .collect()
}

/// What was granted until the power went, and what had been asked for.
#[derive(Debug, Default, Clone)]
struct Acknowledged {
    number: u64,
    events: u64,
    runs: Vec<String>,
    asked: u64,
}

/// Changes the run, appends an event, creates a run, and so on until the power goes.
fn work(kept: &Kept<'_>, granted: &Mutex<Acknowledged>, off: &AtomicBool) {
    let from = granted.lock().unwrap().number;
    for n in from + 1.. {
        granted.lock().unwrap().asked = n;
        let id = format!("new-{n}");
        if kept.store(&["set", RUN, &format!("/n={n}")]).code == Some(0) {
            granted.lock().unwrap().number = n;
        }
        if kept.store(&["events", RUN, "--append", "push"]).code == Some(0) {
            granted.lock().unwrap().events += 1;
        }
        if kept.store(&["new", "--run-id", &id, "--title", "t"]).code == Some(0) {
            granted.lock().unwrap().runs.push(id);
        }
        if off.load(Ordering::SeqCst) {
            return;
        }
    }
}

/// Works until a moment of its own. What is granted after the word to cut does not count: nobody
/// is there to hear it when the power goes, and a file system in its fall says many things.
fn work_until_a_cut(kept: &Kept<'_>, image: &Image, random: &mut Random) -> Acknowledged {
    let before = Acknowledged {
        number: kept.number(),
        events: kept.events(),
        ..Acknowledged::default()
    };
    let (granted, off) = (Mutex::new(before), AtomicBool::new(false));
    let switch = Switch::new(&image.point);
    let mut counted = std::thread::scope(|scope| {
        scope.spawn(|| work(kept, &granted, &off));
        std::thread::sleep(random.moment(Duration::from_millis(80)));
        let counted = granted.lock().unwrap().clone();
        switch.cut();
        off.store(true, Ordering::SeqCst);
        counted
    });
    counted.asked = granted.into_inner().unwrap().asked;
    counted
}

/// One cut; how much was acknowledged before it.
fn live_through_a_cut(
    image: &mut Image,
    sandbox: &Sandbox,
    random: &mut Random,
    seed: u64,
) -> usize {
    let kept = Kept::at(sandbox, image.point.join("data"));
    let (before, events_before) = (kept.number(), kept.events());
    let done = work_until_a_cut(&kept, image, random);
    image.restart();
    let what = format!("{}, seed {seed}: {done:?}", image.disk.name);
    let (found, number, events) = (kept.found(), kept.number(), kept.events());
    let numbers = done.number..=done.asked;
    assert!(numbers.contains(&number), "{what}: {number}");
    let most = events_before + (done.asked - before);
    let all = done.events..=most;
    assert!(all.contains(&events), "{what}: {events} of {most}");
    for run in &done.runs {
        assert!(found.documents.contains_key(run), "{what}: {run} is lost");
    }
    // Unfinished directories stay until somebody clears up; of a document there is one at most.
    let leftovers = found.unfinished_files();
    assert!(leftovers <= 1, "{what}: {:?}", found.leftovers);
    kept.store(&["set", RUN, "/again=1"]).exits(0);
    kept.store(&["ls"]).exits(0);
    let changes = (done.number - before) + (done.events - events_before);
    usize::try_from(changes).unwrap() + done.runs.len()
}

#[test]
fn what_was_acknowledged_survives_a_power_cut() {
    let seed = seed();
    println!("power cuts: seed {seed}: repeat with RUNR_TEST_SEED={seed}");
    let sandbox = Sandbox::bare();
    let mut random = Random::new(seed);
    let mut images = images(&sandbox.scratch());
    for image in &mut images {
        Kept::at(&sandbox, image.point.join("data")).with_run();
        // From here on all of it is on the disk.
        image.restart();
    }
    let cuts = if long() { 500_usize } else { 30 };
    let cuts = cuts.div_ceil(images.len().max(1));
    let budget = Budget::short(Duration::from_secs(8));
    let (mut done, mut acknowledged) = (0, 0);
    for cut in 0..cuts {
        for image in &mut images {
            if cut == 0 || budget.is_left() {
                acknowledged += live_through_a_cut(image, &sandbox, &mut random, seed);
                done += 1;
            }
            if cut % 50 == 49 {
                // The disk is small.
                fs::remove_dir_all(image.point.join("data")).unwrap();
                Kept::at(&sandbox, image.point.join("data")).with_run();
                image.restart();
            }
        }
    }
    println!("{done} cuts, {acknowledged} acknowledged changes, seed {seed}");
    assert!(images.is_empty() || acknowledged > 0);
}

/// What others do: write beside it and rename, without asking for anything to be flushed.
fn rename_only(dir: &Path, text: &str) {
    fs::write(dir.join("t.tmp"), text).unwrap();
    fs::rename(dir.join("t.tmp"), dir.join("t")).unwrap();
}

/// Lets the journal be written, with the rename in it, but not the text.
fn flush_another_file(dir: &Path) {
    let file = File::create(dir.join("other")).unwrap();
    file.sync_all().unwrap();
}

/// If this passed the check above, the check would be worth nothing.
#[test]
fn a_rename_without_a_flush_does_not_survive_a_power_cut() {
    let sandbox = Sandbox::bare();
    let mut broken = Vec::new();
    let mut images = images(&sandbox.scratch());
    for image in &mut images {
        let point = image.point.clone();
        for other in [false, true] {
            rename_only(&point, "old");
            image.restart();
            rename_only(&point, "new");
            if other {
                flush_another_file(&point);
            }
            image.cut();
            image.restart();
            let text = fs::read_to_string(point.join("t")).unwrap();
            println!(
                "{}, another file flushed {other}: {text:?}",
                image.disk.name
            );
            if text != "new" {
                broken.push(text);
            }
        }
    }
    assert!(images.is_empty() || broken.iter().any(|text| text == "old"));
    assert!(images.is_empty() || broken.iter().any(String::is_empty));
}
