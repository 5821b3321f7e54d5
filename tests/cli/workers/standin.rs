//! Programs called `claude` and `codex` that write down how they are called and answer as told.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::support::{Command, Config, Sandbox, TASK};

pub(super) const CLAUDE_ARGS: &[&str] = &[
    "-p",
    "--output-format",
    "json",
    "--dangerously-skip-permissions",
];
pub(super) const CODEX_ARGS: &[&str] = &["exec", "--full-auto", "--json"];

/// What every stand-in does: it keeps arguments, prompt, directory, environment and whether it has
/// a terminal, and then follows its step for the stage; the last step repeats.
const PROGRAM: &str = r#"#!/bin/sh
dir=DIR
SCRATCH=$dir/..
[ "$1" = --version ] && stage=version
for last; do :; done
[ "$last" = --help ] && stage=help
terminal=no
for fd in 0 1 2; do [ -t $fd ] && terminal=yes; done
cat > "$dir/prompt.$$"
if [ -z "$stage" ]; then
    case $(head -n 1 "$dir/prompt.$$") in
        '# Plan'*) stage=plan ;;
        '# Implement'*) stage=implement ;;
        '# Review'*) stage=review ;;
        *) stage=ping ;;
    esac
fi
n=$(($(cat "$dir/$stage.count" 2>/dev/null || echo 0) + 1))
echo $n > "$dir/$stage.count"
call=$dir/$stage.call$n
mv "$dir/prompt.$$" "$call.prompt"
printf '%s\n' "$@" > "$call.argv"
pwd -P > "$call.cwd"
env > "$call.env"
echo $terminal > "$call.terminal"
while [ $n -gt 1 ] && [ ! -e "$dir/$stage.step$n" ]; do n=$((n - 1)); done
. "$dir/$stage.step$n"
"#;

/// A repository whose workers are stand-ins, with the arguments and forms that runr comes with.
pub(super) struct StandIns {
    pub(super) sandbox: Sandbox,
}

/// How a stand-in was called.
pub(super) struct Call {
    pub(super) argv: Vec<String>,
    pub(super) prompt: String,
    pub(super) cwd: String,
    pub(super) env: Vec<String>,
    pub(super) terminal: bool,
}

impl StandIns {
    pub(super) fn new() -> Self {
        Self::with(Config::new())
    }

    /// Plans with claude, implements with codex, reviews with claude; everybody is content.
    pub(super) fn with(config: Config) -> Self {
        let config = config
            .set("workers", "claude", worker("claude", CLAUDE_ARGS, "json"))
            .set("workers", "codex", worker("codex", CODEX_ARGS, "jsonl"));
        Self::exactly(config)
    }

    /// With these workers and no others.
    pub(super) fn exactly(config: Config) -> Self {
        let sandbox = Sandbox::untrusted(&Config::new());
        let these = Self { sandbox };
        for (name, answer) in [("claude", claude as fn(&Value) -> String), ("codex", codex)] {
            these.install(name);
            these.on(name, "version", &[format!("echo {name} 1.2.3")]);
            these.on(name, "help", &["echo usage"]);
            these.on(name, "ping", &[answer(&json!("pong"))]);
            these.on(name, "plan", &[answer(&a_plan())]);
            let implement = format!("{}{}", writes("src/part1.txt"), answer(&done()));
            these.on(name, "implement", &[implement]);
            these.on(name, "review", &[answer(&approval())]);
        }
        these.sandbox.configure(&config);
        these.sandbox.commit("stand-ins");
        these.sandbox.runr(&["trust"]).output().exits(0);
        these
    }

    pub(super) fn install(&self, name: &str) {
        let bin = self.sandbox.scratch().join("bin");
        let dir = self.sandbox.scratch().join(name);
        fs::create_dir_all(&bin).unwrap();
        fs::create_dir(&dir).unwrap();
        let program = PROGRAM.replace("DIR", &format!("'{}'", dir.display()));
        fs::write(bin.join(name), program).unwrap();
        fs::set_permissions(bin.join(name), fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// What a stand-in does at its calls for a stage.
    pub(super) fn on<S: AsRef<str>>(&self, name: &str, stage: &str, steps: &[S]) {
        for (n, step) in (1..).zip(steps) {
            let path = self.file(name, &format!("{stage}.step{n}"));
            fs::write(path, step.as_ref()).unwrap();
        }
    }

    fn file(&self, name: &str, file: &str) -> PathBuf {
        self.sandbox.scratch().join(name).join(file)
    }

    /// How often a stand-in was called for a stage.
    pub(super) fn count(&self, name: &str, stage: &str) -> usize {
        let text = fs::read_to_string(self.file(name, &format!("{stage}.count")));
        text.map_or(0, |text| text.trim().parse().unwrap())
    }

    /// The n-th call of a stand-in for a stage, from 1.
    #[track_caller]
    pub(super) fn call(&self, name: &str, stage: &str, n: usize) -> Call {
        let read = |what: &str| {
            let path = self.file(name, &format!("{stage}.call{n}.{what}"));
            fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        };
        let lines = |what: &str| read(what).lines().map(str::to_owned).collect();
        Call {
            argv: lines("argv"),
            prompt: read("prompt"),
            cwd: read("cwd").trim_end().to_owned(),
            env: lines("env"),
            terminal: read("terminal").trim_end() == "yes",
        }
    }

    /// A `runr` command that finds the stand-ins first.
    pub(super) fn runr(&self, args: &[&str]) -> Command {
        let bin = self.sandbox.scratch().join("bin");
        let path = std::env::var("PATH").unwrap();
        let path = format!("{}:{path}", bin.display());
        self.sandbox.runr(args).env("PATH", path)
    }

    /// `runr run --json` in a worktree, without a question before it.
    pub(super) fn run(&self, code: i32) -> String {
        self.run_with(&["--skip-doctor"], code)
    }

    /// `runr run --json` in a worktree.
    #[track_caller]
    pub(super) fn run_with(&self, flags: &[&str], code: i32) -> String {
        let args = [&["run", "--task", TASK, "--json", "--worktree"][..], flags].concat();
        let output = self.runr(&args).output().exits(code);
        self.sandbox.started(output).id
    }

    /// `(worker, kind)` of every finished call.
    pub(super) fn ends(&self, id: &str) -> Vec<(String, Value)> {
        let calls = self.sandbox.payloads(id, "worker_call_finished");
        let end = |call: Value| {
            let worker = call["worker"].as_str().unwrap().to_owned();
            (worker, call["kind"].clone())
        };
        calls.into_iter().map(end).collect()
    }

    /// Why the run stopped.
    pub(super) fn stop_reason(&self, id: &str) -> Value {
        self.sandbox.status(id)["stop_reason"].clone()
    }
}

/// A worker as it stands in the configuration.
pub(super) fn worker(bin: &str, args: &[&str], output: &str) -> Value {
    json!({"bin": bin, "args": args, "output": output})
}

pub(super) fn a_plan() -> Value {
    json!({"milestones": [{"goal": "goal 1", "done_checks": ["the check passes"], "risk_level": "low"}]})
}

pub(super) fn done() -> Value {
    json!({"status": "ok", "handoff_memo": "done"})
}

pub(super) fn approval() -> Value {
    json!({"status": "approve", "changes": []})
}

/// Prints a text as it is.
pub(super) fn says(text: &str) -> String {
    format!("cat <<'END_OF_TEXT'\n{text}\nEND_OF_TEXT\n")
}

pub(super) fn writes(path: &str) -> String {
    format!("echo text > {path}\n")
}

pub(super) fn marked(reply: &Value) -> String {
    format!("Here it is.\nBEGIN_JSON\n{reply}\nEND_JSON")
}

/// What `claude -p --output-format json` prints at the end of a good call.
pub(super) fn claude_result(reply: &Value) -> Value {
    json!({
        "type": "result", "subtype": "success", "is_error": false, "duration_ms": 12,
        "result": marked(reply), "session_id": "s", "total_cost_usd": 0.25,
        "usage": {"input_tokens": 3, "cache_creation_input_tokens": 7, "cache_read_input_tokens": 90, "output_tokens": 20},
    })
}

pub(super) fn claude(reply: &Value) -> String {
    says(&claude_result(reply).to_string())
}

/// What it prints when it fails, and how it ends.
pub(super) fn claude_fails(words: &str, exit_code: i32) -> String {
    let result = json!({"type": "result", "subtype": "success", "is_error": true, "result": words, "total_cost_usd": 0});
    format!("{}exit {exit_code}\n", says(&result.to_string()))
}

/// What `codex exec --json` prints in a good call.
pub(super) fn codex(reply: &Value) -> String {
    let item = |item: Value| json!({"type": "item.completed", "item": item});
    let lines = [
        json!({"type": "thread.started", "thread_id": "t"}),
        json!({"type": "turn.started"}),
        item(
            json!({"type": "command_execution", "command": "ls", "aggregated_output": "HTTP 429 Too Many Requests"}),
        ),
        item(json!({"type": "agent_message", "text": marked(reply)})),
        json!({"type": "turn.completed", "usage": {"input_tokens": 1000, "cached_input_tokens": 900, "output_tokens": 50}}),
    ];
    says(&lines.map(|line| line.to_string()).join("\n"))
}

/// What it prints when a turn fails.
pub(super) fn codex_fails(words: &str) -> String {
    let lines = [
        json!({"type": "error", "message": words}),
        json!({"type": "turn.failed", "error": {"message": words}}),
    ];
    let lines = lines.map(|line| line.to_string()).join("\n");
    format!("{}exit 1\n", says(&lines))
}
