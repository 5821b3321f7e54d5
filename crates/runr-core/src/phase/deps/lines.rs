//! Manifests of lines: `requirements.txt`, `go.mod` and `Gemfile`.

use super::{Listing, python_name};

pub(super) fn requirements(text: &str) -> Listing {
    let mut found = Listing::default();
    for line in text.replace("\\\r\n", " ").replace("\\\n", " ").lines() {
        let line = match line.find(" #") {
            Some(comment) => &line[..comment],
            None => line,
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
        if line.is_empty() || line.starts_with('#') {
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

/// The name in `gem "name", ..`, if the line holds nothing that is computed.
fn gem(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("gem")?.trim_start_matches([' ', '(']);
    let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let (name, after) = rest[1..].split_once(quote)?;
    let computed = ['`', ';', '{', '#', '&'];
    (!after.contains(computed) && !name.contains(computed)).then_some(name)
}
