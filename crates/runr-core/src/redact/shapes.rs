//! What tells itself by how it looks: tokens of well-known services, random base64, key blocks.

use std::ops::Range;
use std::sync::LazyLock;

use regex::bytes::Regex;

use super::assignment::has_long_part;
use super::extent::Extent;
use super::random::next_random;
use super::rules::{Found, compile, each, going_on, start_of};

/// A token or a block has one of these in it. At least three letters each, so that the search for
/// them is fast.
static TRIGGER: LazyLock<Regex> = LazyLock::new(|| {
    compile(
        "(?-u)A(?:KIA|SIA|BIA|CCA|Iza)|gh[oprsu]_|github_pat_|gl(?:pat|ptt|dt|rt|cbt|ft|soat|agent|oas)-|xox[a-z]-|xapp-|sk-|\
         [rs]k_(?:live|test)_|npm_|pypi-|hf_|ya29\\.|SG\\.|dop_v1_|AGE-SECRET|eyJ|-----BEGIN",
    )
});

/// Tokens that tell themselves by how they begin.
static TOKEN: LazyLock<Regex> = LazyLock::new(|| {
    compile(
        r"(?-u)(?:A(?:KIA|SIA|BIA|CCA)[A-Z0-9]{16}|AIza[0-9A-Za-z_-]{35}|gh[oprsu]_[A-Za-z0-9]{30}|github_pat_[A-Za-z0-9_]{22}|gl(?:pat|ptt|dt|rt|cbt|ft|soat|agent|oas)-[A-Za-z0-9_-]{20}|xox[a-z]-[A-Za-z0-9-]{10}|xapp-[A-Za-z0-9-]{10}|[rs]k_(?:live|test)_[A-Za-z0-9]{16}|npm_[A-Za-z0-9]{30}|hf_[A-Za-z0-9]{30}|ya29\.[A-Za-z0-9_-]{20}|SG\.[A-Za-z0-9_-]{16,64}\.[A-Za-z0-9_-]{16}|dop_v1_[a-f0-9]{32}|AGE-SECRET-KEY-1[A-Z0-9]{20}|eyJ[A-Za-z0-9_-]{8,512}\.[A-Za-z0-9_-]{8}|(?P<wordy>(?:sk|pypi)-[A-Za-z0-9_-]{16,200}))",
    )
});

static KEY_BLOCK: LazyLock<Regex> =
    LazyLock::new(|| compile(r"(?-u)-----BEGIN [A-Z0-9 ]{0,32}PRIVATE KEY(?: BLOCK)?-----"));

/// Where the next token or block could be.
pub(super) fn next(text: &[u8], from: usize) -> Option<usize> {
    TRIGGER.find_at(text, from).map(|found| found.start())
}

/// Where the next private key block begins: its first line.
pub(super) fn key_block(line: &[u8], from: usize) -> Option<Range<usize>> {
    KEY_BLOCK.find_at(line, from).map(|block| block.range())
}

pub(super) fn find(line: &[u8], from: usize) -> Vec<Found> {
    let mut found = Vec::new();
    tokens(line, from, &mut found);
    let tokens: Vec<(usize, usize)> = found.iter().map(|(_, s)| (s.start, s.end)).collect();
    // A run is judged without the tokens in it.
    let mut at = from;
    for (start, end) in tokens.into_iter().chain([(line.len(), line.len())]) {
        while let Some(run) = next_random(&line[..start], at) {
            found.push((run.start, going_on(line, run.start, Extent::Token)));
            at = run.end;
        }
        at = end;
    }
    found
}

fn tokens(line: &[u8], from: usize, found: &mut Vec<Found>) {
    each(&TOKEN, line, from, |hit| {
        let start = start_of(hit);
        let wordy = hit.name("wordy").map(|token| token.as_bytes());
        let is_word = wordy.is_some_and(|token| !has_long_part(token)) || !begins_at(line, start);
        if is_word {
            return start + 1;
        }
        let token = going_on(line, start, Extent::Token);
        found.push((start, token));
        token.end
    });
}

/// Whether a word can begin here: also behind the escape of a line feed.
fn begins_at(line: &[u8], at: usize) -> bool {
    let Some(before) = at.checked_sub(1) else {
        return true;
    };
    let escaped = before > 0 && line[before - 1] == b'\\';
    escaped || !(line[before].is_ascii_alphanumeric() || line[before] == b'_')
}
