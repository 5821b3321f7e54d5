//! What differs between a document as a program got it and as it gave it back.
//!
//! A program sees plain JSON values, and its numbers hold less than the text. So what means the
//! same as what it got counts as untouched and keeps its spelling, inside of lists as well.

use std::collections::BTreeMap;

use serde_json::{Number, Value};

use super::update::MetaOp;
use crate::error::{Code, Error, Result};
use crate::json::{Kind, Node, Rules, Written, scan};

/// What the numbers of a program can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Numbers {
    /// Integers of any size, and floats.
    Exact,
    /// Floats alone, so that large integers come back rounded.
    Floats,
}

/// The text of a document as plain JSON.
pub(super) fn view(text: &str) -> Result<Value> {
    let tree = scan(text, &Rules::default())
        .map_err(|bad| Error::internal(format!("meta.json was printed wrong: {bad}")))?;
    Ok(tree.root().to_value())
}

/// The changes that lead from the text of a document to what a program made of its view.
///
/// # Errors
/// `E_USAGE` if that is no JSON object, or if a program of [`Numbers::Floats`] set an integer that
/// is not exact there.
pub(super) fn difference(before: &str, after: &str, numbers: Numbers) -> Result<Vec<MetaOp>> {
    let read = |text| {
        let usage = |bad| Error::new(Code::Usage, format!("the document is no JSON: {bad}"));
        scan(text, &Rules::default()).map_err(usage)
    };
    let (before, after) = (read(before)?, read(after)?);
    if after.root().kind() != Kind::Object {
        return Err(Error::new(
            Code::Usage,
            "the document must stay a JSON object",
        ));
    }
    let mut ops = Vec::new();
    numbers.compare(before.root(), after.root(), "", &mut ops)?;
    Ok(ops)
}

impl Numbers {
    fn compare(
        self,
        before: Node<'_>,
        after: Node<'_>,
        path: &str,
        ops: &mut Vec<MetaOp>,
    ) -> Result<()> {
        let (old, new) = (fields(before), fields(after));
        for key in old.keys().filter(|key| !new.contains_key(*key)) {
            let path = below(path, key);
            ops.push(MetaOp::Unset { path });
        }
        for member in after.members() {
            let (key, new) = (member.key_lossy(), member.value);
            let path = below(path, &key);
            match old.get(&key).copied() {
                Some(old) if self.same(old, new) => {}
                Some(old) if old.kind() == Kind::Object && new.kind() == Kind::Object => {
                    self.compare(old, new, &path, ops)?;
                }
                old => {
                    let text = self.spelled(old, new, &path)?;
                    let value = Written::parse(&text)
                        .map_err(|bad| Error::internal(format!("a value was spelled: {bad}")))?;
                    ops.push(MetaOp::Set { path, value });
                }
            }
        }
        Ok(())
    }

    /// Whether `new` is what a program makes of `old` by leaving it alone.
    fn same(self, old: Node<'_>, new: Node<'_>) -> bool {
        match (old.kind(), new.kind()) {
            (Kind::Number, Kind::Number) => self.same_number(old.text(), new.text()),
            // A number beyond a float is handed out as text.
            (Kind::Number, Kind::String) => old.to_value() == new.to_value(),
            (Kind::String, Kind::String) => old.as_str_lossy() == new.as_str_lossy(),
            (Kind::Array, Kind::Array) => {
                old.elements().count() == new.elements().count()
                    && old
                        .elements()
                        .zip(new.elements())
                        .all(|(old, new)| self.same(old, new))
            }
            (Kind::Object, Kind::Object) => {
                let (old, new) = (fields(old), fields(new));
                old.len() == new.len()
                    && old.iter().zip(&new).all(|((key, old), (same_key, new))| {
                        key == same_key && self.same(*old, *new)
                    })
            }
            (a, b) => a == b && old.text() == new.text(),
        }
    }

    fn same_number(self, old: &str, new: &str) -> bool {
        let (Ok(a), Ok(b)) = (old.parse::<Number>(), new.parse::<Number>()) else {
            return old == new;
        };
        match self {
            Self::Floats => a.as_f64() == b.as_f64(),
            // Of an integer beyond 64 bits the parsed number is only an approximation.
            Self::Exact => old == new || (a == b && !(b.is_f64() && is_integer(new))),
        }
    }

    /// The text of a new value, in which everything that was there before keeps its spelling.
    fn spelled(self, old: Option<Node<'_>>, new: Node<'_>, path: &str) -> Result<String> {
        match old {
            Some(old) if self.same(old, new) => return Ok(old.text().to_owned()),
            _ => {}
        }
        match new.kind() {
            Kind::Array => {
                let pairs = self.aligned(old, new).into_iter();
                let parts: Result<Vec<_>> = pairs
                    .map(|(old, new)| self.spelled(old, new, path))
                    .collect();
                Ok(format!("[{}]", parts?.join(",")))
            }
            Kind::Object => {
                let before = old.map(fields).unwrap_or_default();
                let parts: Result<Vec<_>> = new
                    .members()
                    .map(|member| {
                        let old = before.get(&member.key_lossy()).copied();
                        let value = self.spelled(old, member.value, path)?;
                        Ok(format!("{}:{value}", member.key_text()))
                    })
                    .collect();
                Ok(format!("{{{}}}", parts?.join(",")))
            }
            Kind::Number if self == Self::Floats && !is_exact_float(new.text()) => {
                Err(inexact(path, new.text()))
            }
            _ => Ok(new.text().to_owned()),
        }
    }

    /// Every element of a list with what stood in its place: counted from both ends, so that
    /// neither an insertion nor a removal shifts the rest.
    fn aligned<'a>(
        self,
        old: Option<Node<'a>>,
        new: Node<'a>,
    ) -> Vec<(Option<Node<'a>>, Node<'a>)> {
        let old: Vec<_> = match old {
            Some(old) if old.kind() == Kind::Array => old.elements().collect(),
            _ => Vec::new(),
        };
        let new: Vec<_> = new.elements().collect();
        let alike = |pairs: &mut dyn Iterator<Item = (&Node<'a>, &Node<'a>)>| {
            pairs.take_while(|(a, b)| self.same(**a, **b)).count()
        };
        let shorter = old.len().min(new.len());
        let start = alike(&mut old.iter().zip(&new));
        let end = alike(&mut old.iter().rev().zip(new.iter().rev())).min(shorter - start);
        let before = |index: usize| {
            let from_end = new.len() - index;
            if from_end <= end {
                Some(old[old.len() - from_end])
            } else {
                old[..old.len() - end].get(index).copied()
            }
        };
        let pairs = new.iter().enumerate();
        pairs.map(|(index, node)| (before(index), *node)).collect()
    }
}

fn fields(object: Node<'_>) -> BTreeMap<String, Node<'_>> {
    let members = object.members();
    members
        .map(|member| (member.key_lossy(), member.value))
        .collect()
}

fn below(path: &str, key: &str) -> String {
    format!("{path}/{}", key.replace('~', "~0").replace('/', "~1"))
}

fn is_integer(text: &str) -> bool {
    !text.contains(['.', 'e', 'E'])
}

/// Whether a float holds exactly the integer that is written, and no other one.
fn is_exact_float(text: &str) -> bool {
    const LIMIT: u64 = 1 << 53;
    !is_integer(text)
        || text
            .parse::<i64>()
            .is_ok_and(|number| number.unsigned_abs() < LIMIT)
}

fn inexact(path: &str, number: &str) -> Error {
    Error::new(
        Code::Usage,
        format!("cannot change `{path}`: {number} is not exact as a floating point number"),
    )
    .with("field", path)
    .hint("keep the number as text")
}
