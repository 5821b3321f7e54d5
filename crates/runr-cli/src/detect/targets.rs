//! Targets of make and recipes of just, for tiers that nothing else filled.

use super::{Detected, Repository};

/// A program, and its files in the order in which it looks for them.
struct Tool {
    program: &'static str,
    files: [&'static str; 3],
    /// Whether a line of its file defines a target that can be run without arguments.
    defines: fn(&str, &str) -> bool,
}

const TOOLS: [Tool; 2] = [
    Tool {
        program: "make",
        files: ["GNUmakefile", "makefile", "Makefile"],
        defines: defines_target,
    },
    Tool {
        program: "just",
        files: ["justfile", "Justfile", ".justfile"],
        defines: defines_recipe,
    },
];

const WANTED: [&[&str]; 3] = [&["lint", "check", "typecheck"], &["build"], &["test"]];

pub(super) fn detect(repository: &Repository, found: &mut Detected) {
    for tool in TOOLS {
        let there = |file: &&&str| repository.manifest(file).is_some();
        let Some(file) = tool.files.iter().find(there) else {
            continue;
        };
        let Some(text) = found.text(repository, file) else {
            continue;
        };
        found.source(file);
        for (tier, names) in WANTED.into_iter().enumerate() {
            if !found.tiers[tier].is_empty() {
                continue;
            }
            for name in names {
                if text.lines().any(|line| (tool.defines)(line, name)) {
                    found.check(tier, format!("{} {name}", tool.program), file);
                }
            }
        }
    }
}

/// `lint check: deps`, but no recipe line, comment or assignment.
fn defines_target(line: &str, target: &str) -> bool {
    if line.starts_with(['\t', '#']) {
        return false;
    }
    let Some((targets, rest)) = line.split_once(':') else {
        return false;
    };
    let assigns = targets.contains('=') || rest.trim_start_matches(':').starts_with('=');
    !assigns && targets.split_whitespace().any(|word| word == target)
}

/// `lint:`, `@lint fix="no" *files: deps`, but none that wants arguments.
fn defines_recipe(line: &str, recipe: &str) -> bool {
    let line = line.strip_prefix('@').unwrap_or(line);
    let Some(rest) = line.strip_prefix(recipe) else {
        return false;
    };
    if !rest.starts_with([':', ' ', '\t']) {
        return false;
    }
    let Some((parameters, after)) = split_outside_quotes(rest) else {
        return false;
    };
    let optional = |parameter: &str| parameter.starts_with('*') || parameter.contains('=');
    !after.starts_with('=') && parameters.iter().all(|it| optional(it))
}

/// The words before the first colon outside of quotes, and what follows it.
fn split_outside_quotes(text: &str) -> Option<(Vec<String>, &str)> {
    let mut words = vec![String::new()];
    let mut quote = None;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(open), _) if open == c => quote = None,
            (None, '"' | '\'' | '`') => quote = Some(c),
            (None, ':') => {
                words.retain(|word| !word.is_empty());
                return Some((words, &text[at + 1..]));
            }
            (None, ' ' | '\t') => words.push(String::new()),
            _ => words.last_mut()?.push(c),
        }
    }
    None
}
