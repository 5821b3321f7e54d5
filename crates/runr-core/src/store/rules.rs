//! The text of `meta.json`, read strictly.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};

use super::model::{Archive, Flags, RunMeta, Setup};
use super::unknown::{Spellings, Unknown};
use crate::id::RunId;
use crate::json::{BadJson, Kind, Member, Node, Rules, scan};
use crate::mutant::without;

/// Why a text is no `meta.json`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadMeta {
    /// What is wrong.
    pub reason: String,
    /// Where, if it is one place.
    pub place: Option<Place>,
    /// The version of the format, if that is what is wrong.
    pub schema_version: Option<String>,
    /// What to do about it, if that is no matter of course.
    pub hint: Option<&'static str>,
}

/// A place in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// In bytes from the beginning.
    pub offset: usize,
    /// The line, counted from 1.
    pub line: usize,
    /// The column in characters, counted from 1.
    pub column: usize,
}

impl BadMeta {
    pub(super) fn new(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            place: None,
            schema_version: None,
            hint: None,
        }
    }

    /// What a file system leaves of a file that was never synced: no bytes at all, or zeros.
    fn lost(text: &str) -> Option<Self> {
        let is_nothing = |byte: u8| byte == 0 || byte.is_ascii_whitespace();
        text.bytes().all(is_nothing).then(|| Self {
            hint: Some("likely a power loss: restore the file, or move the run away"),
            ..BadJson::at(text.as_bytes(), 0, "it is empty").into()
        })
    }
}

impl From<BadJson> for BadMeta {
    fn from(bad: BadJson) -> Self {
        Self {
            place: Some(Place {
                offset: bad.offset,
                line: bad.line,
                column: bad.column,
            }),
            ..Self::new(bad.to_string())
        }
    }
}

/// Reads the `meta.json` of the run whose directory is called `id`, in a store of the repository
/// `repo_id` if it is a store of one repository.
///
/// Unknown fields are kept, and `null` counts as absent. A missing id is that of the place; missing
/// texts are empty, except for `schema_version` and `created_at`.
///
/// # Errors
/// [`BadMeta`], if it is not exactly one JSON object without repeated keys, nested at most 127
/// deep, with known fields of the right types, for this run, in a version that begins with 1.
pub fn parse_meta(text: &str, id: &RunId, repo_id: Option<&str>) -> Result<RunMeta, BadMeta> {
    parse(text, Some(id), repo_id)
}

/// Reads a `meta.json` that stands in no directory: it must name its run itself.
pub(super) fn parse_loose(text: &str) -> Result<RunMeta, BadMeta> {
    parse(text, None, None)
}

fn parse(text: &str, id: Option<&RunId>, repo_id: Option<&str>) -> Result<RunMeta, BadMeta> {
    if let Some(lost) = BadMeta::lost(text) {
        return Err(lost);
    }
    let tree = scan(text, &Rules::default())?;
    let repeated = tree.repeated_key().filter(|_| !without("repeated-key"));
    if let Some(repeated) = repeated {
        let offset = repeated.key_span().start;
        let reason = format!("the key {} is repeated", repeated.key_text());
        return Err(BadJson::at(text.as_bytes(), offset, reason).into());
    }
    if tree.root().kind() != Kind::Object {
        return Err(BadMeta::new("it is not a JSON object"));
    }
    let reading = Reading {
        text,
        spellings: RefCell::default(),
    };
    let fields = Fields::new(&reading, tree.root(), "");
    let schema_version = schema_version(&fields)?;
    let run_id = run_id(&fields, id)?;
    let found_repo_id = fields.text("repo_id")?;
    if let (Some(found), Some(expected)) = (&found_repo_id, repo_id)
        && found != expected
        && !without("repo-id")
    {
        return Err(fields.wrong("repo_id", "is not that of the store"));
    }
    let created_at = fields.filled("created_at")?;
    let name = fields.filled("name")?;
    let mut meta = RunMeta {
        schema_version,
        run_id,
        repo_id: found_repo_id.unwrap_or_else(|| repo_id.unwrap_or_default().to_owned()),
        title: fields
            .text("title")?
            .or_else(|| name.clone())
            .unwrap_or_default(),
        name,
        runner: fields.text("runner")?.unwrap_or_default(),
        runner_cmd: fields.text("runner_cmd")?.unwrap_or_default(),
        parent_branch: fields.text("parent_branch")?.unwrap_or_default(),
        branch: fields.text("branch")?.unwrap_or_default(),
        worktree_path: fields.text("worktree_path")?.unwrap_or_default().into(),
        created_at: created_at.ok_or_else(|| BadMeta::new("`created_at` is missing or empty"))?,
        tmux_session_name: fields.filled("tmux_session_name")?,
        flags: fields.object("flags", flags)?,
        setup: fields.object("setup", setup)?,
        pr_number: fields.integer("pr_number")?.filter(|number| *number != 0),
        pr_url: fields.filled("pr_url")?,
        last_push_at: fields.filled("last_push_at")?,
        last_verify_at: fields.filled("last_verify_at")?,
        last_report_sync_at: fields.filled("last_report_sync_at")?,
        last_report_hash: fields.filled("last_report_hash")?,
        archive: fields.object("archive", archive)?,
        unknown: fields.unknown(),
        spellings: Spellings::default(),
    };
    meta.spellings = reading.spellings.into_inner();
    Ok(meta)
}

/// Later minor versions only add fields, and those are kept.
pub(super) fn is_known_version(version: &str) -> bool {
    version.split('.').next() == Some("1")
}

fn schema_version(fields: &Fields<'_>) -> Result<String, BadMeta> {
    match fields.filled("schema_version")? {
        None => Err(BadMeta::new("`schema_version` is missing or empty")),
        Some(version) if is_known_version(&version) => Ok(version),
        Some(version) if without("version") => Ok(version),
        Some(version) => Err(BadMeta {
            schema_version: Some(version.clone()),
            ..BadMeta::new(format!("version {version} of the format is unknown"))
        }),
    }
}

fn run_id(fields: &Fields<'_>, directory: Option<&RunId>) -> Result<RunId, BadMeta> {
    match (fields.text("run_id")?, directory) {
        (None, Some(id)) => Ok(id.clone()),
        (Some(found), Some(id)) if found == id.as_str() => Ok(id.clone()),
        (Some(_), Some(id)) if without("run-id") => Ok(id.clone()),
        (Some(_), Some(_)) => Err(fields.wrong("run_id", "is not the name of the directory")),
        (Some(found), None) => {
            RunId::parse(&found).map_err(|_| fields.wrong("run_id", "is no valid id"))
        }
        (None, None) => Err(BadMeta::new("`run_id` is missing")),
    }
}

fn flags(fields: &Fields<'_>) -> Result<Flags, BadMeta> {
    Ok(Flags {
        setup_failed: fields.boolean("setup_failed")?.unwrap_or_default(),
        tmux_failed: fields.boolean("tmux_failed")?.unwrap_or_default(),
        needs_attention: fields.boolean("needs_attention")?.unwrap_or_default(),
        needs_attention_reason: fields.filled("needs_attention_reason")?,
        abandoned: fields.boolean("abandoned")?.unwrap_or_default(),
        unknown: fields.unknown(),
    })
}

fn setup(fields: &Fields<'_>) -> Result<Setup, BadMeta> {
    Ok(Setup {
        command: fields.text("command")?.unwrap_or_default(),
        exit_code: fields.integer("exit_code")?.unwrap_or_default(),
        duration_ms: fields.integer("duration_ms")?.unwrap_or_default(),
        timed_out: fields.boolean("timed_out")?.unwrap_or_default(),
        log_path: fields.text("log_path")?.unwrap_or_default(),
        output_ok: fields.boolean("output_ok")?,
        output_summary: fields.filled("output_summary")?,
        unknown: fields.unknown(),
    })
}

fn archive(fields: &Fields<'_>) -> Result<Archive, BadMeta> {
    Ok(Archive {
        archived_at: fields.filled("archived_at")?,
        merged_at: fields.filled("merged_at")?,
        unknown: fields.unknown(),
    })
}

/// What the objects of one document have in common while it is read.
struct Reading<'a> {
    text: &'a str,
    spellings: RefCell<Spellings>,
}

/// A typed look at an object. Every field that is asked for counts as known from then on.
struct Fields<'a> {
    reading: &'a Reading<'a>,
    fields: Vec<Field<'a>>,
    /// The path to this object, with a dot at its end.
    path: &'a str,
    /// Where the next field is looked for first: most files hold them in the order of the table.
    next: Cell<usize>,
}

struct Field<'a> {
    /// None of ours, if it is no text.
    key: Option<Cow<'a, str>>,
    member: Member<'a>,
    known: Cell<bool>,
}

impl<'a> Fields<'a> {
    fn new(reading: &'a Reading<'a>, object: Node<'a>, path: &'a str) -> Self {
        Self {
            reading,
            fields: object.members().map(Field::new).collect(),
            path,
            next: Cell::new(0),
        }
    }

    fn find(&self, key: &str) -> Option<Node<'a>> {
        let (before, after) = self.fields.split_at(self.next.get());
        let is_called = |field: &Field<'_>| field.key.as_deref() == Some(key);
        let found = match after.iter().position(is_called) {
            Some(ahead) => before.len() + ahead,
            None => before.iter().position(is_called)?,
        };
        self.next.set(found + 1);
        let field = self.fields.get(found)?;
        field.known.set(true);
        Some(field.member.value)
    }

    fn get<T>(
        &self,
        key: &'static str,
        kind: &str,
        read: impl FnOnce(Node<'a>) -> Option<T>,
    ) -> Result<Option<T>, BadMeta> {
        match self.find(key) {
            None => Ok(None),
            Some(node) if node.kind() == Kind::Null => Ok(None),
            Some(node) => match read(node) {
                Some(read) => Ok(Some(read)),
                None => Err(self.wrong(key, &format!("is not {kind}"))),
            },
        }
    }

    /// An error at the value of a field that is there.
    fn wrong(&self, key: &str, problem: &str) -> BadMeta {
        let reason = format!("`{}{key}` {problem}", self.path);
        match self.find(key) {
            Some(node) => {
                BadJson::at(self.reading.text.as_bytes(), node.span().start, reason).into()
            }
            None => BadMeta::new(reason),
        }
    }

    fn text(&self, key: &'static str) -> Result<Option<String>, BadMeta> {
        self.get(key, "a string", |node| {
            let exact = node.as_str().map(std::borrow::Cow::into_owned);
            exact.or_else(|| {
                let read = node.as_str_lossy()?;
                let path = format!("{}{key}", self.path);
                let mut spellings = self.reading.spellings.borrow_mut();
                spellings.remember(path, read.clone(), node.text());
                Some(read)
            })
        })
    }

    /// A text that is not empty.
    fn filled(&self, key: &'static str) -> Result<Option<String>, BadMeta> {
        Ok(self.text(key)?.filter(|text| !text.is_empty()))
    }

    fn integer(&self, key: &'static str) -> Result<Option<i64>, BadMeta> {
        self.get(key, "an integer", Node::as_i64)
    }

    fn boolean(&self, key: &'static str) -> Result<Option<bool>, BadMeta> {
        self.get(key, "true or false", Node::as_bool)
    }

    fn object<T>(
        &self,
        key: &'static str,
        read: impl FnOnce(&Fields<'_>) -> Result<T, BadMeta>,
    ) -> Result<Option<T>, BadMeta> {
        let is_object = |node: Node<'a>| (node.kind() == Kind::Object).then_some(node);
        let node = self.get(key, "an object", is_object)?;
        node.map(|node| read(&Fields::new(self.reading, node, &format!("{key}."))))
            .transpose()
    }

    /// The members nobody asked for; to be called last.
    fn unknown(&self) -> Unknown {
        if without("unknown") {
            return Unknown::default();
        }
        let unknown = self.fields.iter().filter(|field| !field.known.get());
        Unknown::of(unknown.map(|field| field.member))
    }
}

impl<'a> Field<'a> {
    fn new(member: Member<'a>) -> Self {
        Self {
            key: member.key_exact(),
            member,
            known: Cell::new(false),
        }
    }
}

#[cfg(test)]
mod tests;
