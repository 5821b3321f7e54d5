//! Passwords in addresses: `scheme://user:password@host`, `https://token@host`.

use std::sync::LazyLock;

use regex::bytes::Regex;

use super::assignment::{Form, has_long_part, is_secret};
use super::rules::{Found, Then, compile, each, end_of, span, start_of};

/// What every one of them has.
static TRIGGER: LazyLock<Regex> = LazyLock::new(|| compile("(?-u)://"));

static ADDRESS: LazyLock<Regex> = LazyLock::new(|| {
    compile(
        r#"(?i-u)://(?:[^\x00-\x20"'\\/?\#:@]{0,128}:(?P<v>[^\x00-\x20"'\\/]{1,256})|(?P<user>[a-z0-9_.~%+-]{20,256}))@"#,
    )
});

/// Where the next address is.
pub(super) fn next(text: &[u8], from: usize) -> Option<usize> {
    TRIGGER.find_at(text, from).map(|found| found.start())
}

pub(super) fn find(line: &[u8], from: usize) -> Vec<Found> {
    let mut found = Vec::new();
    each(&ADDRESS, line, from, |hit| {
        let user = hit
            .name("user")
            .filter(|user| has_long_part(user.as_bytes()));
        let secret = hit.name("v").or(user);
        if let Some(secret) = secret.filter(|secret| is_secret(secret.as_bytes(), Form::Quoted)) {
            let whole = span(secret.start(), secret.end(), Then::Nothing);
            found.push((start_of(hit), whole));
        }
        end_of(hit)
    });
    found
}
