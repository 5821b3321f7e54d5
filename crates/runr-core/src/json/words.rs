//! Runs of bytes, looked at eight at once: what makes the scan of a large file fast.

/// A word that holds a byte eight times.
const fn every(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

/// The eight bytes from an offset on, the first one lowest.
fn word_at(bytes: &[u8], at: usize) -> Option<u64> {
    let (word, _) = bytes.get(at..)?.split_first_chunk::<8>()?;
    Some(u64::from_le_bytes(*word))
}

/// Where the white space ends that begins here, if any does.
#[inline]
pub(crate) fn after_space(bytes: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\t' | b'\n' | b'\r') = bytes.get(at) {
        at += 1;
        // Indentation: eight bytes at once.
        while let Some(word) = word_at(bytes, at) {
            let spaces = first_byte(word ^ every(b' '));
            at += spaces;
            if spaces < 8 {
                break;
            }
        }
    }
    at
}

/// Where the plain part of a string ends: at a quote, a backslash, a control character, or the end
/// of the text.
#[inline]
pub(super) fn plain_end(bytes: &[u8], mut at: usize) -> usize {
    while let Some(word) = word_at(bytes, at) {
        let stops = stops(word);
        if stops != 0 {
            return at + first_byte(stops);
        }
        at += 8;
    }
    let rest = bytes.get(at..).unwrap_or_default();
    let plain = |byte: &u8| !matches!(byte, b'"' | b'\\' | 0..0x20);
    at + rest.iter().take_while(|byte| plain(byte)).count()
}

/// A word whose first byte that is not 0 stands where the plain part of a string ends in this one.
fn stops(word: u64) -> u64 {
    // The high bit of every byte below `limit`; above the first one it may be wrong.
    let below = |word: u64, limit: u8| word.wrapping_sub(every(limit)) & !word & every(0x80);
    // With one bit turned a quote comes to stand right behind the control characters.
    below(word ^ every(b'"' ^ b' '), 0x21) | below(word ^ every(b'\\'), 1)
}

/// The place of the first byte in a word that is not 0; 8 if there is none.
fn first_byte(word: u64) -> usize {
    (word.trailing_zeros() / 8) as usize
}
