//! The elements of a long array of like objects, one after the other.
//!
//! A list of a hundred thousand objects holds a million members, but what stands between their
//! values is nearly always the same bytes. So what stood between those of an object is kept, and
//! where the next one goes on alike, only its values are looked at: the same bytes mean the same in
//! the same place. Everything else takes the scan.

use std::ops::Range;

use super::scan::{Rules, scan_first};
use super::tree::Tree;
use super::words::plain_end;

/// How many forms of objects are kept, and of how many members each.
const FORMS: usize = 8;
const MEMBERS: usize = 64;
/// After so many forms the objects are not like each other, and keeping more is lost work.
const LEARNT: usize = 256;

/// Reads elements of an array, and finds `N` members of each.
#[derive(Debug)]
pub(crate) struct Rows<const N: usize> {
    names: [&'static str; N],
    /// What an element may be, and a value in it.
    rules: Rules,
    inner: Rules,
    forms: Vec<Form>,
    /// The form that the last object had.
    usual: usize,
    learnt: usize,
}

/// Where an element and its members stand.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<const N: usize> {
    start: u32,
    end: u32,
    fields: [(u32, u32); N],
}

impl<const N: usize> Place<N> {
    /// A place that was found in another way.
    pub(crate) fn new(span: Range<usize>, fields: [Option<Range<usize>>; N]) -> Self {
        let short = |span: Range<usize>| (short(span.start), short(span.end));
        let (start, end) = short(span);
        let fields = fields.map(|field| field.map_or((0, 0), short));
        Self { start, end, fields }
    }

    /// The element.
    pub(crate) fn span(&self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    /// The value of the member with the `nth` name; of repeated ones the last.
    pub(crate) fn field(&self, nth: usize) -> Option<Range<usize>> {
        let (start, end) = *self.fields.get(nth)?;
        (end > 0).then_some(start as usize..end as usize)
    }
}

/// What all but the values of an object is.
#[derive(Debug)]
struct Form {
    steps: Vec<Step>,
    /// What stands after the last value.
    close: Box<[u8]>,
}

#[derive(Debug)]
struct Step {
    /// What stands before the value, from the value before on.
    lead: Box<[u8]>,
    /// Which of the names the key is.
    field: Option<usize>,
}

impl<const N: usize> Rows<N> {
    /// Elements that may be nested so deeply, and the names of the members to find.
    pub(crate) fn new(names: [&'static str; N], max_depth: usize) -> Self {
        let rules = |levels, max_depth| Rules {
            max_depth,
            ..Rules::default().levels(levels)
        };
        Self {
            names,
            rules: rules(1, max_depth),
            inner: rules(0, max_depth.saturating_sub(1)),
            forms: Vec::new(),
            usual: 0,
            learnt: 0,
        }
    }

    /// The element that begins at an offset; nothing if none does that is whole.
    pub(crate) fn read(&mut self, text: &str, at: usize) -> Option<Place<N>> {
        let others = 0..self.forms.len();
        for nth in std::iter::once(self.usual).chain(others) {
            let form = self.forms.get(nth);
            if let Some(place) = form.and_then(|form| form.fit(text, at, &self.inner)) {
                self.usual = nth;
                return Some(place);
            }
        }
        let tree = scan_first(text.get(at..)?, &self.rules).ok()?;
        let place = self.place(&tree, at);
        self.learn(&tree);
        Some(place)
    }

    fn place(&self, tree: &Tree<'_>, at: usize) -> Place<N> {
        let short = |span: Range<usize>| (short(at + span.start), short(at + span.end));
        let (start, end) = short(tree.root().span());
        let mut fields = [(0, 0); N];
        for member in tree.root().members() {
            if let Some(nth) = self.named(&member.key()) {
                fields[nth] = short(member.value.span());
            }
        }
        Place { start, end, fields }
    }

    fn named(&self, key: &str) -> Option<usize> {
        self.names.iter().position(|name| *name == key)
    }

    /// Keeps the form of an object.
    fn learn(&mut self, tree: &Tree<'_>) {
        let root = tree.root();
        let count = root.members().take(MEMBERS + 1).count();
        if !(1..=MEMBERS).contains(&count) || self.learnt == LEARNT {
            return;
        }
        self.learnt += 1;
        let bytes = tree.text().as_bytes();
        let mut end = root.span().start;
        let mut steps = Vec::with_capacity(count);
        for member in root.members() {
            let value = member.value.span();
            steps.push(Step {
                lead: bytes[end..value.start].into(),
                field: self.named(&member.key()),
            });
            end = value.end;
        }
        let close = bytes[end..root.span().end].into();
        if self.forms.len() == FORMS {
            self.forms.remove(0);
        }
        self.forms.push(Form { steps, close });
        self.usual = self.forms.len() - 1;
    }
}

impl Form {
    /// The object that begins here, if it has this form.
    fn fit<const N: usize>(&self, text: &str, start: usize, inner: &Rules) -> Option<Place<N>> {
        let bytes = text.as_bytes();
        let mut at = start;
        let mut fields = [(0, 0); N];
        for step in &self.steps {
            let value = after(bytes, at, &step.lead)?;
            at = value_end(text, value, inner)?;
            if let Some(nth) = step.field {
                fields[nth] = (short(value), short(at));
            }
        }
        Some(Place {
            start: short(start),
            end: short(after(bytes, at, &self.close)?),
            fields,
        })
    }
}

fn after(bytes: &[u8], at: usize, known: &[u8]) -> Option<usize> {
    bytes
        .get(at..)?
        .starts_with(known)
        .then_some(at + known.len())
}

/// Where a value ends. What follows a number is not looked at: no form goes on with a character
/// that a number might.
fn value_end(text: &str, at: usize, rules: &Rules) -> Option<usize> {
    let bytes = text.as_bytes();
    match bytes.get(at)? {
        b'"' => {
            let end = plain_end(bytes, at + 1);
            if bytes.get(end) == Some(&b'"') {
                return Some(end + 1);
            }
        }
        b'1'..=b'9' => {
            let digits = bytes[at..].iter().take_while(|byte| byte.is_ascii_digit());
            return Some(at + digits.count());
        }
        b'n' => return after(bytes, at, b"null"),
        _ => {}
    }
    let tree = scan_first(text.get(at..)?, rules).ok()?;
    Some(at + tree.root().span().end)
}

/// Offsets fit: larger texts are not read.
fn short(offset: usize) -> u32 {
    u32::try_from(offset).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::scan;

    /// After an object of the same form every value is what a scan says it is.
    #[test]
    fn values_in_a_known_form_are_as_strict_as_in_a_scan() {
        let values = [
            "0",
            "7",
            "70",
            "01",
            "00",
            "-0",
            "-01",
            "1.5",
            "1.",
            ".5",
            "1e3",
            "1e",
            "+1",
            "1x",
            "NaN",
            "null",
            "nul",
            "nulll",
            "true",
            "false",
            "tru",
            "\"\"",
            "\"a\"",
            "\"\\n\"",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\u{1}\"",
            "\"\t\"",
            "\"\u{e4}\"",
            "\"\\ud800\"",
            "\"",
            "\"a",
            "\"\\\"",
            "[]",
            "[1,]",
            "{}",
            "{\"a\": 1, \"a\": 2}",
            "[[",
            "",
            ",",
            "1, 2",
        ];
        for value in values {
            for first in ["1", "\"a\"", "null"] {
                let before = format!("{{\"k\": {first}, \"n\": 1}}");
                let element = format!("{{\"k\": {value}, \"n\": {value}}}");
                let text = format!("{before}{element}");
                let mut rows = Rows::new(["n"], 127);
                let known = rows.read(&text, 0).unwrap();
                let place = rows.read(&text, known.span().end);
                assert_eq!(
                    place.is_some(),
                    scan(&element, &Rules::default()).is_ok(),
                    "{value}"
                );
                if let Some(place) = place {
                    assert_eq!(&text[place.span()], element);
                    assert_eq!(place.field(0).map(|span| &text[span]), Some(value));
                }
            }
        }
    }

    #[test]
    fn forms_are_told_apart_by_every_byte_between_the_values() {
        let mut rows = Rows::new(["a", "b"], 127);
        let read = |rows: &mut Rows<2>, text: &str| {
            let place = rows.read(text, 0)?;
            let field = |nth| place.field(nth).map(|span| text[span].to_owned());
            Some([field(0), field(1)])
        };
        let some = |text: &str| Some(text.to_owned());
        for _ in 0..2 {
            assert_eq!(
                read(&mut rows, "{\"a\": 1, \"b\": 2}"),
                Some([some("1"), some("2")])
            );
            assert_eq!(
                read(&mut rows, "{\"b\": 1, \"a\": 2}"),
                Some([some("2"), some("1")])
            );
            assert_eq!(
                read(&mut rows, "{\"a\": 1, \"a\": 2}"),
                Some([some("2"), None])
            );
            assert_eq!(read(&mut rows, "{\"\\u0061\": 1}"), Some([some("1"), None]));
            assert_eq!(read(&mut rows, "{\"a\" 1, \"b\": 2}"), None);
            assert_eq!(read(&mut rows, "{\"a\": 1  \"b\": 2}"), None);
            assert_eq!(read(&mut rows, "{\"a\": 1, \"b\": 2]"), None);
        }
    }

    #[test]
    fn more_forms_than_are_kept_are_read_all_the_same() {
        let mut rows = Rows::new(["z"], 127);
        for nth in (0..3 * FORMS).chain(0..3 * FORMS) {
            let text = format!("{{\"k{nth}\": 1, \"z\": {nth}}}");
            let place = rows.read(&text, 0).unwrap();
            assert_eq!(
                place.field(0).map(|span| &text[span]),
                Some(&*nth.to_string())
            );
        }
    }
}
