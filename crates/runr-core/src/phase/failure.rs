//! What it was that a worker process failed of.
//!
//! What a program says in a form of its own comes first: an error object in its output, whatever
//! its exit status. Words count only of a process that ended badly, and only those that it does not
//! quote: a worker that implements a rate limiter speaks of rate limits all the time.

mod until;

use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use super::event::FailureKind;
use super::reply::{OutputMode, objects};
use super::rules::{WorkerFailure, head, tail};
use crate::mutant::without;
use crate::time::Timestamp;

/// How much of a failed worker's words is kept, in bytes.
pub const MAX_WORDS: usize = 500;
/// How much of its output is searched for words, from the end.
const SEARCHED: usize = 4096;

/// The failure that an output speaks of in its own form: a result that `is_error`, or a turn that
/// failed. A call of which it speaks has no answer, even if the process ended well.
#[must_use]
pub fn told_failure(mode: OutputMode, stdout: &str, now: Timestamp) -> Option<WorkerFailure> {
    let mut problem = None;
    for object in objects(mode, stdout) {
        match object["type"].as_str() {
            None => problem = result_problem(&object).or(problem),
            // The last word of a call.
            Some("result") => problem = result_problem(&object),
            // What went wrong before a turn was completed was mended within it.
            Some("turn.completed") => problem = None,
            Some("turn.failed" | "error") => problem = Some(Problem::of(&object)),
            Some(_) => {}
        }
    }
    let problem = problem.filter(|_| !without("told-failure"));
    problem.map(|problem| problem.failure(now))
}

/// The failure of a process that ended with another status than 0 and said nothing in its own form.
#[must_use]
pub fn failure_by_words(
    exit_code: i32,
    mode: OutputMode,
    stdout: &str,
    stderr: &str,
    now: Timestamp,
) -> WorkerFailure {
    let said = tail(stderr, SEARCHED).trim();
    let printed = own_words(mode, tail(stdout, SEARCHED));
    let printed = printed.trim();
    // Standard error is where programs complain; an answer in the making goes to the other one.
    let words = match (kind_by_words(said), said.is_empty()) {
        (FailureKind::Crash, false) if kind_by_words(printed) == FailureKind::Crash => said,
        (FailureKind::Crash, _) => printed,
        _ => said,
    };
    let mut failure = Problem {
        status: None,
        words: words.to_owned(),
    }
    .failure(now);
    failure.message = format!("exit code {exit_code}: {}", tail(words, MAX_WORDS).trim());
    failure
}

/// What a program printed of its own: the lines of a stream of objects quote what it worked on.
fn own_words(mode: OutputMode, stdout: &str) -> String {
    let quotes = |line: &&str| {
        mode != OutputMode::Text
            && !without("quoted-words")
            && line.trim_start().starts_with(['{', '[', '"', '}', ']'])
    };
    let lines = stdout.lines().filter(|line| !quotes(line));
    lines.collect::<Vec<_>>().join("\n")
}

/// A complaint, and the status of HTTP that it came with.
struct Problem {
    status: Option<u64>,
    words: String,
}

fn result_problem(object: &Value) -> Option<Problem> {
    (object["is_error"] == true).then(|| Problem::of(object))
}

impl Problem {
    /// Everything in an object that says what is wrong.
    fn of(object: &Value) -> Self {
        let nested = &object["error"];
        let texts = [
            &object["result"],
            &object["message"],
            nested,
            &nested["message"],
            &nested["type"],
            &nested["code"],
        ];
        let listed = object["errors"].as_array().into_iter().flatten();
        let mut words: Vec<&str> = texts.into_iter().filter_map(Value::as_str).collect();
        words.extend(listed.filter_map(|item| item.as_str().or(item["message"].as_str())));
        words.retain(|text| !text.trim().is_empty());
        if words.is_empty() {
            words.extend(object["subtype"].as_str());
        }
        // Machine-readable ends of a limit stand beside the words.
        let ends = ["resets_in_seconds", "resets_at", "retry_after"];
        let ends = ends.iter().filter_map(|key| {
            let value = nested.get(*key).or_else(|| object.get(*key))?;
            Some(format!("{key}: {value}"))
        });
        let ends: Vec<String> = ends.collect();
        let mut words: Vec<String> = words.into_iter().map(str::to_owned).collect();
        words.extend(ends);
        words.dedup();
        let statuses = [
            &object["api_error_status"],
            &nested["status"],
            &nested["http_status_code"],
        ];
        Self {
            status: statuses.into_iter().find_map(Value::as_u64),
            words: words.join("; "),
        }
    }

    fn failure(self, now: Timestamp) -> WorkerFailure {
        let kind = match self.status {
            Some(401 | 403) => FailureKind::Auth,
            Some(429) => FailureKind::RateLimit,
            Some(408 | 500..=599) => FailureKind::Network,
            _ => kind_by_words(&self.words),
        };
        let limited = kind == FailureKind::RateLimit;
        let retry_at = until::end_of_limit(&self.words, now).filter(|_| limited);
        let message = match self.words.trim() {
            "" => "the worker says that it failed, and not why",
            words => words,
        };
        WorkerFailure {
            kind,
            message: head(message, MAX_WORDS).to_owned(),
            retry_at: retry_at.map(|at| at.to_string()),
        }
    }
}

static RATE_LIMIT: LazyLock<Regex> = LazyLock::new(|| {
    words(
        r"rate[\ _-]?limit|(usage|session|weekly|hour|hourly|daily|monthly|spending)[\ _-]limit
        |limit[\ _](has[\ _]been[\ _])?reached|too[\ _]many[\ _]requests|insufficient_quota
        |exceeded\ your\ (current\ )?quota|\b(http|status|error|code)\W{0,3}429\b|\b429\ too",
    )
});

static AUTH: LazyLock<Regex> = LazyLock::new(|| {
    words(
        r"unauthori[sz]ed|unauthenticated|not\ logged\ in|please\ (log|sign)\ in
        |please\ run\ /?login|log-?in\ (has\ )?expired|session\ (has\ )?expired
        |token\ (has\ |is\ )?(been\ )?(expired|revoked)|invalid\ (x-)?api[\ -]key
        |authentication[\ _](failed|error|required)|credit\ balance
        |\b(http|status|error|code)\W{0,3}40[13]\b",
    )
});

static NETWORK: LazyLock<Regex> = LazyLock::new(|| {
    words(
        r"\b(econnrefused|econnreset|econnaborted|enotfound|etimedout|enetunreach|eai_again)\b
        |network\ (error|is\ unreachable)|connection\ (refused|reset|error|timed\ out|closed)
        |could\ not\ resolve|name\ resolution|getaddrinfo|fetch\ failed|overloaded
        |service\ unavailable|bad\ gateway|gateway\ time-?out|stream\ disconnected
        |\b(http|status|error|code)\W{0,3}5[0-9][0-9]\b",
    )
});

#[expect(
    clippy::expect_used,
    reason = "a constant pattern, compiled by the tests"
)]
fn words(pattern: &str) -> Regex {
    Regex::new(&format!("(?ix){pattern}")).expect("constant pattern")
}

/// What the words of a failed worker point to.
fn kind_by_words(said: &str) -> FailureKind {
    let kinds = [
        (&RATE_LIMIT, FailureKind::RateLimit),
        (&AUTH, FailureKind::Auth),
        (&NETWORK, FailureKind::Network),
    ];
    let found = kinds.into_iter().find(|(words, _)| words.is_match(said));
    found.map_or(FailureKind::Crash, |(_, kind)| kind)
}

#[cfg(test)]
mod tests;
