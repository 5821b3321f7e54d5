//! Prompts as texts with places for values.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::phase::model::Stage;

/// A place in a template. The words are those of the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slot {
    Task,
    Scope,
    Milestone,
    Goal,
    Files,
    Checks,
    Fix,
    Review,
    Gate,
    Diff,
    Log,
    Contract,
}

impl Slot {
    const ALL: &'static [(&'static str, Self)] = &[
        ("task", Self::Task),
        ("scope", Self::Scope),
        ("milestone", Self::Milestone),
        ("goal", Self::Goal),
        ("files", Self::Files),
        ("checks", Self::Checks),
        ("fix", Self::Fix),
        ("review", Self::Review),
        ("gate", Self::Gate),
        ("diff", Self::Diff),
        ("log", Self::Log),
        ("contract", Self::Contract),
    ];

    /// Whether a prompt of this stage has a value for it.
    const fn is_of(self, stage: Stage) -> bool {
        match self {
            Self::Task | Self::Scope | Self::Contract => true,
            Self::Milestone | Self::Goal | Self::Files | Self::Checks => {
                !matches!(stage, Stage::Plan)
            }
            Self::Fix | Self::Review => matches!(stage, Stage::Implement),
            Self::Gate | Self::Diff | Self::Log => matches!(stage, Stage::Review),
        }
    }
}

/// A text with places for values, checked for its stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    text: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    /// Within a line.
    Value(Slot),
    /// A line of its own, which goes when there is nothing to say.
    Line(Slot),
}

impl Template {
    /// Reads a template: `{{name}}` is a place, everything else is text.
    ///
    /// # Errors
    /// A sentence that names a place the stage does not have, or that there is none for the form of
    /// the answer.
    pub fn parse(stage: Stage, text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        for (number, line) in text.split_inclusive('\n').enumerate() {
            let named = |name: &str| {
                let known = Slot::ALL.iter().find(|(word, _)| *word == name);
                let slot = known.map(|(_, slot)| *slot);
                slot.filter(|slot| slot.is_of(stage)).ok_or_else(|| {
                    let line = number + 1;
                    format!("line {line}: unknown placeholder {{{{{name}}}}}")
                })
            };
            parse_line(line, named, &mut parts)?;
        }
        let answers = |part: &Part| {
            matches!(
                part,
                Part::Value(Slot::Contract) | Part::Line(Slot::Contract)
            )
        };
        if !parts.iter().any(answers) {
            return Err("the placeholder {{contract}} is missing".to_owned());
        }
        Ok(Self {
            text: text.to_owned(),
            parts,
        })
    }

    /// The text as it was given.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The prompt. Values are put in as they are: a placeholder in one of them stays text.
    pub(super) fn fill(&self, value: impl Fn(Slot) -> String) -> String {
        let mut prompt = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => prompt.push_str(text),
                Part::Value(slot) => prompt.push_str(value(*slot).trim_end()),
                Part::Line(slot) => {
                    let value = value(*slot);
                    prompt.push_str(&value);
                    if !value.is_empty() && !value.ends_with('\n') {
                        prompt.push('\n');
                    }
                }
            }
        }
        prompt
    }
}

fn parse_line(
    line: &str,
    named: impl Fn(&str) -> Result<Slot, String>,
    parts: &mut Vec<Part>,
) -> Result<(), String> {
    if let Some(name) = only_placeholder(line) {
        parts.push(Part::Line(named(name.trim())?));
        return Ok(());
    }
    let mut rest = line;
    while let Some((before, behind)) = rest.split_once("{{") {
        let Some((name, after)) = behind.split_once("}}") else {
            break;
        };
        parts.push(Part::Text(before.to_owned()));
        parts.push(Part::Value(named(name.trim())?));
        rest = after;
    }
    parts.push(Part::Text(rest.to_owned()));
    Ok(())
}

/// The name in a line that holds one placeholder and nothing else.
fn only_placeholder(line: &str) -> Option<&str> {
    let name = line.trim().strip_prefix("{{")?.strip_suffix("}}")?;
    (!name.contains("{{") && !name.contains("}}")).then_some(name)
}

/// The texts that take the place of built-in templates; absent where the built-in one holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PromptTexts {
    /// For the planner.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// For the implementer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub implement: Option<String>,
    /// For the reviewer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub review: Option<String>,
}

impl PromptTexts {
    /// The text for a stage.
    #[must_use]
    pub const fn of(&self, stage: Stage) -> &Option<String> {
        match stage {
            Stage::Plan => &self.plan,
            Stage::Implement => &self.implement,
            Stage::Review => &self.review,
        }
    }

    /// The place of the text for a stage.
    pub const fn of_mut(&mut self, stage: Stage) -> &mut Option<String> {
        match stage {
            Stage::Plan => &mut self.plan,
            Stage::Implement => &mut self.implement,
            Stage::Review => &mut self.review,
        }
    }
}

/// A text that is no template of its stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidTemplate {
    /// Whose.
    pub stage: Stage,
    /// What is wrong with it.
    pub problem: String,
}

impl fmt::Display for InvalidTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem)
    }
}
