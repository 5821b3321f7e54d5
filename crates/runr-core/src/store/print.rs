//! The text of `meta.json`, written in one canonical form.

use super::model::{Archive, Flags, NewRun, RunMeta, Setup};
use super::unknown::{Spellings, Unknown};
use crate::json::{Rules, push_laid_out, push_quoted, scan};

/// Where a text has become this long, unknown values are no longer laid out.
pub(super) const LAID_OUT: usize = 1 << 20;
/// The version of the format that is written.
pub const SCHEMA_VERSION: &str = "1.0";

impl RunMeta {
    /// What is known of a run in the moment of its creation.
    #[must_use]
    pub fn new(new: &NewRun) -> Self {
        Self {
            schema_version: SCHEMA_VERSION.to_owned(),
            run_id: new.run_id.clone(),
            repo_id: new.repo_id.clone(),
            title: new.title.clone(),
            name: None,
            runner: new.runner.clone(),
            runner_cmd: new.runner_cmd.clone(),
            parent_branch: new.parent_branch.clone(),
            branch: new.branch.clone(),
            worktree_path: new.worktree_path.clone(),
            created_at: new.created_at.to_seconds_string(),
            tmux_session_name: None,
            flags: None,
            setup: None,
            pr_number: None,
            pr_url: None,
            last_push_at: None,
            last_verify_at: None,
            last_report_sync_at: None,
            last_report_hash: None,
            archive: None,
            unknown: Unknown::default(),
            spellings: Spellings::default(),
        }
    }

    /// The text of the file: two spaces of indentation, only those characters escaped that must
    /// be, one final line feed.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut out = Printer::new(&self.spellings, "", "");
        out.string("schema_version", &self.schema_version);
        out.string("run_id", self.run_id.as_str());
        out.string("repo_id", &self.repo_id);
        out.string("title", &self.title);
        out.filled("name", self.name.as_deref());
        out.string("runner", &self.runner);
        out.string("runner_cmd", &self.runner_cmd);
        out.string("parent_branch", &self.parent_branch);
        out.string("branch", &self.branch);
        out.string("worktree_path", self.worktree_path.as_str());
        out.string("created_at", &self.created_at);
        out.filled("tmux_session_name", self.tmux_session_name.as_deref());
        out.object("flags", self.flags.as_ref(), print_flags);
        out.object("setup", self.setup.as_ref(), print_setup);
        out.integer("pr_number", self.pr_number.unwrap_or_default());
        out.filled("pr_url", self.pr_url.as_deref());
        out.filled("last_push_at", self.last_push_at.as_deref());
        out.filled("last_verify_at", self.last_verify_at.as_deref());
        out.filled("last_report_sync_at", self.last_report_sync_at.as_deref());
        out.filled("last_report_hash", self.last_report_hash.as_deref());
        out.object("archive", self.archive.as_ref(), print_archive);
        out.unknown(&self.unknown);
        out.finish() + "\n"
    }
}

/// The text of a new `meta.json`.
#[must_use]
pub fn meta_text(new: &NewRun) -> String {
    RunMeta::new(new).to_text()
}

fn print_flags(out: &mut Printer<'_>, flags: &Flags) {
    out.flag("setup_failed", flags.setup_failed);
    out.flag("tmux_failed", flags.tmux_failed);
    out.flag("needs_attention", flags.needs_attention);
    let reason = flags.needs_attention_reason.as_deref();
    out.filled("needs_attention_reason", reason);
    out.flag("abandoned", flags.abandoned);
    out.unknown(&flags.unknown);
}

fn print_setup(out: &mut Printer<'_>, setup: &Setup) {
    out.filled("command", Some(&setup.command));
    out.raw("exit_code", &setup.exit_code.to_string());
    out.integer("duration_ms", setup.duration_ms);
    out.flag("timed_out", setup.timed_out);
    out.filled("log_path", Some(&setup.log_path));
    if let Some(ok) = setup.output_ok {
        out.raw("output_ok", if ok { "true" } else { "false" });
    }
    out.filled("output_summary", setup.output_summary.as_deref());
    out.unknown(&setup.unknown);
}

fn print_archive(out: &mut Printer<'_>, archive: &Archive) {
    out.filled("archived_at", archive.archived_at.as_deref());
    out.filled("merged_at", archive.merged_at.as_deref());
    out.unknown(&archive.unknown);
}

/// One object in the making.
struct Printer<'a> {
    out: String,
    spellings: &'a Spellings,
    /// The path to this object, with a dot at its end.
    path: &'a str,
    indentation: &'a str,
}

impl<'a> Printer<'a> {
    fn new(spellings: &'a Spellings, path: &'a str, indentation: &'a str) -> Self {
        Self {
            out: "{".to_owned(),
            spellings,
            path,
            indentation,
        }
    }

    /// Begins a member: its key, and the quotes around it where they are missing.
    fn begin(&mut self, quote: &str, key: &str) {
        self.out
            .push_str(if self.out.len() == 1 { "\n" } else { ",\n" });
        for part in [self.indentation, "  ", quote, key, quote, ": "] {
            self.out.push_str(part);
        }
    }

    fn raw(&mut self, key: &str, text: &str) {
        self.begin("\"", key);
        self.out.push_str(text);
    }

    fn string(&mut self, key: &str, value: &str) {
        match self.spellings.of(self.path, key, value) {
            Some(written) => self.raw(key, written),
            None => {
                self.raw(key, "");
                push_quoted(&mut self.out, value);
            }
        }
    }

    /// A text, unless it is empty.
    fn filled(&mut self, key: &str, value: Option<&str>) {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            self.string(key, value);
        }
    }

    /// An integer, unless it is 0.
    fn integer(&mut self, key: &str, value: i64) {
        if value != 0 {
            self.raw(key, &value.to_string());
        }
    }

    /// A truth, unless it is none.
    fn flag(&mut self, key: &str, value: bool) {
        if value {
            self.raw(key, "true");
        }
    }

    fn object<T>(&mut self, key: &str, value: Option<&T>, print: fn(&mut Printer<'_>, &T)) {
        let Some(value) = value else { return };
        let (path, indentation) = (format!("{key}."), format!("{}  ", self.indentation));
        let mut object = Printer::new(self.spellings, &path, &indentation);
        print(&mut object, value);
        let text = object.finish();
        self.raw(key, &text);
    }

    fn unknown(&mut self, unknown: &Unknown) {
        let indentation = format!("{}  ", self.indentation);
        for (key, value) in unknown.texts() {
            self.begin("", key);
            match scan(value, &Rules::default().max_bytes(usize::MAX)) {
                Ok(tree) => push_laid_out(&mut self.out, tree.root(), &indentation, LAID_OUT),
                // It was scanned before.
                Err(_) => self.out.push_str(value),
            }
        }
    }

    fn finish(mut self) -> String {
        if self.out.len() > 1 {
            self.out.push('\n');
            self.out.push_str(self.indentation);
        }
        self.out.push('}');
        self.out
    }
}
