//! What is known of a reference: by the index, else by the metadata of all work items.

use std::collections::HashSet;

use super::RunTree;
use crate::error::Result;
use crate::identity::findings::Findings;
use crate::identity::index::{Index, is_number};
use crate::identity::meta::Meta;
use crate::identity::reference::RunRef;
use crate::identity::rules::is_item_id;

pub(in crate::identity) struct Lookup<'a> {
    pub(in crate::identity) index: &'a Index<'a>,
    pub(in crate::identity) tree: &'a dyn RunTree,
}

/// The work item that a reference belongs to.
#[derive(Debug)]
pub(in crate::identity) struct Target {
    pub(in crate::identity) id: String,
    /// Whether an issue led to a PR or the other way round.
    pub(in crate::identity) crossed: bool,
}

/// Where a reference leads by a rule of this rank.
const CROSSED: u8 = 4;

impl Lookup<'_> {
    pub(super) fn is_taken(&self, id: &str) -> Result<bool> {
        Ok(self.index.has(id) || self.tree.exists(id)?)
    }

    /// The work item that a reference belongs to, if one is known.
    pub(in crate::identity) fn target(
        &self,
        reference: &RunRef,
        findings: &mut Findings,
    ) -> Result<Option<Target>> {
        if let Some(target) = self.in_index(reference, findings) {
            return Ok(Some(target));
        }
        self.in_metadata(reference, findings)
    }

    fn in_index(&self, reference: &RunRef, findings: &mut Findings) -> Option<Target> {
        let name = &reference.candidate;
        let mut best: Vec<String> = Vec::new();
        let mut best_rank = u8::MAX;
        for row in self.index.rows() {
            let Some(rank) = row.rank(reference).filter(|rank| *rank <= best_rank) else {
                continue;
            };
            let Some(id) = row.id().filter(|id| is_item_id(id)) else {
                findings.doubt(format!(
                    "the index has an entry for {name} whose run_id cannot be used"
                ));
                continue;
            };
            if self.is_elsewhere(reference, &id, row.repo().as_deref()) {
                continue;
            }
            if rank < best_rank {
                best.clear();
                best_rank = rank;
            }
            if !best.iter().any(|it| *it == id) {
                best.push(id.into_owned());
            }
        }
        let id = self.latest(best, reference, findings)?;
        let crossed = best_rank == CROSSED;
        if crossed && !reference.either {
            findings.doubt(format!("{name} led to {id} by a number of the other kind"));
        }
        Some(Target { id, crossed })
    }

    /// The index may have lost what the metadata still know.
    fn in_metadata(&self, reference: &RunRef, findings: &mut Findings) -> Result<Option<Target>> {
        let digits = reference.number.to_string();
        let mut known = Vec::new();
        for id in self.tree.names()? {
            // A file that cannot be read names nothing; that of the work item itself is read later.
            let Ok(Some(text)) = self.tree.meta(&id) else {
                continue;
            };
            if text.contains(&digits)
                && is_named(&text, reference)
                && !self.is_elsewhere(reference, &id, self.repo(&id).as_deref())
            {
                known.push(id);
            }
        }
        let id = self.latest(known, reference, findings);
        if let Some(id) = &id {
            let name = &reference.candidate;
            findings.doubt(format!(
                "the index does not know {name}, but the metadata of {id} do"
            ));
        }
        Ok(id.map(|id| Target { id, crossed: false }))
    }

    /// Whether the reference names another repository than the work item, by its entry or by its
    /// metadata.
    fn is_elsewhere(&self, reference: &RunRef, id: &str, listed: Option<&str>) -> bool {
        let Some(wanted) = &reference.repo else {
            return false;
        };
        let differs = |repo: &str| !repo.eq_ignore_ascii_case(wanted);
        listed.is_some_and(differs)
            || self
                .field(id, "github_repo")
                .is_some_and(|repo| differs(&repo))
    }

    /// The repository of a work item by its entry.
    fn repo(&self, id: &str) -> Option<String> {
        let row = self.index.rows().find(|row| row.is_called(id))?;
        row.repo().map(Into::into)
    }

    fn field(&self, id: &str, key: &str) -> Option<String> {
        let text = self.tree.meta(id).ok()??;
        Meta::read(&text).ok()??.text(key)
    }

    /// Of several work items the one that no other takes the place of; the first, if that leaves
    /// more than one.
    fn latest(
        &self,
        ids: Vec<String>,
        reference: &RunRef,
        findings: &mut Findings,
    ) -> Option<String> {
        if ids.len() < 2 {
            return ids.into_iter().next();
        }
        let mut replaced = HashSet::new();
        for id in &ids {
            let mut before = self.field(id, "supersedes");
            // None takes the place of itself.
            let is_other = |it: &String| it != id && is_item_id(it);
            while let Some(other) = before.filter(|it| is_other(it) && replaced.insert(it.clone()))
            {
                before = self.field(&other, "supersedes");
            }
        }
        let mut left = ids.iter().filter(|id| !replaced.contains(*id));
        // All of them, if they take the place of each other in a circle.
        let first = left.next().or(ids.first())?.clone();
        if left.next().is_some() || replaced.contains(&first) {
            let name = &reference.candidate;
            findings.doubt(format!(
                "several work items belong to {name}; {first} is the first of them"
            ));
        }
        Some(first)
    }
}

/// Whether metadata name what the reference names.
fn is_named(text: &str, reference: &RunRef) -> bool {
    let Ok(Some(meta)) = Meta::read(text) else {
        return false;
    };
    let names = |item: &str| {
        meta.text("canonical_key").is_some_and(|key| key == item)
            || meta.texts("aliases").iter().any(|alias| alias == item)
    };
    let number = meta.get(reference.kind.field());
    number.is_some_and(|it| is_number(it.token(), reference.number))
        || names(&reference.candidate)
        || reference.either && names(&reference.kind.other().item(reference.number))
}
