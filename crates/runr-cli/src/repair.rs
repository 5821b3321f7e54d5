//! What is wrong with the runs of some stores, and its repair: for the command and the library.

use std::time::Duration;

use runr_core::Result;
use runr_core::store::{Finding, Holder};

use crate::host::Host;
use crate::processes::{exists, host_name};
use crate::stores::Stores;

/// How long a repair waits for the lock of a repository.
const WAIT: Duration = Duration::from_secs(10);

/// Everything that is wrong; with `fix` after what can be repaired was.
///
/// # Errors
/// `E_IO` if the repositories cannot be listed.
pub(crate) fn findings(host: &Host, stores: &Stores, fix: bool) -> Result<Vec<Finding>> {
    let now = host.clock.now();
    let holder = Holder::new(std::process::id(), &host_name(), now, "repair");
    let mut findings = Vec::new();
    for store in stores.all()? {
        findings.extend(match fix {
            true => store.repair(now, &holder, WAIT, &exists),
            false => store.diagnose(now),
        });
    }
    Ok(findings)
}
