//! `runr init`: detects the checks of a repository and writes its configuration.

use camino::Utf8Path;
use runr_core::fs::{Durability, Kind, Replacing, Storage, create_dirs, write_atomic};
use runr_core::phase::config::Config;
use runr_core::phase::model::Tier;
use runr_core::phase::owned::IGNORED_BY_INIT;
use runr_core::phase::scope::{default_env_allowlist, default_lockfiles};
use runr_core::{Code, Error, Result};
use serde_json::{Value, json};

use super::Invocation;
use super::cli::InitArgs;
use crate::detect::{Detected, detect};
use crate::harness::{Layout, TrustStore, find_binary};
use crate::host::Host;

const CONFIG: &str = "runr.config.json";

const EXAMPLES: [(&str, &str); 3] = [
    (
        "example-bugfix.md",
        "---\ntype: automated\n---\n# Fix a bug\n\n## Goal\nDescribe the wrong behaviour and the right one.\n\n\
         ## Requirements\n- A test shows the bug and passes after the fix\n\n## Success Criteria\n- All checks pass\n",
    ),
    (
        "example-feature.md",
        "---\ntype: automated\n---\n# Add a feature\n\n## Goal\nDescribe what a user can do afterwards.\n\n\
         ## Requirements\n- Name inputs, outputs and limits\n\n## Success Criteria\n- Tests cover the new behaviour\n",
    ),
    (
        "example-docs.md",
        "---\ntype: automated\nallowlist_add:\n  - docs/**\n  - README.md\n---\n# Improve the documentation\n\n## Goal\n\
         Name the page and its reader.\n\n## Requirements\n- Every command shown works\n\n## Success Criteria\n- A newcomer finds the way\n",
    ),
];

#[derive(Default)]
struct Done {
    created: Vec<String>,
    kept: Vec<String>,
}

pub(crate) fn execute(call: &Invocation<'_>, args: &InitArgs) -> Result<u8> {
    if args.interactive {
        call.console
            .line("The setup wizard is coming soon; plain `runr init` detects everything.");
        return Ok(0);
    }
    let layout = Layout::find(&call.host.cwd.join(&call.root), call.host)?;
    let root = &layout.repo_root;
    let mut found = detect(root);
    if !args.verify.is_empty() {
        found.tiers = [args.verify.clone(), Vec::new(), Vec::new()];
        found
            .warnings
            .retain(|warning| warning == "invalid-manifest");
        found.sources = vec!["--verify".to_owned()];
    }
    let config = config_for(root, &found, call.host);
    if args.print {
        call.console.json(&config);
        return Ok(0);
    }
    let done = write_all(call, &layout, &config, args.force)?;
    let (read, _) = Config::from_value(config)?;
    TrustStore::open(call.host)?.approve(root, &read.trust_hash())?;
    if call.json {
        call.console.json(&json!({
            "config_path": layout.config_path(),
            "written": true,
            "created": done.created,
            "kept": done.kept,
            "sources": found.sources,
            "verification": {"tier0": found.tiers[0], "tier1": found.tiers[1], "tier2": found.tiers[2]},
            "presets": found.presets,
            "warnings": found.warnings,
        }));
    } else {
        tell(call, &done, &found);
    }
    Ok(0)
}

fn config_for(root: &Utf8Path, found: &Detected, host: &Host) -> Value {
    let mut allowlist: Vec<String> = found
        .directories
        .iter()
        .map(|dir| format!("{dir}/**"))
        .collect();
    let name = root.file_name().unwrap_or("project");
    let package = name.replace('-', "_");
    if root.join(&package).join("__init__.py").is_file() {
        allowlist.push(format!("{package}/**"));
    }
    if allowlist.is_empty() {
        allowlist.clone_from(&found.globs);
    }
    let known = default_lockfiles();
    let mut lockfiles: Vec<String> = known
        .iter()
        .filter(|file| root.join(file).exists())
        .cloned()
        .collect();
    if lockfiles.is_empty() {
        lockfiles = known.into_iter().take(3).collect();
    }
    let mut noise = default_env_allowlist();
    noise.extend(found.noise.iter().cloned());
    let defaults = Config::default();
    let on_path = |worker: &str| {
        defaults
            .workers
            .get(worker)
            .is_some_and(|w| find_binary(host, w).is_some())
    };
    let [plan, implement, review] = match (on_path("claude"), on_path("codex")) {
        (true, false) => ["claude", "claude", "claude"],
        (false, true) => ["codex", "codex", "codex"],
        _ => ["claude", "codex", "claude"],
    };
    let full = serde_json::to_value(&defaults).unwrap_or_default();
    json!({
        "agent": {"name": name, "version": "1"},
        "scope": {
            "allowlist": allowlist,
            "denylist": ["node_modules/**", ".git/**", ".runr/**", ".env", ".env.local"],
            "lockfiles": lockfiles,
            "presets": found.presets,
            "env_allowlist": noise,
        },
        "verification": {
            "tier0": found.tiers[0],
            "tier1": found.tiers[1],
            "tier2": found.tiers[2],
            "risk_triggers": [],
            "max_verify_time_per_milestone": 600,
        },
        "workers": full["workers"],
        "phases": {"plan": plan, "implement": implement, "review": review},
        "resilience": full["resilience"],
    })
}

fn write_all(call: &Invocation<'_>, layout: &Layout, config: &Value, force: bool) -> Result<Done> {
    let path = layout.repo_root.join(".runr");
    let dir = create_dirs(&call.host.storage, &path, 0o777, Durability::Full)?;
    let mut done = Done::default();
    let mut write = |name: &str, text: &str| {
        done.created.push(format!(".runr/{name}"));
        // No lock: a person runs this, and a lock file would end up in the repository.
        write_atomic(
            dir.as_ref(),
            name,
            text.as_bytes(),
            Replacing::Nothing(0o666),
            Durability::Full,
        )
    };
    match std::fs::read_to_string(layout.config_path()) {
        Ok(_) if !force => {
            return Err(
                Error::new(Code::ConfigExists, ".runr/runr.config.json already exists")
                    .at(layout.config_path())
                    .hint("runr init --force"),
            );
        }
        Ok(old) => write(&format!("{CONFIG}.bak"), &old)?,
        Err(problem) if problem.kind() == std::io::ErrorKind::NotFound => {}
        Err(problem) => return Err(Error::io("read", &layout.config_path(), problem)),
    }
    write(CONFIG, &runr_core::phase::ops::to_text(config)?)?;
    let tasks = path.join("tasks");
    call.host.make_dirs(&tasks)?;
    for (name, text) in EXAMPLES {
        let shown = format!(".runr/tasks/{name}");
        if tasks.join(name).exists() {
            done.kept.push(shown);
        } else {
            write_whole(&call.host.storage, &tasks, name, text)?;
            done.created.push(shown);
        }
    }
    let ignored = if ignore_runtime_files(&call.host.storage, &layout.repo_root)? {
        &mut done.created
    } else {
        &mut done.kept
    };
    ignored.push(".gitignore".to_owned());
    Ok(done)
}

/// Writes a file that people share with us: a failure leaves what they had.
fn write_whole(storage: &Storage, dir: &Utf8Path, name: &str, text: &str) -> Result<()> {
    let open = storage.open_dir(dir);
    let open = open.map_err(|source| Error::io("open", dir, source))?;
    let replacing = match open.stat(name) {
        Ok(old) if old.kind == Kind::File => Replacing::File(old),
        _ => Replacing::Nothing(0o666),
    };
    let bytes = text.as_bytes();
    write_atomic(open.as_ref(), name, bytes, replacing, Durability::Full)
}

/// Adds the missing lines to `.gitignore`; tells whether there were any.
pub(super) fn ignore_runtime_files(storage: &Storage, root: &Utf8Path) -> Result<bool> {
    let path = root.join(".gitignore");
    let mut text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(problem) if problem.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(problem) => return Err(Error::io("read", &path, problem)),
    };
    let known = text.clone();
    let missing = IGNORED_BY_INIT
        .iter()
        .filter(|line| !known.lines().any(|k| k == **line));
    let missing: Vec<&&str> = missing.collect();
    if missing.is_empty() {
        return Ok(false);
    }
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    for line in missing {
        text.push_str(line);
        text.push('\n');
    }
    write_whole(storage, root, ".gitignore", &text)?;
    Ok(true)
}

fn tell(call: &Invocation<'_>, done: &Done, found: &Detected) {
    for file in &done.created {
        call.console.line(&format!("created {file}"));
    }
    for file in &done.kept {
        call.console.line(&format!("kept {file}"));
    }
    call.console.line("Detected:");
    for (tier, commands) in Tier::ALL.iter().zip(&found.tiers) {
        if !commands.is_empty() {
            call.console.line(&format!(
                "  {tier}: {} ({})",
                commands.join(" && "),
                found.sources.join(", ")
            ));
        }
    }
    call.console.line(&format!(
        "  presets: {}",
        if found.presets.is_empty() {
            "none".to_owned()
        } else {
            found.presets.join(", ")
        }
    ));
    for warning in &found.warnings {
        call.console.say(&format!(
            "warning: {warning}: add commands to `verification` in .runr/runr.config.json"
        ));
    }
    call.console.line("Next:\n  edit .runr/runr.config.json\n  write a task in .runr/tasks/\n  runr run --task <file> --worktree");
}
