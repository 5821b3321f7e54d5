use super::*;
use crate::error::{Code, Error};

fn minimal() -> Value {
    json!({"agent": {}, "scope": {}, "verification": {}})
}

/// The minimal configuration with one value set or, by `Value::Null` at top level, taken out.
fn with(pointer: &str, value: Value) -> Value {
    let mut root = minimal();
    let mut place = &mut root;
    for part in pointer.split('/').skip(1) {
        place = &mut place[part];
    }
    *place = value;
    root
}

fn read(value: Value) -> Config {
    let (config, warnings) = Config::from_value(value).unwrap();
    assert_eq!(warnings, []);
    config
}

fn refused(value: Value) -> Error {
    let error = Config::from_value(value).unwrap_err();
    assert_eq!(error.code(), Code::ConfigInvalid);
    let context = error.context();
    let (pointer, problem) = (
        context["pointer"].as_str().unwrap(),
        context["problem"].as_str().unwrap(),
    );
    assert_eq!(
        error.to_string(),
        format!("Invalid config: {pointer}: {problem}")
    );
    assert!(error.hint_text().is_some());
    error
}

#[test]
fn a_minimal_file_means_the_defaults() {
    assert_eq!(read(minimal()), Config::default());
    let with_empty_objects = json!({
        "agent": {}, "scope": {}, "verification": {}, "workers": {}, "phases": {}, "resilience": {},
    });
    assert_eq!(read(with_empty_objects), Config::default());
}

#[test]
fn the_defaults_are_the_documented_ones() {
    let defaults = serde_json::to_value(Config::default()).unwrap();
    let expected = json!({
        "agent": {"name": "runr", "version": "1"},
        "repo": {"default_branch": null},
        "scope": {
            "allowlist": [], "denylist": [], "presets": [],
            "lockfiles": [
                "package-lock.json", "pnpm-lock.yaml", "yarn.lock", "Cargo.lock", "poetry.lock",
                "uv.lock", "go.sum", "bun.lockb", "bun.lock", "Gemfile.lock", "composer.lock",
            ],
            "env_allowlist": [
                "node_modules", "node_modules/**", ".next/**", "dist/**", "build/**", ".turbo/**",
                ".eslintcache", "coverage/**",
            ],
        },
        "verification": {
            "tier0": [], "tier1": [], "tier2": [], "cwd": null, "risk_triggers": [],
            "max_verify_time_per_milestone": 600,
        },
        "workers": {
            "claude": {
                "bin": "claude",
                "args": ["-p", "--output-format", "json", "--dangerously-skip-permissions"],
                "output": "json",
            },
            "codex": {"bin": "codex", "args": ["exec", "--full-auto", "--json"], "output": "jsonl"},
        },
        "phases": {"plan": "claude", "implement": "codex", "review": "claude"},
        "resilience": {
            "auto_resume": false, "max_auto_resumes": 1,
            "auto_resume_delays_ms": [30000, 120_000, 300_000],
            "max_worker_call_minutes": 45.0, "max_review_rounds": 2, "notify": null,
        },
        "worktree": {"setup": [], "copy": []},
        "coordination": {"single_host": true},
        "receipts": {"redact": true, "capture_cmd_output": "truncated", "max_output_bytes": 10240},
    });
    assert_eq!(defaults, expected);
    assert_eq!(
        defaults.to_string(),
        expected.to_string(),
        "the order of the keys"
    );
}

fn full() -> Value {
    json!({
        "agent": {"name": "shop", "version": "2"},
        "repo": {"default_branch": "trunk"},
        "scope": {
            "allowlist": ["src/**"], "denylist": [".env"], "presets": ["env"],
            "lockfiles": ["a.lock"], "env_allowlist": ["out/**"],
        },
        "verification": {
            "tier0": ["lint"], "tier1": ["build"], "tier2": ["test"], "cwd": "app",
            "risk_triggers": [{"name": "db", "patterns": ["db/**"], "tier": "tier1"}],
            "max_verify_time_per_milestone": 5,
        },
        "workers": {
            "zed": {"bin": "z", "args": ["-x"], "output": "text"},
            "mine": {"bin": "m", "args": [], "output": "jsonl"},
        },
        "phases": {"plan": "zed", "implement": "mine", "review": "zed"},
        "resilience": {
            "auto_resume": true, "max_auto_resumes": 0, "auto_resume_delays_ms": [1],
            "max_worker_call_minutes": 0.5, "max_review_rounds": 9, "notify": "say done",
        },
        "worktree": {"setup": ["npm ci"], "copy": [".env.local"]},
        "coordination": {"single_host": false},
        "receipts": {"redact": false, "capture_cmd_output": "metadata_only", "max_output_bytes": 0},
    })
}

#[test]
fn a_snapshot_holds_every_key_and_reads_back_as_the_same_configuration() {
    let config = read(full());
    assert_eq!(serde_json::to_value(&config).unwrap(), full());
    for config in [config, Config::default()] {
        let text = serde_json::to_string_pretty(&config).unwrap();
        assert_eq!(Config::parse(&text).unwrap(), (config, vec![]));
    }
}

#[test]
fn a_wrong_type_is_refused_at_every_key() {
    let full = full();
    let (mut pointers, mut open) = (vec![], vec![(String::new(), &full)]);
    while let Some((pointer, value)) = open.pop() {
        let inner: Vec<(String, &Value)> = match value {
            Value::Object(map) => map
                .iter()
                .map(|(key, inner)| (key.clone(), inner))
                .collect(),
            Value::Array(items) => items
                .iter()
                .enumerate()
                .map(|(at, inner)| (at.to_string(), inner))
                .collect(),
            _ => vec![],
        };
        open.extend(
            inner
                .into_iter()
                .map(|(part, inner)| (format!("{pointer}/{part}"), inner)),
        );
        pointers.push(pointer);
    }
    assert!(pointers.len() > 60);
    for pointer in pointers {
        let mut broken = full.clone();
        let place = broken.pointer_mut(&pointer).unwrap();
        *place = if place.is_string() {
            json!(7)
        } else {
            json!("seven")
        };
        assert_eq!(refused(broken).context()["pointer"], json!(pointer));
    }
}

#[test]
fn a_wrong_value_is_refused_with_its_pointer() {
    let wrong = [
        ("/verification/max_verify_time_per_milestone", json!(0), ""),
        (
            "/verification/max_verify_time_per_milestone",
            json!(1.5),
            "",
        ),
        (
            "/verification/max_verify_time_per_milestone",
            json!(1e30),
            "",
        ),
        ("/verification/tier0", json!(["ok", " "]), "/1"),
        ("/verification/cwd", json!(""), ""),
        (
            "/verification/risk_triggers",
            json!([{"name": "a", "patterns": [], "tier": "tier3"}]),
            "/0/tier",
        ),
        (
            "/verification/risk_triggers",
            json!([{"name": "a", "tier": "tier1"}]),
            "/0/patterns",
        ),
        ("/resilience/auto_resume_delays_ms", json!([]), ""),
        ("/resilience/auto_resume_delays_ms", json!([1, 0]), "/1"),
        ("/resilience/max_worker_call_minutes", json!(0), ""),
        ("/resilience/max_worker_call_minutes", json!(1e300), ""),
        ("/resilience/max_review_rounds", json!(0), ""),
        ("/resilience/max_auto_resumes", json!(-1), ""),
        ("/receipts/capture_cmd_output", json!("some"), ""),
        ("/workers/mine", json!({}), "/bin"),
        ("/workers/mine", json!({"bin": " "}), "/bin"),
        ("/workers/claude/output", json!("xml"), ""),
        ("/phases/plan", json!("nobody"), ""),
        ("/phases/review", json!("nobody"), ""),
    ];
    for (pointer, value, below) in wrong {
        let error = refused(with(pointer, value.clone()));
        assert_eq!(
            error.context()["pointer"],
            json!(format!("{pointer}{below}")),
            "{value}"
        );
    }
    for name in ["by_phase", "../up", "", "a b", "."] {
        let mut config = minimal();
        config["workers"] = json!({name: {"bin": "x"}});
        refused(config);
    }
}

#[test]
fn the_three_required_objects_are_required() {
    for key in ["agent", "scope", "verification"] {
        let mut config = minimal();
        config.as_object_mut().unwrap().shift_remove(key);
        assert_eq!(
            refused(config).to_string(),
            format!("Invalid config: /{key}: is required")
        );
    }
    assert_eq!(refused(json!([])).context()["pointer"], json!(""));
}

#[test]
fn broken_json_is_refused_with_line_and_column() {
    let error = Config::parse("{\n  \"agent\": {},\n  oops\n}").unwrap_err();
    assert_eq!(error.code(), Code::ConfigInvalid);
    assert_eq!(error.context()["pointer"], json!(""));
    assert!(error.to_string().contains("line 3 column 3"), "{error}");
}

#[test]
fn a_wrong_value_in_a_text_has_its_line() {
    let error =
        Config::parse("{\"agent\": {},\n\"scope\": {},\n\"verification\": {\"tier0\": [\n1]}}")
            .unwrap_err();
    assert_eq!(error.context()["pointer"], json!("/verification/tier0/0"));
    assert_eq!(error.context()["line"], json!(4));
}

#[test]
fn unknown_names_warn_with_their_line_and_change_nothing() {
    let text = "\u{feff}{\"$schema\": \"x\", \"agent\": {},\n\"scope\": {\"alowlist\": [],\n\"presets\": [\"env\",\n\"cobol\"]},\
                \n\"verification\": {\"risk_triggers\": [{\"name\": \"a\", \"patterns\": [], \"tier\": \"tier1\",\n\"x/y\": 1}]},\n\"wrokers\": 3}";
    let (config, warnings) = Config::parse(text).unwrap();
    let places: Vec<_> = warnings
        .iter()
        .map(|warning| (warning.pointer.as_str(), warning.line))
        .collect();
    let expected = [
        ("/scope/presets/1", Some(4)),
        ("/scope/alowlist", Some(2)),
        ("/verification/risk_triggers/0/x~1y", Some(6)),
        ("/wrokers", Some(7)),
    ];
    assert_eq!(places, expected);
    assert!(
        warnings[1].message.contains("`alowlist`")
            && warnings[1].message.contains("allowlist, denylist")
    );
    assert_eq!(config.workers, Workers::default());
}

#[test]
fn presets_join_the_allowlist_once() {
    let mut config = Config::default();
    config.scope.allowlist = vec!["src/**".into(), "tsconfig*.json".into(), "src/**".into()];
    config.scope.presets = vec!["typescript".into(), "cobol".into(), "env".into()];
    let expected = [
        "src/**",
        "tsconfig*.json",
        ".env.example",
        ".env.local.example",
        ".env.template",
    ];
    assert_eq!(config.effective_allowlist(), expected);
}

#[test]
fn workers_keep_the_order_of_the_file_and_take_defaults_key_by_key() {
    let mut value = with(
        "/workers",
        json!({"zed": {"bin": "z"}, "codex": {"bin": "my-codex"}, "abe": {"bin": "a"}}),
    );
    value["phases"] = json!({"plan": "zed", "review": "abe"});
    let config = read(value);
    assert_eq!(
        config.workers.keys().collect::<Vec<_>>(),
        ["zed", "codex", "abe"]
    );
    let codex = config.workers.get("codex").unwrap();
    assert_eq!(
        (codex.bin.as_str(), codex.args[0].as_str(), codex.output),
        ("my-codex", "exec", OutputMode::Jsonl)
    );
    assert_eq!(config.workers.get("zed").unwrap().output, OutputMode::Text);
    assert_eq!(config.phases.worker_of(Stage::Implement), "codex");
}

#[test]
fn a_default_worker_joins_own_ones_only_when_a_phase_uses_it() {
    let mut value = with("/workers", json!({"mine": {"bin": "m"}}));
    value["phases"] = json!({"plan": "mine", "implement": "mine"});
    assert_eq!(
        read(value.clone()).workers.keys().collect::<Vec<_>>(),
        ["mine", "claude"]
    );
    value["phases"]["review"] = json!("mine");
    assert_eq!(read(value).workers.keys().collect::<Vec<_>>(), ["mine"]);
}

#[test]
fn the_command_list_is_sorted_and_complete() {
    assert_eq!(
        read(full()).command_list().to_string(),
        r#"{"notify":"say done","setup":["npm ci"],"verification":{"tier0":["lint"],"tier1":["build"],"tier2":["test"]},"workers":{"mine":{"args":[],"bin":"m"},"zed":{"args":["-x"],"bin":"z"}}}"#
    );
}

#[test]
fn every_command_is_in_the_trust_hash_and_nothing_else() {
    let config = read(full());
    let hash = config.trust_hash();
    assert_eq!(
        hash,
        sha256_hex(config.command_list().to_string().as_bytes())
    );
    for (pointer, value) in [
        ("/verification/tier0/0", json!("other")),
        ("/verification/tier1/0", json!("other")),
        ("/verification/tier2/0", json!("other")),
        ("/worktree/setup/0", json!("other")),
        ("/resilience/notify", json!("other")),
        ("/workers/zed/bin", json!("other")),
        ("/workers/zed/args/0", json!("other")),
    ] {
        let mut changed = full();
        *changed.pointer_mut(pointer).unwrap() = value;
        assert_ne!(read(changed).trust_hash(), hash, "{pointer}");
    }
    let mut other_scope = config;
    other_scope.scope = Scope::default();
    assert_eq!(other_scope.trust_hash(), hash);
}

#[test]
fn commands_given_by_a_caller_replace_every_tier() {
    let mut verification = read(full()).verification;
    assert_eq!(verification.tier(Tier::Tier1), ["build"]);
    verification.set_commands(vec!["make check".into()]);
    assert_eq!(verification.tier(Tier::Tier0), ["make check"]);
    assert!(verification.tier(Tier::Tier1).is_empty() && verification.tier(Tier::Tier2).is_empty());
    assert!(!verification.is_empty());
    verification.set_commands(vec![]);
    assert!(verification.is_empty());
}
