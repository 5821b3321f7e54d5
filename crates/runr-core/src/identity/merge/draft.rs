//! A merge in the making: what is stored, and what is to be set.

use std::collections::{BTreeMap, HashSet};

use super::{FIELDS, HARNESS_RUNS, INHERITED, MetaPatch, Superseded, TRUST, shape};
use crate::error::Result;
use crate::identity::findings::{Findings, Settles};
use crate::identity::index::is_number;
use crate::identity::meta::Meta;
use crate::identity::model::Source;
use crate::identity::reference::{MAX_NUMBER, parse_digits};
use crate::json::{Kind, Node, Rules, mean_the_same, quote, scan, string_identity};
use crate::time::Timestamp;

pub(super) struct Draft<'a> {
    stored: Option<&'a Meta<'a>>,
    patch: &'a MetaPatch,
    /// New values as JSON, by field.
    new: BTreeMap<&'static str, String>,
    /// What lists gain, as JSON.
    pub(super) appended: Vec<(&'static str, String)>,
    pub(super) aliases_added: Vec<String>,
    pub(super) iterations: u64,
    pub(super) findings: Findings,
}

impl<'a> Draft<'a> {
    pub(super) fn new(stored: Option<&'a Meta<'a>>, patch: &'a MetaPatch) -> Self {
        Self {
            stored,
            patch,
            new: BTreeMap::new(),
            appended: Vec::new(),
            aliases_added: Vec::new(),
            iterations: 1,
            findings: Findings::default(),
        }
    }

    fn stored(&self, key: &str) -> Option<Node<'a>> {
        self.stored?.get(key)
    }

    /// What a field says, as JSON.
    fn said(&self, key: &str) -> Option<&str> {
        let new = self.new.get(key).map(String::as_str);
        new.or_else(|| self.stored(key).map(Node::text))
    }

    /// Sets a field that says nothing.
    fn fill(&mut self, key: &'static str, value: impl Into<String>) {
        if self.said(key).is_none() {
            self.new.insert(key, value.into());
        }
    }

    /// A new version of a work item stays the same work, and as trusted as it was.
    pub(super) fn inherit(&mut self, superseded: Option<Superseded<'_>>) {
        let Some(superseded) = superseded else { return };
        self.fill("supersedes", quote(superseded.id));
        let Some(meta) = superseded.meta else { return };
        for key in TRUST.into_iter().chain(INHERITED) {
            if let Some(value) = meta.get(key) {
                self.fill(key, value.text());
            }
        }
    }

    pub(super) fn take_facts(&mut self) {
        for (name, fact) in self.patch.facts.known() {
            let Some(key) = FIELDS.into_iter().find(|key| *key == name) else {
                continue;
            };
            match self.said(key).map(str::to_owned) {
                // The latch is set when all facts are known.
                None if key == "github_ops_allowed" => {}
                None => self.fill(key, fact),
                Some(said) if TRUST.contains(&key) && !agrees(key, &said, &fact) => {
                    self.contradicted(key, &said, &fact);
                }
                Some(_) => {}
            }
        }
    }

    fn contradicted(&mut self, key: &str, said: &str, fact: &str) {
        let text = format!("the fact {key} = {fact} contradicts the stored {said}, which stays");
        if key == "github_ops_allowed" && fact == "false" {
            self.findings.block(text, Settles::Owner);
        } else {
            self.findings.doubt(text);
        }
    }

    /// What follows from the id and from the fields themselves.
    pub(super) fn infer(&mut self) {
        let id = self.patch.run_id.as_str();
        if let Some(number) = numbered(id, "gh-")
            && self.said("issue_number").is_none()
        {
            self.fill("issue_number", number.to_string());
            self.fill("task_key", quote(id));
            self.fill("canonical_key", quote(id));
        }
        if let Some(number) = numbered(id, "pr-") {
            self.fill("pr_number", number.to_string());
        }
        for mirrored in ["github_repo_expected", "github_repo_actual_at_creation"] {
            if let Some(repo) = self.said(mirrored).map(str::to_owned) {
                self.fill("github_repo", repo);
            }
        }
        self.fill("repo_mismatch", "false");
        let forbidden = self.patch.facts.github_ops_allowed == Some(false)
            || self.said("repo_mismatch") == Some("true");
        self.fill("github_ops_allowed", (!forbidden).to_string());
        if let Some(base_ref) = &self.patch.base_ref {
            self.fill("base_ref", quote(base_ref));
        }
    }

    /// Who it is, and since when.
    pub(super) fn identify(&mut self) {
        let now = quote(&self.patch.now.to_seconds_string());
        self.fill("run_id", quote(&self.patch.run_id));
        let updated_at = self.stored("updated_at");
        let since = updated_at.map_or(now.as_str(), Node::text).to_owned();
        self.fill("created_at", since);
        let before: Option<Timestamp> = updated_at
            .and_then(Node::as_str)
            .and_then(|text| text.parse().ok());
        if before.is_some_and(|before| before > self.patch.now) {
            self.findings
                .note("updated_at goes back in time: the clock or the file was wrong");
        }
        self.new.insert("updated_at", now);
        let source = self.patch.source.unwrap_or(Source::ExplicitRunId);
        self.fill("source", quote(source.as_str()));
        if !self.stored.is_some_and(|meta| meta.has("related_runs")) {
            self.fill("related_runs", "[]");
        }
    }

    pub(super) fn count(&mut self) -> Result<()> {
        if let Some(stored) = self.stored("iterations") {
            let count = (stored.kind() == Kind::Number)
                .then(|| parse_digits(stored.text()))
                .flatten()
                .filter(|count| *count < MAX_NUMBER);
            let count =
                count.ok_or_else(|| shape("iterations", "is no whole number that can grow"))?;
            self.iterations = count + 1;
        }
        self.new.insert("iterations", self.iterations.to_string());
        Ok(())
    }

    /// The two lists: what is new in them is appended.
    pub(super) fn list(&mut self) -> Result<()> {
        let flow = quote(self.patch.flow.as_str());
        match self.stored("flows_started") {
            None => self.fill("flows_started", format!("[{flow}]")),
            Some(list) if list.kind() != Kind::Array => {
                return Err(shape("flows_started", "is no list"));
            }
            Some(list)
                if list
                    .elements()
                    .any(|it| mean_the_same(it.text(), &flow).unwrap_or(false)) => {}
            Some(_) => self.appended.push(("flows_started", flow)),
        }
        self.list_aliases()
    }

    fn list_aliases(&mut self) -> Result<()> {
        let stored = match self.stored("aliases") {
            None => Vec::new(),
            Some(list) if list.kind() != Kind::Array => return Err(shape("aliases", "is no list")),
            Some(list) => list.elements().collect(),
        };
        let mut known = HashSet::new();
        let mut kept = Vec::new();
        for alias in &stored {
            if alias.kind() != Kind::String {
                return Err(shape("aliases", "holds what is no text"));
            }
            if known.insert(string_identity(alias.text()).into_owned()) {
                kept.push(alias.text().to_owned());
            }
        }
        let own = std::iter::once(&self.patch.run_id);
        for alias in own.chain(&self.patch.aliases) {
            if known.insert(string_identity(&quote(alias)).into_owned()) {
                self.aliases_added.push(alias.clone());
            }
        }
        let added = self.aliases_added.iter().map(|alias| quote(alias));
        if self.stored("aliases").is_some() && kept.len() == stored.len() {
            self.appended.extend(added.map(|alias| ("aliases", alias)));
        } else {
            kept.extend(added);
            self.new.insert("aliases", format!("[{}]", kept.join(", ")));
        }
        Ok(())
    }

    /// What does not fit together.
    pub(super) fn judge(&mut self) {
        let id = self.patch.run_id.as_str();
        if let Some(stored) = self
            .stored("run_id")
            .filter(|it| it.as_str().as_deref() != Some(id))
        {
            let text = format!("run_meta.json of {id} says its run_id is {}", stored.text());
            self.findings.block(text, Settles::Owner);
        }
        // A fact may have bound it just now.
        let issue = self.said("issue_number").map(str::to_owned);
        if let (Some(number), Some(issue)) = (numbered(id, "gh-"), issue)
            && !scan(&issue, &Rules::default()).is_ok_and(|it| is_number(it.root().token(), number))
        {
            let text = format!("{id} is bound to issue {issue}");
            self.findings.block(text, Settles::Owner);
        }
        let expected = self.said("github_repo_expected").map(str::to_owned);
        let actual = self
            .said("github_repo_actual_at_creation")
            .map(str::to_owned);
        if let (Some(expected), Some(actual)) = (expected, actual)
            && !expected.eq_ignore_ascii_case(&actual)
            && self.said("github_ops_allowed") == Some("true")
        {
            let text = format!(
                "the repository is {actual}, but {expected} was expected, and operations on it are allowed"
            );
            self.findings.block(text, Settles::Owner);
        }
    }

    /// What is to be set, in the order of a new file; a field that was missing says nothing.
    pub(super) fn members(&self) -> Vec<(&'static str, &str)> {
        let is_missing = |key: &str| !self.stored.is_some_and(|meta| meta.has(key));
        let value = |key: &'static str| {
            let new = self.new.get(key).map(String::as_str);
            let missing = (key != HARNESS_RUNS && is_missing(key)).then_some("null");
            Some((key, new.or(missing)?))
        };
        FIELDS.into_iter().filter_map(value).collect()
    }
}

/// The number in an id such as `gh-7`.
fn numbered(id: &str, prefix: &str) -> Option<u64> {
    let digits = id.strip_prefix(prefix)?;
    let number = parse_digits(digits).filter(|number| (1..=MAX_NUMBER).contains(number))?;
    (!digits.starts_with('0')).then_some(number)
}

/// Whether a fact says what is stored; the names of repositories have no case.
fn agrees(key: &str, said: &str, fact: &str) -> bool {
    key.starts_with("github_repo") && said.eq_ignore_ascii_case(fact)
        || mean_the_same(said, fact).unwrap_or(false)
}
