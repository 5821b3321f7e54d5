//! Every option and every argument of every command, as its help lists them.

use super::{expect_harmless, texts};
use crate::support::{Sandbox, Script, TASK};

/// A command with what its help says that it takes.
#[derive(Debug)]
struct Form {
    words: Vec<String>,
    options: Vec<String>,
    arguments: usize,
}

/// Options whose value is a command that the caller wants to have run.
const COMMANDS: [&str; 1] = ["--verify"];

/// What else a command needs to get further than its own arguments.
fn needs(words: &[String]) -> Vec<&'static str> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["run"] => vec!["--task", TASK, "--worktree", "--max-ticks=1"],
        ["init"] => vec!["--force"],
        ["prep"] => vec!["--flow=plan"],
        ["owner", "exec"] => vec!["--repo=acme/shop", "--pr=1", "--", "true"],
        ["owner", _] => vec!["--repo=acme/shop", "--pr=1"],
        ["store", "new"] => vec!["--title=t", "--no-worktree-check"],
        ["store", "set"] => vec!["latest", "pr_number=1"],
        ["store", "events"] => vec!["latest", "--append=x"],
        ["store", "show" | "path" | "resolve"] => vec!["latest"],
        _ => Vec::new(),
    }
}

/// The commands below `words`.
fn forms(sandbox: &Sandbox, words: &[String]) -> Vec<Form> {
    let mut command = sandbox.runr(&[]);
    for word in words {
        command = command.args(&[word]);
    }
    let help = command.args(&["--help"]).output().exits(0).stdout;
    let section = |name: &str| -> Vec<&str> {
        let lines = help.lines().skip_while(|line| *line != name).skip(1);
        lines
            .take_while(|line| line.is_empty() || line.starts_with(' '))
            .collect()
    };
    let names = |lines: Vec<&str>| -> Vec<String> {
        let lines = lines
            .into_iter()
            .filter(|line| line.starts_with("  ") && !line.starts_with("    "));
        lines
            .filter_map(|line| line.split_whitespace().next())
            .map(str::to_owned)
            .collect()
    };
    let below = names(section("Commands:"));
    if !below.is_empty() {
        let known = below.iter().filter(|name| *name != "help");
        return known
            .flat_map(|name| forms(sandbox, &[words, &[name.clone()]].concat()))
            .collect();
    }
    let options = section("Options:")
        .into_iter()
        .filter(|line| line.contains(" <"));
    let options =
        options.flat_map(|line| line.split_whitespace().find(|word| word.starts_with("--")));
    vec![Form {
        words: words.to_vec(),
        options: options.map(str::to_owned).collect(),
        arguments: names(section("Arguments:")).len(),
    }]
}

#[test]
fn no_option_and_no_argument_of_any_command_is_executed() {
    let sandbox = Sandbox::scripted(&Script::happy(1));
    sandbox.run(&["--worktree"], 0);
    let forms = forms(&sandbox, &[]);
    let count = |name: &str| forms.iter().filter(|form| form.words[0] == name).count();
    assert!(
        forms.len() > 20 && count("owner") > 5 && count("store") > 5,
        "{forms:?}"
    );
    let mut turn = 0;
    let mut tried = 0;
    for form in &forms {
        let run = |changed: Vec<String>| {
            let mut command = sandbox.runr(&[]);
            for word in form.words.iter().chain(&changed) {
                command = command.args(&[word]);
            }
            expect_harmless(&sandbox, &command.stdin("{}").output());
        };
        let needed = |without: Option<&str>| -> Vec<String> {
            let needs = needs(&form.words)
                .into_iter()
                .filter(|need| without.is_none_or(|option| !need.starts_with(option)));
            needs.map(str::to_owned).collect()
        };
        for option in form
            .options
            .iter()
            .filter(|option| !COMMANDS.contains(&option.as_str()))
        {
            turn += 1;
            for text in texts(turn, 1) {
                // In front: what is behind `--` is not ours.
                run([vec![format!("{option}={text}")], needed(Some(option))].concat());
                tried += 1;
            }
        }
        if form.words == ["owner", "exec"] {
            continue; // Its argument is a command.
        }
        for text in texts(turn, 1).into_iter().filter(|_| form.arguments > 0) {
            turn += 1;
            let many = vec![text.to_owned(); form.arguments];
            run([vec!["--".to_owned()], many.clone()].concat());
            run(many);
            tried += 2;
        }
    }
    assert!(tried > 80, "{tried}");
}
