//! Whole runs with both agents, and every form of output.

use super::*;

#[test]
fn both_agents_are_called_as_their_makers_want_it() {
    let these = StandIns::new();
    let id = these.run(0);
    let tree = these.sandbox.worktree(&id);
    let tree = tree.to_str().unwrap();
    assert_eq!(these.call("claude", "plan", 1).argv, CLAUDE_ARGS);
    assert_eq!(these.call("claude", "review", 1).argv, CLAUDE_ARGS);
    let codex = [CODEX_ARGS, &["-C", tree]].concat();
    assert_eq!(these.call("codex", "implement", 1).argv, codex);
    for (name, stage, title) in [
        ("claude", "plan", "# Plan\n"),
        ("codex", "implement", "# Implement milestone 1 of 1\n"),
        ("claude", "review", "# Review milestone 1 of 1\n"),
    ] {
        assert_eq!(these.count(name, stage), 1, "{name} {stage}");
        let call = these.call(name, stage, 1);
        assert!(call.prompt.starts_with(title), "{}", call.prompt);
        assert_eq!(call.cwd, tree);
        assert!(!call.terminal, "{name} has a terminal");
        for variable in ["RUNR_RUN_ID", "DEVLOOPS_RUN_ID", "PI_SUBAGENT_RUN_ID"] {
            let expected = format!("{variable}={id}");
            assert!(call.env.contains(&expected), "{expected} for {name}");
        }
        let token = |line: &String| line.starts_with("RUNR_TOKEN=");
        assert!(!call.env.iter().any(token), "no claim, no token");
    }
    let stats = these.sandbox.status(&id)["worker_stats"].clone();
    assert_eq!((&stats["claude"], &stats["codex"]), (&json!(2), &json!(1)));
}

#[test]
fn what_a_call_consumed_is_recorded_and_reported() {
    let these = StandIns::new();
    let id = these.run(0);
    let claude = json!({"input_tokens": 100, "output_tokens": 20, "cost_usd": 0.25});
    let codex = json!({"input_tokens": 1000, "output_tokens": 50, "cost_usd": null});
    let calls = these.sandbox.payloads(&id, "worker_call_finished");
    let told: Vec<&Value> = calls.iter().map(|call| &call["usage"]).collect();
    assert_eq!(told, [&claude, &codex, &claude]);
    assert_eq!(
        these.sandbox.report(&id)["usage"],
        json!({
            "input_tokens": 1200, "output_tokens": 90, "cost_usd": 0.5, "unknown_calls": 1,
            "by_worker": {
                "claude": {"input_tokens": 200, "output_tokens": 40, "cost_usd": 0.5, "unknown_calls": 0},
                "codex": {"input_tokens": 1000, "output_tokens": 50, "cost_usd": null, "unknown_calls": 1},
            },
        })
    );
    let text = these.runr(&["report", &id]).output().exits(0).stdout;
    let line = "usage: 1290 tokens, $0.50 (calls of unknown cost: codex=1)";
    assert!(text.contains(line), "{text}");
    for line in [
        "worker_call_finished supervisor - claude plan ok, ",
        ", 120 tokens, $0.25\n",
        "worker_call_finished supervisor - codex implement ok, ",
        ", 1050 tokens\n",
        "preflight supervisor - guard: pass, ping: skipped\n",
    ] {
        assert!(text.contains(line), "`{line}` in {text}");
    }
    let usage = these.sandbox.status(&id)["usage"].clone();
    assert_eq!(usage["cost_usd"], 0.5);
}

#[test]
fn every_form_of_output_is_read() {
    let result = claude_result(&a_plan());
    let progress = json!({"type": "assistant", "message": {"content": "thinking", "usage": {"input_tokens": 9}}});
    let known = json!({"input_tokens": 100, "output_tokens": 20, "cost_usd": 0.25});
    let in_text = says(&marked(&a_plan()));
    for (output, printed, usage) in [
        ("text", in_text.clone(), json!(null)),
        ("json", says(&result.to_string()), known.clone()),
        (
            "json",
            says(&json!([progress, result]).to_string()),
            known.clone(),
        ),
        (
            "json",
            says(&format!("a warning\n{progress}\n{result}")),
            known.clone(),
        ),
        ("json", says(&format!("{result:#}")), known.clone()),
        ("json", in_text.clone(), json!(null)),
        (
            "jsonl",
            says(&format!("{progress}\n{result}")),
            known.clone(),
        ),
        ("jsonl", in_text, json!(null)),
        (
            "text",
            says(&format!("BEGIN_JSON{}END_JSON {result}", a_plan())),
            json!(null),
        ),
    ] {
        let config = Config::new()
            .set("workers", "claude", worker("claude", CLAUDE_ARGS, output))
            .set("workers", "codex", worker("codex", CODEX_ARGS, "jsonl"))
            .phases("claude", "codex", "codex");
        let these = StandIns::exactly(config);
        these.on("claude", "plan", &[&printed]);
        let id = these.run(0);
        let call = &these.sandbox.payloads(&id, "worker_call_finished")[0];
        assert_eq!(
            (&call["ok"], &call["usage"]),
            (&json!(true), &usage),
            "{output}: {printed}"
        );
    }
}

#[test]
fn an_answer_is_an_answer_whatever_the_exit_status() {
    let these = StandIns::new();
    these.on("claude", "plan", &[claude(&a_plan()) + "exit 3\n"]);
    let on_stderr = says(&marked(&approval())).replacen("cat", "cat >&2", 1);
    these.on("claude", "review", &[on_stderr + "exit 1\n"]);
    let id = these.run(0);
    let calls = these.sandbox.payloads(&id, "worker_call_finished");
    let codes: Vec<&Value> = calls.iter().map(|call| &call["exit_code"]).collect();
    assert_eq!(codes, [&json!(3), &json!(0), &json!(1)]);
}

#[test]
fn a_long_line_and_broken_characters_hide_no_answer() {
    let these = StandIns::new();
    let noise = "head -c 10000000 /dev/zero | tr '\\0' x; echo; printf '\\377\\376 broken\\n'\n";
    let implement = format!("{noise}{}{}", writes("src/part1.txt"), codex(&done()));
    these.on("codex", "implement", &[implement]);
    let id = these.run(0);
    let call = &these.sandbox.payloads(&id, "worker_call_finished")[1];
    assert_eq!(call["usage"]["output_tokens"], 50);
}
