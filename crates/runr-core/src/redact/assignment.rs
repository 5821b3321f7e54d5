//! Values given to names such as `password`: which of them are secrets, and which are code or prose.

use super::REDACTED;

/// How a value was given to its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// `name="value"`, whatever the blanks.
    Quoted,
    /// `NAME=value`, as shells and addresses write it.
    Tight,
    /// `name: value`, `name = value`, `--name value`: prose and code look alike.
    Loose,
    /// `--name value` on a command line: a word can be a value, too.
    Word,
}

/// Words that stand for a value, or for its type.
const STAND_INS: [&str; 24] = [
    "null",
    "none",
    "nil",
    "true",
    "false",
    "undefined",
    "string",
    "str",
    "bool",
    "boolean",
    "number",
    "int",
    "any",
    "bytes",
    "yes",
    "no",
    "required",
    "optional",
    "object",
    "password",
    "token",
    "secret",
    "redacted",
    "changeme",
];
/// What is said about options.
const PROSE: [&str; 10] = [
    "argument",
    "before",
    "instead",
    "itself",
    "missing",
    "option",
    "options",
    "parameter",
    "together",
    "variable",
];
/// What a name of something secret has in it.
const NAMES: [&str; 5] = ["passw", "token", "secret", "key", "credential"];

/// How much of a value is judged: no more than every window shows.
const JUDGED: usize = 4096;

/// Whether a value is a secret, going by its words alone.
pub(super) fn is_secret(value: &[u8], form: Form) -> bool {
    let text = String::from_utf8_lossy(&value[..value.len().min(JUDGED)]);
    let punctuation = [',', ';', ')', ']', '}', '.'];
    let bare = text.trim_end_matches(punctuation);
    let left = text.replace(REDACTED, "");
    let is_blank = left.trim_end_matches(punctuation).is_empty();
    if is_blank || is_placeholder(&text) || is_path(&text) {
        return false;
    }
    let lower = bare.to_lowercase();
    if STAND_INS.contains(&lower.as_str()) {
        return false;
    }
    match form {
        Form::Quoted => bare.len() >= 3,
        Form::Tight => !is_code(&text) && !is_named_alike(&lower),
        Form::Loose => !is_code(&text) && bare.len() >= 6 && is_mixed(bare),
        Form::Word => bare.len() >= 6 && !is_prose(bare, &lower) && !is_named_alike(&lower),
    }
}

/// A reference to where the value is, or a stand-in of one kind of character.
fn is_placeholder(text: &str) -> bool {
    let mut chars = text.chars();
    let (first, second) = (chars.next().unwrap_or(' '), chars.next());
    match first {
        '$' | '%' => second.is_some_and(|c| c.is_alphabetic() || "_{(".contains(c)),
        '<' | '=' => true,
        '{' => has(text, '}'),
        '(' => has(text, ')'),
        '*' | '.' | 'x' | 'X' => text.chars().all(|c| c == first),
        _ => false,
    }
}

fn is_path(text: &str) -> bool {
    ["./", "../", "~/"]
        .iter()
        .any(|start| text.starts_with(start))
        || text.strip_prefix('/').is_some_and(|rest| has(rest, '/'))
}

/// Whether a text has a character, or may have had it: in a mark is what it was judged with before.
fn has(text: &str, c: char) -> bool {
    text.contains(c) || text.contains(REDACTED)
}

/// A call, an index, a path of names: it says where the value comes from.
fn is_code(text: &str) -> bool {
    let text = text.trim_start_matches(['&', '*', '?', '!']);
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if !text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
        return false;
    }
    let rest = text.trim_start_matches(|c: char| is_name(c) || c == '.' || c == '?');
    let dotted = &text[..text.len() - rest.len()];
    let called = rest.starts_with(['(', '[', '<', '{']) || rest.starts_with("::");
    let ends = rest.trim_end_matches([',', ';', ')']).is_empty();
    let words = dotted.contains('.') && !dotted.contains(|c: char| c.is_ascii_digit());
    let dotted_words = ends && words;
    called || rest.starts_with("->") || dotted_words
}

/// `token=token`, `secret=client_secret`.
fn is_named_alike(lower: &str) -> bool {
    let is_word = lower.chars().all(|c| c.is_ascii_alphabetic() || c == '_');
    is_word && NAMES.iter().any(|name| lower.contains(name))
}

/// Letters with digits or signs among them, as no word has.
fn is_mixed(text: &str) -> bool {
    let has = |is: fn(char) -> bool| text.chars().any(is);
    has(char::is_alphabetic) && (has(|c| c.is_ascii_digit()) || has(|c| "!@#$%^&*+=~".contains(c)))
}

/// A word about an option, or in capitals what stands for its value.
fn is_prose(bare: &str, lower: &str) -> bool {
    PROSE.contains(&lower) || !bare.contains(|c: char| c.is_ascii_lowercase())
}

/// The forms of a token that begin like ordinary words: a long part without a dash tells it.
pub(super) fn has_long_part(token: &[u8]) -> bool {
    let mut parts = token.split(|b| !b.is_ascii_alphanumeric());
    token.iter().any(u8::is_ascii_digit) && parts.any(|part| part.len() >= 12)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_and_prose_are_told_from_values() {
        for (value, form) in [
            ("hunter2", Form::Tight),
            ("correct", Form::Tight),
            ("S3cr3t!pass", Form::Loose),
            ("hunter", Form::Quoted),
            ("$2b$10$abcdefghijkl", Form::Tight),
        ] {
            assert!(is_secret(value.as_bytes(), form), "{value}");
        }
        for (value, form) in [
            ("$TOKEN", Form::Tight),
            ("${{secrets.TOKEN}}", Form::Quoted),
            ("<your-token>", Form::Quoted),
            ("os.environ[", Form::Tight),
            ("self.next_token(),", Form::Loose),
            ("parse2(input)", Form::Loose),
            ("Option<Token2>,", Form::Loose),
            ("client_secret)", Form::Tight),
            ("String,", Form::Loose),
            ("must", Form::Loose),
            ("1234567", Form::Loose),
            ("/run/secrets/db", Form::Tight),
            ("None)", Form::Tight),
            ("********", Form::Quoted),
            ("[REDACTED]", Form::Tight),
            ("/a token=[REDACTED]", Form::Quoted),
            ("{token=[REDACTED]", Form::Quoted),
        ] {
            assert!(!is_secret(value.as_bytes(), form), "{value}");
        }
    }
}
