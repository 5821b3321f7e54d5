//! A private key block, from its first line to its last, however it is printed.

/// A block that is longer has lost its end.
const LIMIT: usize = 16 * 1024;
/// Enough to recognise the last line of a block.
const FRAME: usize = 64;

/// Within a block whose first line is blanked already.
#[derive(Debug, Clone, Default)]
pub(super) struct Block {
    dropped: usize,
    /// Backslashes that were read and may have to stay: those before a quote are a part of it.
    held: usize,
    tail: Vec<u8>,
}

impl Block {
    /// Drops what belongs to the block: how many bytes that are, and whether the block is over. It
    /// ends with its last line, at a quote, which ends the string it stands in, or at the limit.
    pub(super) fn take(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> (usize, bool) {
        for (at, byte) in bytes.iter().copied().enumerate() {
            // Not within a character, nor between a backslash and what it escapes.
            let between = self.held == 0 && byte & 0xc0 != 0x80;
            match byte {
                b'"' => {
                    out.resize(out.len() + self.held, b'\\');
                    return (at, true);
                }
                _ if self.dropped >= LIMIT && between => return (at, true),
                b'\\' => self.held += 1,
                _ => self.held = 0,
            }
            self.dropped += 1;
            if self.tail.len() == 2 * FRAME {
                self.tail.drain(..FRAME);
            }
            self.tail.push(byte);
            if byte == b'-' && self.is_over() {
                return (at + 1, true);
            }
        }
        (bytes.len(), false)
    }

    fn is_over(&self) -> bool {
        let frame = &self.tail[self.tail.len().saturating_sub(FRAME)..];
        let ends = frame.ends_with(b"KEY-----") || frame.ends_with(b"BLOCK-----");
        ends && frame.windows(9).any(|part| part == b"-----END ")
    }
}
