//! What a run directory says of its run, besides `meta.json`.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::id::RunId;
use crate::store::names;
use crate::time::Timestamp;

/// The texts of `meta.json` that other files may know.
const TEXTS: [&str; 7] = [
    "repo_id",
    "title",
    "runner",
    "runner_cmd",
    "parent_branch",
    "branch",
    "worktree_path",
];

/// Values of `meta.json` by field; of several sources the first one counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Clues(BTreeMap<&'static str, String>);

impl Clues {
    /// What the timeline of a harness run and the events say, and then the id. Lines that cannot be
    /// read and lines of other runs say nothing.
    pub(super) fn of(id: &RunId, timeline: &str, events: &str) -> Self {
        let mut clues = Self::default();
        for line in timeline.lines() {
            clues.hear_timeline(id, line);
        }
        let events: Vec<Value> = events
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .filter(|event: &Value| is_of(id, &event["run_id"]))
            .collect();
        for event in &events {
            clues.hear_event(event);
        }
        // An event may come long after the run began: only if the id says nothing.
        clues.say_time("created_at", time_of(id));
        let first = events.iter().find_map(|event| time(&event["timestamp"]));
        clues.say_time("created_at", first);
        clues
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().map(|(field, value)| (*field, value.as_str()))
    }

    fn say(&mut self, field: &'static str, value: &Value) {
        if let Some(text) = value.as_str().filter(|text| !text.is_empty()) {
            self.0.entry(field).or_insert_with(|| text.to_owned());
        }
    }

    fn say_time(&mut self, field: &'static str, time: Option<Timestamp>) {
        if let Some(time) = time {
            let text = time.to_seconds_string();
            self.0.entry(field).or_insert(text);
        }
    }

    fn hear_timeline(&mut self, id: &RunId, line: &str) {
        let Ok(record) = serde_json::from_str::<Value>(line) else {
            return;
        };
        let payload = &record["payload"];
        match record["type"].as_str() {
            Some("run_started") if is_of(id, &payload["run_id"]) => {
                self.say("title", &payload["task"]);
                self.say("worktree_path", &payload["repo_path"]);
                self.say("branch", &payload["branch"]);
                self.say("parent_branch", &payload["current_branch"]);
                if let Some(root) = payload["repo_root"].as_str() {
                    let repo_id = names::repo_id("", root.into()).to_string();
                    self.say("repo_id", &Value::String(repo_id));
                }
                self.say_time("created_at", time(&record["timestamp"]));
            }
            Some("worker_call_started") if payload["stage"] == "implement" => {
                self.say("runner", &payload["worker"]);
            }
            _ => {}
        }
    }

    fn hear_event(&mut self, event: &Value) {
        self.say("repo_id", &event["repo_id"]);
        for field in TEXTS {
            self.say(field, &event["data"][field]);
        }
        self.say_time("created_at", time(&event["data"]["created_at"]));
    }
}

/// Whether a line with this run id may speak of the run.
fn is_of(id: &RunId, found: &Value) -> bool {
    match found.as_str() {
        None | Some("") => true,
        Some(found) => found == id.as_str(),
    }
}

fn time(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}

/// The second that an id begins with: `YYYYMMDDhhmmss`, alone or before a dash.
fn time_of(id: &RunId) -> Option<Timestamp> {
    let (digits, rest) = id.as_str().split_at_checked(14)?;
    if !digits.bytes().all(|byte| byte.is_ascii_digit())
        || !(rest.is_empty() || rest.starts_with('-'))
    {
        return None;
    }
    let part = |from: usize, to: usize| &digits[from..to];
    let text = format!(
        "{}-{}-{}T{}:{}:{}Z",
        part(0, 4),
        part(4, 6),
        part(6, 8),
        part(8, 10),
        part(10, 12),
        part(12, 14)
    );
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn id(text: &str) -> RunId {
        RunId::parse(text).unwrap()
    }

    #[test]
    fn an_id_says_when_its_run_began_only_if_it_begins_with_a_time() {
        let said = |text: &str| time_of(&id(text)).map(Timestamp::to_seconds_string);
        let expected = Some("2026-01-10T12:00:00Z".to_owned());
        assert_eq!(said("20260110120000"), expected);
        assert_eq!(said("20260110120000-a3f2"), expected);
        for other in [
            "gh-17",
            "20260110",
            "20260110-a3f2",
            "202601101200001",
            "20261310120000",
            "20260110250000",
            "2026011012000x",
        ] {
            assert_eq!(said(other), None, "{other}");
        }
    }

    #[test]
    fn the_timeline_says_more_than_the_events_and_both_more_than_the_id() {
        let run = id("20260110120000");
        let started = json!({"seq": 1, "timestamp": "2026-01-10T12:00:01.250Z", "type": "run_started", "source": "cli", "payload": {
            "run_id": run, "task": "Fix", "repo_root": "/r", "repo_path": "/r/w", "branch": "runr/x", "current_branch": null}});
        let worker = json!({"seq": 2, "type": "worker_call_started", "payload": {"stage": "implement", "worker": "codex"}});
        let timeline = format!("not json\n{started}\n{worker}\n{{\"torn");
        let event = |id: &str| {
            json!({"run_id": id, "repo_id": "of the event", "timestamp": "2026-02-01T00:00:00Z", "event": "x",
            "data": {"title": "other", "parent_branch": id, "created_at": "2026-02-02T00:00:00Z"}})
        };
        let events = format!("{}\n{}\n", event("another"), event("20260110120000"));
        let clues = Clues::of(&run, &timeline, &events);
        let expected: BTreeMap<_, _> = [
            ("title", "Fix"),
            ("worktree_path", "/r/w"),
            ("branch", "runr/x"),
            ("parent_branch", "20260110120000"),
            ("repo_id", names::repo_id("", "/r".into()).as_str()),
            ("runner", "codex"),
            ("created_at", "2026-01-10T12:00:01Z"),
        ]
        .map(|(field, value)| (field, value.to_owned()))
        .into();
        assert_eq!(clues, Clues(expected));
        let of_events = Clues::of(&run, "", &events);
        assert_eq!(of_events.0["created_at"], "2026-02-02T00:00:00Z");
        assert_eq!(of_events.0["repo_id"], "of the event");
    }

    #[test]
    fn the_time_of_an_event_counts_where_nothing_else_does() {
        let event =
            json!({"run_id": "", "timestamp": "2026-02-01T00:00:00Z", "event": "x"}).to_string();
        let created = |run: &str, events: &str| {
            let clues = Clues::of(&id(run), "", events);
            clues.0.get("created_at").cloned()
        };
        let of_event = Some("2026-02-01T00:00:00Z".to_owned());
        assert_eq!(created("gh-17", &event), of_event);
        assert_eq!(
            created("20260110120000", &event).unwrap(),
            "2026-01-10T12:00:00Z"
        );
        assert_eq!(created("gh-17", "{}\n"), None);
    }
}
