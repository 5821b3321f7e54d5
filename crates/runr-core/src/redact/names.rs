//! What tells itself by the name it is given to: headers, assignments, options.
//!
//! All of it has one of the words in it that [`super::words`] knows.

use std::sync::LazyLock;

use regex::bytes::{Captures, Regex};

use super::REDACTED;
use super::assignment::{Form, is_secret};
use super::extent::Extent;
use super::options;
use super::rules::{Found, at_group, compile, each, end_of, going_on, start_of};

macro_rules! names {
    () => {
        "(?:passwords?|passwd|passphrase|pwd|secret(?:[_-]?key(?:[_-]?base)?|[_-]?access[_-]?key)?|\
         token|(?:api|access|account|private|auth|signing|encryption|secret)[_-]?key|credentials?)"
    };
}

static HEADER: LazyLock<Regex> = LazyLock::new(|| {
    compile(
        r#"(?i-u)authorization(?P<closed>\\{0,8}["'])?[ \t]{0,8}[:=][ \t]{0,8}(?P<open>\\{0,8}["'])?(?:(?:(?P<long>digest|aws4-hmac-sha256)|(?P<scheme>bearer|basic|token|negotiate|apikey))[ \t]{1,8})?(?P<v>[^\x00-\x20"'\\])"#,
    )
});

static BEARER: LazyLock<Regex> =
    LazyLock::new(|| compile(r"(?i-u)bearer[ \t]{1,8}(?P<v>[a-z0-9._~+/=-]{16,200})"));

static ASSIGNMENT: LazyLock<Regex> = LazyLock::new(|| {
    compile(&format!(
        r#"(?i-u){}(?P<closed>\\{{0,8}}["'])?(?P<sep>[ \t]{{0,16}}(?::=|=>|[:=])[ \t]{{0,16}})(?P<open>\\{{0,8}}["'`])?(?P<v>[^\x00-\x20"\\])"#,
        names!()
    ))
});

static FLAG: LazyLock<Regex> = LazyLock::new(|| {
    compile(&format!(
        r#"(?i-u)--[a-z0-9-]{{0,40}}{}[ \t]{{1,8}}(?P<open>\\{{0,8}}["'])?(?P<v>[^\x00-\x20"'\\-])"#,
        names!()
    ))
});

pub(super) fn find(line: &[u8], from: usize) -> Vec<Found> {
    let mut found = Vec::new();
    headers(line, from, &mut found);
    assignments(line, from, &mut found);
    options::find(line, from, &mut found);
    found
}

fn headers(line: &[u8], from: usize, found: &mut Vec<Found>) {
    each(&HEADER, line, from, |hit| {
        let (anchor, start) = (start_of(hit), at_group(hit, "v"));
        if is_beside_string(line, hit) {
            return start;
        }
        let extent = if hit.name("long").is_some() {
            Extent::Line
        } else {
            Extent::Word
        };
        let value = going_on(line, start, extent);
        let text = &line[start..value.end];
        // What is replaced already tells nothing.
        let bare = String::from_utf8_lossy(text).replace(REDACTED, "");
        let long = bare.len() >= 16 || bare.contains(|c: char| c.is_ascii_digit());
        let named = hit.name("long").is_some() || hit.name("scheme").is_some();
        if (named && is_secret(text, Form::Quoted)) || (long && is_secret(text, Form::Tight)) {
            found.push((anchor, value));
            return value.end;
        }
        start
    });
    each(&BEARER, line, from, |hit| {
        let start = at_group(hit, "v");
        if line[start..end_of(hit)].iter().any(u8::is_ascii_digit) {
            found.push((start_of(hit), going_on(line, start, Extent::Token)));
        }
        end_of(hit)
    });
}

fn assignments(line: &[u8], from: usize, found: &mut Vec<Found>) {
    each(&ASSIGNMENT, line, from, |hit| {
        let sep = hit.name("sep").map_or(&b" "[..], |sep| sep.as_bytes());
        let tight = !sep.iter().any(u8::is_ascii_whitespace) && sep == b"=";
        let form = if tight { Form::Tight } else { Form::Loose };
        value(line, hit, [form, Form::Quoted], found)
    });
    each(&FLAG, line, from, |hit| {
        value(line, hit, [Form::Loose, Form::Quoted], found)
    });
}

/// Whether a quote before what looks like a value is the end of a string of JSON, so that it is none.
fn is_beside_string(line: &[u8], hit: &Captures<'_>) -> bool {
    // Behind an even number of backslashes it is not escaped.
    let is_bare = |quote: &[u8]| quote.ends_with(b"\"") && quote.len() % 2 == 1;
    let bare = |name: &str| {
        hit.name(name)
            .is_some_and(|quote| is_bare(quote.as_bytes()))
    };
    let open = hit.name("open");
    let behind_open = open.and_then(|open| line.get(open.end())).copied();
    let ends = behind_open.is_none_or(|next| b" \t,:]}".contains(&next));
    // Behind the name of a value, only a value without quotes can follow that is no text.
    if bare("closed") {
        open.is_none()
    } else {
        bare("open") && ends
    }
}

/// Judges a value, which is given in the first form or, in quotes, in the second one; where to look
/// for the next one.
pub(super) fn value(
    line: &[u8],
    hit: &Captures<'_>,
    [bare, within_quotes]: [Form; 2],
    found: &mut Vec<Found>,
) -> usize {
    let start = at_group(hit, "v");
    let quoted = hit
        .name("open")
        .and_then(|open| open.as_bytes().split_last());
    let (form, extent) = match quoted {
        _ if is_beside_string(line, hit) => return start,
        None if line.get(start) == Some(&b'\'') => return start,
        None => (bare, Extent::Word),
        Some((quote, slashes)) => {
            let extent = Extent::Quoted {
                quote: *quote,
                escapes: slashes.is_empty() && *quote == b'"',
                escaped: false,
            };
            (within_quotes, extent)
        }
    };
    let whole = going_on(line, start, extent);
    if is_secret(&line[start..whole.end], form) {
        found.push((start_of(hit), whole));
        return whole.end;
    }
    start
}
