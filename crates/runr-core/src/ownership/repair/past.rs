//! What the archive tells of a claim: who owned it last, and what happened.

use std::collections::VecDeque;

use crate::json::{Rules, Written, scan};
use crate::ownership::fencing::{ArchivedKind, MAX_HISTORY, Token};
use crate::ownership::files::archive::Line;
use crate::ownership::model::{ActiveRun, HistoryEvent, PreviousRun, Record, RunName};
use crate::ownership::rules::Now;
use crate::ownership::target::Target;
use crate::ownership::text::Text;

/// The story so far. However long the archive is, it needs no more room than a record.
#[derive(Debug, Default)]
pub(super) struct Past {
    /// The last token that was given to anybody, where that is known: later changes were given up.
    limit: Option<Token>,
    highest: Option<Token>,
    last: Option<Token>,
    owners: Owners,
    /// Before the last change.
    before: Owners,
    evicted: VecDeque<String>,
    /// Changes that have not left the record, as far as is known.
    changes: VecDeque<String>,
}

#[derive(Debug, Clone, Default)]
struct Owners {
    active: Option<ActiveRun>,
    previous: Option<PreviousRun>,
}

/// What an event says of a change of owner.
struct Event {
    kind: String,
    run: Option<RunName>,
    previous: Option<RunName>,
    at: Option<Text>,
}

impl Past {
    /// The story up to this token.
    pub(super) fn until(limit: Option<Token>) -> Self {
        Self {
            limit,
            ..Self::default()
        }
    }

    /// The highest token of all lines.
    pub(super) fn highest(&self) -> Option<Token> {
        self.highest
    }

    /// Goes on with the next line.
    pub(super) fn take(&mut self, line: &Line) {
        self.highest = self.highest.max(Some(line.token));
        let Some(event) = line.event() else {
            return;
        };
        let text = event.to_json().to_string();
        match line.kind {
            ArchivedKind::Evicted => {
                // A change stands in the archive twice, in the end.
                if let Some(at) = self.changes.iter().position(|change| *change == text) {
                    self.changes.remove(at);
                }
                push(&mut self.evicted, text);
            }
            ArchivedKind::Change if self.limit.is_some_and(|limit| line.token > limit) => {}
            ArchivedKind::Change => self.change(line.token, Event::read(&event), text),
        }
    }

    fn change(&mut self, token: Token, event: Event, text: String) {
        if event.kind == "adopt" {
            self.adopt(event);
        } else {
            if self.last == Some(token) {
                self.give_up_last();
            }
            self.before = self.owners.clone();
            self.owners.change(event);
            push(&mut self.changes, text);
        }
        self.last = Some(token);
    }

    /// The last change never reached the record.
    fn give_up_last(&mut self) {
        self.owners = self.before.clone();
        self.changes.pop_back();
    }

    fn adopt(&mut self, event: Event) {
        let is_owner = |owners: &Owners| {
            owners.active.as_ref().map(|active| &active.run_id) == event.run.as_ref()
        };
        if is_owner(&self.owners) {
            return;
        }
        if is_owner(&self.before) {
            self.give_up_last();
        } else {
            self.owners.active = event.run.map(|run| owner(run, event.at));
        }
    }

    /// The record as far as it can be told; none if no change of owner is known. Its owner counts
    /// as heard of now, as nobody knows when that was.
    pub(super) fn record(&self, target: &Target, now: &Now) -> Option<Record> {
        self.last?;
        let mut active = self.owners.active.clone();
        if let Some(active) = &mut active {
            active.updated_at = Some(now.stamp.clone());
        }
        let events = self.evicted.iter().chain(&self.changes);
        let surplus = events.clone().count().saturating_sub(MAX_HISTORY);
        let event = |text: &String| HistoryEvent(Written::trusted(text.clone()));
        Some(Record {
            active_run: active,
            previous_run: self.owners.previous.clone(),
            history: events.skip(surplus).map(event).collect(),
            ..Record::new(target.clone())
        })
    }
}

impl Owners {
    fn change(&mut self, event: Event) {
        match (event.kind.as_str(), event.run) {
            ("claim", Some(run)) => self.active = Some(owner(run, event.at)),
            ("refresh", Some(run)) => {
                let is_owner = self
                    .active
                    .as_ref()
                    .is_some_and(|active| active.run_id == run);
                if !is_owner {
                    self.active = Some(owner(run, event.at));
                }
            }
            ("takeover", Some(run)) => {
                self.previous = event.previous.map(|previous| PreviousRun {
                    run_id: previous,
                    replaced_at: event.at.clone(),
                    replaced_by: Some(run.clone()),
                });
                self.active = Some(owner(run, event.at));
            }
            ("release", Some(run)) => {
                self.active = None;
                self.previous = Some(PreviousRun {
                    run_id: run,
                    replaced_at: event.at,
                    replaced_by: None,
                });
            }
            _ => {}
        }
    }
}

fn owner(run_id: RunName, at: Option<Text>) -> ActiveRun {
    ActiveRun {
        run_id,
        claimed_at: at.clone(),
        updated_at: at,
    }
}

impl Event {
    fn read(event: &HistoryEvent) -> Self {
        let tree = scan(event.0.text(), &Rules::default().levels(1)).ok();
        let text = |key: &str| Text::of(tree.as_ref()?.root().get_last(key)?);
        Self {
            kind: text("type")
                .map(|kind| kind.to_string())
                .unwrap_or_default(),
            run: text("runId").and_then(RunName::new),
            previous: text("previousRunId").and_then(RunName::new),
            at: text("at"),
        }
    }
}

/// Keeps the newest events, as many as a record holds.
fn push(events: &mut VecDeque<String>, event: String) {
    if events.len() == MAX_HISTORY {
        events.pop_front();
    }
    events.push_back(event);
}
