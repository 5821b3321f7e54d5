//! The functions of identity.

use camino::Utf8Path;
use runr_core::identity::{
    self, Branch, Flow, IndexEntry, MetaPatch, PrepRequest, merge_run_meta as merge,
    upsert_index as upsert,
};
use runr_core::{Result, RunId, Timestamp};
use serde_json::Value;

use super::{Arguments, json};
use crate::host::Host;
use crate::work_items;

pub(super) fn sanitize_run_id(_: &Host, arguments: &mut Arguments) -> Result<Value> {
    let text: String = arguments.required("text")?;
    json(&identity::sanitize(&text))
}

pub(super) fn parse_ref(_: &Host, arguments: &mut Arguments) -> Result<Value> {
    let text: String = arguments.required("text")?;
    json(&identity::parse_ref(&text))
}

pub(super) fn merge_run_meta(_: &Host, arguments: &mut Arguments) -> Result<Value> {
    let text: Option<String> = arguments.optional("text")?;
    let patch: MetaPatch = arguments.required("patch")?;
    json(&merge(text.as_deref(), &patch)?)
}

pub(super) fn upsert_index(_: &Host, arguments: &mut Arguments) -> Result<Value> {
    let text: Option<String> = arguments.optional("text")?;
    let entry: IndexEntry = arguments.required("entry")?;
    json(&upsert(text.as_deref(), &entry)?)
}

pub(super) fn missing_upstream_flows(_: &Host, arguments: &mut Arguments) -> Result<Value> {
    let present: Vec<String> = arguments.required("present")?;
    json(&identity::missing_upstream_flows(
        &present,
        flow(arguments)?,
    ))
}

fn flow(arguments: &mut Arguments) -> Result<Flow> {
    arguments.required::<String>("flow")?.parse()
}

pub(super) fn prep(host: &Host, arguments: &mut Arguments) -> Result<Value> {
    let root = arguments.root()?;
    let mut request = PrepRequest::new(flow(arguments)?);
    request.run_id = arguments.optional("run_id")?;
    request.refs = arguments.or("refs", Vec::new())?;
    request.restart = arguments.or("restart", false)?;
    request.base_ref = arguments.optional("base_ref")?;
    request.facts = arguments.or("facts", identity::Facts::default())?;
    request.dry_run = arguments.or("dry_run", false)?;
    let branch: Option<Branch> = arguments.optional("branch")?;
    let now: Option<Timestamp> = arguments.optional("now")?;
    request.branch = branch.unwrap_or_else(|| observed(host, &root, &request));
    work_items::prep_json(&work_items::prep(host, &root, &request, now)?)
}

/// Git is asked only if the branch can matter: it names the work item, or what it is stacked on.
fn observed(host: &Host, root: &Utf8Path, request: &PrepRequest) -> Branch {
    let named = request.run_id.is_some() || !request.refs.is_empty();
    if named && request.base_ref.is_some() {
        return Branch::default();
    }
    work_items::observe_branch(&host.cwd.join(root))
}

pub(super) fn link_run(host: &Host, arguments: &mut Arguments) -> Result<Value> {
    let root = arguments.root()?;
    let item: String = arguments.required("run_id")?;
    let run: String = arguments.required("harness_run_id")?;
    let run = RunId::parse(&run)?;
    json(&work_items::work_items(host, &root)?.link_run(&item, &run)?)
}
