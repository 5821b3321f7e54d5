//! The runs, those of the repository and those in the data directory: whether each can be used.

use runr_core::Result;
use runr_core::phase::shell::quoted;
use runr_core::store::{Finding as Problem, Remedy};

use super::{Finding, Level, Subject, found};
use crate::commands::cli::DoctorArgs;
use crate::harness::Layout;
use crate::host::Host;
use crate::repair;
use crate::stores::{DataPlace, Stores, user_data_dir};

/// What is wrong with the runs, after the repair if one was wanted.
pub(super) struct Runs {
    repository: Result<Option<Vec<Problem>>>,
    data_directory: Result<Option<Vec<Problem>>>,
    /// The command that repairs.
    fix: String,
}

impl Runs {
    pub(super) fn look(host: &Host, layout: Option<&Layout>, args: &DoctorArgs) -> Self {
        let mut fix = "runr doctor --fix".to_owned();
        if let Some(dir) = &args.data_dir {
            fix.push_str(&format!(" --data-dir {}", quoted(dir.as_str())));
        }
        let runs = layout.map(|layout| layout.store().runs_dir().to_owned());
        let repository = runs
            .filter(|dir| dir.is_dir())
            .map(|dir| repair::findings(host, &Stores::at(host, &dir), args.fix));
        Self {
            repository: repository.transpose(),
            data_directory: in_data_directory(host, args),
            fix,
        }
    }

    /// All of them, as they are listed in the JSON form.
    pub(super) fn findings(&self) -> impl Iterator<Item = &Problem> {
        let places = [&self.repository, &self.data_directory];
        let found = places
            .into_iter()
            .filter_map(|place| place.as_ref().ok()?.as_ref());
        found.flatten()
    }
}

/// Nothing if there is no such directory: it is not made to be looked at.
fn in_data_directory(host: &Host, args: &DoctorArgs) -> Result<Option<Vec<Problem>>> {
    let dir = match &args.data_dir {
        Some(dir) => host.cwd.join(dir),
        None => user_data_dir(host)?,
    };
    if !dir.is_dir() {
        return Ok(None);
    }
    let place = DataPlace {
        data_dir: Some(dir),
        repo_id: None,
    };
    let stores = Stores::data(host, &place)?;
    repair::findings(host, &stores, args.fix).map(Some)
}

pub(super) fn of_repository(subject: &Subject<'_>) -> Finding {
    let missing = match subject.layout {
        Some(_) => "no runs yet",
        None => "no repository",
    };
    judge(&subject.runs.repository, &subject.runs.fix, missing)
}

pub(super) fn of_data_directory(subject: &Subject<'_>) -> Finding {
    judge(
        &subject.runs.data_directory,
        &subject.runs.fix,
        "no data directory",
    )
}

fn judge(looked: &Result<Option<Vec<Problem>>>, fix: &str, missing: &str) -> Finding {
    let problems = match looked {
        Err(error) => return found(Level::Fail, error.to_string()),
        Ok(None) => return found(Level::Skip, missing),
        Ok(Some(problems)) if problems.is_empty() => return found(Level::Ok, "nothing is broken"),
        Ok(Some(problems)) => problems,
    };
    let count = |is: fn(&Problem) -> bool| problems.iter().filter(|it| is(it)).count();
    let (repaired, failed) = (count(|it| it.done), count(|it| it.error.is_some()));
    let level = match () {
        () if failed > 0 => Level::Fail,
        () if repaired < problems.len() => Level::Warn,
        () => Level::Ok,
    };
    let left = problems.iter().filter(|it| !it.done);
    let remedies: Vec<_> = left.map(|it| it.remedy).collect();
    Finding {
        fix: match () {
            () if remedies.iter().any(|it| it.is_automatic()) => Some(fix.to_owned()),
            () if remedies.contains(&Remedy::Update) => Some("update runr".to_owned()),
            () => None,
        },
        notes: problems.iter().map(note).collect(),
        ..found(
            level,
            format!("{} found, {repaired} repaired", problems.len()),
        )
    }
}

fn note(problem: &Problem) -> String {
    let kept = problem.kept.as_ref();
    let what = match (problem.remedy, problem.done, &problem.error) {
        (Remedy::Inspect, ..) => "somebody must look at it".to_owned(),
        (_, _, Some(error)) => format!("not repaired: {error}"),
        (Remedy::Remove, true, _) => "removed".to_owned(),
        (Remedy::Quarantine, true, _) => format!("moved to {}", kept.map_or("", |to| to.as_str())),
        (_, true, _) => match kept {
            Some(kept) => format!("made anew, the old one is {kept}"),
            None => "made anew".to_owned(),
        },
        (Remedy::Remove, false, _) => "can be removed".to_owned(),
        (Remedy::Rebuild, false, _) => "can be made anew".to_owned(),
        (Remedy::Quarantine, false, _) => "can be moved away".to_owned(),
        (Remedy::Wait, ..) => "left alone as long as it is driven".to_owned(),
        (_, false, _) => "left alone".to_owned(),
    };
    format!("{}: {}: {what}", problem.path, problem.reason)
}
