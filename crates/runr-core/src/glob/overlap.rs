//! Exact intersection: is there a path that two patterns both claim?

use super::chars::CharSet;
use super::pattern::{Glob, Segment, Token, literal};

impl Glob {
    /// Whether some path is claimed by both patterns, hidden segments as in [`Glob::matches`].
    ///
    /// A pattern without wildcard claims itself and everything below it, hidden or not. The
    /// answer is exact, and quadratic in the lengths of the patterns.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        let theirs: Vec<_> = other.alternatives().iter().map(|s| claim(s)).collect();
        (self.alternatives().iter().map(|s| claim(s)))
            .any(|mine| theirs.iter().any(|theirs| paths_meet(&mine, theirs)))
    }
}

/// A step of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step<'a> {
    /// One segment.
    One(&'a [Token]),
    /// Any number of segments, none of them hidden.
    Visible,
    /// Any number of segments: what lies below a named path.
    Anything,
}

fn claim(segments: &[Segment]) -> Vec<Step<'_>> {
    let mut steps: Vec<_> = (segments.iter())
        .map(|segment| match segment {
            Segment::One(tokens) => Step::One(tokens.as_slice()),
            Segment::AnyDepth => Step::Visible,
        })
        .collect();
    if literal(segments).is_some() {
        // `docs/` names the directory itself.
        if steps.last() == Some(&Step::One(&[])) {
            steps.pop();
        }
        // The empty pattern names nothing, not the whole tree.
        if !steps.is_empty() {
            steps.push(Step::Anything);
        }
    }
    steps
}

/// `meet[i][j]`: can the steps from `i` and the steps from `j` on walk the same path?
fn paths_meet(a: &[Step<'_>], b: &[Step<'_>]) -> bool {
    if a.is_empty() || b.is_empty() {
        return false;
    }
    let mut meet = vec![vec![false; b.len() + 1]; a.len() + 1];
    for i in (0..=a.len()).rev() {
        for j in (0..=b.len()).rev() {
            meet[i][j] = match (a.get(i), b.get(j)) {
                (None, None) => true,
                (Some(Step::One(x)), Some(Step::One(y))) => {
                    segments_meet(x, y) && meet[i + 1][j + 1]
                }
                (Some(Step::One(x)), Some(deep)) => {
                    meet[i][j + 1] || (passes(*deep, x) && meet[i + 1][j])
                }
                (Some(deep), Some(Step::One(y))) => {
                    meet[i + 1][j] || (passes(*deep, y) && meet[i][j + 1])
                }
                // Two of any depth can always shrink to nothing together.
                (Some(_), Some(_)) => meet[i + 1][j] || meet[i][j + 1],
                (Some(Step::One(_)), None) | (None, Some(Step::One(_))) => false,
                (Some(_), None) => meet[i + 1][j],
                (None, Some(_)) => meet[i][j + 1],
            };
        }
    }
    meet[0][0]
}

/// Whether a step of any depth can walk through a segment.
fn passes(deep: Step<'_>, segment: &[Token]) -> bool {
    let visible = segments_meet(segment, &[Token::Run]);
    visible || (deep == Step::Anything && segment.first() == Some(&Token::Literal('.')))
}

/// Whether some segment matches both token lists.
fn segments_meet(a: &[Token], b: &[Token]) -> bool {
    let hidden = |tokens: &[Token]| tokens.first() == Some(&Token::Literal('.'));
    match (hidden(a), hidden(b)) {
        (true, true) => tokens_meet(a, b).inside,
        (false, false) => tokens_meet(a, b).at_start,
        _ => false,
    }
}

/// Whether the rest of both lists can match the same text.
#[derive(Debug, Clone, Copy, Default)]
struct Meet {
    /// At the start of a segment: the text is neither empty nor begins with a dot.
    at_start: bool,
    /// After the first character.
    inside: bool,
}

impl Meet {
    fn add(&mut self, other: Self) {
        self.at_start |= other.at_start;
        self.inside |= other.inside;
    }
}

fn tokens_meet(a: &[Token], b: &[Token]) -> Meet {
    let mut meet = vec![vec![Meet::default(); b.len() + 1]; a.len() + 1];
    for i in (0..=a.len()).rev() {
        for j in (0..=b.len()).rev() {
            let mut here = Meet::default();
            let (x, y) = (a.get(i), b.get(j));
            if x.is_none() && y.is_none() {
                here.inside = true;
                here.at_start = a.is_empty() && b.is_empty();
            }
            // A run may end here ...
            if x == Some(&Token::Run) {
                here.add(meet[i + 1][j]);
            }
            if y == Some(&Token::Run) {
                here.add(meet[i][j + 1]);
            }
            // ... or both sides take one more character; a run stays where it is.
            if let (Some(x), Some(y)) = (x, y) {
                let (down, right) = (usize::from(*x != Token::Run), usize::from(*y != Token::Run));
                let rest = match (down, right) {
                    (0, 0) => here.inside,
                    _ => meet[i + down][j + right].inside,
                };
                here.inside |= rest && share_a_character(x, y, false);
                here.at_start |= rest && share_a_character(x, y, true);
            }
            meet[i][j] = here;
        }
    }
    meet[0][0]
}

/// Whether two tokens can take the same character, which at the start of a segment is no dot.
fn share_a_character(x: &Token, y: &Token, at_start: bool) -> bool {
    match (x, y) {
        (Token::Run, Token::Run) => true,
        (Token::Literal(x), Token::Literal(y)) => x == y && !(at_start && *x == '.'),
        (Token::Literal(c), Token::Run) | (Token::Run, Token::Literal(c)) => {
            !(at_start && *c == '.')
        }
        (Token::Literal(c), Token::Class(set)) | (Token::Class(set), Token::Literal(c)) => {
            set.contains(*c) && !(at_start && *c == '.')
        }
        (Token::Class(set), Token::Run) | (Token::Run, Token::Class(set)) => {
            !at_start || set.meets(&CharSet::any().without_dot())
        }
        (Token::Class(x), Token::Class(y)) if at_start => x.without_dot().meets(y),
        (Token::Class(x), Token::Class(y)) => x.meets(y),
    }
}
