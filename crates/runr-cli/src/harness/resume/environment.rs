//! Whether the environment is still the one the run began in.

use runr_core::Result;
use runr_core::mutant::without;
use runr_core::phase::event::Override;
use runr_core::phase::fingerprint::Difference;
use runr_core::phase::ops::RunFiles;
use runr_core::phase::state::State;
use serde_json::{Map, Value};

use crate::harness::baseline::Leftover;
use crate::harness::fingerprint::{Fingerprint, LOCKFILES, refusal};
use crate::harness::git::{COMMITS_OF_SUBMODULES, Git, TreeStatus};
use crate::harness::ping::Versions;
use crate::host::Host;

/// The environment of a resume, compared with that of the run.
pub(super) struct Environment {
    now: Fingerprint,
    /// Whether nothing was known of the run's.
    is_new: bool,
    pub(super) differences: Vec<Difference>,
}

impl Environment {
    /// Compares. A lockfile that is as the run left it is no difference: the guard has judged it, or
    /// will.
    pub(super) fn compare(
        host: &Host,
        git: &Git,
        files: &RunFiles,
        state: &State,
        status: &TreeStatus,
        versions: Versions,
    ) -> Result<Self> {
        let now = Fingerprint::take(host, git.dir(), versions)?;
        let Some(before) = Fingerprint::read(files)? else {
            return Ok(Self {
                now,
                is_new: true,
                differences: Vec::new(),
            });
        };
        let own = !now.has_lockfile_of(&before) && has_own_lockfile(git, files, state, status)?;
        let seen = if own {
            now.with_lockfile_of(&before)
        } else {
            now.clone()
        };
        Ok(Self {
            differences: before.differences(&seen)?,
            is_new: false,
            now,
        })
    }

    /// Refuses another environment, unless the caller wants it.
    pub(super) fn admit(&self, state: &State, force: bool) -> Result<()> {
        if self.differences.is_empty() || force || without("fingerprint") {
            return Ok(());
        }
        Err(refusal(&state.run_id, &self.differences))
    }

    /// What the caller overrode, for the record.
    pub(super) fn overridden(&self) -> Option<Override> {
        let side = |of: fn(&Difference) -> &Value| {
            let fields = self.differences.iter();
            let fields = fields.map(|it| (it.field.clone(), of(it).clone()));
            Value::Object(fields.collect::<Map<_, _>>())
        };
        (!self.differences.is_empty()).then(|| Override {
            option: "fingerprint".to_owned(),
            from: side(|it| &it.original),
            to: side(|it| &it.current),
        })
    }

    /// From here on the run belongs to this environment.
    pub(super) fn keep(&self, files: &RunFiles) -> Result<()> {
        if self.is_new || !self.differences.is_empty() {
            self.now.write(files)?;
        }
        Ok(())
    }
}

/// Whether the lockfiles of the tree are the work of the run: anything in a worktree of its own; in the
/// user's checkout what it committed, or left there.
fn has_own_lockfile(
    git: &Git,
    files: &RunFiles,
    state: &State,
    status: &TreeStatus,
) -> Result<bool> {
    if state.options.worktree {
        return Ok(true);
    }
    let mut args = vec!["diff", "--name-only", "--no-renames", "--no-ext-diff", "-z"];
    args.extend([COMMITS_OF_SUBMODULES, state.expected_head(), "--"]);
    args.extend(LOCKFILES.iter().map(|(name, _)| *name));
    let tracked = git.run(&args)?;
    let names = tracked.split_terminator('\0').map(str::to_owned);
    let is_lockfile = |path: &&String| LOCKFILES.iter().any(|(name, _)| name == path);
    let untracked = status.untracked.iter().filter(is_lockfile).cloned();
    let differing = TreeStatus {
        changed: names.chain(untracked).collect(),
        ..TreeStatus::default()
    };
    let strange = Leftover::read(files)?.strange(git.dir(), &differing)?;
    Ok(strange.is_empty())
}
