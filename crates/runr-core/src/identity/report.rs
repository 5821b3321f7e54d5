//! What a preparation says: a record for programs, two texts for agents.

use camino::Utf8Path;
use serde::Serialize;

use super::findings::Findings;
use super::model::{Flow, Mode, Source, words};
use super::resolve::Resolution;
use crate::error::Error;
use crate::json::quote;

words! {
    /// How sure the choice is.
    PrepStatus {
        /// Nothing speaks against it.
        Verified "VERIFIED",
        /// Somebody should look at the notes.
        Unverified "UNVERIFIED",
        /// A file or directory could not be used.
        CannotProceed "CANNOT_PROCEED",
    }
}

words! {
    /// What to do next.
    Action {
        /// Go on.
        Proceed "PROCEED",
        /// Prepare again, with the work item named.
        Rerun "RERUN",
        /// Ask whoever owns the stored data.
        Bounce "BOUNCE",
        /// Repair the files, then prepare again.
        FixEnv "FIX_ENV",
    }
}

/// The result of a preparation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PrepReport {
    /// How sure the choice is.
    pub status: PrepStatus,
    /// What to do next.
    pub recommended_action: Action,
    /// Always nothing: prep routes to nobody.
    pub route_to_agent: Option<String>,
    /// Always nothing.
    pub route_to_flow: Option<String>,
    /// The work item; nothing if none could be chosen.
    pub run_id: Option<String>,
    /// The flow.
    pub flow: Flow,
    /// The work item it takes the place of.
    pub supersedes: Option<String>,
    /// Flows that usually come before and have left nothing.
    pub missing_upstream_flows: Vec<String>,
    /// What has to be settled.
    pub blockers: Vec<String>,
    /// Paths that could not be used.
    pub missing_required: Vec<String>,
    /// What is worth knowing.
    pub notes: Vec<String>,
    /// Whether it was there before.
    pub mode: Option<Mode>,
    /// What led to the id.
    pub source: Option<Source>,
    /// Its directory, seen from the root.
    pub run_dir: Option<String>,
    /// The directory of the flow, seen from the root.
    pub flow_dir: Option<String>,
    /// How often it was prepared.
    pub iterations: Option<u64>,
    /// Names it is known by from now on.
    pub aliases_added: Vec<String>,
    /// The form of this record.
    pub schema: &'static str,
    /// The code of what made it impossible to proceed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<&'static str>,
    /// Of a dry run: the text that `run_meta.json` would have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_meta_text: Option<String>,
    /// Of a dry run: the text that `index.json` would have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index_text: Option<String>,
}

impl PrepReport {
    /// An empty report.
    pub(super) fn new(flow: Flow) -> Self {
        Self {
            status: PrepStatus::Verified,
            recommended_action: Action::Proceed,
            route_to_agent: None,
            route_to_flow: None,
            run_id: None,
            flow,
            supersedes: None,
            missing_upstream_flows: Vec::new(),
            blockers: Vec::new(),
            missing_required: Vec::new(),
            notes: Vec::new(),
            mode: None,
            source: None,
            run_dir: None,
            flow_dir: None,
            iterations: None,
            aliases_added: Vec::new(),
            schema: "runr.prep/1",
            error: None,
            run_meta_text: None,
            index_text: None,
        }
    }

    /// Names the work item.
    pub(super) fn describe(&mut self, resolution: &Resolution) {
        let run_dir = format!(".runs/{}", resolution.id);
        self.flow_dir = Some(format!("{run_dir}/{}", self.flow));
        self.run_dir = Some(run_dir);
        self.run_id = Some(resolution.id.clone());
        self.supersedes.clone_from(&resolution.supersedes);
        self.source = Some(resolution.source);
    }

    /// Says what could not be read or written.
    pub(super) fn give_up(&mut self, error: &Error, otherwise: &Utf8Path) {
        self.status = PrepStatus::CannotProceed;
        self.recommended_action = Action::FixEnv;
        self.error = Some(error.code().as_str());
        let path = error.path().unwrap_or(otherwise);
        self.missing_required = vec![path.to_string()];
        self.blockers.push(format!("{}: {error}", error.code()));
        self.notes.push(error.to_string());
    }

    /// Takes over what was found out.
    pub(super) fn conclude(&mut self, findings: &Findings) {
        self.notes.clone_from(&findings.notes);
        self.blockers.clone_from(&findings.blockers);
        if findings.doubtful {
            self.status = PrepStatus::Unverified;
        }
        self.recommended_action = match (findings.blockers.is_empty(), findings.needs_owner) {
            (true, _) => Action::Proceed,
            (false, false) => Action::Rerun,
            (false, true) => Action::Bounce,
        };
    }

    /// The block that routing programs read.
    #[must_use]
    pub fn to_machine_block(&self) -> String {
        let scalar = |value: Option<&str>| value.unwrap_or("null").to_owned();
        let mut out = String::new();
        let mut line = |text: String| {
            out.push_str(&text);
            out.push('\n');
        };
        line("## Run Prep Result".to_owned());
        line(format!("status: {}", self.status));
        line(format!("recommended_action: {}", self.recommended_action));
        line(format!(
            "route_to_agent: {}",
            scalar(self.route_to_agent.as_deref())
        ));
        line(format!(
            "route_to_flow: {}\n",
            scalar(self.route_to_flow.as_deref())
        ));
        line(format!("run_id: {}", scalar(self.run_id.as_deref())));
        line(format!("flow: {}", self.flow));
        line(format!(
            "supersedes: {}",
            scalar(self.supersedes.as_deref())
        ));
        let missing = self.missing_upstream_flows.join(", ");
        line(format!("missing_upstream_flows: [{missing}]\n"));
        for (name, items) in [
            ("blockers", &self.blockers),
            ("missing_required", &self.missing_required),
            ("notes", &self.notes),
        ] {
            if items.is_empty() {
                line(format!("{name}: []"));
                continue;
            }
            line(format!("{name}:"));
            for item in items {
                line(format!("  - {}", quote(item)));
            }
        }
        out
    }

    /// The block that people read before it.
    #[must_use]
    pub fn to_human_block(&self) -> String {
        let shown = |value: Option<&str>| value.unwrap_or("-").to_owned();
        format!(
            "## Run Infrastructure Established\nrun_id: {}\nrun_dir: {}\nflow: {}\nflow_dir: {}\nmode: {}\n",
            shown(self.run_id.as_deref()),
            shown(self.run_dir.as_deref()),
            self.flow,
            shown(self.flow_dir.as_deref()),
            shown(self.mode.map(Mode::as_str)),
        )
    }

    /// What the next agent needs to know.
    #[must_use]
    pub fn to_handoff(&self) -> String {
        let mut out = format!("## Handoff\n\n**What I did**: {}\n\n", self.done());
        out.push_str(&format!("**What's left**: {}\n\n", self.left()));
        if !self.notes.is_empty() {
            out.push_str("**Notes**:\n");
            for note in &self.notes {
                out.push_str(&format!("- {}\n", on_one_line(note)));
            }
            out.push('\n');
        }
        out.push_str(&format!("**Recommendation**: {}\n", self.advice()));
        out
    }

    fn done(&self) -> String {
        let id = self.run_id.as_deref().unwrap_or("no work item");
        if self.status == PrepStatus::CannotProceed {
            return format!(
                "Tried to prepare {id} for the {} flow; not everything could be written.",
                self.flow
            );
        }
        let mode = self.mode.map_or("-", Mode::as_str);
        if self.run_meta_text.is_some() {
            return format!(
                "Tried out what preparing {id} for the {} flow would do ({mode}); nothing was written.",
                self.flow
            );
        }
        format!(
            "Prepared {id} for the {} flow ({mode}): its directories, run_meta.json and the index are up to date.",
            self.flow
        )
    }

    fn left(&self) -> String {
        if !self.missing_required.is_empty() {
            let paths = self.missing_required.join(", ");
            return format!("Repair {}.", on_one_line(&paths));
        }
        if self.missing_upstream_flows.is_empty() {
            return "Nothing.".to_owned();
        }
        format!(
            "Flows without a directory yet: {}.",
            self.missing_upstream_flows.join(", ")
        )
    }

    fn advice(&self) -> String {
        let id = self.run_id.as_deref().unwrap_or("the work item");
        match self.recommended_action {
            Action::FixEnv => "Fix the path named above, then prepare again.".to_owned(),
            Action::Bounce => format!(
                "Ask the owner of {id} to settle the blockers; the stored data contradicts itself."
            ),
            Action::Rerun => format!("Check that {id} is meant, then prepare again with its id."),
            Action::Proceed if self.status == PrepStatus::Unverified => {
                format!("Proceed, but check that {id} is the work item that is meant.")
            }
            Action::Proceed => "Proceed.".to_owned(),
        }
    }
}

/// What stands in a file may hold line breaks, and with them headings of its own.
fn on_one_line(text: &str) -> String {
    text.split(char::is_control).collect::<Vec<_>>().join(" ")
}
