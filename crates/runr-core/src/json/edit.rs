//! Edits of a text that leave every byte alone which they do not concern.

use std::ops::Range;

use super::error::BadJson;
use super::layout::{Style, gap_before, line_indentation, push_in_style, usual_colon};
use super::scan::{Bom, Rules, scan};
use super::string::{push_quoted, quote};
use super::tree::{Kind, Node, Tree};

/// One step from a value into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step<'a> {
    /// To the member of an object with this key.
    Key(&'a str),
    /// To the element of an array with this index.
    Index(usize),
}

/// A document under edit.
///
/// Values are given as JSON text, so that they too keep their spelling; new white space follows the
/// manner of the document. A value that means the same as the one that is there changes nothing.
/// Each call either does all of its work or nothing.
#[derive(Debug, Clone)]
pub struct Editor {
    text: String,
    rules: Rules,
}

impl Editor {
    /// Takes a document.
    ///
    /// # Errors
    /// [`BadJson`] if it is none.
    pub fn new(text: impl Into<String>, rules: Rules) -> Result<Self, BadJson> {
        let text = text.into();
        scan(&text, &rules.clone().levels(0))?;
        Ok(Self { text, rules })
    }

    /// The text as it stands.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text as it stands.
    #[must_use]
    pub fn finish(self) -> String {
        self.text
    }

    /// Sets the value at `path`, which is made where it is missing, objects around it included;
    /// new members stand last. Whether anything changed.
    ///
    /// # Errors
    /// [`BadJson`] if `value` is no JSON, if the path leads through something that has no such
    /// place or through an object that repeats a key, or if a limit would be exceeded.
    pub fn set(&mut self, path: &[Step<'_>], value: &str) -> Result<bool, BadJson> {
        self.check_value(value, path.len())?;
        let tree = self.tree(path.len())?;
        let (node, left) = walk(&tree, path)?;
        let splice = match left.split_first() {
            None if mean_the_same(node.text(), value)? => return Ok(false),
            None => replace(&tree, node, value)?,
            Some((Step::Key(key), rest)) => {
                let wrapped = wrap(&tree, node, rest, value)?;
                insert_member(&tree, node, key, &wrapped)?
            }
            Some((Step::Index(_), _)) => return Err(no_place(&tree, node, "index")),
        };
        self.apply(splice)?;
        Ok(true)
    }

    /// Sets members of the object that the document is, in one pass; new ones stand last, in this
    /// order. Whether anything changed.
    ///
    /// # Errors
    /// [`BadJson`] as for [`set`](Self::set).
    pub fn set_members(&mut self, members: &[(&str, &str)]) -> Result<bool, BadJson> {
        for (_, value) in members {
            self.check_value(value, 1)?;
        }
        let tree = self.tree(1)?;
        let root = tree.root();
        // Also refuses what is no object, or repeats a key.
        position(&tree, root, Step::Key(""))?;
        if root.members().next().is_none() && !members.is_empty() {
            let inside: Vec<_> = members
                .iter()
                .map(|(key, value)| format!("{}:{value}", quote(key)))
                .collect();
            let splice = replace(&tree, root, &format!("{{{}}}", inside.join(",")))?;
            self.apply(splice)?;
            return Ok(true);
        }
        let mut splices = Vec::new();
        for (key, value) in members {
            match root.get(key) {
                Some(node) if mean_the_same(node.text(), value)? => {}
                Some(node) => splices.push(replace(&tree, node, value)?),
                None => splices.push(insert_member(&tree, root, key, value)?),
            }
        }
        // Stable: what is inserted in one place keeps its order.
        splices.sort_by_key(|(range, _)| range.start);
        let changed = !splices.is_empty();
        self.apply_all(&splices)?;
        Ok(changed)
    }

    /// Removes the value at `path`, with its key. Whether there was one.
    ///
    /// # Errors
    /// [`BadJson`] as for [`set`](Self::set); the document itself cannot be removed.
    pub fn remove(&mut self, path: &[Step<'_>]) -> Result<bool, BadJson> {
        let tree = self.tree(path.len())?;
        let Some((last, before)) = path.split_last() else {
            return Err(no_place(&tree, tree.root(), "value around it"));
        };
        let (parent, left) = walk(&tree, before)?;
        if !left.is_empty() {
            return Ok(false);
        }
        let Some(index) = position(&tree, parent, *last)? else {
            return Ok(false);
        };
        let range = removal(parent, index);
        self.apply((range, String::new()))?;
        Ok(true)
    }

    /// Appends a value to the array at `path`.
    ///
    /// # Errors
    /// [`BadJson`] as for [`set`](Self::set), and if there is no array.
    pub fn append(&mut self, path: &[Step<'_>], value: &str) -> Result<(), BadJson> {
        self.insert(path, usize::MAX, value)
    }

    /// Inserts a value into the array at `path`, before the element `index`, or last if there are
    /// fewer.
    ///
    /// # Errors
    /// [`BadJson`] as for [`append`](Self::append).
    pub fn insert(&mut self, path: &[Step<'_>], index: usize, value: &str) -> Result<(), BadJson> {
        self.check_value(value, path.len() + 1)?;
        let tree = self.tree(path.len() + 1)?;
        let (array, left) = walk(&tree, path)?;
        if !left.is_empty() || array.kind() != Kind::Array {
            return Err(no_place(&tree, array, "array"));
        }
        let splice = insertion(&tree, array, index, value)?;
        self.apply(splice)
    }

    fn tree(&self, levels: usize) -> Result<Tree<'_>, BadJson> {
        scan(&self.text, &self.rules.clone().levels(levels))
    }

    /// A value that is to stand `level` levels below the root.
    fn check_value(&self, value: &str, level: usize) -> Result<(), BadJson> {
        let mut rules = self.rules.clone().levels(0).bom(Bom::Refuse);
        rules.max_depth = rules.max_depth.saturating_sub(level);
        scan(value, &rules).map(drop)
    }

    fn apply(&mut self, splice: Splice) -> Result<(), BadJson> {
        self.apply_all(&[splice])
    }

    /// Applies splices that stand in the order of the text.
    fn apply_all(&mut self, splices: &[Splice]) -> Result<(), BadJson> {
        let added: usize = splices.iter().map(|(_, new)| new.len()).sum();
        let removed: usize = splices.iter().map(|(range, _)| range.len()).sum();
        let length = self.text.len() - removed + added;
        if length > self.rules.max_bytes {
            let reason = format!("it would be larger than {} bytes", self.rules.max_bytes);
            let first = splices.first().map_or(0, |(range, _)| range.start);
            return Err(BadJson::at(self.text.as_bytes(), first, reason));
        }
        // From the end, so that the places before stay where they are.
        for (range, new) in splices.iter().rev() {
            self.text.replace_range(range.clone(), new);
        }
        Ok(())
    }
}

/// A span, and what is to stand in its place.
pub(crate) type Splice = (Range<usize>, String);

fn no_place(tree: &Tree<'_>, node: Node<'_>, what: &str) -> BadJson {
    BadJson::at(
        tree.text().as_bytes(),
        node.span().start,
        format!("there is no such {what} here"),
    )
}

/// As far as the path leads: the last value on it, and the steps that are left.
fn walk<'t, 'p>(
    tree: &'t Tree<'t>,
    path: &'p [Step<'p>],
) -> Result<(Node<'t>, &'p [Step<'p>]), BadJson> {
    let mut node = tree.root();
    for (done, step) in path.iter().enumerate() {
        match position(tree, node, *step)?.and_then(|index| node.elements().nth(index)) {
            Some(next) => node = next,
            None => return Ok((node, &path[done..])),
        }
    }
    Ok((node, &[]))
}

/// Which of the values in `node` a step leads to.
fn position(tree: &Tree<'_>, node: Node<'_>, step: Step<'_>) -> Result<Option<usize>, BadJson> {
    match step {
        Step::Key(key) => {
            if node.kind() != Kind::Object {
                return Err(no_place(tree, node, "object"));
            }
            if let Some(repeated) = node.repeated_key() {
                let reason = format!("the key {} is repeated", repeated.key_text());
                let offset = repeated.key_span().start;
                return Err(BadJson::at(tree.text().as_bytes(), offset, reason));
            }
            Ok(node.members().position(|member| member.is_called(key)))
        }
        Step::Index(_) if node.kind() != Kind::Array => Err(no_place(tree, node, "array")),
        Step::Index(index) => Ok((index < node.elements().count()).then_some(index)),
    }
}

/// Whether two values mean the same. They are texts, since the tree of a document may not reach
/// into them.
///
/// # Errors
/// [`BadJson`] if one of them is no JSON.
pub(crate) fn mean_the_same(a: &str, b: &str) -> Result<bool, BadJson> {
    let rules = Rules::default().max_bytes(usize::MAX);
    Ok(scan(a, &rules)?.root().same_as(scan(b, &rules)?.root()))
}

/// The value in objects for the steps that are left.
fn wrap(
    tree: &Tree<'_>,
    node: Node<'_>,
    steps: &[Step<'_>],
    value: &str,
) -> Result<String, BadJson> {
    let mut wrapped = value.to_owned();
    for step in steps.iter().rev() {
        let Step::Key(key) = step else {
            return Err(no_place(tree, node, "array"));
        };
        wrapped = format!("{{{}:{wrapped}}}", quote(key));
    }
    Ok(wrapped)
}

fn laid_out(value: &str, style: &Style, indentation: &str) -> Result<String, BadJson> {
    let tree = scan(value, &Rules::default().max_bytes(usize::MAX))?;
    let mut out = String::with_capacity(value.len());
    push_in_style(&mut out, tree.root(), style, indentation);
    Ok(out)
}

fn replace(tree: &Tree<'_>, node: Node<'_>, value: &str) -> Result<Splice, BadJson> {
    let mut style = Style::of(tree.text(), tree.root());
    let is_container = matches!(node.kind(), Kind::Array | Kind::Object);
    if is_container && !node.text()[1..].trim_start().starts_with([']', '}']) {
        style.multiline = node.text().contains('\n');
    }
    let indentation = line_indentation(tree.text(), node.span().start);
    Ok((node.span(), laid_out(value, &style, indentation)?))
}

fn insert_member(
    tree: &Tree<'_>,
    object: Node<'_>,
    key: &str,
    value: &str,
) -> Result<Splice, BadJson> {
    let text = tree.text();
    let mut style = Style::of(text, tree.root());
    let member = |style: &Style, indentation: &str| -> Result<String, BadJson> {
        let mut out = String::new();
        push_quoted(&mut out, key);
        out.push_str(&style.colon);
        out.push_str(&laid_out(value, style, indentation)?);
        Ok(out)
    };
    let Some(last) = object.members().last() else {
        return fill_empty(text, object, &style, member);
    };
    let between = last.key_span().end..last.value.span().start;
    usual_colon(&text[between]).clone_into(&mut style.colon);
    let gap = Gap::before(text, last.key_span().start, &style);
    let style = gap.style(&style);
    let new = member(&style, gap.indentation)?;
    let end = last.value.span().end;
    Ok((end..end, format!(",{}{new}", gap.separator)))
}

/// What inserts a value into an array, before the element `index`, or last if there are fewer.
///
/// # Errors
/// [`BadJson`] if `value` is no JSON.
pub(crate) fn insertion(
    tree: &Tree<'_>,
    array: Node<'_>,
    index: usize,
    value: &str,
) -> Result<Splice, BadJson> {
    let text = tree.text();
    let style = Style::of(text, tree.root());
    let element = |style: &Style, indentation: &str| laid_out(value, style, indentation);
    let next = array.elements().nth(index);
    let Some(neighbour) = next.or_else(|| array.elements().last()) else {
        return fill_empty(text, array, &style, element);
    };
    let gap = Gap::before(text, neighbour.span().start, &style);
    let new = element(&gap.style(&style), gap.indentation)?;
    Ok(if next.is_some() {
        let start = neighbour.span().start;
        (start..start, format!("{new},{}", gap.separator))
    } else {
        let end = neighbour.span().end;
        (end..end, format!(",{}{new}", gap.separator))
    })
}

/// What separates a new value from the one beside it.
struct Gap<'t> {
    separator: String,
    indentation: &'t str,
    multiline: bool,
}

impl<'t> Gap<'t> {
    /// Like the gap before the neighbour that stands at `offset`, but without blank lines.
    fn before(text: &'t str, offset: usize, style: &Style) -> Self {
        let gap = gap_before(text, offset);
        if let Some((_, indentation)) = gap.rsplit_once('\n') {
            return Self {
                separator: format!("{}{indentation}", style.newline),
                indentation,
                multiline: true,
            };
        }
        // Before the first value there is no comma to look at.
        let first = text[..offset - gap.len()].ends_with(['[', '{']);
        Self {
            separator: if first {
                style.beside().to_owned()
            } else {
                gap.to_owned()
            },
            indentation: line_indentation(text, offset),
            multiline: false,
        }
    }

    fn style(&self, style: &Style) -> Style {
        if self.multiline {
            Style {
                multiline: true,
                ..style.clone()
            }
        } else {
            style.inline()
        }
    }
}

/// The first value of a container; the document itself gets a line for it.
fn fill_empty(
    text: &str,
    container: Node<'_>,
    style: &Style,
    value: impl Fn(&Style, &str) -> Result<String, BadJson>,
) -> Result<Splice, BadJson> {
    let inside = container.span().start + 1..container.span().end - 1;
    let multiline = style.multiline || text[inside.clone()].contains('\n');
    if !multiline {
        return Ok((inside, value(style, "")?));
    }
    let indentation = line_indentation(text, inside.start);
    let deeper = format!("{indentation}{}", style.unit);
    let style = Style {
        multiline: true,
        ..style.clone()
    };
    let newline = style.newline;
    let new = value(&style, &deeper)?;
    let new = format!("{newline}{deeper}{new}{newline}{indentation}");
    Ok((inside, new))
}

/// The span that goes with the value of this index: one comma, and the white space on one side.
fn removal(container: Node<'_>, index: usize) -> Range<usize> {
    let spans: Vec<_> = if container.kind() == Kind::Object {
        container
            .members()
            .map(|member| member.key_span().start..member.value.span().end)
            .collect()
    } else {
        container.elements().map(Node::span).collect()
    };
    match (spans.get(index + 1), index.checked_sub(1)) {
        (Some(next), _) => spans[index].start..next.start,
        (None, Some(before)) => spans[before].end..spans[index].end,
        (None, None) => container.span().start + 1..container.span().end - 1,
    }
}
