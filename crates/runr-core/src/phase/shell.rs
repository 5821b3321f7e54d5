//! Words of shell commands: of those that are shown to people, which must mean what was meant, and of
//! those that people configure.

/// What a shell takes for words of its own.
const OWN_WORDS: [&str; 44] = [
    ".", ":", "alias", "bg", "break", "case", "cd", "command", "continue", "do", "done", "echo",
    "elif", "else", "esac", "eval", "exec", "exit", "export", "false", "fc", "fg", "fi", "for",
    "function", "getopts", "hash", "if", "jobs", "kill", "local", "printf", "pwd", "read",
    "return", "set", "shift", "test", "then", "time", "true", "type", "umask", "while",
];

/// A word as the shell reads it.
#[must_use]
pub fn quoted(word: &str) -> String {
    if is_plain(word) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// The program that a command line starts first. Nothing where only a shell can tell, or where that
/// is the shell itself.
#[must_use]
pub fn program_of(command: &str) -> Option<&str> {
    let is_assignment = |word: &&str| {
        let name = word.split_once('=').map_or("", |(name, _)| name);
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        !name.is_empty() && name.chars().all(is_name)
    };
    let mut words = command.split_ascii_whitespace().skip_while(is_assignment);
    let word = words.next()?;
    (is_plain(word) && !OWN_WORDS.contains(&word)).then_some(word)
}

/// Whether a word is the same with quotes and without.
fn is_plain(word: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
    !word.is_empty() && word.chars().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_stays_one_word() {
        assert_eq!(quoted("runr/2026@x"), "runr/2026@x");
        assert_eq!(quoted(""), "''");
        assert_eq!(quoted("a b;$(c)"), "'a b;$(c)'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }

    #[test]
    fn the_program_of_a_command_is_told_where_that_is_certain() {
        for (command, program) in [
            ("npm test", "npm"),
            ("  ./check.sh -x && y", "./check.sh"),
            ("CI=1 RUST_LOG= cargo test", "cargo"),
            ("a-b_c.2 | tee", "a-b_c.2"),
        ] {
            assert_eq!(program_of(command), Some(program), "{command}");
        }
        for unknown in [
            "",
            "CI=1",
            "cd web && npm test",
            "test -f x",
            "[ -f x ]",
            "! grep x y",
            "(make)",
            "$TOOL x",
            "'my tool' x",
            "A='b c' make",
            "make;",
            "~/bin/x",
        ] {
            assert_eq!(program_of(unknown), None, "{unknown}");
        }
    }
}
