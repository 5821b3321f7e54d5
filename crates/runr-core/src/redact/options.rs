//! Secrets among the arguments of a command that no name in front of them tells for certain.

use std::sync::LazyLock;

use regex::bytes::Regex;

use super::assignment::Form;
use super::names::value;
use super::rules::{Found, at_group, compile, each};

/// `curl -u user:password`; other programs have options of that name, and take a user and a group.
static LOGIN: LazyLock<Regex> = LazyLock::new(|| {
    compile(
        r#"(?-u)(?P<curl>(?i:curl)(?:[ \t][^\x00-\x1f]{0,200}?)?)?(?: -u {1,8}| --(?:proxy-)?user[ =] {0,7})(?P<open>\\{0,8}["'])?[A-Za-z0-9._@%+-]{1,128}:(?P<v>[^\x00-\x20"'\\])"#,
    )
});

macro_rules! option {
    () => {
        "(?P<option> --(?:[a-z0-9]{1,16}-){0,3}(?:password|passwd|passphrase|token|secret|api-?key) {1,8})\
         (?P<v>[a-z]{6,64})"
    };
}

/// `--password word` in what looks like a command: another option or a sign of the shell follows.
static BEFORE_MORE: LazyLock<Regex> =
    LazyLock::new(|| compile(concat!("(?i-u)", option!(), r" {1,8}(?:--?[a-z]|[|&>\\])")));

/// The same at the end of a command, behind another option with its value.
static BEHIND_MORE: LazyLock<Regex> = LazyLock::new(|| {
    compile(concat!(
        r#"(?i-u)(?P<before> --?[a-z][a-z0-9-]{0,40}[ =][^\x00-\x20"'\\]{1,128})"#,
        option!(),
        r#"(?:["'`\\\n;)]|$)"#
    ))
});

pub(super) fn find(line: &[u8], from: usize, found: &mut Vec<Found>) {
    each(&LOGIN, line, from, |hit| {
        let form = match hit.name("curl") {
            Some(_) => Form::Quoted,
            None => Form::Loose,
        };
        value(line, hit, [form, form], found)
    });
    each(&BEFORE_MORE, line, from, |hit| {
        value(line, hit, [Form::Word, Form::Word], found)
    });
    each(&BEHIND_MORE, line, from, |hit| {
        let prose = [" and", " or", " nor", " with"];
        let before = hit
            .name("before")
            .map_or(&b""[..], |before| before.as_bytes());
        if !prose.iter().any(|word| before.ends_with(word.as_bytes())) {
            value(line, hit, [Form::Word, Form::Word], found);
        }
        // It may be what stands before the next one.
        at_group(hit, "option")
    });
}
