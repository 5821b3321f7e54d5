//! Which variables hold secrets: their names say so.

use super::REDACTED;

/// What a name has in it whose value is secret.
const TELLING: [&str; 9] = [
    "TOKEN",
    "SECRET",
    "PASSWORD",
    "PASSWD",
    "API_KEY",
    "APIKEY",
    "ACCESS_KEY",
    "PRIVATE",
    "CREDENTIAL",
];

/// Shorter values stand in every text by chance.
const SHORTEST: usize = 8;
/// The same for one part of a value that has several.
const SHORTEST_PART: usize = 20;
/// A longer value is looked for in pieces of this length.
const PIECE: usize = 1024;

/// The values that must not be seen, of all variables of a process.
///
/// A value with line feeds or quotes in it, such as a key file, is many: nobody prints it whole. What
/// is a number or a path is none, nor are the variables of runr itself.
pub fn secret_values<'a>(variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<String> {
    let mut values: Vec<String> = variables
        .into_iter()
        .filter(|(name, _)| is_telling(name))
        .flat_map(|(_, value)| parts(value.trim()))
        .collect();
    values.sort();
    values.dedup();
    values
}

fn is_telling(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    !name.starts_with("RUNR_") && TELLING.iter().any(|word| name.contains(word))
}

fn parts(value: &str) -> Vec<String> {
    let parts: Vec<&str> = value
        .split(|c: char| c.is_control() || matches!(c, '"' | '\\'))
        .map(|part| apart(part.trim()))
        .filter(|part| !part.is_empty())
        .collect();
    let shortest = if parts.len() > 1 {
        SHORTEST_PART
    } else {
        SHORTEST
    };
    parts
        .into_iter()
        .filter(|part| part.len() >= shortest && is_secret(part))
        .flat_map(pieces)
        .collect()
}

/// The part without what could be the edge of a mark: beside a secret that was replaced it would be
/// found though nobody wrote it.
fn apart(part: &str) -> &str {
    let edges = (1..=REDACTED.len()).map(|len| REDACTED.split_at(len));
    let shorter = edges
        .clone()
        .find_map(|(begin, _)| part.strip_suffix(begin));
    let shorter = shorter.or_else(|| {
        edges
            .clone()
            .find_map(|(begin, end)| part.strip_prefix(if end.is_empty() { begin } else { end }))
    });
    shorter.map_or(part, apart)
}

fn is_secret(part: &str) -> bool {
    // A number may stand in JSON without quotes, and the frame of a key block is no secret.
    let is_number = part
        .bytes()
        .all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b));
    let is_mark = part.contains(REDACTED) || REDACTED.contains(part);
    !is_number && !is_mark && !part.contains("-----") && !is_path(part)
}

fn is_path(part: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"/._*,-".contains(&b);
    part.starts_with(['/', '~', '.'])
        || (part.contains("://") && !part.contains('@'))
        || (part.contains('/') && part.bytes().all(plain))
}

fn pieces(part: &str) -> Vec<String> {
    let mut pieces = vec![String::new()];
    for c in part.chars() {
        match pieces.last_mut() {
            Some(piece) if piece.len() < PIECE => piece.push(c),
            _ => pieces.push(c.to_string()),
        }
    }
    pieces.retain(|piece| piece.len() >= SHORTEST);
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_variable_tells_and_paths_and_numbers_are_no_secrets() {
        let found = secret_values([
            ("GITHUB_TOKEN", "opensesame1"),
            ("my_api_key", "opensesame2"),
            ("DB_PASSWORD", "short"),
            ("RUNR_TOKEN", "opensesame3"),
            ("HOME", "opensesame4"),
            ("GOOGLE_APPLICATION_CREDENTIALS", "/etc/google/key.json"),
            ("GOPRIVATE", "github.com/org/private"),
            ("TOKEN_URL", "https://login.example/token"),
            ("PIN_SECRET", "1234567890"),
        ]);
        assert_eq!(found, ["opensesame1", "opensesame2"]);
    }

    #[test]
    fn a_value_has_nothing_in_it_that_a_mark_has_at_its_edge() {
        for (value, found) in [
            ("]opensesame", &["opensesame"][..]),
            ("opensesame[RED", &["opensesame"]),
            ("TED]opensesame[[", &["opensesame"]),
            ("open[sesame]", &["open[sesame]"]),
            ("[REDACTED]", &[]),
            ("REDACTED", &[]),
            ("open[REDACTED]sesame", &[]),
            ("open[REDACTED", &[]),
        ] {
            assert_eq!(secret_values([("A_TOKEN", value)]), found, "{value}");
        }
    }

    #[test]
    fn a_value_of_many_lines_is_looked_for_line_by_line() {
        let key = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\nshort==\n";
        let found = secret_values([("DEPLOY_PRIVATE_KEY", key)]);
        assert_eq!(found, ["MIIEvQIBADANBgkqhkiG9w0BAQEFAASC"]);
        let long = "aB3".repeat(1000);
        let found = secret_values([("X_SECRET", long.as_str())]);
        assert!(
            found.iter().all(|piece| piece.len() <= PIECE + 4),
            "{found:?}"
        );
    }
}
