//! Brace expansion: `{a,b}` and `{1..3}` become one pattern per alternative.

/// More alternatives than this are refused: the pattern is a mistake or an attack.
pub(super) const MAX_ALTERNATIVES: usize = 1_000;
/// Deeper nesting than this is refused; the recursion below must not run out of stack.
const MAX_DEPTH: usize = 32;

/// The pattern expands beyond the limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooMany;

/// Every alternative of `pattern`, in the order in which a shell would print them.
pub(super) fn expand(pattern: &str) -> Result<Vec<String>, TooMany> {
    expand_within(pattern, MAX_DEPTH)
}

fn expand_within(pattern: &str, depth: usize) -> Result<Vec<String>, TooMany> {
    let mut done = vec![String::new()];
    let mut rest = pattern;
    while let Some(group) = Group::first(rest) {
        let depth = depth.checked_sub(1).ok_or(TooMany)?;
        let inner = match group.alternatives()? {
            Some(alternatives) => {
                let mut inner = Vec::new();
                for alternative in alternatives {
                    inner.extend(expand_within(&alternative, depth)?);
                }
                inner
            }
            // `{a}` is literal, but what it encloses may hold a group of its own.
            None => (expand_within(group.body, depth)?.into_iter())
                .map(|body| format!("{{{body}}}"))
                .collect(),
        };
        done = product(&done, group.before, &inner)?;
        rest = group.after;
    }
    for alternative in &mut done {
        alternative.push_str(rest);
    }
    Ok(done)
}

fn product(heads: &[String], middle: &str, tails: &[String]) -> Result<Vec<String>, TooMany> {
    if heads.len().saturating_mul(tails.len()) > MAX_ALTERNATIVES {
        return Err(TooMany);
    }
    let joined = |head: &String| {
        let head = format!("{head}{middle}");
        tails.iter().map(move |tail| format!("{head}{tail}"))
    };
    Ok(heads.iter().flat_map(joined).collect())
}

/// `before{body}after`, where the braces belong together.
struct Group<'a> {
    before: &'a str,
    body: &'a str,
    after: &'a str,
}

impl<'a> Group<'a> {
    /// The first closed group; an opening brace that is never closed is passed over.
    fn first(text: &'a str) -> Option<Self> {
        let mut open = Vec::new();
        let mut first: Option<(usize, usize)> = None;
        for (at, c) in unescaped(text) {
            match c {
                '{' => open.push(at),
                // Groups close from the inside out: the smallest start is the first and outermost.
                '}' => {
                    if let Some(start) = open.pop()
                        && first.is_none_or(|(smallest, _)| start < smallest)
                    {
                        first = Some((start, at));
                    }
                }
                _ => {}
            }
        }
        let (start, end) = first?;
        Some(Self {
            before: &text[..start],
            body: &text[start + 1..end],
            after: &text[end + 1..],
        })
    }

    /// What stands between the commas, or the members of a range; none if it is literal.
    fn alternatives(&self) -> Result<Option<Vec<String>>, TooMany> {
        let mut depth = 0_usize;
        let mut start = 0;
        let mut parts = Vec::new();
        for (at, c) in unescaped(self.body) {
            match c {
                '{' => depth += 1,
                '}' => depth = depth.saturating_sub(1),
                ',' if depth == 0 => {
                    parts.push(self.body[start..at].to_owned());
                    start = at + 1;
                }
                _ => {}
            }
        }
        if parts.is_empty() {
            return range(self.body);
        }
        parts.push(self.body[start..].to_owned());
        Ok(Some(parts))
    }
}

/// `1..3`, `a..c`, in either direction.
fn range(body: &str) -> Result<Option<Vec<String>>, TooMany> {
    let Some((from, to)) = body.split_once("..") else {
        return Ok(None);
    };
    if let (Ok(from), Ok(to)) = (from.parse::<i64>(), to.parse::<i64>()) {
        if from.abs_diff(to) >= MAX_ALTERNATIVES as u64 {
            return Err(TooMany);
        }
        return Ok(Some(ordered(from, to, |n| Some(n.to_string()))));
    }
    match (single_letter(from), single_letter(to)) {
        (Some(from), Some(to)) => Ok(Some(ordered(from.into(), to.into(), |n| {
            u8::try_from(n).ok().map(|n| char::from(n).to_string())
        }))),
        _ => Ok(None),
    }
}

fn ordered(from: i64, to: i64, text: impl Fn(i64) -> Option<String>) -> Vec<String> {
    let up = from.min(to)..=from.max(to);
    if from <= to {
        up.filter_map(text).collect()
    } else {
        up.rev().filter_map(text).collect()
    }
}

fn single_letter(text: &str) -> Option<u8> {
    match text.as_bytes() {
        [letter] if letter.is_ascii_alphabetic() => Some(*letter),
        _ => None,
    }
}

/// The characters of `text` that no backslash escapes, with their offsets.
fn unescaped(text: &str) -> impl Iterator<Item = (usize, char)> {
    let mut escaped = false;
    text.char_indices().filter(move |(_, c)| {
        let plain = !escaped;
        escaped = plain && *c == '\\';
        plain && !escaped
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(pattern: &str) -> Vec<String> {
        expand(pattern).unwrap()
    }

    #[test]
    fn groups_expand_like_in_a_shell() {
        assert_eq!(expanded("a"), ["a"]);
        assert_eq!(expanded("{a,b}/{c,d}"), ["a/c", "a/d", "b/c", "b/d"]);
        assert_eq!(expanded("x{,.min}.js"), ["x.js", "x.min.js"]);
        assert_eq!(expanded("{a,{b,c}d}e"), ["ae", "bde", "cde"]);
        assert_eq!(expanded("f{1..3}"), ["f1", "f2", "f3"]);
        assert_eq!(expanded("f{c..a}"), ["fc", "fb", "fa"]);
    }

    #[test]
    fn what_is_no_group_stays_as_it_is() {
        for literal in [
            "{a}",
            "{a",
            "a}",
            "{}",
            "\\{a,b\\}",
            "{a\\,b}",
            "a,b",
            "{..}",
        ] {
            assert_eq!(expanded(literal), [literal]);
        }
        assert_eq!(expanded("{x{a,b}}"), ["{xa}", "{xb}"]);
        assert_eq!(expanded("{{a,b}"), ["{a", "{b"]);
        assert_eq!(expanded("}{a,b}"), ["}a", "}b"]);
    }

    #[test]
    fn an_explosion_is_refused() {
        assert_eq!(expand(&"{a,b}".repeat(11)), Err(TooMany));
        assert_eq!(expand("{1..100000}"), Err(TooMany));
        let unclosed = "{a,".repeat(40);
        assert_eq!(expanded(&unclosed), [unclosed]);
        let nested = format!("{}{}", "{a,".repeat(40), "}".repeat(40));
        assert_eq!(expand(&nested), Err(TooMany));
    }
}
