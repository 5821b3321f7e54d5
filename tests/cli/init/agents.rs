//! `runr init --agents-md`: one section for agents, and nothing else of the file.

use std::os::unix::fs::symlink;

use serde_json::{Value, json};

use super::CONFIG;
use crate::support::{Sandbox, strings};

const BEGIN: &str = "<!-- runr:begin -->\n";
const END: &str = "<!-- runr:end -->\n";

fn agents_md(sandbox: &Sandbox) -> Value {
    let command = sandbox.runr(&["init", "--agents-md", "--json"]);
    command.output().exits(0).pretty_json()
}

#[test]
fn init_tells_agents_how_to_operate_runr_if_asked() {
    let sandbox = Sandbox::bare();
    let result = agents_md(&sandbox);
    assert_eq!(result["written"], true);
    assert!(strings(&result["created"]).contains(&"AGENTS.md".to_owned()));
    let text = sandbox.read("AGENTS.md");
    assert!(text.starts_with(BEGIN) && text.ends_with(END), "{text}");

    // Every command it shows is one that exists.
    let shown = text.split('`').filter(|word| word.starts_with("runr "));
    let commands: std::collections::BTreeSet<&str> =
        shown.filter_map(|word| word.split(' ').nth(1)).collect();
    assert!(commands.len() >= 6, "{commands:?}");
    for command in commands {
        sandbox.runr(&[command, "--help"]).output().exits(0);
    }

    let plain = Sandbox::bare();
    plain.runr(&["init"]).output().exits(0);
    assert!(!plain.exists("AGENTS.md"), "nobody asked for it");
}

#[test]
fn a_section_for_agents_keeps_every_byte_around_it_and_is_brought_up_to_date() {
    let sandbox = Sandbox::bare();
    let (before, after) = (
        "# Ours\r\n\n  Keep \u{e4}.\n",
        "\n## Below\nno final newline",
    );
    sandbox.write(
        "AGENTS.md",
        &format!("{before}{BEGIN}what an older version wrote\n{END}{after}"),
    );
    agents_md(&sandbox);
    let text = sandbox.read("AGENTS.md");
    assert!(
        text.starts_with(before) && text.ends_with(after),
        "{text:?}"
    );
    assert!(!text.contains("older version") && text.contains("runr resume"));

    // The configuration is there by now, and stays; so does the section.
    let snapshot = sandbox.snapshot();
    let again = agents_md(&sandbox);
    assert_eq!(sandbox.snapshot(), snapshot);
    assert_eq!(again["written"], false);
    assert_eq!(again["created"], json!([]));
    assert_eq!(again["kept"], json!([CONFIG, "AGENTS.md"]));
}

#[test]
fn a_section_for_agents_approves_no_configuration_of_others() {
    let sandbox = Sandbox::untrusted(&crate::support::Config::new());
    let config = sandbox.read(CONFIG);
    agents_md(&sandbox);
    assert_eq!(sandbox.read(CONFIG), config);
    sandbox.script(&crate::support::Script::happy(1));
    sandbox.commit("agents");
    let refused = sandbox.run_command(&[]).output().exits(3);
    refused.error_json("E_UNTRUSTED", "untrusted");
}

#[test]
fn a_file_for_agents_that_cannot_be_understood_is_left() {
    let sandbox = Sandbox::bare();
    let path = sandbox.repo().join("AGENTS.md");
    let left = |what: &str| {
        let result = agents_md(&sandbox);
        let warnings = strings(&result["warnings"]).join("\n");
        assert!(warnings.contains("agents-md: "), "{what}: {result}");
        assert!(strings(&result["kept"]).contains(&"AGENTS.md".to_owned()));
    };
    for text in [&b"\xff\xfe"[..], format!("{BEGIN}half\n").as_bytes()] {
        std::fs::write(&path, text).unwrap();
        left("text");
        assert_eq!(std::fs::read(&path).unwrap(), text);
    }
    std::fs::remove_file(&path).unwrap();
    let outside = sandbox.scratch().join("outside.md");
    std::fs::write(&outside, "theirs\n").unwrap();
    symlink(&outside, &path).unwrap();
    left("a link that leads out");
    assert_eq!(std::fs::read_to_string(&outside).unwrap(), "theirs\n");
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    left("a directory");
}

#[test]
fn a_file_for_agents_with_several_names_stays_one_file() {
    let sandbox = Sandbox::bare();
    sandbox.write("CLAUDE.md", "# Ours\n");
    symlink("CLAUDE.md", sandbox.repo().join("AGENTS.md")).unwrap();
    agents_md(&sandbox);
    assert!(sandbox.repo().join("AGENTS.md").is_symlink());
    assert!(
        sandbox
            .read("CLAUDE.md")
            .starts_with("# Ours\n\n<!-- runr:begin -->\n")
    );
}
