//! Ids beside those that are taken.

use std::collections::HashSet;

use super::RunTree;
use crate::error::Result;
use crate::identity::index::Index;
use crate::identity::model::Flow;
use crate::identity::rules::{is_item_id, version, with_version};

/// All ids that are taken, by a directory or by an entry of the index.
fn taken(index: &Index<'_>, tree: &dyn RunTree) -> Result<HashSet<String>> {
    let mut ids: HashSet<_> = tree.names()?.into_iter().collect();
    let listed = index
        .rows()
        .filter_map(|row| row.id().map(Into::<String>::into));
    ids.extend(listed.filter(|id| is_item_id(id)));
    Ok(ids)
}

/// The id after the latest version of a work item, and that version.
pub(super) fn next_version(
    id: &str,
    index: &Index<'_>,
    tree: &dyn RunTree,
) -> Result<(String, String)> {
    let taken = taken(index, tree)?;
    let is_taken = |id: &str| Ok::<_, crate::Error>(taken.contains(id) || tree.exists(id)?);
    // A version belongs to the family of its first, if that one is there. Its id may have been cut.
    let first = match version(id) {
        Some((stem, _)) if is_taken(stem)? => stem.to_owned(),
        Some((_, number)) => {
            let whole = |other: &&String| other.as_str() != id && with_version(other, number) == id;
            taken
                .iter()
                .filter(whole)
                .min()
                .map_or(id, String::as_str)
                .to_owned()
        }
        None => id.to_owned(),
    };
    let number_of = |other: &String| {
        let (_, number) = version(other)?;
        (with_version(&first, number) == *other).then_some(number)
    };
    let latest = taken.iter().filter_map(number_of).max();
    let superseded = latest.map_or(first.clone(), |number| with_version(&first, number));
    let mut next = latest.unwrap_or(1) + 1;
    // A name that cannot be listed is taken all the same.
    while is_taken(&with_version(&first, next))? {
        next += 1;
    }
    Ok((with_version(&first, next), superseded))
}

/// An id that says nothing but the flow.
pub(super) fn first_free(flow: Flow, index: &Index<'_>, tree: &dyn RunTree) -> Result<String> {
    let plain = format!("run-{flow}");
    let taken = taken(index, tree)?;
    let mut id = plain.clone();
    let mut number = 1;
    while taken.contains(&id) || tree.exists(&id)? {
        number += 1;
        id = with_version(&plain, number);
    }
    Ok(id)
}
