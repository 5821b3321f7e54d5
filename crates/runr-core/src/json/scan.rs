//! One pass over a text: is it JSON within the limits, and where are its values?

use super::error::BadJson;
use super::tree::{Entry, Kind, Tree};
use super::words::{after_space, plain_end};
use crate::mutant::without;

/// What a document may be.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Rules {
    /// The greatest size in bytes.
    pub max_bytes: usize,
    /// How many containers may stand in each other.
    pub max_depth: usize,
    /// Whether a byte order mark may stand in front.
    pub bom: Bom,
    /// Down to which level values get a node. What lies deeper is checked, but stays opaque: its
    /// repeated keys are nobody's business, and it costs no memory.
    pub levels: usize,
    /// Which members get a node on the deepest level that has any; none named: all of them. A large
    /// file of many like entries costs memory only for the few fields that are looked at.
    pub members: &'static [&'static str],
}

impl Default for Rules {
    /// 4 MiB, 127 levels, no byte order mark, a node for every value.
    fn default() -> Self {
        Self {
            max_bytes: 4 << 20,
            max_depth: 127,
            bom: Bom::Refuse,
            levels: usize::MAX,
            members: &[],
        }
    }
}

impl Rules {
    /// Sets the greatest size in bytes.
    #[must_use]
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// Sets what is done with a byte order mark.
    #[must_use]
    pub fn bom(mut self, bom: Bom) -> Self {
        self.bom = bom;
        self
    }

    /// Sets down to which level values get a node; the root is level 0.
    #[must_use]
    pub fn levels(mut self, levels: usize) -> Self {
        self.levels = levels;
        self
    }

    /// Sets which members get a node on the deepest level.
    #[must_use]
    pub fn members(mut self, names: &'static [&'static str]) -> Self {
        self.members = names;
        self
    }

    /// Whether a member gets a node on the deepest level, by its key with the quotes.
    fn wants(&self, key: &[u8]) -> bool {
        let bare = key.get(1..key.len().saturating_sub(1)).unwrap_or_default();
        self.members.is_empty() || self.members.iter().any(|name| name.as_bytes() == bare)
    }
}

/// What is done with a byte order mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bom {
    /// It is no JSON.
    Refuse,
    /// It is skipped, and kept by edits.
    Keep,
}

/// Spans are kept as 32-bit numbers.
const MAX_TEXT: usize = u32::MAX as usize;

/// Scans a document that may not even be text.
///
/// # Errors
/// [`BadJson`], also for what is not UTF-8, with the place of the first bad byte.
pub fn scan_bytes<'t>(bytes: &'t [u8], rules: &Rules) -> Result<Tree<'t>, BadJson> {
    within_size(bytes, rules)?;
    match std::str::from_utf8(bytes) {
        Ok(text) => scan(text, rules),
        Err(error) => Err(BadJson::at(bytes, error.valid_up_to(), "it is not UTF-8")),
    }
}

/// Scans a document: exactly one JSON value, and white space around it.
///
/// # Errors
/// [`BadJson`] with the place of the first byte that cannot stand where it stands.
pub fn scan<'t>(text: &'t str, rules: &Rules) -> Result<Tree<'t>, BadJson> {
    within_size(text.as_bytes(), rules)?;
    let mut scanner = Scanner::new(text, rules);
    // More than most need; memory that is not touched costs nothing.
    scanner.entries.reserve(text.len() / 64 + 8);
    if text.starts_with('\u{feff}') {
        if rules.bom == Bom::Refuse {
            return Err(scanner.bad("it begins with a byte order mark"));
        }
        scanner.at = '\u{feff}'.len_utf8();
    }
    scanner.document()?;
    Ok(Tree {
        text,
        entries: scanner.entries,
    })
}

/// Scans the value that a text begins with, whatever follows it.
///
/// # Errors
/// [`BadJson`] as for [`scan`]; the place counts from the beginning of this text.
pub(super) fn scan_first<'t>(text: &'t str, rules: &Rules) -> Result<Tree<'t>, BadJson> {
    let mut scanner = Scanner::new(text, rules);
    scanner.whole_value()?;
    Ok(Tree {
        text,
        entries: scanner.entries,
    })
}

fn within_size(bytes: &[u8], rules: &Rules) -> Result<(), BadJson> {
    let limit = rules.max_bytes.min(MAX_TEXT);
    if bytes.len() <= limit {
        return Ok(());
    }
    Err(BadJson {
        reason: format!("it is larger than {limit} bytes"),
        offset: limit,
        line: 1,
        column: 1,
    })
}

/// A container that is not closed yet.
struct Open {
    object: bool,
    /// Its node, unless it lies too deep for one.
    entry: Option<usize>,
}

struct Scanner<'t> {
    bytes: &'t [u8],
    at: usize,
    rules: &'t Rules,
    entries: Vec<Entry>,
    open: Vec<Open>,
    /// Where the key of the next value stands, quotes included; it has none if the end is 0. Kept
    /// here, not handed on: moved through results it costs a third of the scan.
    key: Key,
    /// Whether the last string held an escape.
    escaped: bool,
}

#[derive(Clone, Copy, Default)]
struct Key {
    start: u32,
    end: u32,
}

impl<'t> Scanner<'t> {
    fn new(text: &'t str, rules: &'t Rules) -> Self {
        Self {
            bytes: text.as_bytes(),
            at: 0,
            rules,
            entries: Vec::new(),
            open: Vec::new(),
            key: Key::default(),
            escaped: false,
        }
    }
}

impl Scanner<'_> {
    fn bad(&self, reason: impl Into<String>) -> BadJson {
        BadJson::at(self.bytes, self.at, reason)
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn space(&mut self) {
        self.at = after_space(self.bytes, self.at);
    }

    fn document(&mut self) -> Result<(), BadJson> {
        self.space();
        self.whole_value()?;
        self.space();
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.bad("something follows the document")),
        }
    }

    /// The value that begins here, with all that it contains.
    fn whole_value(&mut self) -> Result<(), BadJson> {
        // A small document is scanned without growing twice.
        self.entries.reserve((self.bytes.len() / 32).min(64));
        loop {
            // A value begins here. An opened container that is not empty begins its first one.
            if self.value()? {
                self.key_if_object()?;
                continue;
            }
            // A value has ended here, and with it perhaps the containers around it.
            loop {
                let Some(open) = self.open.last() else {
                    return Ok(());
                };
                let object = open.object;
                let close = if object { b'}' } else { b']' };
                self.space();
                match self.peek() {
                    Some(b',') => {
                        self.at += 1;
                        self.space();
                        self.key_if_object()?;
                        break;
                    }
                    Some(byte) if byte == close => self.close(),
                    _ if object => return Err(self.expected("`,` or `}`")),
                    _ => return Err(self.expected("`,` or `]`")),
                }
            }
        }
    }

    /// Reads a value or the beginning of one; whether it is a container with something in it.
    fn value(&mut self) -> Result<bool, BadJson> {
        let start = self.at;
        let kind = match self.peek() {
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            Some(b'"') => Kind::String,
            Some(b'-' | b'0'..=b'9') => Kind::Number,
            Some(b't' | b'f') => Kind::Bool,
            Some(b'n') => Kind::Null,
            _ => return Err(self.expected("a value")),
        };
        let entry = self.record(kind, start);
        match kind {
            Kind::Object | Kind::Array => return self.open(kind == Kind::Object, entry),
            Kind::String => self.string()?,
            Kind::Number => self.number()?,
            Kind::Bool | Kind::Null => self.word()?,
        }
        self.end(entry);
        Ok(false)
    }

    fn record(&mut self, kind: Kind, start: usize) -> Option<usize> {
        if self.open.len() > self.rules.levels {
            return None;
        }
        let Key {
            start: key_start,
            end: key_end,
        } = self.key;
        let deepest = self.open.len() == self.rules.levels && key_end > 0;
        // A key that is spelled with escapes may be any of the named ones.
        if deepest && !self.escaped {
            let key = key_start as usize..key_end as usize;
            if !self.rules.wants(&self.bytes[key]) {
                return None;
            }
        }
        self.entries.push(Entry {
            kind,
            start: short(start),
            end: short(start),
            key_start,
            key_end,
            next: 0,
        });
        Some(self.entries.len() - 1)
    }

    /// Completes the node of the value that ends here.
    fn end(&mut self, entry: Option<usize>) {
        let next = short(self.entries.len());
        if let Some(entry) = entry.and_then(|index| self.entries.get_mut(index)) {
            entry.end = short(self.at);
            entry.next = next;
        }
    }

    fn open(&mut self, object: bool, entry: Option<usize>) -> Result<bool, BadJson> {
        if self.open.len() >= self.rules.max_depth && !without("depth") {
            let reason = format!("it is nested deeper than {} levels", self.rules.max_depth);
            return Err(self.bad(reason));
        }
        self.at += 1;
        self.open.push(Open { object, entry });
        self.space();
        let close = if object { b'}' } else { b']' };
        if self.peek() == Some(close) {
            self.close();
            return Ok(false);
        }
        Ok(true)
    }

    fn close(&mut self) {
        self.at += 1;
        let entry = self.open.pop().and_then(|open| open.entry);
        self.end(entry);
    }

    /// The key and the colon, if an object is open.
    fn key_if_object(&mut self) -> Result<(), BadJson> {
        self.key = Key::default();
        if !self.open.last().is_some_and(|open| open.object) {
            return Ok(());
        }
        if self.peek() != Some(b'"') {
            return Err(self.expected("a key"));
        }
        let start = self.at;
        self.string()?;
        self.key = Key {
            start: short(start),
            end: short(self.at),
        };
        self.space();
        if self.peek() != Some(b':') {
            return Err(self.expected("`:`"));
        }
        self.at += 1;
        self.space();
        Ok(())
    }

    fn string(&mut self) -> Result<(), BadJson> {
        let start = self.at;
        self.escaped = false;
        self.at += 1;
        loop {
            self.at = plain_end(self.bytes, self.at);
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => {
                    self.escaped = true;
                    self.escape()?;
                }
                Some(_) => return Err(self.bad("a control character stands in a string")),
                None => {
                    self.at = start;
                    return Err(self.bad("a string has no end"));
                }
            }
        }
    }

    fn escape(&mut self) -> Result<(), BadJson> {
        let digits = match self.bytes.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => 0,
            Some(b'u') => 4,
            _ => return Err(self.bad("an escape is unknown")),
        };
        let after = self.at + 2;
        let is_whole = self
            .bytes
            .get(after..after + digits)
            .is_some_and(|code| code.iter().all(u8::is_ascii_hexdigit));
        if !is_whole {
            return Err(self.bad("an escape lacks its four digits"));
        }
        self.at = after + digits;
        Ok(())
    }

    fn number(&mut self) -> Result<(), BadJson> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
            if self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
                return Err(self.bad("a number begins with 0"));
            }
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), BadJson> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == start {
            return Err(self.expected("a digit"));
        }
        Ok(())
    }

    fn word(&mut self) -> Result<(), BadJson> {
        let word: &[u8] = match self.peek() {
            Some(b't') => b"true",
            Some(b'f') => b"false",
            _ => b"null",
        };
        if !self.bytes[self.at..].starts_with(word) {
            return Err(self.expected("a value"));
        }
        self.at += word.len();
        Ok(())
    }

    /// What is wrong here, where `what` must stand.
    fn expected(&self, what: &str) -> BadJson {
        let rest = &self.bytes[self.at..];
        for word in ["NaN", "Infinity", "nan", "inf"] {
            if rest.starts_with(word.as_bytes()) {
                return self.bad(format!("{word} is no JSON"));
            }
        }
        let text = String::from_utf8_lossy(&rest[..rest.len().min(4)]);
        self.bad(match text.chars().next() {
            None => format!("it ends where {what} must stand"),
            Some(found) => format!("`{}` stands where {what} must", found.escape_default()),
        })
    }
}

/// Offsets fit: larger texts were refused.
fn short(offset: usize) -> u32 {
    u32::try_from(offset).unwrap_or(u32::MAX)
}
