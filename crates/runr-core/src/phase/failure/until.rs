//! When a usage limit ends, where that is said in a form that means one time only.
//!
//! "Resets 3pm (Europe/Berlin)" is said to people: of which day? What is taken is a time with its
//! zone, seconds of the epoch after a bar, a number of seconds, and a duration from now.

use std::sync::LazyLock;
use std::time::Duration;

use jiff::{Span, SpanRelativeTo};
use regex::Regex;

use crate::time::Timestamp;

/// Nobody waits longer; a later time was no end of a limit.
const LONGEST: Duration = Duration::from_secs(35 * 24 * 3600);

/// The end of a limit after `now`, if these words tell it.
pub(super) fn end_of_limit(words: &str, now: Timestamp) -> Option<Timestamp> {
    let found = FORM.captures_iter(words).filter_map(|form| {
        let text = |name: &str| form.name(name).map(|found| found.as_str());
        let number = |name: &str| text(name).and_then(|digits| digits.parse::<u32>().ok());
        if let Some(time) = text("time") {
            return time.replacen(' ', "T", 1).parse().ok();
        }
        if let Some(epoch) = number("epoch") {
            return Some(Timestamp::from_millis(i64::from(epoch) * 1000));
        }
        let wait = match number("seconds") {
            Some(seconds) => Some(Duration::from_secs(seconds.into())),
            None => text("wait").and_then(duration),
        };
        wait.map(|wait| now.plus(wait))
    });
    // A time that has passed is that of the line itself.
    found
        .into_iter()
        .find(|at: &Timestamp| *at > now && at.since(now) <= LONGEST)
}

fn duration(text: &str) -> Option<Duration> {
    let span: Span = text.replace(" and ", " ").trim().parse().ok()?;
    let length = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
    Duration::try_from(length).ok()
}

#[expect(
    clippy::expect_used,
    reason = "a constant pattern, compiled by the tests"
)]
static FORM: LazyLock<Regex> = LazyLock::new(|| {
    let unit = r"(?:days?|hours?|hrs?|minutes?|mins?|seconds?|secs?|[dhms])\b";
    let part = format!(r"[0-9]{{1,6}}(?:\.[0-9]{{1,3}})?\ ?{unit}");
    Regex::new(&format!(
        r#"(?ix)
        (?<time> \b[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}[T\ ][0-9]{{2}}:[0-9]{{2}}:[0-9]{{2}}(?:\.[0-9]{{1,9}})?(?:Z|[+-][0-9]{{2}}:[0-9]{{2}}) )
      | (?: \| | resets?_at"?\s*[:=]\s* ) (?<epoch> [0-9]{{10}} ) (?:[0-9]{{3}})? \b
      | (?: try\ again | retry | resets? | available )\ (?:in|after)\ (?<wait> {part} (?: (?:,?\ ?(?:and\ )?) {part} )* )
      | (?: retry[-_\ ]after | resets_in_seconds ) "? \s*[:=]?\s* "? (?<seconds> [0-9]{{1,7}} ) (?: "|\b )
        "#
    ))
    .expect("constant pattern")
});

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn now() -> Timestamp {
        "2026-03-04T10:00:00Z".parse().unwrap()
    }

    fn seconds_until(words: &str) -> Option<u64> {
        end_of_limit(words, now()).map(|at| at.since(now()).as_secs())
    }

    #[test]
    fn what_means_one_time_is_taken() {
        let epoch = now().as_millis() / 1000 + 600;
        for (words, seconds) in [
            (format!("Claude AI usage limit reached|{epoch}"), 600),
            (format!("limit reached|{epoch}000"), 600),
            (format!("{{\"resets_at\":{epoch}}}"), 600),
            ("resets_in_seconds: 90".into(), 90),
            ("retry-after: 30".into(), 30),
            ("Retry-After 30".into(), 30),
            ("\"retry_after\": \"45\"".into(), 45),
            ("retry after 5 minutes".into(), 300),
            ("Please try again in 12 minutes.".into(), 720),
            ("try again in 2h 5m".into(), 7500),
            ("Try again in 3 days 4 hours 5 minutes.".into(), 273_900),
            ("try again in 1 hour, 30 minutes".into(), 5400),
            ("try again in 2 hours and 1 minute".into(), 7260),
            ("please try again in 7.5s".into(), 7),
            ("resets in 10 secs".into(), 10),
            ("until 2026-03-04T12:30:00+02:00".into(), 1800),
            (
                "2026-03-04T09:59:59Z ERROR 429, resets 2026-03-04 10:01:00Z".into(),
                60,
            ),
        ] {
            assert_eq!(seconds_until(&words), Some(seconds), "{words}");
        }
    }

    #[test]
    fn what_could_mean_several_times_is_not() {
        for words in [
            "resets 3pm (Europe/Berlin)",
            "try again at Nov 3rd, 2026 4:00 PM",
            "resets at 15:00",
            "resets 2026-03-05",
            "2026-03-04T09:59:59Z rate limited",
            "limit reached|0000000001",
            "limit reached|9999999999",
            "try again in 400 days",
            "try again in a while",
            "try again in 999999 hours",
            "retry after",
            "retry 3 of 5",
        ] {
            assert_eq!(seconds_until(words), None, "{words}");
        }
    }

    proptest! {
        #[test]
        fn any_words_are_read_without_a_panic(words in r"(try again in |retry-after: |\|)?[0-9a-z .:|TZ+-]{0,40}|\PC{0,60}") {
            let _end = end_of_limit(&words, now());
        }
    }
}
