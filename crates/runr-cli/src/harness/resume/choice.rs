//! From which checkpoint a run goes on.

use runr_core::Result;
use runr_core::phase::event::{CheckpointSource, Event};
use runr_core::phase::state::State;
use serde::Deserialize;

use crate::harness::context::Layout;
use crate::harness::git::{Git, TreeStatus};

/// The last checkpoint that is still part of the branch.
pub(super) struct Chosen {
    pub(super) sha: Option<String>,
    pub(super) milestone_index: usize,
    pub(super) source: CheckpointSource,
}

impl Chosen {
    /// The newest recorded checkpoint that HEAD still contains.
    pub(super) fn on_branch(
        layout: &Layout,
        git: &Git,
        state: &State,
        status: &TreeStatus,
    ) -> Result<Self> {
        for (index, sha) in state.milestone_checkpoints.iter().enumerate().rev() {
            if *sha == status.head || git.is_ancestor(sha, &status.head)? {
                return Ok(Self::new(layout, state, Some(sha), index + 1));
            }
        }
        Ok(Self::new(layout, state, None, 0))
    }

    /// The newest recorded checkpoint, wherever it may be.
    pub(super) fn recorded(layout: &Layout, state: &State) -> Self {
        let checkpoints = &state.milestone_checkpoints;
        Self::new(layout, state, checkpoints.last(), checkpoints.len())
    }

    /// `completed` milestones end with `sha`; the record beside the runs may be lost, the commit not.
    fn new(layout: &Layout, state: &State, sha: Option<&String>, completed: usize) -> Self {
        let source = match sha {
            None => CheckpointSource::None,
            Some(sha) if is_recorded(layout, state, sha) => CheckpointSource::Record,
            Some(_) => CheckpointSource::Commit,
        };
        Self {
            sha: sha.cloned(),
            milestone_index: completed,
            source,
        }
    }
}

impl Chosen {
    pub(super) fn events(&self, state: &State) -> Vec<Event> {
        let mut events = vec![Event::ResumeCheckpointSelected {
            source: self.source,
            sha: self.sha.clone(),
            milestone_index: i64::try_from(self.milestone_index).unwrap_or(i64::MAX) - 1,
        }];
        if self.milestone_index != state.milestone_index {
            events.push(Event::MilestoneIndexCorrected {
                previous: state.milestone_index,
                corrected_to: self.milestone_index,
                reason: self.loss(state),
            });
        }
        events
    }

    /// Which checkpoints are not used, and why.
    pub(super) fn loss(&self, state: &State) -> String {
        let lost = state.milestone_checkpoints.iter();
        let lost: Vec<&str> = lost
            .skip(self.milestone_index)
            .map(|sha| sha.get(..7).unwrap_or(sha))
            .collect();
        format!("no longer part of the branch: {}", lost.join(", "))
    }
}

/// Whether the record beside the runs is there and is that of this checkpoint.
fn is_recorded(layout: &Layout, state: &State, sha: &str) -> bool {
    #[derive(Deserialize)]
    struct Known {
        schema_version: u32,
        sha: String,
        run_id: String,
    }
    let text = std::fs::read_to_string(layout.checkpoints().join(format!("{sha}.json")));
    let known = text.ok().and_then(|text| serde_json::from_str(&text).ok());
    known.is_some_and(|known: Known| {
        known.schema_version == 1 && known.sha == sha && known.run_id == state.run_id
    })
}
