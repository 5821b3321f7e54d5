use super::*;

/// The packages that differ, in one line.
#[track_caller]
fn changed(path: &str, before: &str, after: &str) -> String {
    let names = changed_packages(path, Some(before), Some(after))
        .unwrap_or_else(|why| panic!("{path}: {why}"));
    names.into_iter().collect::<Vec<_>>().join(" ")
}

fn refused(path: &str, before: &str, after: &str) -> String {
    changed_packages(path, Some(before), Some(after)).unwrap_err()
}

#[test]
fn a_manifest_is_known_by_its_name_in_any_directory() {
    for path in [
        "package.json",
        "web/package.json",
        "crates/a/Cargo.toml",
        "pyproject.toml",
        "requirements.txt",
        "requirements-dev.txt",
        "requirements/base.txt",
        "requirements.in",
        "requirements/dev.in",
        "go.work",
        "gradle/libs.versions.toml",
        "constraints.txt",
        "go.mod",
        "Gemfile",
        "composer.json",
        "Pipfile",
        "setup.py",
        "lib/x.gemspec",
    ] {
        assert!(is_manifest(path), "{path}");
    }
    for path in [
        "package-lock.json",
        "src/package.json.ts",
        "Cargo.lock",
        "requirements.md",
        "go.sum",
        "base.txt",
    ] {
        assert!(!is_manifest(path), "{path}");
    }
}

#[test]
fn every_table_of_a_package_json_names_packages() {
    for table in [
        "dependencies",
        "devDependencies",
        "peerDependencies",
        "optionalDependencies",
        "overrides",
        "resolutions",
        "catalog",
    ] {
        let after = format!(r#"{{"{table}": {{"left-pad": "1"}}}}"#);
        assert_eq!(changed("package.json", "{}", &after), "left-pad", "{table}");
    }
    let npm = |before: &str, after: &str| changed("package.json", before, after);
    assert_eq!(
        npm(
            r#"{"scripts": {"a": "b"}}"#,
            r#"{"scripts": {"a": "c"}, "version": "2"}"#
        ),
        ""
    );
    assert_eq!(
        npm(
            r#"{"dependencies": {"a": "1", "b": "1"}}"#,
            r#"{"dependencies": {"b": "1", "a": "1"}}"#
        ),
        ""
    );
    assert_eq!(
        npm(
            r#"{"dependencies": {"a": "1"}}"#,
            r#"{"devDependencies": {"a": "1"}}"#
        ),
        "a"
    );
    assert_eq!(
        npm("{}", r#"{"dependencies": {"safe": "npm:evil@1"}}"#),
        "evil"
    );
    assert_eq!(
        npm("{}", r#"{"dependencies": {"safe": "npm:@x/evil@1"}}"#),
        "@x/evil"
    );
    assert_eq!(npm("{}", r#"{"bundleDependencies": ["a"]}"#), "a");
    assert_eq!(
        npm("{}", r#"{"overrides": {"a": {"b@2": "1", ".": "3"}}}"#),
        "a b"
    );
    assert_eq!(
        npm(
            "{}",
            r#"{"resolutions": {"a/**/b": "1", "**/@s/c": "1", "d/@s/e@1": "2"}}"#
        ),
        "@s/c @s/e b"
    );
    assert_eq!(
        npm(
            "{}",
            r#"{"pnpm": {"overrides": {"a>b@1": "2"}, "onlyBuiltDependencies": ["c"]}}"#
        ),
        "b c"
    );
    assert_eq!(
        npm(
            "{}",
            r#"{"workspaces": {"packages": ["x"], "catalog": {"a": "1"}}}"#
        ),
        "a"
    );
}

#[test]
fn every_table_of_a_cargo_toml_names_packages() {
    let cargo = |after: &str| changed("Cargo.toml", "[package]\nname = \"x\"\n", after);
    for table in [
        "dependencies",
        "dev-dependencies",
        "build-dependencies",
        "workspace.dependencies",
        "target.'cfg(unix)'.dependencies",
        "target.x86.dev-dependencies",
        "patch.crates-io",
    ] {
        assert_eq!(
            cargo(&format!("[{table}]\nserde = \"1\"\n")),
            "serde",
            "{table}"
        );
        assert_eq!(
            cargo(&format!("[{table}.serde]\nversion = \"1\"\n")),
            "serde",
            "{table}"
        );
    }
    assert_eq!(
        cargo("[dependencies]\nsafe = {package = \"evil\", version = \"1\"}\n"),
        "evil"
    );
    assert_eq!(cargo("[replace]\n\"foo:0.1.0\" = {path = \"x\"}\n"), "foo");
    assert_eq!(cargo("[dependencies]\nserde_json = \"1\"\n"), "serde-json");
    assert_eq!(
        cargo("[package]\nname = \"x\"\nversion = \"2\"\n[features]\na = []\n"),
        ""
    );
    let old = "[dependencies]\nserde = \"1\"\n";
    assert_eq!(
        changed(
            "a/Cargo.toml",
            old,
            "[dependencies]\nserde = {package = \"evil\"}\n"
        ),
        "evil serde"
    );
}

#[test]
fn every_table_of_a_pyproject_names_projects() {
    let python = |after: &str| changed("pyproject.toml", "", after);
    assert_eq!(
        python(
            "[project]\ndependencies = ['Foo_Bar[x]>=1; python_version < \"3\"', 'a @ https://h/a.whl']\n"
        ),
        "a foo-bar"
    );
    assert_eq!(
        python("[project.optional-dependencies]\ntest = ['pytest']\n"),
        "pytest"
    );
    assert_eq!(python("[dependency-groups]\ndev = ['ruff==1']\n"), "ruff");
    assert_eq!(
        python("[build-system]\nrequires = ['hatchling']\n"),
        "hatchling"
    );
    assert_eq!(
        python("[tool.poetry.dependencies]\n'Zope.Interface' = '^1'\n"),
        "zope-interface"
    );
    assert_eq!(
        python("[tool.poetry.group.dev.dependencies]\nmypy = {version = '1'}\n"),
        "mypy"
    );
    assert_eq!(
        python("[tool.uv]\noverride-dependencies = ['b<2']\n[tool.uv.sources]\nc = {git = 'x'}\n"),
        "b c"
    );
    assert_eq!(
        python("[tool.ruff]\nline-length = 9\n[project]\nname = 'x'\n"),
        ""
    );
    assert_eq!(
        changed(
            "Pipfile",
            "",
            "[packages]\nDjango = '*'\n[dev-packages]\nx = '*'\n"
        ),
        "django x"
    );
    assert!(
        refused(
            "pyproject.toml",
            "",
            "[[tool.poetry.source]]\nurl = 'evil'\n"
        )
        .contains("tool.poetry.source")
    );
    assert!(
        refused(
            "pyproject.toml",
            "",
            "[dependency-groups]\na = [{include-group = 'b'}]\n"
        )
        .contains("include-group")
    );
}

#[test]
fn lines_name_packages_too() {
    let pip = |after: &str| changed("requirements.txt", "# old\n", after);
    assert_eq!(
        pip("Foo_bar>=1  # why\n\nb [x] ; os_name == 'a'\nc==1 \\\n  --hash=sha256:1\n"),
        "b c foo-bar"
    );
    for line in [
        "-r other.txt",
        "-e .",
        "--index-url https://evil",
        "https://evil/x.whl",
        "./local",
        "a b",
    ] {
        assert!(
            refused("requirements.txt", "", line).contains("belongs to no package"),
            "{line}"
        );
    }
    let go = |after: &str| changed("go.mod", "module x\n\ngo 1.22\n", after);
    assert_eq!(
        go("module y\n\ngo 1.22\nrequire a.b/c v1 // indirect\nrequire (\n\td.e/f v2\n)\n"),
        "a.b/c d.e/f"
    );
    assert_eq!(go("module x\ngo 1.23\ntoolchain go1.23\n"), "go toolchain");
    assert_eq!(
        go("module x\ngo 1.22\nreplace a => evil v1\nreplace b v1 => ../b\n"),
        "a b evil"
    );
    assert!(refused("go.mod", "", "strange x\n").contains("strange"));
    let gem = |after: &str| changed("Gemfile", "source 'https://rubygems.org'\n", after);
    assert_eq!(
        gem("source 'https://rubygems.org'\n  gem 'rails', '~> 7'\ngem(\"pg\")\n"),
        "pg rails"
    );
    assert!(refused("Gemfile", "", "source 'https://evil'\n").contains("source"));
    assert!(refused("Gemfile", "", "gem 'a'; system('x')\n").contains("system"));
    assert_eq!(
        changed(
            "composer.json",
            "{}",
            r#"{"require": {"Acme/x": "1"}, "name": "y"}"#
        ),
        "acme/x"
    );
    assert!(refused("composer.json", "{}", r#"{"repositories": []}"#).contains("repositories"));
}

#[test]
fn what_pip_reads_is_what_is_compared() {
    let changed = |after: &str| {
        let names = changed_packages("requirements.txt", Some("a==1\n"), Some(after));
        names.map(|names| names.into_iter().collect::<Vec<_>>().join(" "))
    };
    // A comment never goes on in the next line, and ends what went before.
    assert_eq!(changed("a==1\n# pin \\\nevil==1\n").unwrap(), "evil");
    assert_eq!(changed("a==1\n  # pin \\\nevil==1\n").unwrap(), "evil");
    assert_eq!(changed("a==1\n\\\n# note\nevil==1\n").unwrap(), "evil");
    assert_eq!(changed("a\\\n==1\n").unwrap(), "a");
    assert_eq!(changed("a==1\r\n").unwrap(), "");
    // What only some take for the end of a line.
    for odd in [
        "\x0c", "\x0b", "\r", "\x1c", "\u{85}", "\u{2028}", "\u{2029}",
    ] {
        let hidden = format!("a==1 # note{odd}evil==1\n");
        assert!(changed(&hidden).is_err(), "{odd:?}");
        let commented = format!("a==1\n# note{odd}evil==1\n");
        assert!(changed(&commented).is_err(), "{odd:?}");
    }
}

#[test]
fn a_line_of_a_gemfile_has_literals_or_is_a_program() {
    for plain in [
        "gem 'rails'",
        "gem \"rails\", \"~> 7\", '>= 7.1'",
        "gem('rails', '7')",
        "gem 'rails', require: false, platforms: [:mri, :windows]",
        "gem 'rails', :git => 'https://localhost/rails', :branch => 'main'",
    ] {
        assert_eq!(changed("Gemfile", "", plain), "rails", "{plain}");
    }
    for program in [
        "gem 'rails' and gem 'evil'",
        "gem 'rails' and gem 'evil' if system('id')",
        "gem 'rails', evil",
        "gem 'rails', *evil",
        "gem 'rails', \"#{evil}\"",
        "gem 'rails'; gem 'evil'",
        "gem 'rails', `evil`",
        "gem 'rails', require: evil()",
        "gem evil",
        "# note\u{2028}gem 'evil'",
    ] {
        refused("Gemfile", "", program);
    }
}

#[test]
fn a_tool_that_is_not_known_hides_no_dependency() {
    for tool in [
        "[tool.hatch.envs.default]\ndependencies = [\"evil\"]\n",
        "[tool.hatch.envs.test]\nextra-dependencies = [\"evil\"]\n",
        "[tool.setuptools.dynamic]\noptional = {file = [\"evil.txt\"]}\n",
        "[tool.rye]\ndev-dependencies = [\"evil\"]\n",
        "[tool.poetry.requires-plugins]\nevil = \"1\"\n",
    ] {
        refused("pyproject.toml", "", tool);
    }
    let settings = "[tool.ruff]\nline-length = 100\n[tool.setuptools]\npackages = [\"a\"]\n";
    assert_eq!(changed("pyproject.toml", "", settings), "");
}

#[test]
fn what_cannot_be_read_is_an_objection() {
    for (path, text) in [
        ("package.json", "{"),
        ("package.json", "[]"),
        ("package.json", r#"{"dependencies": []}"#),
        ("package.json", r#"{"dependencies": {"a": "1", "a": "2"}}"#),
        ("Cargo.toml", "[dependencies"),
        ("Cargo.toml", "dependencies = 1"),
        ("pyproject.toml", "[project]\ndependencies = 'a'\n"),
        ("setup.py", "setup()"),
    ] {
        let all = ["a".to_owned()];
        assert!(
            objection(path, None, Some(text), &all).is_some(),
            "{path}: {text}"
        );
    }
    assert_eq!(objection("src/main.rs", None, Some("x"), &[]), None);
}

#[test]
fn only_listed_packages_may_differ_in_any_spelling_of_their_names() {
    let allowed = ["Foo.Bar".to_owned(), "serde_json".to_owned()];
    let python = |after| objection("requirements.txt", Some(""), Some(after), &allowed);
    assert_eq!(python("foo-bar==1\n"), None);
    assert_eq!(
        python("foo-bar==1\nevil\nworse\n").as_deref(),
        Some("requirements.txt: evil, worse")
    );
    let cargo = objection(
        "Cargo.toml",
        None,
        Some("[dependencies]\nserde-json = '1'\n"),
        &allowed,
    );
    assert_eq!(cargo, None);
    let removed = objection("requirements.txt", Some("other\n"), None, &allowed);
    assert_eq!(
        removed.as_deref(),
        Some("requirements.txt: other"),
        "a removed one differs, too"
    );
}
