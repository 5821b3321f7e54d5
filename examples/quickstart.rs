//! Drives a task with an agent of your own: quickstart REPOSITORY TASK CHECK

use std::error::Error;
use std::io::Write;
use std::process::{Command, ExitCode, Stdio};

use runr_cli::harness::{Driver, Reply, RunRequest, WorkerCall};
use runr_core::phase::stop::StopReason;

/// Any program that reads a prompt, works in its directory and prints an answer.
fn agent(call: &WorkerCall) -> Result<Reply, Box<dyn Error>> {
    let command = std::env::var("AGENT");
    let command = command
        .as_deref()
        .unwrap_or("claude -p --permission-mode acceptEdits");
    let mut child = Command::new("sh")
        .args(["-c", command])
        .current_dir(&call.cwd)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    if let Some(mut prompt) = child.stdin.take() {
        prompt.write_all(call.prompt.as_bytes())?;
    }
    let output = child.wait_with_output()?;
    Ok(Reply::Reply(String::from_utf8(output.stdout)?.into()))
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [repository, task, check] = words.as_slice() else {
        return Err("usage: quickstart REPOSITORY TASK CHECK".into());
    };
    let mut request = RunRequest::task(task).root(repository).worktree();
    request.allow = Some(vec!["src/**".to_owned()]);
    request.verify = Some(vec![check.clone()]);
    let mut run = Driver::start(request)?;
    while let Some(call) = run.next_call()? {
        run.reply(&call.id, agent(&call)?)?;
    }
    let outcome = run.outcome();
    println!("{:?} {:?}", outcome.stop_reason, outcome.suggested_command);
    let complete = outcome.stop_reason == Some(StopReason::Complete);
    Ok(if complete {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
