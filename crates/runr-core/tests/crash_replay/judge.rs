//! Cuts the power after every operation of a program and looks at what is left.

use std::collections::BTreeSet;
use std::fmt;

use runr_core::fs::{MemoryFs, Storage};

use crate::disk::{Disk, MOST, Tree};
use crate::random::Random;
use crate::record::{Op, Record, RecordFs};

/// What a reader sees; an error is damage.
pub(crate) type Seen = Result<Vec<String>, String>;

/// One operation of a program; whether its caller was told that it is done.
pub(crate) type Step<'a> = Box<dyn Fn(&Storage) -> bool + 'a>;

/// A program, and how its work is looked at.
pub(crate) struct Program<'a> {
    /// Makes what lies safely on the disk when the program begins.
    pub(crate) before: &'a dyn Fn(&Storage),
    pub(crate) steps: Vec<Step<'a>>,
    pub(crate) read: &'a dyn Fn(&Storage) -> Seen,
    /// The next program after the cut, which must succeed and clear away what the dead one left.
    pub(crate) next: &'a dyn Fn(&Storage) -> Result<(), String>,
}

/// What power cuts can do to a program: one example of each.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    /// Something is there that no step has made, or nothing can be read.
    pub(crate) torn: Option<String>,
    /// Something acknowledged is gone.
    pub(crate) lost: Option<String>,
    /// The next program fails.
    pub(crate) stuck: Option<String>,
    pub(crate) states: usize,
    seed: u64,
}

impl Verdict {
    #[track_caller]
    pub(crate) fn assert_safe(&self) {
        let harmless = self.torn.is_none() && self.lost.is_none() && self.stuck.is_none();
        assert!(harmless, "{self}");
        assert!(self.states > 5, "only {} states", self.states);
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = [
            ("torn", &self.torn),
            ("lost", &self.lost),
            ("stuck", &self.stuck),
        ];
        writeln!(f, "{} states, seed {}", self.states, self.seed)?;
        for (word, example) in found {
            writeln!(f, "{word}: {}", example.as_deref().unwrap_or("never"))?;
        }
        Ok(())
    }
}

/// Runs a program once, and then each of the disks that a power cut may leave of it.
pub(crate) fn judge(program: &Program<'_>) -> Verdict {
    judge_up_to(MOST, program)
}

/// The same with at most so many of the disks that one cut may leave.
pub(crate) fn judge_up_to(most: usize, program: &Program<'_>) -> Verdict {
    let memory: Storage = MemoryFs::new().into();
    let root = memory.stat("/".into()).unwrap().id.ino;
    let record = Record::default();
    let storage: Storage = std::sync::Arc::new(RecordFs {
        inner: memory,
        record: record.clone(),
    });
    let mut disk = Disk::new(root);
    (program.before)(&storage);
    record.take().iter().for_each(|op| disk.apply(op));
    disk.settle();

    let mut seen = vec![(program.read)(&storage).unwrap()];
    for step in &program.steps {
        record.note(Op::Begin);
        let acknowledged = step(&storage);
        record.note(if acknowledged {
            Op::Acknowledged
        } else {
            Op::GivenUp
        });
        seen.push((program.read)(&storage).unwrap());
    }
    replay(program, disk, &record.take(), &seen, most)
}

fn replay(
    program: &Program<'_>,
    mut disk: Disk,
    ops: &[Op],
    seen: &[Vec<String>],
    most: usize,
) -> Verdict {
    let mut random = Random::new();
    let mut verdict = Verdict {
        seed: random.seed,
        ..Verdict::default()
    };
    let mut known: BTreeSet<(usize, Tree)> = BTreeSet::new();
    let mut healed: BTreeSet<Tree> = BTreeSet::new();
    // Steps are counted from 1; 0 is what was there before.
    let (mut begun, mut acknowledged) = (0, 0);
    for (at, op) in ops.iter().enumerate() {
        disk.apply(op);
        match op {
            Op::Begin => begun += 1,
            Op::Acknowledged => acknowledged = begun,
            _ => {}
        }
        for tree in disk.after_a_cut(&mut random, most) {
            if !known.insert((acknowledged, tree.clone())) {
                continue;
            }
            verdict.states += 1;
            let storage = tree.storage();
            let scene = |what: &str| format!("{what}, after {:?}, on {tree:?}", &ops[..=at]);
            match (program.read)(&storage) {
                Ok(now) if seen[acknowledged..=begun].contains(&now) => {}
                Ok(now) if seen[..acknowledged].contains(&now) => {
                    verdict.lost.get_or_insert_with(|| scene(&now.join(", ")));
                }
                Ok(now) => {
                    verdict.torn.get_or_insert_with(|| scene(&now.join(", ")));
                }
                Err(damage) => {
                    verdict.torn.get_or_insert_with(|| scene(&damage));
                }
            }
            if healed.insert(tree.clone())
                && let Err(why) = (program.next)(&storage)
            {
                verdict.stuck.get_or_insert_with(|| scene(&why));
            }
        }
    }
    verdict
}
