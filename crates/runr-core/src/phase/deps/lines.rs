//! Manifests of lines: `requirements.txt`, `go.mod` and `Gemfile`.

use std::sync::LazyLock;

use regex::Regex;

use super::{Listing, python_name};

/// Whether a line holds what some readers take for the end of a line.
fn is_odd(line: &str) -> bool {
    line.contains(|c: char| c.is_control() && c != '\t' || matches!(c, '\u{2028}' | '\u{2029}'))
}

/// The lines as pip joins them: a backslash goes on in the next one, but never in a comment.
fn joined(text: &str) -> Vec<String> {
    let mut whole = Vec::new();
    let mut begun = String::new();
    for line in text.lines() {
        let is_comment = line.trim_start().starts_with('#');
        match line.strip_suffix('\\').filter(|_| !is_comment) {
            Some(part) => begun.push_str(&format!("{part} ")),
            None => {
                whole.push(std::mem::take(&mut begun) + if is_comment { " " } else { "" } + line)
            }
        }
    }
    whole.push(begun);
    whole
}

pub(super) fn requirements(text: &str) -> Listing {
    let mut found = Listing::default();
    for line in joined(text) {
        if is_odd(&line) {
            found.other.push(line);
            continue;
        }
        let line = match line.find(" #") {
            Some(comment) => &line[..comment],
            None => line.as_str(),
        };
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match python_requirement(line) {
            Some(name) => found.mention(&name, line),
            // An option, another file or an address: it may bring any package.
            None => found.other.push(line.to_owned()),
        }
    }
    found
}

/// The normal name of the project that a requirement asks for; none if it is no plain requirement.
pub(super) fn python_requirement(text: &str) -> Option<String> {
    let text = text.trim();
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let (name, rest) = text.split_at(text.find(|c| !is_name(c)).unwrap_or(text.len()));
    let rest = rest.trim_start();
    let plain = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    let follows = rest.is_empty()
        || rest.starts_with(['[', '<', '>', '=', '!', '~', '@', ';', '('])
        || rest.starts_with("--hash");
    (plain && follows).then(|| python_name(name))
}

pub(super) fn go_mod(text: &str) -> Listing {
    let mut found = Listing::default();
    let mut block: Option<String> = None;
    for line in text.lines() {
        if is_odd(line) {
            found.other.push(line.to_owned());
            continue;
        }
        let line = line.split("//").next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        if line == ")" {
            block = None;
        } else if let Some(verb) = line.strip_suffix('(') {
            block = Some(verb.trim().to_owned());
        } else {
            let (verb, rest) = match &block {
                Some(verb) => (verb.as_str(), line),
                None => line.split_once([' ', '\t']).unwrap_or((line, "")),
            };
            go_directive(verb, rest.trim(), &mut found);
        }
    }
    found
}

fn go_directive(verb: &str, rest: &str, found: &mut Listing) {
    let words: Vec<&str> = rest
        .split_whitespace()
        .map(|word| word.trim_matches('"'))
        .collect();
    match (verb, words.as_slice()) {
        ("module" | "retract", _) => {}
        // As with `go get`, these two have the names of packages.
        ("go" | "toolchain", _) => found.mention(verb, rest),
        ("require" | "exclude" | "tool", [module, ..]) => {
            found.mention(module, format!("{verb} {rest}"))
        }
        ("replace", [module, ..]) => {
            found.mention(module, format!("{verb} {rest}"));
            let target = words.iter().skip_while(|word| **word != "=>").nth(1);
            let remote = target.filter(|target| !target.starts_with(['.', '/']));
            if let Some(target) = remote.filter(|target| *target != module) {
                found.mention(target, format!("{verb} {rest}"));
            }
        }
        _ => found.other.push(format!("{verb} {rest}")),
    }
}

pub(super) fn gemfile(text: &str) -> Listing {
    let mut found = Listing::default();
    for line in text.lines().map(str::trim) {
        if !is_odd(line) && (line.is_empty() || line.starts_with('#')) {
            continue;
        }
        match gem(line) {
            Some(name) => found.mention(name, line),
            // The file is a program: what is no plain line of a gem may do anything.
            None => found.other.push(line.to_owned()),
        }
    }
    found
}

macro_rules! literal {
    () => {
        r#"(?:"[^"\\#]*"|'[^'\\]*'|:[a-z_]\w*|true|false|nil|[0-9.]+)"#
    };
}

/// A call of `gem` with literals and nothing else.
static GEM: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let literal = literal!();
    let value = format!(r"(?:{literal}|\[[ \t]*{literal}(?:[ \t]*,[ \t]*{literal})*[ \t]*\])");
    let key = r"(?:[a-z_]\w*:[ \t]*|:[a-z_]\w*[ \t]*=>[ \t]*)?";
    Regex::new(&format!(
        r#"^gem(?:[ \t]+|[ \t]*\([ \t]*)(?:"(?P<double>[^"\\#]+)"|'(?P<single>[^'\\]+)')(?:[ \t]*,[ \t]*{key}{value})*[ \t]*\)?$"#
    ))
    .ok()
});

/// The name in `gem "name", ..`, if the line holds nothing that is computed.
fn gem(line: &str) -> Option<&str> {
    let call = GEM.as_ref()?.captures(line)?;
    let name = call.name("double").or_else(|| call.name("single"))?;
    Some(name.as_str())
}
