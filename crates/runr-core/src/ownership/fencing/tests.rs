//! Which tokens are given, shown and refused.

use super::*;
use crate::ownership::claim_store::{Snapshot, Version};
use crate::ownership::claimant::Claimant;
use crate::ownership::model::{ActiveRun, RunName};
use crate::ownership::outcome::{Conflict, Status, Verdict};
use crate::ownership::rules::{Expect, Mode, Now, Op};
use crate::ownership::target::Target;
use crate::time::Timestamp;

fn run(name: &str) -> RunName {
    RunName::new(name).unwrap()
}

fn at(second: i64) -> Now {
    Now::from(Timestamp::from_millis(1_770_000_000_000 + second * 1000))
}

/// A claim on which operations are done one after the other.
struct Play {
    target: Target,
    snapshot: Snapshot,
    archive: Vec<Archived>,
    second: i64,
}

impl Play {
    fn new() -> Self {
        Self {
            target: Target::pr("acme/shop", 17).unwrap(),
            snapshot: Snapshot {
                highest: None,
                fence: None,
                ..Snapshot::of_record(None)
            },
            archive: Vec::new(),
            second: 0,
        }
    }

    fn step(&mut self, op: &Op, caller: &Claimant, expired: bool) -> Decision {
        self.second += 1;
        let now = at(self.second);
        let decision = decide(&self.snapshot, &self.target, op, caller, &now, expired);
        if let Some(change) = decision.change.clone() {
            self.archive.extend(change.archive);
            self.snapshot.fence = change.fence.or(self.snapshot.fence.take());
            self.snapshot.record = Some(change.record);
            self.snapshot.version = Version::new(self.second.to_string());
        }
        decision
    }

    fn claim(&mut self, caller: &Claimant) -> Decision {
        self.claim_as(caller, Mode::Claim, false)
    }

    fn claim_as(&mut self, caller: &Claimant, mode: Mode, expired: bool) -> Decision {
        let run_id = caller.run_id.clone();
        self.step(&Op::Claim { run_id, mode }, caller, expired)
    }

    fn release(&mut self, caller: &Claimant) -> Decision {
        let run_id = caller.run_id.clone();
        self.step(&Op::Release { run_id }, caller, false)
    }

    fn heartbeat(&mut self, caller: &Claimant) -> Decision {
        let run_id = caller.run_id.clone();
        self.step(&Op::Heartbeat { run_id }, caller, false)
    }

    fn token(&self) -> Token {
        current_token(&self.snapshot).unwrap()
    }

    /// What a program does that knows no tokens.
    fn foreign_owner(&mut self, name: &str) {
        let record = self.snapshot.record.as_mut().unwrap();
        record.active_run = Some(ActiveRun {
            run_id: run(name),
            claimed_at: Some("2026-06-05T07:00:00.000Z".into()),
            updated_at: Some("2026-06-05T07:00:00.000Z".into()),
        });
    }
}

fn plain(name: &str) -> Claimant {
    Claimant::plain(Some(run(name)))
}

fn guard(name: &str) -> Claimant {
    Claimant {
        kind: HolderKind::Guard,
        nonce: "n".to_owned(),
        ..plain(name)
    }
}

fn takeover() -> Mode {
    Mode::Takeover {
        expect: None,
        only_if_expired: false,
    }
}

const LOST: Verdict = Verdict::Refused(Conflict::OwnershipLost);

#[test]
fn the_first_token_is_later_than_the_clock() {
    let mut play = Play::new();
    let decision = play.claim(&plain("a"));
    assert_eq!(decision.verdict, Verdict::Done(Status::ClaimedNew));
    assert_eq!(decision.token, Some(Token(1_770_000_001_001)));
    assert_eq!(play.token(), Token(1_770_000_001_001));
    assert_eq!(play.archive.len(), 1, "a new target is nobody's change");
}

#[test]
fn every_change_of_owner_raises_the_token_and_nothing_else_does() {
    let mut play = Play::new();
    let first = play.claim(&plain("a")).token.unwrap();
    for _ in 0..2 {
        let refreshed = play.claim(&plain("a"));
        assert_eq!(refreshed.verdict, Verdict::Done(Status::Refreshed));
        assert!(refreshed.change.unwrap().fence.is_none());
        assert!(play.heartbeat(&plain("a")).change.unwrap().fence.is_none());
        let signal = Op::ExitSignal {
            run_id: Some(run("a")),
            reason: None,
            require_active_owner: true,
        };
        assert!(
            play.step(&signal, &plain("a"), false)
                .change
                .unwrap()
                .fence
                .is_none()
        );
    }
    assert_eq!(play.token(), first);
    play.claim_as(&plain("b"), takeover(), false);
    assert_eq!(play.token(), first.next());
    play.release(&plain("b"));
    assert_eq!(play.token(), first.next().next());
    play.claim(&plain("a"));
    assert_eq!(play.token(), first.next().next().next());
    let tokens: Vec<_> = play.archive.iter().map(|line| line.token).collect();
    assert!(
        tokens.windows(2).all(|pair| pair[0] < pair[1]),
        "{tokens:?}"
    );
    assert_eq!(tokens.len(), 4);
}

#[test]
fn a_guard_that_finds_its_run_active_fences_the_older_process_out() {
    let mut play = Play::new();
    let old = play.claim(&guard("a")).token;
    let new = play.claim(&guard("a"));
    assert_eq!(new.verdict, Verdict::Done(Status::Refreshed));
    assert!(new.token > old);
    let older = guard("a").with_token(old);
    assert_eq!(play.heartbeat(&older).verdict, LOST);
    assert_eq!(play.release(&older).verdict, LOST);
    assert_eq!(play.claim(&older).verdict, LOST);
    assert_eq!(
        play.heartbeat(&guard("a").with_token(new.token)).verdict,
        Verdict::Done(Status::Refreshed)
    );
}

#[test]
fn who_carries_the_present_token_shares_the_claim() {
    let mut play = Play::new();
    let token = play.claim(&guard("a")).token;
    let shared = play.claim(&guard("a").with_token(token));
    assert_eq!(shared.token, token);
    assert!(shared.change.unwrap().fence.is_none());
}

#[test]
fn a_token_of_another_target_is_no_obstacle_to_a_first_claim() {
    let mut play = Play::new();
    let carried = Some(Token(7));
    let decision = play.claim(&guard("a").with_token(carried));
    assert_eq!(decision.verdict, Verdict::Done(Status::ClaimedNew));
    assert!(decision.token > carried);
}

#[test]
fn a_foreign_change_is_adopted_under_a_token_of_its_own() {
    let mut play = Play::new();
    let token = play.claim(&guard("a")).token.unwrap();
    play.foreign_owner("node");
    assert_eq!(current_token(&play.snapshot), None);
    assert_eq!(
        play.heartbeat(&guard("a").with_token(Some(token))).verdict,
        LOST
    );
    let refreshed = play.claim(&plain("node"));
    let fence = refreshed.change.unwrap().fence.unwrap();
    assert_eq!(fence.token, token.next());
    assert_eq!(fence.holder.kind, HolderKind::Plain);
    assert_eq!(fence.holder.run_id.as_deref(), Some("node"));
    let text = play.archive.last().unwrap().event.0.text();
    assert_eq!(
        text,
        r#"{"type":"adopt","runId":"node","at":"2026-02-02T02:40:03.000Z"}"#
    );
}

#[test]
fn a_takeover_of_a_foreign_change_gives_two_tokens() {
    let mut play = Play::new();
    let token = play.claim(&guard("a")).token.unwrap();
    play.foreign_owner("node");
    play.claim_as(&guard("b"), takeover(), false);
    assert_eq!(play.token(), token.next().next());
}

#[test]
fn a_lost_fence_never_takes_the_token_back() {
    let mut play = Play::new();
    play.claim(&plain("a"));
    play.snapshot.fence = None;
    play.snapshot.highest = Some(Token(1_880_000_000_000));
    let decision = play.claim_as(&plain("b"), takeover(), false);
    assert_eq!(decision.token, Some(Token(1_880_000_000_002)));
}

#[test]
fn a_takeover_with_conditions_is_a_claim_where_they_do_not_hold() {
    let exists = Verdict::Refused(Conflict::ActiveRunExists);
    let taken = Verdict::Done(Status::TakenOver);
    let mut play = Play::new();
    let token = play.claim(&plain("a")).token.unwrap();
    let expects = |expect| Mode::Takeover {
        expect: Some(expect),
        only_if_expired: false,
    };
    let if_expired = Mode::Takeover {
        expect: None,
        only_if_expired: true,
    };
    assert_eq!(
        play.claim_as(&plain("b"), if_expired.clone(), false)
            .verdict,
        exists
    );
    let wrong = expects(Expect::Run(run("x")));
    assert_eq!(play.claim_as(&plain("b"), wrong, true).verdict, exists);
    let wrong = expects(Expect::Token(token.next()));
    assert_eq!(play.claim_as(&plain("b"), wrong, true).verdict, exists);
    let right = expects(Expect::Token(token));
    assert_eq!(play.claim_as(&plain("b"), right, false).verdict, taken);
    let again = expects(Expect::Run(run("a")));
    assert_eq!(
        play.claim_as(&plain("c"), again, false).verdict,
        exists,
        "one rescuer is enough"
    );
    assert_eq!(play.claim_as(&plain("c"), if_expired, true).verdict, taken);
}

#[test]
fn the_oldest_events_move_to_the_archive() {
    let mut play = Play::new();
    play.claim(&plain("a"));
    for _ in 0..MAX_HISTORY + 2 {
        play.claim(&plain("a"));
    }
    let record = play.snapshot.record.as_ref().unwrap();
    assert_eq!(record.history.len(), MAX_HISTORY);
    let evicted: Vec<_> = play
        .archive
        .iter()
        .filter(|line| line.kind == ArchivedKind::Evicted)
        .collect();
    assert_eq!(evicted.len(), 3);
    assert!(evicted[0].event.0.text().contains(r#""type":"claim""#));
    assert!(evicted.iter().all(|line| line.token == play.token()));
}

#[test]
fn a_fence_at_the_end_of_the_numbers_is_no_fence() {
    let text = |token: u64| {
        format!(
            r#"{{"token":{token},"digest":"d","holder":{{"runId":null,"kind":"plain","ttlMs":1,"nonce":""}}}}"#
        )
    };
    assert!(serde_json::from_str::<Fence>(&text(17)).is_ok());
    assert!(serde_json::from_str::<Fence>(&text((1 << 53) - 1)).is_err());
}
