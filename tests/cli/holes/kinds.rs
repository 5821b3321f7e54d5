//! What a file is, beside what is in it: a link or a file, to be run or not.

use super::hidden::{BOTH, flags_of};
use super::*;
use crate::support::blocked;

#[test]
fn a_reviewer_that_makes_another_kind_of_file_of_what_was_checked_is_stopped() {
    for (change, file) in [
        ("rm src/l; ln -s guide src/l", "src/l"),
        ("chmod +x src/part.txt", "src/part.txt"),
    ] {
        let sandbox = process("printf guide > src/l; echo part > src/part.txt");
        let review = sandbox.scratch().join("review");
        let text = fs::read_to_string(&review).unwrap();
        fs::write(
            &review,
            text.replacen("\ncat", &format!("\n{change}\ncat"), 1),
        )
        .unwrap();
        run_processes(&sandbox, &["--worktree"]).exits(1);
        let id = sandbox.run_ids().pop().unwrap();
        assert_eq!(sandbox.status(&id)["stop_reason"], "guard_violation");
        assert!(violations(&sandbox, &id).contains(&file.to_owned()));
        assert_eq!(sandbox.checkpoints(&id), []);
    }
}

#[test]
fn a_hook_that_is_switched_on_is_a_violation() {
    for tree in BOTH {
        let sandbox = process(
            "echo part > src/part.txt
chmod +x \"$(git rev-parse --git-path hooks/pre-commit)\"",
        );
        sandbox.write(".git/hooks/pre-commit", "#!/bin/sh\ntrue\n");
        run_processes(&sandbox, flags_of(tree)).exits(1);
        let id = sandbox.run_ids().pop().unwrap();
        assert_eq!(sandbox.status(&id)["stop_reason"], "guard_violation");
        assert_eq!(violations(&sandbox, &id), [".git/hooks/pre-commit"]);
    }
}

/// Takes the modes out of a baseline, as an earlier version wrote it.
fn without_modes(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.remove("mode");
            fields.values_mut().for_each(without_modes);
        }
        Value::Array(items) => items.iter_mut().for_each(without_modes),
        _ => {}
    }
}

#[test]
fn a_baseline_without_modes_is_compared_by_what_it_has() {
    for (words, code) in [("TOKEN=old\n", 0), ("TOKEN=new\n", 1)] {
        let sandbox = Sandbox::with(&Config::new().deny(&[".env"]));
        sandbox.write(".gitignore", ".env\n");
        sandbox.commit("ignore lines");
        sandbox.write(".env", "TOKEN=old\n");
        sandbox.write("src/base.txt", "mine\n");
        sandbox.write(".git/hooks/pre-commit", "#!/bin/sh\ntrue\n");
        sandbox.script(&Script::one(blocked("a question")));
        let id = stops(&sandbox, &["--allow-dirty"], "implement_blocked");
        let path = sandbox.run_dir(&id).join("baseline.json");
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains("\"mode\""), "{text}");
        let mut kept = serde_json::from_str(&text).unwrap();
        without_modes(&mut kept);
        fs::write(&path, kept.to_string()).unwrap();
        sandbox.write(".env", words);
        sandbox.script(&Script::happy(1));
        let resumed = sandbox.runr(&["resume", &id]).output();
        assert_eq!(resumed.code, Some(code), "{resumed}");
        if code == 1 {
            assert_eq!(violations(&sandbox, &id), [".env"]);
        }
    }
}
