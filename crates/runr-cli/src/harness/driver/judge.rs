//! Judging: what an answer means, and what is recorded with it.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::{Duration, Instant};

use runr_core::Result;
use runr_core::glob::Glob;
use runr_core::mutant::without;
use runr_core::phase::event::{CallFinished, Event, Record};
use runr_core::phase::failure::MAX_WORDS;
use runr_core::phase::model::{
    ClaimedCommand, ImplementReply, ImplementStatus, Plan, PlanReply, ReviewReply, Tier,
};
use runr_core::phase::owned::{ActiveRun, Collision, file_collisions};
use runr_core::phase::reply::{Reply as Parsed, parse_reply};
use runr_core::phase::rules;
use runr_core::phase::state::State;

use super::{Driver, WorkerCall, reason_of};
use crate::harness::inspect::Seen;
use crate::harness::orphans::end_orphans;
use crate::harness::others::live_runs;
use crate::harness::process::Log;
use crate::harness::worker::{Answer, CallEnd};
use crate::harness::{context, verify};
use crate::presence;

impl Driver {
    /// Records an answer together with everything it leads to, in one append: an answer that is
    /// journalled is never asked for again.
    pub(super) fn settle(&mut self, call: &WorkerCall, took: Duration, end: CallEnd) -> Result<()> {
        let kind = match &end.answer {
            Answer::Text(_) => None,
            Answer::Failed(failure) => Some(failure.kind),
        };
        let finished = Event::WorkerCallFinished(CallFinished {
            call_id: call.id.clone(),
            stage: call.stage,
            worker: call.worker.clone(),
            ok: kind.is_none(),
            exit_code: end.exit_code,
            duration_ms: verify::millis(took),
            kind,
            usage: end.usage,
            log: end.log.as_ref().map(|log| log.path.clone()),
            sha256: end.log.map(|log| log.sha256),
        });
        let now = self.context.host.clock.now();
        let after = self.recorder.state.apply(&Record::new(
            self.recorder.state.seq + 1,
            now,
            &call.worker,
            &finished,
        ));
        let consequences = match self.judge(&after, call, end.answer) {
            Ok(events) => events,
            Err(error) => {
                vec![Event::Stop(Box::new(rules::stop_of(
                    &after,
                    reason_of(&error),
                    Some(error.to_string()),
                )))]
            }
        };
        let mut events = vec![finished];
        events.extend(consequences);
        self.recorder.record_all(&call.worker, &events)
    }

    pub(super) fn judge(
        &mut self,
        after: &State,
        call: &WorkerCall,
        answer: Answer,
    ) -> Result<Vec<Event>> {
        let policy = &self.context.policy;
        // What a process printed is clean already; here everybody's words are.
        let redactor = &self.context.redactor;
        let text = match answer {
            Answer::Text(text) => redactor.text(&text),
            Answer::Failed(mut failure) => {
                // A process's words are as short already; those of a program may have any length.
                let words = redactor.text(&failure.message);
                rules::head(&words, MAX_WORDS).clone_into(&mut failure.message);
                return Ok(rules::after_worker_failure(
                    after,
                    policy,
                    call.stage,
                    &call.worker,
                    &failure,
                    self.context.host.clock.now(),
                ));
            }
        };
        let parsed = match parse_reply(call.stage, &text) {
            Ok(reply) => self.without_directories(reply)?,
            Err(error) => Err(error),
        };
        match parsed {
            Err(error) => {
                self.keep_raw(call, &text);
                Ok(rules::after_parse_failure(
                    after,
                    policy,
                    call.stage,
                    &call.worker,
                    &error,
                    &text,
                ))
            }
            Ok(Parsed::Plan(reply)) => self.judge_plan(after, reply),
            Ok(Parsed::Implement(reply)) => self.judge_implement(after, &reply),
            Ok(Parsed::Review(reply)) => self.judge_review(after, reply),
        }
    }

    /// A plan of files; one that names a directory of the tree is no answer.
    fn without_directories(&self, reply: Parsed) -> Result<std::result::Result<Parsed, String>> {
        let Parsed::Plan(PlanReply::Plan(plan)) = &reply else {
            return Ok(Ok(reply));
        };
        let tree = self.context.git.dir();
        let mut unknown = None;
        let is_directory = |path: &str| match presence::link_metadata(&tree.join(path)) {
            Ok(found) => found.is_some_and(|metadata| metadata.is_dir()),
            Err(error) => {
                unknown.get_or_insert(error);
                false
            }
        };
        let named = rules::named_directory(plan, is_directory);
        match unknown {
            Some(error) => Err(error),
            None => Ok(named.map_or(Ok(reply), Err)),
        }
    }

    /// Keeps the end of an unreadable answer for people; a failure to do so changes nothing.
    pub(super) fn keep_raw(&self, call: &WorkerCall, text: &str) {
        let name = format!("artifacts/raw-outputs-{}-{}.md", call.stage, call.worker);
        let entry = format!(
            "## {} attempt {}\n\n{}\n\n",
            call.id,
            call.attempt,
            rules::tail(text, 2048)
        );
        let kept = Log::continued(&self.context.run_dir(), &name);
        drop(kept.and_then(|mut kept| kept.write_all(entry.as_bytes())));
    }

    pub(super) fn judge_plan(&mut self, after: &State, reply: PlanReply) -> Result<Vec<Event>> {
        let guard = self.context.guard(after)?;
        let files: Vec<String> = match &reply {
            PlanReply::Plan(plan) => plan
                .milestones
                .iter()
                .filter_map(|m| m.files_expected.clone())
                .flatten()
                .collect(),
            PlanReply::Rejected { .. } => Vec::new(),
        };
        let collisions = if files.is_empty() {
            Vec::new()
        } else {
            self.collisions(&files)?
        };
        self.watch_more(after, &reply)?;
        let stops = !after.options.force_parallel && !after.options.worktree;
        Ok(rules::after_plan(
            after,
            reply,
            &guard.scope,
            &collisions,
            stops,
        ))
    }

    /// Takes up the files that the plan forbids: from here on they must not change.
    fn watch_more(&mut self, after: &State, reply: &PlanReply) -> Result<()> {
        let PlanReply::Plan(Plan {
            do_not_touch: Some(patterns),
            ..
        }) = reply
        else {
            return Ok(());
        };
        let mut scope = after.scope_lock.clone();
        scope
            .denylist
            .extend(patterns.iter().filter(|p| Glob::parse(p).is_ok()).cloned());
        let guard = context::guard(&self.context.config, &scope, &after.options.allow_deps, &[])?;
        let status = self.context.git.status()?;
        self.baseline
            .extend(guard.guarded_prints(self.context.git.dir(), &status)?);
        self.baseline.save(&self.recorder.files)
    }

    pub(super) fn collisions(&self, files: &[String]) -> Result<Vec<Collision>> {
        let live = live_runs(&self.context.layout, Some(&self.context.run_id))?;
        let active: Vec<ActiveRun> = live
            .into_iter()
            .map(|(id, state)| ActiveRun {
                run_id: id.to_string(),
                files_expected: state.files_expected(),
            })
            .collect();
        Ok(file_collisions(files, &active))
    }

    pub(super) fn judge_implement(
        &mut self,
        after: &State,
        reply: &ImplementReply,
    ) -> Result<Vec<Event>> {
        let seen = self.look(after)?;
        if let Some(stop) = self.wrong_branch(after, &seen) {
            return Ok(stop);
        }
        let Some(checked) = self.with_claims_checked(reply)? else {
            // Nothing is the worker's fault; the loop stops the run.
            return Ok(Vec::new());
        };
        let mut events: Vec<Event> = self.left_out(after, &seen)?.into_iter().collect();
        events.extend(rules::after_implement(after, &checked, &seen.verdict));
        if !seen.is_blind() {
            self.note_leftover(&seen.status)?;
        }
        self.index.staged_judged()?;
        self.seen = Some(seen);
        Ok(events)
    }

    /// What the guard saw and did not judge, if that is not what was recorded before.
    fn left_out(&mut self, after: &State, seen: &Seen) -> Result<Option<Event>> {
        const SAMPLE: usize = 20;
        let guard = self.context.guard(after)?;
        let left_out = guard.left_out(seen);
        let sample: Vec<String> = left_out.iter().take(SAMPLE).map(|p| (*p).clone()).collect();
        let told = (left_out.len(), sample.clone());
        if told == self.left_out {
            return Ok(None);
        }
        self.left_out = told;
        Ok(Some(Event::IgnoredChanges {
            ignored_count: left_out.len(),
            ignored_sample: sample,
            ignore_check_status: "ok".to_owned(),
        }))
    }

    /// The reply with the exit codes of claimed commands replaced by what they are when the harness
    /// runs them; `None` when that was cancelled.
    fn with_claims_checked(&mut self, reply: &ImplementReply) -> Result<Option<ImplementReply>> {
        let mut checked = reply.clone();
        let claims = checked
            .evidence
            .as_mut()
            .and_then(|evidence| evidence.commands_run.as_mut());
        let is_claim = reply.status == ImplementStatus::NoChangesNeeded;
        let Some(claims) = claims.filter(|_| is_claim && !without("claims-rerun")) else {
            return Ok(Some(checked));
        };
        let ran = self.run_claims(claims);
        if !without("claimed-orphans") {
            end_orphans(&self.context.run_dir());
        }
        let Some(ran) = ran? else {
            return Ok(None);
        };
        for claim in claims {
            claim.exit_code = ran.get(&claim.command).copied().unwrap_or(-1);
        }
        Ok(Some(checked))
    }

    /// The exit codes of the claimed commands that are configured checks: a claim must not get anything
    /// else executed. Each is run once, and all of them in the time that one pass may take.
    fn run_claims(&mut self, claims: &[ClaimedCommand]) -> Result<Option<BTreeMap<String, i64>>> {
        let mut ran = BTreeMap::new();
        let mut deadline = None;
        for claim in claims {
            let check = self.check_of(&claim.command);
            let Some((tier, command)) = check.filter(|_| !ran.contains_key(&claim.command)) else {
                continue;
            };
            let label = format!(
                "claim{}-{}",
                self.recorder.state.calls_started,
                ran.len() + 1
            );
            let tiers = vec![(tier, std::slice::from_ref(command))];
            let (order, cancel) = (self.order(tiers, Vec::new(), &label), self.halt.clone());
            let end = *deadline.get_or_insert_with(|| Instant::now() + order.budget);
            let Some(code) = verify::run_claim(&order, end, &mut self.recorder, &cancel)? else {
                return Ok(None);
            };
            ran.insert(claim.command.clone(), i64::from(code));
        }
        Ok(Some(ran))
    }

    /// The configured check that a claim means; a claim knows no secret of it.
    fn check_of(&self, claimed: &str) -> Option<(Tier, &String)> {
        let verification = &self.context.config.verification;
        let all = Tier::ALL.iter().flat_map(|tier| {
            let commands = verification.tier(*tier).iter();
            commands.map(|command| (*tier, command))
        });
        all.into_iter()
            .find(|(_, command)| self.context.redactor.text(command) == claimed)
    }

    pub(super) fn judge_review(&mut self, after: &State, reply: ReviewReply) -> Result<Vec<Event>> {
        let gate = self.gate()?;
        Ok(rules::after_review(
            after,
            &self.context.policy,
            reply,
            &gate,
        ))
    }
}
