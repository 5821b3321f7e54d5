//! Verifying and committing a milestone.

use std::time::Duration;

use runr_core::Result;
use runr_core::mutant::without;
use runr_core::phase::config::Verification;
use runr_core::phase::model::Tier;
use runr_core::phase::rules;
use runr_core::phase::state::State;
use runr_core::phase::tiers::{TierInput, select_tiers};

use super::{Driver, no_milestone};
use crate::harness::inspect::Seen;
use crate::harness::orphans::end_orphans;
use crate::harness::receipt::kept;
use crate::harness::recorder::{SUPERVISOR, VERIFIER};
use crate::harness::{checkpoint, verify};

impl Driver {
    pub(super) fn verify(&mut self) -> Result<()> {
        if self.seen.is_none() {
            self.guard_tree()?;
            if self.recorder.state.is_stopped() {
                return Ok(());
            }
        }
        let state = &self.recorder.state;
        let milestone = state.milestone().ok_or_else(no_milestone)?;
        let changed = self
            .seen
            .as_ref()
            .map(|seen| seen.verdict.scope.semantic_changed.clone())
            .unwrap_or_default();
        let verification = &self.context.config.verification;
        let selected = select_tiers(&TierInput {
            risk_triggers: verification.risk_triggers.clone(),
            changed_files: changed.clone(),
            risk_level: milestone.risk_level,
            last_milestone: state.is_last_milestone(),
            min_tier: self.context.min_tier,
        });
        let tiers: Vec<(Tier, &[String])> = selected
            .tiers
            .iter()
            .map(|tier| (*tier, verification.tier(*tier)))
            .filter(|(_, c)| !c.is_empty())
            .collect();
        let tiers = if tiers.is_empty() {
            lowest_tier(verification)
        } else {
            tiers
        };
        let label = label(state);
        let order = self.order(tiers, selected.reasons, &label);
        let cancel = self.halt.clone();
        let ran = verify::run(&order, &mut self.recorder, &cancel);
        end_orphans(&self.context.run_dir());
        let Some(mut pass) = ran? else {
            return Ok(()); // Cancelled; the loop stops the run.
        };
        if pass.tiers.iter().all(|tier| tier.ok) {
            // Checks may write, too: what counts is the tree they leave behind.
            self.seen = Some(self.look(&self.recorder.state)?);
            let seen = self.seen.as_ref();
            pass.evidence.content = seen.map(|seen| self.content(seen)).transpose()?;
        }
        let events = rules::after_verify(&self.recorder.state, pass, self.context.host.clock.now());
        self.recorder.record_all(VERIFIER, &events)
    }

    pub(super) fn order(
        &self,
        tiers: Vec<(Tier, &[String])>,
        reasons: Vec<String>,
        label: &str,
    ) -> verify::Order {
        let mut env = self.context.env.clone();
        env.push(("CI".to_owned(), "1".to_owned()));
        let seconds = self
            .context
            .config
            .verification
            .max_verify_time_per_milestone;
        verify::Order {
            tiers: tiers
                .into_iter()
                .map(|(tier, commands)| (tier, commands.to_vec()))
                .collect(),
            reasons,
            cwd: self.context.verification_cwd(),
            run_dir: self.context.run_dir(),
            label: label.to_owned(),
            env,
            claim: self.context.claim.clone(),
            budget: Duration::from_secs(seconds).min(self.time_left()),
            kept: kept(&self.context.config.receipts),
            redactor: self.context.redactor.clone(),
        }
    }

    pub(super) fn commit(&mut self) -> Result<()> {
        // Checks and reviewers run code too: what is committed is judged once more, right before.
        if self.seen.is_none() || !without("recheck") {
            self.guard_tree()?;
        }
        let Some(seen) = self
            .seen
            .take()
            .filter(|_| !self.recorder.state.is_stopped())
        else {
            return Ok(());
        };
        if self.is_unverified(&seen)? {
            let violation = rules::changed_after_verify(&self.recorder.state, &seen.to_commit);
            return self.recorder.record_all(SUPERVISOR, &violation);
        }
        self.context.may_act()?;
        let (context, state) = (&self.context, &self.recorder.state);
        let run_dir = context.run_dir();
        let made = checkpoint::make(&context.git, &mut self.index, &run_dir, state, &seen)?;
        // Between this question and the step of the branch nobody takes the target over.
        context.act(|| checkpoint::publish(&context.git, &made, &seen.status.head))?;
        let guard = context.guard(state)?;
        let guarded = guard.guarded_prints(context.git.dir(), &seen.status)?;
        if guarded != self.baseline.guarded {
            self.baseline.guarded = guarded;
            self.baseline.save(&self.recorder.files)?;
        }
        self.record_checkpoint(&made)
    }

    /// Whether something would be committed that is not what the checks saw.
    fn is_unverified(&self, seen: &Seen) -> Result<bool> {
        let evidence = self.recorder.state.last_verification_evidence.as_ref();
        let verified = evidence.and_then(|evidence| evidence.content.as_deref());
        Ok(!without("verified-content")
            && !seen.to_commit.is_empty()
            && verified != Some(self.content(seen)?.as_str()))
    }

    pub(crate) fn record_checkpoint(&mut self, made: &checkpoint::Commit) -> Result<()> {
        let events = checkpoint::record(
            &self.context.host,
            &self.context.layout.checkpoints(),
            &self.context.run_id,
            &self.recorder.state,
            made,
        );
        self.recorder.record_all(SUPERVISOR, &events)
    }

    /// Judges the tree a resume came back to. A failure ends the run with a reason.
    pub(crate) fn take_up(&mut self) -> Result<()> {
        let taken = self
            .guard_tree()
            .and_then(|()| self.adopt_checkpoint())
            .and_then(|()| self.judge_plan_again());
        taken.or_else(|error| self.end_after(&error))
    }

    /// Stops for a live run that expects the files of a plan which nobody has begun with.
    fn judge_plan_again(&mut self) -> Result<()> {
        let state = &self.recorder.state;
        let is_alone = state.options.worktree || state.options.force_parallel;
        if state.is_stopped() || is_alone || !rules::is_unbegun(state) {
            return Ok(());
        }
        let files = state.files_expected();
        let collisions = self.collisions(&files)?;
        let events = rules::collided(&self.recorder.state, &files, &collisions, true);
        self.recorder.record_all(SUPERVISOR, &events)
    }

    /// Finds the checkpoint that a dead driver committed, but did not live to record. Only a run that
    /// was committing can have one; anybody can write a commit that looks like it.
    fn adopt_checkpoint(&mut self) -> Result<()> {
        let Some(seen) = self
            .seen
            .as_ref()
            .filter(|_| !self.recorder.state.is_stopped())
        else {
            return Ok(());
        };
        let state = &self.recorder.state;
        let is_possible = state.committing && !without("unrecorded-commit");
        if !is_possible || seen.status.head == state.expected_head() {
            return Ok(());
        }
        let found = checkpoint::find(
            &self.context.git,
            &self.context.run_id,
            state.milestone_index,
            &seen.status.head,
        )?;
        if let Some(made) = found {
            self.record_checkpoint(&made)?;
            self.seen = None;
        }
        Ok(())
    }
}

/// Milestone and pass, as the names of the logs have them.
fn label(state: &State) -> String {
    format!("m{:02}-a{}", state.milestone_index + 1, state.verify_passes)
}

/// The first tier with commands: a milestone whose own tiers have none is checked all the same.
fn lowest_tier(verification: &Verification) -> Vec<(Tier, &[String])> {
    let tiers = Tier::ALL
        .iter()
        .map(|tier| (*tier, verification.tier(*tier)));
    tiers
        .filter(|(_, commands)| !commands.is_empty())
        .take(1)
        .collect()
}
