//! Which work item is meant: by its id, by references, by the branch, or by nothing but the flow.
//!
//! The answer depends on the request, the index and the directories alone, never on the order in
//! which a file system lists them.

mod lookup;
mod versions;

pub(in crate::identity) use self::lookup::Lookup;
use self::lookup::Target;
use self::versions::{first_free, next_version};
use super::findings::{Findings, Settles};
use super::index::{Index, is_number};
use super::meta::Meta;
use super::model::{Branch, PrepRequest, Source};
use super::reference::{RefKind, RunRef, parse_ref, without_user};
use super::rules::sanitize;
use crate::error::Result;

/// The reads that a resolution needs.
pub trait RunTree {
    /// Whether anything has this name among the work items.
    ///
    /// # Errors
    /// `E_IO`.
    fn exists(&self, id: &str) -> Result<bool>;

    /// The names of all directories of work items, sorted.
    ///
    /// # Errors
    /// `E_IO`.
    fn names(&self) -> Result<Vec<String>>;

    /// The text of the metadata of a work item, if it has any.
    ///
    /// # Errors
    /// `E_STORE_CORRUPT` or `E_IO` if it cannot be read.
    fn meta(&self, id: &str) -> Result<Option<String>>;
}

/// The work item that is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Resolution {
    /// Its id.
    pub id: String,
    /// What led to it.
    pub source: Source,
    /// The work item it takes the place of.
    pub supersedes: Option<String>,
    /// Names it is to be known by, beside its id.
    pub aliases: Vec<String>,
    /// What was found out on the way.
    pub findings: Findings,
}

/// A name that may become an id, and the id.
struct Candidate {
    id: String,
    source: Source,
    /// What it was made of, if that was changed.
    original: Option<String>,
    lossy: bool,
}

/// A reference, and what is known of it.
struct Found {
    reference: RunRef,
    target: Option<Target>,
}

impl Found {
    fn is_for(&self, id: &str) -> bool {
        self.target.as_ref().is_some_and(|target| target.id == id)
    }
}

/// Decides which work item a request means.
///
/// # Errors
/// `E_IO` if the directories cannot be listed.
pub fn resolve(request: &PrepRequest, index: &Index<'_>, tree: &dyn RunTree) -> Result<Resolution> {
    let mut findings = Findings::default();
    let lookup = Lookup { index, tree };
    let found = references(request, &lookup, &mut findings)?;
    let candidate = choose(request, &found, &mut findings);
    let is_named = |it: &Candidate| it.source == Source::ExplicitRunId;
    let conflict = conflict(
        &found,
        candidate.as_ref().is_some_and(is_named),
        &mut findings,
    );
    let Some(candidate) = candidate else {
        let id = first_free(request.flow, index, tree)?;
        findings.doubt(format!(
            "nothing says which work item is meant; {id} is named after the flow"
        ));
        return Ok(Resolution {
            id,
            source: Source::Fallback,
            supersedes: None,
            aliases: Vec::new(),
            findings,
        });
    };
    judge(&candidate, &found, &lookup, &mut findings);
    let mut aliases: Vec<_> = candidate.original.clone().into_iter().collect();
    let restarted = request.restart && lookup.is_taken(&candidate.id)?;
    if request.restart && !restarted {
        findings.note(format!(
            "there is no {} to begin anew; it is a new work item",
            candidate.id
        ));
    }
    for it in found.iter().filter(|_| !conflict) {
        let is_own = it.target.is_none() || it.is_for(&candidate.id) && !restarted;
        if is_own && !(restarted && it.reference.candidate == candidate.id) {
            aliases.push(it.reference.candidate.clone());
        }
    }
    let (id, supersedes) = if restarted {
        let (id, superseded) = next_version(&candidate.id, index, tree)?;
        (id, Some(superseded))
    } else {
        (candidate.id, None)
    };
    Ok(Resolution {
        id,
        source: candidate.source,
        supersedes,
        aliases,
        findings,
    })
}

/// The references that can be understood, each once, and what is known of them.
fn references(
    request: &PrepRequest,
    lookup: &Lookup<'_>,
    findings: &mut Findings,
) -> Result<Vec<Found>> {
    let mut found: Vec<Found> = Vec::new();
    for text in &request.refs {
        let Some(reference) = parse_ref(text) else {
            findings.doubt(format!(
                "not a reference to an issue or PR: {:?}",
                without_user(text.trim())
            ));
            continue;
        };
        let is_same = |it: &Found| {
            (it.reference.kind, it.reference.number) == (reference.kind, reference.number)
        };
        if !found.iter().any(is_same) {
            let target = lookup.target(&reference, findings)?;
            found.push(Found { reference, target });
        }
    }
    Ok(found)
}

/// Whether the references contradict each other. That blocks only where they decide: an id that is
/// named settles it.
fn conflict(found: &[Found], settled: bool, findings: &mut Findings) -> bool {
    let mut targets: Vec<&str> = Vec::new();
    for target in found.iter().filter_map(|it| it.target.as_ref()) {
        if !targets.contains(&target.id.as_str()) {
            targets.push(&target.id);
        }
    }
    if targets.len() > 1 {
        let text = format!(
            "the references belong to different work items: {}",
            targets.join(", ")
        );
        if settled {
            findings.doubt(text);
        } else {
            findings.block(text, Settles::Caller);
        }
        return true;
    }
    let of_kind = |kind| found.iter().filter(move |it| it.reference.kind == kind);
    for kind in [RefKind::Issue, RefKind::Pr] {
        if of_kind(kind).count() > 1 && of_kind(kind).any(|it| it.target.is_none()) {
            let names: Vec<_> = of_kind(kind)
                .map(|it| it.reference.candidate.as_str())
                .collect();
            findings.doubt(format!(
                "the references may mean different work: {}",
                names.join(", ")
            ));
            return true;
        }
    }
    if let (Some(issue), Some(pr)) = (of_kind(RefKind::Issue).next(), of_kind(RefKind::Pr).next()) {
        let (issue, pr) = (&issue.reference.candidate, &pr.reference.candidate);
        findings.note(format!("{issue} and {pr} are taken for the same work"));
    }
    false
}

/// The first source that yields an id.
fn choose(request: &PrepRequest, found: &[Found], findings: &mut Findings) -> Option<Candidate> {
    let explicit = request.run_id.as_deref();
    if let Some(candidate) = explicit.and_then(|id| named(id, Source::ExplicitRunId, findings)) {
        return Some(candidate);
    }
    if let Some(it) = found
        .iter()
        .find(|it| it.target.is_some())
        .or(found.first())
    {
        let candidate = it.reference.candidate.clone();
        return Some(Candidate {
            id: it
                .target
                .as_ref()
                .map_or(candidate, |target| target.id.clone()),
            source: match it.reference.kind {
                RefKind::Issue => Source::IssueRef,
                RefKind::Pr => Source::PrRef,
            },
            original: None,
            lossy: false,
        });
    }
    match &request.branch {
        Branch::Named { name, .. } => {
            if matches!(name.as_str(), "main" | "master") {
                findings.doubt(format!("the branch {name} names no work of its own"));
            }
            named(name, Source::Branch, findings)
        }
        Branch::Detached => {
            findings.note("no branch is checked out");
            None
        }
        Branch::Unavailable { why } => {
            let why = why
                .as_deref()
                .map(|why| format!(": {why}"))
                .unwrap_or_default();
            findings.note(format!("the branch is not known{why}"));
            None
        }
    }
}

fn named(text: &str, source: Source, findings: &mut Findings) -> Option<Candidate> {
    let name = sanitize(text);
    if name.id.is_empty() {
        findings.doubt(format!("nothing of {text:?} can stand in an id"));
        return None;
    }
    Some(Candidate {
        id: name.id,
        source,
        original: name.changed.then_some(name.original),
        lossy: name.lossy,
    })
}

/// Whether the choice fits what is stored and what was said beside it.
fn judge(candidate: &Candidate, found: &[Found], lookup: &Lookup<'_>, findings: &mut Findings) {
    let id = candidate.id.as_str();
    if candidate.source == Source::ExplicitRunId {
        for it in found {
            if let Some(target) = it.target.as_ref().filter(|target| target.id != id) {
                let name = &it.reference.candidate;
                findings.doubt(format!("{name} belongs to {}, not to {id}", target.id));
            }
        }
    }
    if lookup.index.rows().filter(|row| row.is_called(id)).count() > 1 {
        findings.doubt(format!(
            "the index has several entries for {id}; the first one counts"
        ));
    }
    // What cannot be read is the business of the one who writes it.
    let Ok(Some(text)) = lookup.tree.meta(id) else {
        return;
    };
    let Ok(Some(meta)) = Meta::read(&text) else {
        return;
    };
    if let Some(original) = candidate.original.as_ref().filter(|_| candidate.lossy)
        && !meta.texts("aliases").contains(original)
    {
        let text = format!("{original:?} was cut to {id}, which is known by other names");
        findings.block(text, Settles::Caller);
    }
    let Some(issue) = meta.get("issue_number") else {
        return;
    };
    for it in found {
        let is_own = it
            .target
            .as_ref()
            .is_none_or(|target| target.id == id && !target.crossed);
        let RunRef { kind, number, .. } = it.reference;
        if kind == RefKind::Issue && is_own && !is_number(issue.token(), number) {
            let text = format!("{id} is bound to issue {}, not {number}", issue.text());
            findings.block(text, Settles::Caller);
        }
    }
}
