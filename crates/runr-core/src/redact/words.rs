//! Which of the words are in a text that the rules on names begin with, whatever their case.
//!
//! A regular expression looks at every byte. Here two of them are looked at together, and a word is
//! compared only where two neighbours are that stand in it.

/// What all rules begin with.
const WORDS: [Word; 19] = [
    word("authorization", 6, b""),
    word("bearer", 0, b""),
    word("passw", 2, b"od"),
    word("passphrase", 4, b""),
    word("pwd", 0, b""),
    word("secret", 1, b"_-ka"),
    word("token", 1, b""),
    word("_key", 1, b"_-b"),
    word("-key", 1, b"_-b"),
    word("apikey", 3, b""),
    word("accesskey", 6, b""),
    word("accountkey", 7, b""),
    word("privatekey", 7, b""),
    word("authkey", 4, b""),
    word("signingkey", 7, b""),
    word("encryptionkey", 10, b""),
    word("credential", 7, b"s"),
    word("-user", 0, b""),
    word(" -u", 0, b""),
];

/// What may stand behind every word: blanks, quotes, and what gives a value to a name.
const BEHIND: [u8; 7] = *b" \t\"'\\:=";

struct Word {
    letters: &'static [u8],
    /// Where the three of its letters begin that are rare: two of these are neighbours at an even
    /// place, wherever the word stands.
    rare: usize,
    /// What may stand behind this one as well.
    behind: &'static [u8],
}

const fn word(letters: &'static str, rare: usize, behind: &'static [u8]) -> Word {
    let letters = letters.as_bytes();
    Word {
        letters,
        rare,
        behind,
    }
}

impl Word {
    fn stands_at(&self, text: &[u8], start: usize) -> bool {
        let end = start + self.letters.len();
        let found = text.get(start..end);
        let behind = text.get(end).map(u8::to_ascii_lowercase);
        found.is_some_and(|found| found.eq_ignore_ascii_case(self.letters))
            && behind.is_some_and(|next| BEHIND.contains(&next) || self.behind.contains(&next))
    }
}

/// For every byte, which may stand behind it: by their last five bits, which are those of letters of
/// either case.
static NEIGHBOURS: [u32; 256] = {
    let mut table = [0; 256];
    let mut n = 0;
    while n < WORDS.len() {
        let word = WORDS[n].letters;
        let mut at = WORDS[n].rare;
        while at < WORDS[n].rare + 2 {
            let bit = 1 << (word[at + 1] & 31);
            table[word[at].to_ascii_lowercase() as usize] |= bit;
            table[word[at].to_ascii_uppercase() as usize] |= bit;
            at += 1;
        }
        n += 1;
    }
    table
};

/// A place in the first word that begins at `from` or later.
pub(super) fn next_word(text: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        let mut pairs = text.get(at..)?.chunks_exact(2);
        at += 2 * pairs.position(|pair| are_neighbours(pair[0], pair[1]))?;
        if is_in_word(text, from, at) {
            return Some(at);
        }
        at += 2;
    }
}

fn are_neighbours(first: u8, second: u8) -> bool {
    NEIGHBOURS[usize::from(first)] >> (second & 31) & 1 == 1
}

/// Whether the neighbours at `at` stand in a word that begins at `from` or later.
fn is_in_word(text: &[u8], from: usize, at: usize) -> bool {
    let three_at = |at: usize| {
        let pairs = text
            .get(at..at + 3)
            .map(|three| (three[0], three[1], three[2]));
        pairs.is_some_and(|(a, b, c)| are_neighbours(a, b) && are_neighbours(b, c))
    };
    let begins = at.saturating_sub(1)..=at;
    begins.filter(|at| three_at(*at)).any(|rare_at| {
        WORDS.iter().any(|word| {
            let start = rare_at.checked_sub(word.rare);
            start.is_some_and(|start| start >= from && word.stands_at(text, start))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_found_wherever_it_stands() {
        for word in WORDS {
            let letters = String::from_utf8(word.letters.to_vec()).unwrap();
            for (before, letters) in
                (0..5).flat_map(|n| [(n, letters.clone()), (n, letters.to_uppercase())])
            {
                for behind in BEHIND.iter().chain(word.behind) {
                    let text = format!("{}{letters}{}", "x".repeat(before), char::from(*behind));
                    let found = |from| next_word(text.as_bytes(), from);
                    let place = found(0).unwrap();
                    assert!((before..before + letters.len()).contains(&place), "{text}");
                    assert!((0..=before).all(|from| found(from).is_some()), "{text}");
                }
            }
        }
    }

    #[test]
    fn text_without_a_word_has_none() {
        let text =
            "swift ships pwn crude okays; ends: //x iz ey ke //-u-us tokens: 7 secretly \u{e9}";
        assert_eq!(next_word(text.as_bytes(), 0), None);
    }
}
