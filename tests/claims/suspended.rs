//! A holder that was suspended until another one took over: it wakes up and may do nothing.

use std::time::Duration;

use rustix::process::Signal;

use crate::Claims;
use crate::child::play;
use crate::support::{Sandbox, wait_until};

#[test]
fn a_suspended_holder_that_wakes_up_after_a_takeover_cannot_act() {
    let sandbox = Sandbox::bare();
    let claims = Claims(&sandbox);
    let mut holder = play(&sandbox, "hold 3000", "sleeper")
        .silent_stdin()
        .spawn();
    wait_until("it holds the claim", Duration::from_secs(20), || {
        holder.stdout_so_far().contains("holds ")
    });
    holder.say("act\n");
    wait_until("it acts", Duration::from_secs(20), || {
        holder.stdout_so_far().contains("\nacted")
    });

    holder.signal(Signal::STOP);
    let early = claims.owner("takeover", "heir", &["--only-if-expired"]);
    println!("at once: {:?}", early.code);
    wait_until("the lease expires", Duration::from_secs(30), || {
        let takeover = claims.owner("takeover", "heir", &["--only-if-expired"]);
        takeover.code == Some(0)
    });
    holder.signal(Signal::CONT);
    holder.say("act\n");
    wait_until("it is refused", Duration::from_secs(20), || {
        holder.stdout_so_far().contains("refused E_OWNERSHIP_LOST")
    });
    holder.end_input();
    holder.wait().exits(0);
    let acted = std::fs::read_to_string(sandbox.scratch().join("acted")).unwrap();
    assert_eq!(acted, "sleeper\n", "it acted once, while it held the claim");
    let record = claims.document("json").unwrap();
    assert_eq!(
        record["activeRun"]["runId"], "heir",
        "its end disturbed nobody: {record}"
    );
}
