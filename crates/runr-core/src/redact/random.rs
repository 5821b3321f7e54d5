//! Long base64 of high variety: what no person and no program would call a name.

use std::ops::Range;

use super::extent::is_token;

/// Shorter ones are ids.
const SHORTEST: usize = 40;
/// How much of a run is judged.
const JUDGED: usize = 4096;

/// The next run of base64 in `hay` from `from` on that looks random.
pub(super) fn next_random(hay: &[u8], from: usize) -> Option<Range<usize>> {
    let mut at = from;
    while let Some(run) = next_run(hay, at) {
        at = run.end;
        let judged = &hay[run.start..run.end.min(run.start + JUDGED)];
        if is_random(judged) && !is_sum(&hay[..run.start], judged) {
            return Some(run);
        }
    }
    None
}

/// The next run of at least [`SHORTEST`] characters that begins at `from` or later, and not before.
/// Every such run has one at a place that is looked at.
fn next_run(hay: &[u8], from: usize) -> Option<Range<usize>> {
    let within = from > 0 && IN_RUN[usize::from(hay[from - 1])];
    let rest = hay[from..].iter();
    let rest = rest
        .take_while(|b| within && IN_RUN[usize::from(**b)])
        .count();
    let mut floor = from + rest;
    let mut probe = floor + SHORTEST - 1;
    while probe < hay.len() {
        if !IN_RUN[usize::from(hay[probe])] {
            floor = probe + 1;
            probe += SHORTEST;
            continue;
        }
        let before = hay[floor..probe].iter().rev();
        let start = probe - before.take_while(|b| IN_RUN[usize::from(**b)]).count();
        let least = start + SHORTEST;
        // The rest of the shortest run is looked at from behind, to leap as far as possible.
        let whole = hay.get(probe..least);
        match whole.map(|rest| rest.iter().rposition(|b| !IN_RUN[usize::from(*b)])) {
            None => return None,
            Some(Some(gap)) => {
                floor = probe + gap + 1;
                probe = floor + SHORTEST - 1;
            }
            Some(None) => {
                let more = hay[least..].iter();
                let more = more.take_while(|b| IN_RUN[usize::from(**b)]).count();
                return Some(start..least + more);
            }
        }
    }
    None
}

static IN_RUN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        let b = byte as u8;
        table[byte] = b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'_' | b'-');
        byte += 1;
    }
    table
};

/// Names and paths are made of words, and sums of sixteen digits: only random text has all kinds of
/// characters and goes from one to another at nearly every step.
fn is_random(run: &[u8]) -> bool {
    let (mut seen, mut kinds) = ([false; 256], [0usize; 3]);
    let (mut last, mut changes, mut counted) = (None, 0usize, 0usize);
    for byte in run.iter().copied() {
        seen[usize::from(byte)] = true;
        let kind = match byte {
            b'A'..=b'Z' => 0,
            b'a'..=b'z' => 1,
            b'0'..=b'9' => 2,
            _ => continue,
        };
        kinds[kind] += 1;
        counted += 1;
        changes += usize::from(last.is_some_and(|last| last != kind));
        last = Some(kind);
    }
    let distinct = seen.iter().filter(|seen| **seen).count();
    kinds.iter().all(|count| *count > 0) && distinct >= 16 && changes * 5 >= counted * 2
}

/// Whether this is the sum of something, as lockfiles note it: `sha512-…`, `h1:…`.
fn is_sum(before: &[u8], run: &[u8]) -> bool {
    let names: [&[u8]; 4] = [b"sha1", b"sha256", b"sha384", b"sha512"];
    let is_name = |text: &[u8]| names.iter().any(|name| text.eq_ignore_ascii_case(name));
    let named = run
        .iter()
        .position(|b| *b == b'-')
        .is_some_and(|at| is_name(&run[..at]));
    let behind = |label: &[u8]| {
        let label_at = before.len().checked_sub(label.len());
        // At the end of a longer word it is a part of that, and may be gone when this is judged again.
        label_at
            .is_some_and(|at| before[at..].eq_ignore_ascii_case(label) && begins_word(before, at))
    };
    let labels: [&[u8]; 5] = [b"h1:", b"sha1:", b"sha256:", b"sha384:", b"sha512:"];
    named || labels.iter().any(|label| behind(label))
}

/// Whether a word begins here: also behind the escape of a line feed.
fn begins_word(text: &[u8], at: usize) -> bool {
    let escaped = at > 1 && text[at - 2] == b'\\';
    escaped || at == 0 || !is_token(text[at - 1])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every position looked at.
    fn slowly(hay: &[u8]) -> Vec<Range<usize>> {
        let (mut found, mut start) = (Vec::new(), 0);
        for at in 0..=hay.len() {
            if at == hay.len() || !IN_RUN[usize::from(hay[at])] {
                if at - start >= SHORTEST {
                    found.push(start..at);
                }
                start = at + 1;
            }
        }
        found
    }

    #[test]
    fn the_leaping_search_finds_the_same_runs_as_the_slow_one() {
        let mut state = 1u32;
        for _ in 0..2000 {
            let mut hay = Vec::new();
            for _ in 0..6 {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                hay.extend(std::iter::repeat_n(b'a', (state >> 16) as usize % 90));
                hay.push(b' ');
            }
            let (mut fast, mut at) = (Vec::new(), 0);
            while let Some(run) = next_run(&hay, at) {
                at = run.end;
                fast.push(run);
            }
            assert_eq!(fast, slowly(&hay), "{}", String::from_utf8_lossy(&hay));
        }
    }
}
