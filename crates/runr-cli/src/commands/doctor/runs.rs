//! The runs, those of the repository and those in the data directory: whether each can be used.

use runr_core::phase::ops::STATE;
use runr_core::phase::shell::quoted;
use runr_core::store::Finding as Problem;
use runr_core::{Code, Error, Result, RunId};
use serde_json::{Value, json};

use super::trouble::{Cure, Seen, Trouble, judge};
use super::{Finding, Level, Subject, found};
use crate::commands::cli::DoctorArgs;
use crate::harness::{Layout, record_dead_owner};
use crate::host::Host;
use crate::repair;
use crate::stores::{DataPlace, Stores, user_data_dir};

/// What is wrong with the runs, after the repair if one was wanted.
pub(super) struct Runs {
    repository: Result<Option<Vec<Problem>>>,
    /// What is wrong with how the runs of the repository stand.
    standing: Vec<Trouble>,
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
            // After the repair: a run may have become readable.
            standing: layout.map_or_else(Vec::new, |layout| standing(host, layout, args.fix)),
            data_directory: in_data_directory(host, args),
            fix,
        }
    }

    /// All of them, as they are listed in the JSON form.
    pub(super) fn rows(&self) -> Vec<Value> {
        let problems = |of: &Result<Option<Vec<Problem>>>| {
            let found = of.as_ref().ok().and_then(Option::as_ref);
            let rows = found.into_iter().flatten().map(|it| json!(it));
            rows.collect::<Vec<_>>()
        };
        let standing = self.standing.iter().map(|it| json!(it)).collect();
        let places = [&self.repository, &self.data_directory].map(problems);
        let [repository, data_directory] = places;
        [repository, standing, data_directory].concat()
    }
}

/// The runs whose driver died, and those whose state cannot be used though their timeline can.
fn standing(host: &Host, layout: &Layout, fix: bool) -> Vec<Trouble> {
    let ids = layout.store().ids().unwrap_or_default();
    let harness = ids.iter().filter(|id| id.is_harness());
    let found = harness.filter_map(|id| trouble_of(layout, id));
    found
        .map(|mut trouble| {
            if let (true, Some(id)) = (fix, trouble.run_id.clone()) {
                trouble.mend(|| record_dead_owner(host, layout, &id));
            }
            trouble
        })
        .collect()
}

fn trouble_of(layout: &Layout, id: &RunId) -> Option<Trouble> {
    let files = layout.files(id);
    let about_state = |error: &Error| {
        let is_state = error.path().and_then(|path| path.file_name()) == Some(STATE);
        is_state && error.code() == Code::StoreCorrupt
    };
    let trouble = |diagnosis, reason: String, cure| {
        let path = match cure {
            Cure::Inspect => files.dir().join(STATE),
            _ => files.dir().to_owned(),
        };
        Some(Trouble::new(
            Some(id.clone()),
            path,
            diagnosis,
            reason,
            cure,
        ))
    };
    let state = match files.state() {
        Ok(state) => state,
        Err(error) if about_state(&error) => {
            let hint = error.hint_text().unwrap_or_default();
            let reason = format!("{error} ({hint})");
            return trouble("state_broken", reason, Cure::Inspect);
        }
        // The journal says so itself.
        Err(_) => return None,
    };
    // A run without a record was never begun.
    let is_open = state.seq > 0 && !state.is_stopped();
    if !is_open || crate::liveness::is_live(&files).unwrap_or(true) {
        return None;
    }
    let phase = state.phase.as_str();
    let reason = format!("its driver died in {phase}");
    trouble("owner_lost", reason, Cure::Record)
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
    let runs = &subject.runs;
    let problems = match &runs.repository {
        Err(error) => return found(Level::Fail, error.to_string()),
        Ok(None) if subject.layout.is_none() => return found(Level::Skip, "no repository"),
        Ok(None) => return found(Level::Skip, "no runs yet"),
        Ok(Some(problems)) => problems.iter().map(Seen::from),
    };
    let all: Vec<Seen> = problems
        .chain(runs.standing.iter().map(Seen::from))
        .collect();
    judge(&all, &runs.fix)
}

pub(super) fn of_data_directory(subject: &Subject<'_>) -> Finding {
    match &subject.runs.data_directory {
        Err(error) => found(Level::Fail, error.to_string()),
        Ok(None) => found(Level::Skip, "no data directory"),
        Ok(Some(problems)) => {
            let all: Vec<Seen> = problems.iter().map(Seen::from).collect();
            judge(&all, &subject.runs.fix)
        }
    }
}
