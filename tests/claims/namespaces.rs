//! Two containers share the folder: what lives in one is not called dead in the other.

use std::time::Duration;

use crate::Claims;
use crate::child::play;
use crate::support::{Sandbox, wait_until};

const OWN_NAMESPACE: [&str; 4] = ["unshare", "--pid", "--fork", "--mount-proc"];

#[test]
fn a_holder_in_another_namespace_is_not_called_dead() {
    let sandbox = Sandbox::bare();
    let probe = sandbox.command("true").under(&OWN_NAMESPACE).output();
    if probe.code != Some(0) {
        eprintln!("skipped: namespaces: needs the right to make a pid namespace");
        return;
    }
    let claims = Claims(&sandbox);
    let holder = play(&sandbox, "hold 60000", "contained")
        .under(&OWN_NAMESPACE)
        .silent_stdin()
        .spawn();
    wait_until("it holds the claim", Duration::from_secs(20), || {
        holder.stdout_so_far().contains("holds ")
    });
    let refused = |flags: &[&str]| {
        let takeover = claims.command("takeover", "outside", &["--only-if-expired"]);
        takeover.under(flags).output().exits(3);
    };
    // From the first namespace, where the number is another process's or nobody's, and from a
    // third one.
    refused(&[]);
    refused(&OWN_NAMESPACE);
    let status = claims.owner("status", "outside", &[]).exits(0).json();
    assert_eq!(status["lease"]["state"], "live", "{status}");
    holder.kill();
}

#[test]
fn a_dead_holder_of_this_namespace_is_expired_at_once() {
    let sandbox = Sandbox::bare();
    let claims = Claims(&sandbox);
    let holder = play(&sandbox, "hold 60000", "mortal")
        .silent_stdin()
        .spawn();
    wait_until("it holds the claim", Duration::from_secs(20), || {
        holder.stdout_so_far().contains("holds ")
    });
    claims
        .owner("takeover", "heir", &["--only-if-expired"])
        .exits(3);
    holder.kill();
    claims
        .owner("takeover", "heir", &["--only-if-expired"])
        .exits(0);
}
