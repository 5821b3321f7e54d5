//! Under which claim a run goes on.

use runr_core::Result;
use runr_core::phase::config::Config;
use runr_core::phase::state::State;

use crate::harness::claim::{Claiming, Wanted};
use crate::harness::context::Layout;
use crate::harness::request::ResumeRequest;
use crate::host::Host;

/// The claim that the run goes on under: what the caller says now, else what it was started with.
pub(super) fn claiming(
    request: &ResumeRequest,
    host: &Host,
    layout: &Layout,
    config: &Config,
    before: &State,
) -> Result<Option<Claiming>> {
    let (wanted, named) = match (&request.own, &before.options.own) {
        (Some(own), _) => (own.checked()?, None),
        (None, Some(target)) => (Wanted::from(target.clone()), before.claim.as_ref()),
        (None, None) => return Ok(None),
    };
    Claiming::new(host, &layout.repo_root, config, wanted, named).map(Some)
}
