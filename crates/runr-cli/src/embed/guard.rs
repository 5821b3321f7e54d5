//! Guards of claims, as the bindings hold them.

use std::time::Duration;

use camino::Utf8PathBuf;
use runr_core::fs::CancelFlag;
use runr_core::json::{Kind, Node, Rules, Tree, Written, scan};
use runr_core::ownership::{self, Expect, OwnOptions, RunName, Target, Text, Token};
use runr_core::{Code, Error, Result};
use serde::Deserialize;

use super::parse;
use crate::ownership::{ClaimPlace, acquire};

/// A claim that keeps itself alive, shared between threads.
#[derive(Debug)]
pub struct Guard(ownership::Guard);

impl Guard {
    /// Claims a target by the JSON of `target`, `run_id`, `ttl` (seconds), `takeover`, `expect`,
    /// `only_if_expired`, `root` and `single_host`. Raising `cancel` ends a wait for locks.
    ///
    /// # Errors
    /// `E_OWNERSHIP_LOST` if another run holds the target; `E_TARGET_INVALID`; `E_USAGE` for other
    /// unusable options; those of reading and writing the record.
    pub fn acquire(options: &str, cancel: CancelFlag) -> Result<Self> {
        let tree = read(options)?;
        let plain: Plain = parse("own", options)?;
        let host = super::host(Vec::new(), cancel);
        let place = ClaimPlace::around(&host, &plain.root)?.single_host(plain.single_host);
        let target = Target::from_json(member(&tree, "target")?)?;
        let run_id = run_name(member(&tree, "run_id")?);
        let run_id = run_id.ok_or_else(|| usage("a claim needs a run id"))?;
        let options = OwnOptions {
            takeover: plain.takeover,
            only_if_expired: plain.only_if_expired,
            expect: expected(&tree)?,
            ttl: plain.ttl()?,
            ..OwnOptions::default()
        };
        acquire(&host, &place, target, run_id, options).map(Self)
    }

    /// The JSON of what is claimed, by whom, and the number of the claim.
    #[must_use]
    pub fn claim(&self) -> String {
        let target = Written::object(self.0.target().members());
        let run_id = self.0.run_id().as_text().quoted();
        let token = self.0.token();
        format!("{{\"target\":{target},\"run_id\":{run_id},\"token\":{token}}}")
    }

    /// Makes sure that the claim still counts.
    ///
    /// # Errors
    /// `E_OWNERSHIP_LOST`, and those of reading the record.
    pub fn check(&self) -> Result<()> {
        self.0.check()
    }

    /// Runs a short step while nobody can take the claim away.
    ///
    /// # Errors
    /// As [`check`](Self::check), and `E_LOCK_TIMEOUT`. The step has not been run.
    pub fn act<T>(&self, step: impl FnOnce() -> T) -> Result<T> {
        self.0.act(step)
    }

    /// Whether the claim is known to be lost; looks at no file.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.0.is_lost()
    }

    /// Calls `listener` once, when the claim is lost.
    pub fn on_loss(&self, listener: impl FnOnce(&Error) + Send + 'static) {
        self.0.on_loss(Box::new(listener));
    }

    /// Gives the claim back, for a reason (JSON: text or null); the JSON of the outcome.
    ///
    /// # Errors
    /// Those of reading and writing the record; `E_USAGE` within [`act`](Self::act).
    pub fn release(&self, reason: &str) -> Result<String> {
        let tree = read(reason)?;
        let reason = Text::of(tree.root()).map(|text| text.to_string());
        Ok(self.0.release(reason.as_deref())?.to_json().to_string())
    }
}

/// The options that are of one plain type.
#[derive(Deserialize)]
struct Plain {
    ttl: Option<f64>,
    #[serde(default)]
    takeover: bool,
    #[serde(default)]
    only_if_expired: bool,
    #[serde(default = "here")]
    root: Utf8PathBuf,
    single_host: Option<bool>,
}

fn here() -> Utf8PathBuf {
    ".".into()
}

impl Plain {
    fn ttl(&self) -> Result<Duration> {
        let Some(seconds) = self.ttl else {
            return Ok(OwnOptions::default().ttl);
        };
        Duration::try_from_secs_f64(seconds).map_err(|why| usage(&format!("`ttl`: {why}")))
    }
}

/// The owner that may be replaced: a run by its id, or a claim by its number.
fn expected(tree: &Tree<'_>) -> Result<Option<Expect>> {
    let Some(node) = tree.root().get_last("expect") else {
        return Ok(None);
    };
    let unusable = || usage("`expect` is a run id or the number of a claim");
    let expect = match node.kind() {
        Kind::Number => node.text().parse().ok().map(Token).map(Expect::Token),
        _ => run_name(node).map(Expect::Run),
    };
    expect.map(Some).ok_or_else(unusable)
}

fn run_name(node: Node<'_>) -> Option<RunName> {
    Text::of(node).and_then(RunName::new)
}

fn read(text: &str) -> Result<Tree<'_>> {
    scan(text, &Rules::default()).map_err(|bad| usage(&bad.to_string()))
}

fn member<'t>(tree: &'t Tree<'t>, name: &str) -> Result<Node<'t>> {
    let found = tree.root().get_last(name);
    found.ok_or_else(|| usage(&format!("`{name}` is missing")))
}

fn usage(problem: &str) -> Error {
    Error::new(Code::Usage, format!("own: {problem}"))
}
