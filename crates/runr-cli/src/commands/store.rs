//! `runr store`: run directories in the data directory, or in any directory of runs.

use comfy_table::Table;
use runr_core::json::Written;
use runr_core::store::{MetaOp, Repository, Row, RunFields, RunMeta};
use runr_core::{Code, Error, Result};
use serde::Serialize;
use serde_json::{Value, json};

use super::Invocation;
use super::cli::{
    StoreArgs, StoreCommand, StoreEventsArgs, StoreNewArgs, StorePlace, StoreSetArgs,
};
use crate::output::printable;
use crate::repository;
use crate::stores::{DataPlace, Found, Stores, paths_json, touch_repository};

pub(crate) fn execute(call: &Invocation<'_>, args: &StoreArgs) -> Result<u8> {
    let shop = Shop {
        call,
        place: &args.place,
    };
    match &args.command {
        StoreCommand::New(args) => shop.new_run(args)?,
        StoreCommand::Show { run } => shop.show(run)?,
        StoreCommand::Set(args) => shop.set(args)?,
        StoreCommand::Ls => shop.list()?,
        StoreCommand::Resolve { reference } => shop.resolve(reference)?,
        StoreCommand::Path { run } => shop.path(run)?,
        StoreCommand::Events(args) => shop.events(args)?,
    }
    Ok(0)
}

/// The runs as other programs list them.
#[derive(Serialize)]
struct List<'a> {
    schema_version: &'static str,
    data: &'a [Row<'a>],
}

/// The store that the options name, and where to print.
struct Shop<'a> {
    call: &'a Invocation<'a>,
    place: &'a StorePlace,
}

impl Shop<'_> {
    fn stores(&self) -> Result<Stores> {
        match &self.place.runs {
            Some(runs) => Ok(Stores::at(self.call.host, runs)),
            None => Stores::data(self.call.host, &self.data_place()),
        }
    }

    fn data_place(&self) -> DataPlace {
        DataPlace {
            data_dir: self.place.data_dir.clone(),
            repo_id: self.place.repo_id.clone(),
        }
    }

    /// The repository we stand in, if we do.
    fn present_repository(&self) -> Result<Option<Repository>> {
        match repository::find(&self.call.host.cwd.join(&self.call.root)) {
            Err(error) if error.code() == Code::NotARepo => Ok(None),
            found => found.map(Some),
        }
    }

    fn find(&self, reference: &str) -> Result<Found> {
        let present = self.present_repository()?;
        self.stores()?.resolve(
            self.call.host,
            &self.call.host.cwd.join(&self.call.root),
            reference,
            present.as_ref().map(|it| it.repo_id.as_str()),
        )
    }

    /// A result for people, unless JSON is wanted.
    fn print(&self, value: &Value, text: impl FnOnce() -> String) {
        if self.call.json {
            self.call.console.json(value);
        } else {
            self.call.console.line(&printable(&text()));
        }
    }

    fn warn(&self, error: &Error) {
        let text = printable(&error.to_string());
        self.call.console.say(&format!("Warning: {text}"));
    }

    fn print_document(&self, meta: &RunMeta) {
        if self.call.json {
            self.call.console.json(meta);
        } else {
            self.call.console.line(meta.to_text().trim_end());
        }
    }

    fn new_run(&self, args: &StoreNewArgs) -> Result<()> {
        let present = self.present_repository()?;
        let own = || Some(present.as_ref()?.repo_id.to_string());
        let repo_id = self.place.repo_id.clone().or_else(own);
        let mut fields = RunFields::default();
        fields.run_id = args.run_id.as_deref().map(str::parse).transpose()?;
        fields.title.clone_from(&args.title);
        fields.name.clone_from(&args.name);
        fields.runner.clone_from(&args.runner);
        fields.runner_cmd.clone_from(&args.runner_cmd);
        fields.parent_branch.clone_from(&args.parent_branch);
        fields.branch.clone_from(&args.branch);
        if let Some(worktree) = &args.worktree {
            fields.worktree_path = self.call.host.cwd.join(worktree);
        }
        let store = self.stores()?.for_new(repo_id.as_deref())?;
        fields.repo_id.clone_from(&repo_id);
        let check = args.worktree.is_some() && !args.no_worktree_check;
        let paths = store.create_from(&fields, self.call.host.clock.now(), check)?;
        // After the run, which makes the directories and makes them durable.
        if let Some(present) = present
            && self.place.runs.is_none()
            && repo_id.as_deref() == Some(present.repo_id.as_str())
        {
            // A damaged index is no reason to have no run.
            if let Err(error) = touch_repository(self.call.host, &self.data_place(), &present) {
                self.warn(&error);
            }
        }
        self.print(&json!(paths), || paths.run_id.to_string());
        Ok(())
    }

    fn show(&self, run: &str) -> Result<()> {
        self.print_document(self.find(run)?.record.usable()?);
        Ok(())
    }

    fn set(&self, args: &StoreSetArgs) -> Result<()> {
        let found = self.find(&args.run)?;
        found.record.usable()?;
        let set = args.changes.iter().map(|(path, value)| MetaOp::Set {
            path: path.clone(),
            value: value.clone(),
        });
        let unset = args
            .unset
            .iter()
            .map(|path| MetaOp::Unset { path: rooted(path) });
        let ops: Vec<_> = set.chain(unset).collect();
        let meta = found.store.update_values(&found.record.run_id, &ops)?;
        self.print_document(&meta);
        Ok(())
    }

    fn list(&self) -> Result<()> {
        let listing = self.stores()?.list()?;
        for warning in &listing.warnings {
            self.warn(warning);
        }
        let rows = listing.rows(self.call.host);
        if self.call.json {
            self.call.console.json(&List {
                schema_version: "1.0",
                data: &rows,
            });
        } else if rows.is_empty() {
            self.call.console.line("No runs found.");
        } else {
            self.table(&rows);
        }
        Ok(())
    }

    fn table(&self, rows: &[Row<'_>]) {
        let mut table = Table::new();
        table.load_style(comfy_table::presets::NOTHING);
        table.set_header([
            "RUN ID",
            "STATUS",
            "CREATED",
            "RUNNER",
            "REPOSITORY",
            "TITLE",
        ]);
        for row in rows {
            let cells = [
                row.run_id,
                row.derived_status,
                row.created_at.unwrap_or("-"),
                row.runner.unwrap_or("-"),
                row.repo_key.unwrap_or(row.repo_id),
                row.title,
            ];
            table.add_row(cells.map(printable));
        }
        let lines: Vec<String> = table.lines().map(|line| line.trim().to_owned()).collect();
        self.call.console.line(&lines.join("\n"));
    }

    fn resolve(&self, reference: &str) -> Result<()> {
        let found = self.find(reference)?;
        self.print(&found.to_json(), || found.record.run_id.to_string());
        Ok(())
    }

    fn path(&self, run: &str) -> Result<()> {
        let found = self.find(run)?;
        let paths = found.store.paths(&found.record.run_id);
        let all = paths_json(&found.store, &paths);
        self.print(&all, || paths.run_dir.to_string());
        Ok(())
    }

    fn events(&self, args: &StoreEventsArgs) -> Result<()> {
        let found = self.find(&args.run)?;
        let (store, id) = (found.store, found.record.run_id);
        if let Some(name) = &args.append {
            let now = self.call.host.clock.now();
            let event = store.append_event(&id, name, args.data.clone(), now)?;
            self.call.console.json_line(&event);
            return Ok(());
        }
        // One line per event, as in the file: also with --json.
        for event in store.events(&id, args.since)? {
            self.call.console.json_line(&event);
        }
        Ok(())
    }
}

/// A path of fields; the first slash may be left out on the command line.
fn rooted(path: &str) -> String {
    if path.starts_with('/') {
        path.to_owned()
    } else {
        format!("/{path}")
    }
}

/// `path=value`: JSON where it is JSON, in its spelling, else text.
pub(super) fn change(text: &str) -> std::result::Result<(String, Written), String> {
    let Some((path, value)) = text.split_once('=') else {
        return Err("expected PATH=VALUE".to_owned());
    };
    let value = Written::parse(value).unwrap_or_else(|_| json!(value).into());
    Ok((rooted(path), value))
}
