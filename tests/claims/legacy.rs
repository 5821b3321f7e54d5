//! A program that follows the old protocol works on the same record.

use std::time::Duration;

use crate::support::{Command, Sandbox};
use crate::{Claims, long};

const SCRIPT: &str = include_str!("legacy.js");

fn legacy(claims: &Claims<'_>, run: &str, times: usize) -> Command {
    let file = claims.file("json");
    let words = [
        "-e",
        SCRIPT,
        "--",
        file.to_str().unwrap(),
        run,
        &times.to_string(),
    ];
    claims
        .0
        .command("node")
        .args(&words)
        .limit(Duration::from_secs(120))
}

/// Everything that happened, in the record and in the archive.
fn events(claims: &Claims<'_>) -> usize {
    let record = claims.document("json").unwrap();
    let evicted = claims
        .archive()
        .into_iter()
        .filter(|line| line["kind"] == "evicted");
    record["history"].as_array().unwrap().len() + evicted.count()
}

#[test]
fn no_update_is_lost_beside_a_program_that_knows_only_the_lock_directory() {
    let sandbox = Sandbox::bare();
    if std::process::Command::new("node")
        .arg("--version")
        .output()
        .is_err()
    {
        eprintln!("skipped: a program of the old protocol: needs node");
        return;
    }
    let claims = Claims(&sandbox);
    let times = if long() { 400 } else { 60 };
    claims.owner("claim", "run", &[]).exits(0);
    let token = claims.token();
    let others: Vec<_> = (0..2)
        .map(|_| legacy(&claims, "run", times).spawn())
        .collect();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..times {
                    claims.owner("claim", "run", &[]).exits(0);
                }
            });
        }
    });
    for other in others {
        other.wait().exits(0);
    }
    assert_eq!(events(&claims), 1 + 4 * times);
    assert_eq!(
        claims.token(),
        token,
        "nobody but this run owned the target"
    );
}
