//! `runr owner exec`: a command under a claim.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use rustix::process::{Pid, Signal};
use serde_json::{Value, json};

use crate::owner::Claims;
use crate::support::{Command, Running, is_alive, wait_until};

const SOON: Duration = Duration::from_secs(20);

impl Claims {
    /// `runr owner exec` of a shell script as `run-1`, with options.
    fn exec_with(&self, options: &[&str], script: &str) -> Command {
        let command = self.command(&["exec", "--run-id", "run-1"]).args(options);
        command.args(&["--", "sh", "-c", script])
    }

    fn exec(&self, script: &str) -> Command {
        self.exec_with(&[], script)
    }

    /// A file outside of the repository, for a script to write.
    fn note(&self, name: &str) -> PathBuf {
        self.sandbox.scratch().join(name)
    }

    fn noted(&self, name: &str) -> String {
        fs::read_to_string(self.note(name)).unwrap_or_default()
    }

    /// Starts a script that says `up` when it is ready, with `setup` before that, and then waits for
    /// ever, in a child of its own too.
    fn running(&self, options: &[&str], setup: &str) -> Running {
        let dir = self.note("");
        let dir = dir.display();
        // It ends with the sandbox, in case nobody else ends it.
        let forever = format!("while [ -d '{dir}' ]; do sleep 0.1; done");
        let script = format!(
            "{setup}; ({forever}) & echo \"$$ $!\" > '{dir}/pids'; echo up > '{dir}/up'; {forever}"
        );
        let running = self.exec_with(options, &script).spawn();
        wait_until("the command is up", SOON, || self.noted("up") == "up\n");
        running
    }

    fn pids(&self) -> Vec<Pid> {
        let pid = |word: &str| Pid::from_raw(word.parse().unwrap()).unwrap();
        self.noted("pids").split_whitespace().map(pid).collect()
    }

    #[track_caller]
    fn all_ended(&self) {
        let pids = self.pids();
        assert_eq!(pids.len(), 2);
        wait_until("the group has ended", SOON, || {
            !pids.iter().any(|pid| is_alive(*pid))
        });
    }

    fn events(&self) -> Vec<Value> {
        let history = self.document("json")["history"].as_array().unwrap().clone();
        history.iter().map(|event| event["type"].clone()).collect()
    }
}

#[test]
fn the_command_runs_under_the_claim_and_knows_it() {
    let claims = Claims::new();
    let script = "env; echo \"group $$ $(ps -o pgid= -p $$ | tr -d ' ')\"; cat \"$1\"";
    let command = claims.command(&["exec", "--run-id", "run-1", "--ttl", "90"]);
    let fence = claims.file("fence.json");
    let output = command
        .args(&["--", "sh", "-c", script, "sh", fence.to_str().unwrap()])
        .output();
    let output = output.exits(0);
    let line = |start: &str| {
        let found = output
            .stdout
            .lines()
            .find_map(|line| line.strip_prefix(start));
        found
            .unwrap_or_else(|| panic!("no {start} in {output}"))
            .to_owned()
    };
    for name in ["RUNR_RUN_ID", "DEVLOOPS_RUN_ID", "PI_SUBAGENT_RUN_ID"] {
        assert_eq!(line(&format!("{name}=")), "run-1");
    }
    let group = line("group ");
    let (pid, group) = group.split_once(' ').unwrap();
    assert_eq!(pid, group, "it leads a process group of its own");
    let fence: Value =
        serde_json::from_str(&output.stdout[output.stdout.find('{').unwrap()..]).unwrap();
    assert_eq!(line("RUNR_TOKEN="), fence["token"].to_string());
    assert_eq!(line("RUNR_TARGET="), "acme/shop#17");
    assert_eq!(
        (
            &fence["holder"]["kind"],
            &fence["holder"]["ttlMs"],
            &fence["holder"]["runId"]
        ),
        (&json!("guard"), &json!(90_000), &json!("run-1"))
    );
    let record = claims.document("json");
    assert_eq!(
        (&record["activeRun"], &record["exitSignals"]),
        (&Value::Null, &json!([]))
    );
    assert_eq!(claims.events(), ["claim", "release"].map(Value::from));
}

#[test]
fn the_exit_status_is_that_of_the_command() {
    let claims = Claims::new();
    claims.exec("exit 0").output().exits(0);
    assert_eq!(claims.document("json")["exitSignals"], json!([]));
    claims.exec("exit 42").output().exits(42);
    claims.exec("kill -KILL $$").output().exits(128 + 9);
    let record = claims.document("json");
    let reason = |at: usize| {
        record["exitSignals"][at]["reason"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert!(
        reason(0).contains("42") && reason(1).contains("signal 9"),
        "{record}"
    );
    assert_eq!(record["exitSignals"][0]["runId"], "run-1");
    assert_eq!(
        record["activeRun"],
        Value::Null,
        "it was released after the signal"
    );
    let signalled = record["exitSignals"][1]["at"].as_str().unwrap();
    assert!(
        signalled <= record["previousRun"]["replacedAt"].as_str().unwrap(),
        "{record}"
    );
}

#[test]
fn a_command_that_cannot_be_started_leaves_no_claim() {
    let claims = Claims::new();
    for (program, code) in [("/no/such/program", 127), ("/etc/passwd", 126)] {
        let command = claims.command(&["exec", "--run-id", "run-1", "--json"]);
        let form = command
            .args(&["--", program])
            .output()
            .exits(code)
            .error_json("E_IO", "io");
        assert_eq!(form["path"], program);
        let record = claims.document("json");
        assert_eq!(
            (&record["activeRun"], &record["exitSignals"]),
            (&Value::Null, &json!([]))
        );
    }
}

#[test]
fn nothing_is_started_while_another_run_owns_the_target() {
    let claims = Claims::new();
    claims.owner(&["claim", "--run-id", "other"], 0);
    let before = claims.sandbox.snapshot();
    let script = format!("touch '{}'", claims.note("never").display());
    let told = claims.exec(&script).output().exits(3);
    assert!(
        told.stderr
            .starts_with("Error: Ownership lost: acme/shop#17"),
        "{told}"
    );
    assert!(told.stderr.contains("\n  owner: other\n"), "{told}");
    let form = claims.exec_with(&["--json"], &script).output().exits(3);
    form.error_json("E_OWNERSHIP_LOST", "ownership_lost");
    assert!(!claims.note("never").exists());
    assert_eq!(claims.sandbox.snapshot(), before);
}

#[test]
fn input_is_handed_on_and_with_json_the_output_is_ours() {
    let claims = Claims::new();
    assert_eq!(
        claims.exec("cat").stdin("words\n").output().exits(0).stdout,
        "words\n"
    );
    let output = claims
        .exec_with(&["--json"], "echo words")
        .output()
        .exits(0);
    assert_eq!(output.stderr, "words\n");
    assert_eq!(output.json_line()["status"], "released");
}

#[test]
fn the_claim_is_kept_alive_while_the_command_runs() {
    let claims = Claims::new();
    let running = claims.running(&["--ttl", "0.6"], "true");
    let updated = || claims.document("json")["activeRun"]["updatedAt"].clone();
    let first = updated();
    wait_until("two heartbeats", SOON, || {
        let second = updated();
        second != first && {
            wait_until("the second", SOON, || updated() != second);
            true
        }
    });
    assert_eq!(
        claims.events(),
        ["claim"].map(Value::from),
        "a heartbeat is no event"
    );
    running.signal(Signal::TERM);
    running.wait().exits(143);
}

#[test]
fn signals_are_passed_on_to_the_group() {
    let claims = Claims::new();
    let note = claims.note("got");
    let note = note.display();
    let setup = format!(
        "trap 'echo usr1 >> {note}' USR1; trap 'echo usr2 >> {note}' USR2; trap 'echo int >> {note}; exit 9' INT"
    );
    let running = claims.running(&[], &setup);
    for (signal, got) in [(Signal::USR1, "usr1\n"), (Signal::USR2, "usr1\nusr2\n")] {
        running.signal(signal);
        wait_until("it is passed on", SOON, || {
            claims.noted("got").starts_with(got)
        });
    }
    running.signal(Signal::INT);
    running.wait().exits(9);
    assert!(claims.noted("got").ends_with("int\n"));
    assert!(
        claims.document("json")["exitSignals"][0]["reason"]
            .as_str()
            .unwrap()
            .contains('9')
    );
    let pids = claims.pids();
    rustix::process::kill_process(pids[1], Signal::KILL).ok();
}

#[test]
fn a_signal_that_ends_the_command_ends_us_after_the_release() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129)] {
        let claims = Claims::new();
        // Children in the background of a shell ignore SIGINT.
        let note = claims.note("up");
        let command = claims.exec(&format!("echo up > {}; exec sleep 60", note.display()));
        let running = command.spawn();
        wait_until("the command is up", SOON, || claims.noted("up") == "up\n");
        running.signal(signal);
        running.wait().exits(code);
        let record = claims.document("json");
        assert_eq!(record["activeRun"], Value::Null);
        assert_eq!(record["exitSignals"].as_array().unwrap().len(), 1);
    }
}

#[test]
fn a_second_signal_does_not_leave_the_command_alone() {
    let claims = Claims::new();
    let note = claims.note("got");
    let setup = format!("trap 'echo int >> {}' INT", note.display());
    let running = claims.running(&[], &setup);
    for count in 1..=3 {
        running.signal(Signal::INT);
        wait_until("it is passed on", SOON, || {
            claims.noted("got").lines().count() == count
        });
    }
    running.signal(Signal::TERM);
    running.wait().exits(143);
    claims.all_ended();
}

#[test]
fn a_stop_is_passed_on_and_so_is_the_end_of_it() {
    let claims = Claims::new();
    let running = claims.running(&[], "true");
    let state = |pid: Pid| {
        let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap();
        stat.rsplit_once(") ").unwrap().1.chars().next()
    };
    running.signal(Signal::TSTP);
    let command = claims.pids()[0];
    wait_until("both are stopped", SOON, || {
        state(command) == Some('T') && state(running.pid()) == Some('T')
    });
    running.signal(Signal::CONT);
    wait_until("both go on", SOON, || {
        state(command) != Some('T') && state(running.pid()) != Some('T')
    });
    running.signal(Signal::TERM);
    running.wait().exits(143);
}

#[test]
fn a_lost_claim_ends_the_whole_group() {
    let claims = Claims::new();
    let note = claims.note("got");
    let setup = format!("trap 'echo term >> {}; exit 0' TERM", note.display());
    let running = claims.running(&["--ttl", "1"], &setup);
    claims.owner(&["takeover", "--run-id", "thief"], 0);
    let token = claims.token();
    let told = running.wait().exits(1);
    assert!(
        told.stderr.contains("Error: Ownership lost: acme/shop#17"),
        "{told}"
    );
    assert!(told.stderr.contains("\n  owner: thief\n"), "{told}");
    assert_eq!(claims.noted("got"), "term\n");
    claims.all_ended();
    let record = claims.document("json");
    assert_eq!(record["activeRun"]["runId"], "thief");
    assert_eq!(
        (record["exitSignals"].clone(), claims.token()),
        (json!([]), token)
    );
}

#[test]
fn a_group_that_does_not_listen_is_killed() {
    let claims = Claims::new();
    let running = claims.running(&["--ttl", "1"], "trap '' TERM");
    claims.owner(&["takeover", "--run-id", "thief"], 0);
    let told = running.wait().exits(1);
    claims.all_ended();
    assert!(
        told.took >= Duration::from_secs(5),
        "it has five seconds: {told}"
    );
}

#[test]
fn a_claim_that_was_lost_unnoticed_is_no_success() {
    let claims = Claims::new();
    let takeover = "\"$RUNR\" owner takeover --repo acme/shop --pr 17 --run-id thief >/dev/null";
    let command = claims
        .exec(takeover)
        .env("RUNR", env!("CARGO_BIN_EXE_runr"));
    let told = command.output().exits(1);
    assert!(told.stderr.contains("thief"), "{told}");
    assert_eq!(claims.document("json")["activeRun"]["runId"], "thief");
}

#[test]
fn a_command_inside_shares_the_claim() {
    let claims = Claims::new();
    let inner = "\"$RUNR\" owner exec --repo acme/shop --pr 17 -- sh -c 'echo $RUNR_TOKEN'; \
                 \"$RUNR\" owner assert --repo acme/shop --pr 17 --json; echo $RUNR_TOKEN";
    let command = claims.exec(inner).env("RUNR", env!("CARGO_BIN_EXE_runr"));
    let output = command.output().exits(0);
    let lines: Vec<&str> = output.stdout.lines().collect();
    assert_eq!(lines.len(), 3, "{output}");
    assert_eq!(lines[0], lines[2], "the same claim: {output}");
    assert!(
        lines[1].contains("owner_confirmed"),
        "it was not released: {output}"
    );
    assert_eq!(claims.document("json")["activeRun"], Value::Null);
}

#[test]
fn a_new_process_of_the_same_run_fences_the_older_one() {
    let claims = Claims::new();
    let older = claims.running(&["--ttl", "1"], "true");
    let first = claims.token();
    let output = claims.exec("echo $RUNR_TOKEN").output().exits(0);
    assert!(output.stdout.trim().parse::<u64>().unwrap() > first);
    older.wait().exits(1);
    claims.all_ended();
}
