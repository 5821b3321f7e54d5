//! Task files: Markdown with optional YAML front matter that says what a run may touch.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::field::{Field, Problem};
use super::front_matter;
use super::model::{Milestone, RiskLevel, Tier};
use super::owned::normalize_owns;
use crate::error::{Code, Error, Result};

/// Who does the task.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskType {
    /// Workers.
    #[default]
    Automated,
    /// A person; no run is started.
    Manual,
    /// Both.
    Hybrid,
}

/// A task file, read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Task {
    /// Always true: what cannot be read is an error.
    pub ok: bool,
    /// The text behind the front matter.
    pub body: String,
    /// Files the task may touch, as written.
    pub owns_raw: Vec<String>,
    /// The same in stored form.
    pub owns_normalized: Vec<String>,
    /// Patterns added to the allowlist for this task's runs.
    pub allowlist_add: Vec<String>,
    /// Tiers up to this one run at every milestone.
    pub verification_tier: Option<Tier>,
    /// Paths of tasks that come first.
    pub depends_on: Vec<String>,
    /// Who does it.
    #[serde(rename = "type")]
    pub kind: TaskType,
    /// The one milestone of a run without PLAN.
    pub fallback_milestones: Vec<Milestone>,
    /// Default of `--worker`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worker: Option<String>,
    /// Default of `--time`, in minutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<u64>,
    /// Default of `--fast`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fast: Option<bool>,
    /// The first heading of the first level.
    #[serde(skip)]
    pub title: Option<String>,
    /// What is odd but no reason to refuse.
    #[serde(skip)]
    pub warnings: Vec<String>,
    /// Headings that a task file is expected to have, and this one has not.
    #[serde(skip)]
    pub missing_headings: Vec<&'static str>,
}

impl Task {
    /// Whether a person has to do it.
    #[must_use]
    pub fn is_manual(&self) -> bool {
        self.kind == TaskType::Manual
    }

    /// The first heading, else the goal of the implicit milestone.
    #[must_use]
    pub fn name(&self) -> &str {
        let goal = self
            .fallback_milestones
            .first()
            .map(|milestone| milestone.goal.as_str());
        self.title.as_deref().or(goal).unwrap_or_default()
    }
}

/// Headings a task is expected to have.
const HEADINGS: [&str; 4] = ["Goal", "Requirements", "Success Criteria", "Notes"];
/// What a run without PLAN does if the task has no text.
const DEFAULT_GOAL: &str = "Implement the task";

/// Reads the text of a task file.
///
/// # Errors
/// `E_TASK_INVALID` if the front matter is no YAML mapping, a field has the wrong type, or `owns`
/// leaves the repository.
pub fn parse_task(text: &str) -> Result<Task> {
    parse_task_at(text, None)
}

/// Reads the text of a task file and names the file in errors.
///
/// # Errors
/// Those of [`parse_task`].
pub fn parse_task_at(text: &str, path: Option<&str>) -> Result<Task> {
    let refused = |problem: String| {
        let place = path.map(|path| format!(" in {path}")).unwrap_or_default();
        let error = Error::new(
            Code::TaskInvalid,
            format!("Invalid task front matter{place}: {problem}"),
        )
        .with("problem", problem);
        match path {
            Some(path) => error.at(path),
            None => error,
        }
    };
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    let (front, body) = match front_matter::split(text) {
        Some((yaml, body)) => (front_matter::parse(yaml).map_err(refused)?, body),
        None => (Value::Object(serde_json::Map::new()), text),
    };
    read(&Field::root(&front), body).map_err(|problem| refused(problem.to_string()))
}

fn read(front: &Field<'_>, body: &str) -> Result<Task, Problem> {
    let mut warnings = Vec::new();
    let owns = filled(front, "owns")?;
    let owns_raw = owns
        .as_ref()
        .map(one_or_many)
        .transpose()?
        .unwrap_or_default();
    let owns_normalized = normalize_owns(&owns_raw).map_err(|_| Problem {
        pointer: "/owns".to_owned(),
        what: "must not leave the repository with `..`".to_owned(),
    })?;
    if owns_normalized.is_empty() && !owns_raw.is_empty() {
        warnings.push("`owns` names no path: every change is outside of it".to_owned());
    }
    let mut allowlist_add = list(front, "allowlist_add")?;
    allowlist_add.extend(scope_in_body(body));
    Ok(Task {
        ok: true,
        owns_raw,
        owns_normalized,
        allowlist_add,
        verification_tier: tier(front, body, &mut warnings)?,
        depends_on: list(front, "depends_on")?,
        kind: kind(front, &mut warnings)?,
        fallback_milestones: vec![fallback_milestone(body)],
        worker: filled(front, "worker")?
            .map(|field| field.filled_text())
            .transpose()?,
        time: filled(front, "time")?
            .map(|field| field.whole_from(1))
            .transpose()?,
        fast: filled(front, "fast")?
            .map(|field| field.boolean())
            .transpose()?,
        title: title(body),
        warnings,
        missing_headings: missing_headings(body),
        body: body.to_owned(),
    })
}

/// A member with a value; a key without one is as good as no key.
fn filled<'a>(field: &Field<'a>, key: &str) -> Result<Option<Field<'a>>, Problem> {
    Ok(field
        .optional(key)?
        .filter(|member| !member.value.is_null()))
}

fn list(front: &Field<'_>, key: &str) -> Result<Vec<String>, Problem> {
    Ok(filled(front, key)?
        .as_ref()
        .map(one_or_many)
        .transpose()?
        .unwrap_or_default())
}

fn one_or_many(field: &Field<'_>) -> Result<Vec<String>, Problem> {
    match field.value {
        Value::String(one) => Ok(vec![one.clone()]),
        Value::Array(_) => field.texts(),
        _ => Err(field.problem("must be a string or a list of strings")),
    }
}

fn kind(front: &Field<'_>, warnings: &mut Vec<String>) -> Result<TaskType, Problem> {
    let Some(field) = filled(front, "type")? else {
        return Ok(TaskType::default());
    };
    Ok(
        serde_json::from_value(field.value.clone()).unwrap_or_else(|_| {
            warnings.push(format!(
                "unknown task type {}: taken as `automated`",
                field.value
            ));
            TaskType::default()
        }),
    )
}

fn tier(
    front: &Field<'_>,
    body: &str,
    warnings: &mut Vec<String>,
) -> Result<Option<Tier>, Problem> {
    let nested = match filled(front, "verification")? {
        Some(verification) => filled(&verification, "tier")?,
        None => None,
    };
    let word = match nested.or(filled(front, "tier")?) {
        Some(field) => Some(
            field
                .value
                .as_str()
                .map_or(field.value.to_string(), str::to_owned),
        ),
        None => section(body, "Verification").find_map(|line| {
            line.trim()
                .strip_prefix("tier:")
                .map(|word| word.trim().to_owned())
        }),
    };
    Ok(word.and_then(|word| {
        let tier = Tier::parse(&word.to_lowercase());
        if tier.is_none() {
            warnings.push(format!("unknown verification tier `{word}`: ignored"));
        }
        tier
    }))
}

/// The list below `allowlist_add:` in the section `## Scope`, an older way to write it.
fn scope_in_body(body: &str) -> Vec<String> {
    section(body, "Scope")
        .skip_while(|line| line.trim() != "allowlist_add:")
        .skip(1)
        .map_while(|line| line.trim().strip_prefix("- "))
        .map(|item| item.trim().trim_matches(['`', '"', '\'']).to_owned())
        .filter(|item| !item.is_empty())
        .collect()
}

/// The lines between a heading of the second level and the next of the first two levels.
fn section<'a>(body: &'a str, heading: &'a str) -> impl Iterator<Item = &'a str> {
    body.lines()
        .skip_while(move |line| !is_heading(line, heading))
        .skip(1)
        .take_while(|line| !line.starts_with("# ") && !line.starts_with("## "))
}

fn is_heading(line: &str, heading: &str) -> bool {
    line.strip_prefix("## ")
        .is_some_and(|text| text.trim() == heading)
}

fn missing_headings(body: &str) -> Vec<&'static str> {
    let missing = |heading: &&str| !body.lines().any(|line| is_heading(line, heading));
    HEADINGS.into_iter().filter(missing).collect()
}

fn title(body: &str) -> Option<String> {
    let heading = body
        .lines()
        .find_map(|line| line.strip_prefix("# "))?
        .trim();
    (!heading.is_empty()).then(|| heading.to_owned())
}

fn fallback_milestone(body: &str) -> Milestone {
    let first_line = body.lines().map(str::trim).find(|line| !line.is_empty());
    Milestone {
        goal: first_line.unwrap_or(DEFAULT_GOAL).to_owned(),
        files_expected: None,
        done_checks: ["Core changes implemented", "Tier 0 checks pass"]
            .map(str::to_owned)
            .to_vec(),
        risk_level: RiskLevel::Medium,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::vectors::replay;

    #[test]
    fn every_recorded_task_file_is_read_again() {
        replay("phase-task-files.json", "cases", 7, |case| {
            let task = parse_task(case["text"].as_str().unwrap());
            (
                case["expect"].clone(),
                task.map_or(json!({"ok": false}), |task| json!(task)),
            )
        });
    }

    fn refusal(front: &str) -> String {
        let error = parse_task(&format!("---\n{front}\n---\nbody")).unwrap_err();
        assert_eq!(error.code(), Code::TaskInvalid);
        error.to_string()
    }

    #[test]
    fn a_front_matter_that_hides_its_meaning_is_refused() {
        assert!(
            refusal("owns: [src").contains("line"),
            "{}",
            refusal("owns: [src")
        );
        assert!(refusal("owns: {a: b}").contains("/owns: must be a string or a list"));
        assert!(refusal("owns: [1]").contains("/owns/0: must be a string"));
        assert!(refusal("owns: ../x").contains("/owns: must not leave"));
        assert!(refusal("just a sentence").contains("must be an object"));
        assert!(refusal("time: 0").contains("/time: must be a whole number from 1 on"));
        assert!(refusal("fast: maybe").contains("/fast"));
        assert!(
            refusal("owns: a\nowns: b").contains("line 3"),
            "a repeated key is refused"
        );
    }

    #[test]
    fn an_error_names_the_file() {
        let error = parse_task_at("---\nowns: 1\n---\n", Some(".runr/tasks/a.md")).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("Invalid task front matter in .runr/tasks/a.md: ")
        );
    }

    #[test]
    fn defaults_of_the_flags_and_the_title_are_read() {
        let task = parse_task(
            "---\nworker: codex\ntime: 30\nfast: true\nowns:\ndepends_on: a.md\n---\n# Add login\n",
        )
        .unwrap();
        assert_eq!(
            (task.worker.as_deref(), task.time),
            (Some("codex"), Some(30))
        );
        assert_eq!(
            (task.fast, task.title.as_deref()),
            (Some(true), Some("Add login"))
        );
        assert_eq!(task.depends_on, ["a.md"]);
        assert!(task.owns_raw.is_empty());
    }

    #[test]
    fn the_forms_in_the_body_are_accepted() {
        let body = "# T\n## Scope\nallowlist_add:\n- `docs/**`\n  - src/*.rs\n\n## Verification\n\
                    tier: tier2\n## Notes\ntier: tier0\n- not/this\n";
        let task = parse_task(&format!("---\nallowlist_add: a\n---\n{body}")).unwrap();
        assert_eq!(task.allowlist_add, ["a", "docs/**", "src/*.rs"]);
        assert_eq!(task.verification_tier, Some(Tier::Tier2));
        let task = parse_task(&format!("---\ntier: tier1\n---\n{body}")).unwrap();
        assert_eq!(
            task.verification_tier,
            Some(Tier::Tier1),
            "the front matter comes first"
        );
    }

    #[test]
    fn what_is_odd_only_warns() {
        let task = parse_task("---\ntype: weird\ntier: 9\n---\n## Goal\n").unwrap();
        assert_eq!(task.warnings.len(), 2, "{:?}", task.warnings);
        assert_eq!(
            task.missing_headings,
            ["Requirements", "Success Criteria", "Notes"]
        );
        let nothing = parse_task("---\nowns: ./\n---\n").unwrap();
        assert!(
            nothing.warnings[0].contains("owns"),
            "{:?}",
            nothing.warnings
        );
        assert_eq!(task.kind, TaskType::Automated);
        assert_eq!(
            parse_task("").unwrap().fallback_milestones[0].goal,
            DEFAULT_GOAL
        );
    }
}
