//! Which run is meant?

use super::scan::Record;
use crate::error::{Code, Error, Result};

/// What is known of a run that may be meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Candidate<'a> {
    /// Its repository, or nothing where there is only one.
    pub repo_id: &'a str,
    /// Its id.
    pub run_id: &'a str,
    /// Its name.
    pub name: Option<&'a str>,
    /// Whether its name counts: it is neither broken nor archived.
    pub active: bool,
    /// When it was created, if that is known.
    pub created_at: Option<&'a str>,
}

impl<'a> Candidate<'a> {
    /// A candidate.
    #[must_use]
    pub fn new(repo_id: &'a str, run_id: &'a str, name: Option<&'a str>, active: bool) -> Self {
        Self {
            repo_id,
            run_id,
            name,
            active,
            created_at: None,
        }
    }
}

impl<'a> From<&'a Record> for Candidate<'a> {
    fn from(record: &'a Record) -> Self {
        let meta = record.meta.as_ref();
        Self {
            repo_id: &record.repo_id,
            run_id: record.run_id.as_str(),
            name: meta.and_then(|meta| meta.name.as_deref()),
            active: meta.is_some_and(|meta| meta.is_active()),
            created_at: meta.map(|meta| meta.created_at.as_str()),
        }
    }
}

/// The shortest prefix that may stand for an id, in bytes.
const MIN_PREFIX: usize = 4;

/// Finds the run that `reference` means: its exact id, the exact name of an active run, a unique
/// prefix of an id, or `latest`. Ids are looked for everywhere; a name counts first in
/// `current_repo`, if it fits exactly one run there.
///
/// # Errors
/// `E_USAGE` for a blank reference; `E_RUN_ID_AMBIGUOUS` and `E_RUN_REF_AMBIGUOUS` with
/// `candidates`; `E_NO_RUNS`; `E_RUN_NOT_FOUND`.
pub fn resolve(
    reference: &str,
    candidates: &[Candidate<'_>],
    current_repo: Option<&str>,
) -> Result<usize> {
    let reference = reference.trim();
    if reference.is_empty() {
        return Err(Error::new(Code::Usage, "a run reference is blank"));
    }
    let all = |fits: &dyn Fn(&Candidate<'_>) -> bool| -> Vec<usize> {
        let indices = 0..candidates.len();
        indices.filter(|index| fits(&candidates[*index])).collect()
    };
    let exact = all(&|run| run.run_id == reference);
    if let Some(found) = only(&exact, || ambiguous_id(reference, candidates, &exact))? {
        return Ok(found);
    }
    let named = all(&|run| run.active && run.name == Some(reference));
    let here: Vec<_> = named
        .iter()
        .copied()
        .filter(|index| Some(candidates[*index].repo_id) == current_repo)
        .collect();
    if let [found] = here[..] {
        return Ok(found);
    }
    if let Some(found) = only(&named, || ambiguous_name(reference, candidates, &named))? {
        return Ok(found);
    }
    if reference.len() >= MIN_PREFIX {
        let begun = all(&|run| run.run_id.starts_with(reference));
        if let Some(found) = only(&begun, || ambiguous_id(reference, candidates, &begun))? {
            return Ok(found);
        }
    }
    if reference == "latest" {
        return latest(candidates);
    }
    Err(Error::new(
        Code::RunNotFound,
        format!("run not found: {}", reference.escape_debug()),
    )
    .with("input", reference))
}

fn only(found: &[usize], ambiguous: impl FnOnce() -> Error) -> Result<Option<usize>> {
    match found {
        [] => Ok(None),
        [one] => Ok(Some(*one)),
        _ => Err(ambiguous()),
    }
}

/// The newest run that says when it was created; where none does, the one with the greatest id.
fn latest(candidates: &[Candidate<'_>]) -> Result<usize> {
    let age = |index: &usize| {
        let run = &candidates[*index];
        let time = run.created_at.and_then(super::scan::instant);
        (time, run.run_id, run.repo_id)
    };
    (0..candidates.len())
        .max_by_key(age)
        .ok_or_else(|| Error::new(Code::NoRuns, "no runs").hint("runr store new --title <text>"))
}

fn ambiguous_id(input: &str, candidates: &[Candidate<'_>], found: &[usize]) -> Error {
    ambiguous(
        Code::RunIdAmbiguous,
        "ambiguous run id",
        input,
        candidates,
        found,
    )
}

fn ambiguous_name(input: &str, candidates: &[Candidate<'_>], found: &[usize]) -> Error {
    ambiguous(
        Code::RunRefAmbiguous,
        "ambiguous run name",
        input,
        candidates,
        found,
    )
}

fn ambiguous(
    code: Code,
    what: &str,
    input: &str,
    candidates: &[Candidate<'_>],
    found: &[usize],
) -> Error {
    let mut runs: Vec<_> = found.iter().map(|index| &candidates[*index]).collect();
    runs.sort_by_key(|run| (run.run_id, run.repo_id));
    let list: Vec<_> = runs
        .iter()
        .map(|run| serde_json::json!({"repo_id": run.repo_id, "run_id": run.run_id}))
        .collect();
    let ids: Vec<_> = runs.iter().map(|run| run.run_id).collect();
    let message = format!("{what} `{}`: {}", input.escape_debug(), ids.join(", "));
    Error::new(code, message)
        .with("input", input)
        .with("candidates", list)
        .hint("give the whole id")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run<'a>(repo: &'a str, id: &'a str, name: &'a str) -> Candidate<'a> {
        Candidate::new(repo, id, Some(name), true)
    }

    fn code(reference: &str, runs: &[Candidate<'_>], repo: Option<&str>) -> Code {
        resolve(reference, runs, repo).unwrap_err().code()
    }

    #[test]
    fn a_name_counts_first_in_the_present_repository() {
        let runs = [
            run("r1", "a-1", "fix"),
            run("r2", "b-1", "fix"),
            run("r2", "c-1", "other"),
        ];
        assert_eq!(code("fix", &runs, None), Code::RunRefAmbiguous);
        assert_eq!(resolve("fix", &runs, Some("r1")).unwrap(), 0);
        assert_eq!(code("fix", &runs, Some("r3")), Code::RunRefAmbiguous);
        assert_eq!(resolve("other", &runs, Some("r1")).unwrap(), 2);
    }

    #[test]
    fn an_id_in_two_repositories_is_ambiguous_and_sorted() {
        let runs = [run("r2", "same", "x"), run("r1", "same", "y")];
        let error = resolve("same", &runs, Some("r1")).unwrap_err();
        assert_eq!(error.code(), Code::RunIdAmbiguous);
        assert_eq!(error.context()["candidates"][0]["repo_id"], "r1");
    }

    #[test]
    fn a_prefix_needs_four_bytes_and_an_exact_id_wins_over_it() {
        let runs = [
            run("r", "abcd", "x"),
            run("r", "abcde", "y"),
            run("r", "xyzw1", "z"),
        ];
        assert_eq!(resolve("abcd", &runs, None).unwrap(), 0);
        assert_eq!(resolve(" xyzw ", &runs, None).unwrap(), 2);
        assert_eq!(code("xyz", &runs, None), Code::RunNotFound);
    }

    #[test]
    fn blank_is_a_usage_error_and_latest_needs_a_run() {
        assert_eq!(code("  ", &[], None), Code::Usage);
        assert_eq!(code("latest", &[], None), Code::NoRuns);
    }

    #[test]
    fn the_latest_run_is_the_newest_instant_whatever_its_spelling() {
        let at = |id, time| Candidate {
            created_at: Some(time),
            ..run("r", id, "x")
        };
        let runs = [
            at("zzz", "2026-01-10T12:00:00Z"),
            at("aaa", "2026-01-10T08:00:00-05:00"),
            Candidate::new("r", "zzzz", None, false),
        ];
        assert_eq!(resolve("latest", &runs, None).unwrap(), 1);
    }
}
