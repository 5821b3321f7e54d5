//! Manifests in TOML: `Cargo.toml`, `pyproject.toml` and `Pipfile`.

use ::toml::{Table, Value};

use super::lines::python_requirement;
use super::{Listing, python_name};

const CARGO_TABLES: [&str; 5] = [
    "dependencies",
    "dev-dependencies",
    "dev_dependencies",
    "build-dependencies",
    "build_dependencies",
];

pub(super) fn cargo(text: &str) -> Result<Listing, String> {
    let root = parse(text)?;
    let mut found = Listing::default();
    for_each_table(&root, &CARGO_TABLES, "", &mut found, cargo_table)?;
    for (target, tables) in tables(&root, "target")? {
        for_each_table(tables, &CARGO_TABLES, target, &mut found, cargo_table)?;
    }
    if let Some(workspace) = root.get("workspace") {
        let workspace = as_table("workspace", workspace)?;
        for_each_table(
            workspace,
            &CARGO_TABLES[..1],
            "workspace",
            &mut found,
            cargo_table,
        )?;
    }
    for (source, packages) in tables(&root, "patch")? {
        cargo_table(&format!("patch {source}"), packages, &mut found);
    }
    if let Some(packages) = root.get("replace") {
        for (name, value) in as_table("replace", packages)? {
            let bare = name.split_once(':').map_or(name.as_str(), |(bare, _)| bare);
            found.mention(&bare.replace('_', "-"), format!("replace {name} {value:?}"));
        }
    }
    Ok(found)
}

/// The name on the left is the project's own; `package` names what is fetched.
fn cargo_table(place: &str, table: &Table, found: &mut Listing) {
    for (name, value) in table {
        let package = value.get("package").and_then(Value::as_str);
        let package = package.unwrap_or(name).replace('_', "-");
        found.mention(&package, format!("{place} {name} {value:?}"));
    }
}

pub(super) fn pyproject(text: &str) -> Result<Listing, String> {
    let root = parse(text)?;
    let mut found = Listing::default();
    if let Some(project) = root.get("project") {
        let project = as_table("project", project)?;
        requirements("dependencies", project.get("dependencies"), &mut found)?;
        groups(project, "optional-dependencies", &mut found)?;
    }
    groups(&root, "dependency-groups", &mut found)?;
    let build = root
        .get("build-system")
        .and_then(|build| build.get("requires"));
    requirements("build-system", build, &mut found)?;
    let Some(tools) = root.get("tool").and_then(Value::as_table) else {
        return Ok(found);
    };
    if let Some(poetry) = tools.get("poetry") {
        poetry_tables(as_table("tool.poetry", poetry)?, &mut found)?;
    }
    if let Some(uv) = tools.get("uv") {
        uv_tables(as_table("tool.uv", uv)?, &mut found)?;
    }
    if let Some(pdm) = tools.get("pdm") {
        let pdm = as_table("tool.pdm", pdm)?;
        groups(pdm, "dev-dependencies", &mut found)?;
        settings("tool.pdm", pdm, &["source"], &mut found);
    }
    for (name, tool) in tools {
        if !["poetry", "uv", "pdm"].contains(&name.as_str()) {
            dependencies_below(&format!("tool.{name}"), tool, &mut found);
        }
    }
    Ok(found)
}

/// Whatever a tool that is not known here calls a dependency, or reads its dependencies from.
fn dependencies_below(place: &str, value: &Value, found: &mut Listing) {
    let Some(table) = value.as_table() else {
        return;
    };
    for (name, value) in table {
        let place = format!("{place}.{name}");
        let telling = ["dependenc", "require"];
        if telling.iter().any(|word| name.contains(word)) || place == "tool.setuptools.dynamic" {
            found.other.push(format!("{place}: {value:?}"));
        } else {
            dependencies_below(&place, value, found);
        }
    }
}

fn poetry_tables(poetry: &Table, found: &mut Listing) -> Result<(), String> {
    let tables_of = ["dependencies", "dev-dependencies"];
    for_each_table(poetry, &tables_of, "poetry", found, python_table)?;
    for (group, members) in tables(poetry, "group")? {
        for_each_table(members, &tables_of[..1], group, found, python_table)?;
    }
    for (name, value) in poetry
        .get("extras")
        .and_then(Value::as_table)
        .into_iter()
        .flatten()
    {
        requirements(&format!("extras {name}"), Some(value), found)?;
    }
    settings(
        "tool.poetry",
        poetry,
        &["source", "requires-plugins"],
        found,
    );
    Ok(())
}

fn uv_tables(uv: &Table, found: &mut Listing) -> Result<(), String> {
    for list in [
        "dev-dependencies",
        "constraint-dependencies",
        "override-dependencies",
        "build-constraint-dependencies",
    ] {
        requirements(list, uv.get(list), found)?;
    }
    for_each_table(uv, &["sources"], "uv", found, python_table)?;
    settings(
        "tool.uv",
        uv,
        &[
            "index",
            "index-url",
            "extra-index-url",
            "find-links",
            "pip",
            "extra-build-dependencies",
        ],
        found,
    );
    Ok(())
}

pub(super) fn pipfile(text: &str) -> Result<Listing, String> {
    let mut found = Listing::default();
    for (name, value) in &parse(text)? {
        match (name.as_str(), value) {
            ("source" | "requires" | "pipenv", value) => {
                found.other.push(format!("{name}: {value:?}"))
            }
            ("scripts", _) => {}
            (category, Value::Table(packages)) => python_table(category, packages, &mut found),
            (_, value) => found.other.push(format!("{name}: {value:?}")),
        }
    }
    Ok(found)
}

fn python_table(place: &str, table: &Table, found: &mut Listing) {
    for (name, value) in table {
        found.mention(&python_name(name), format!("{place} {value:?}"));
    }
}

/// Where packages come from concerns all of them.
fn settings(place: &str, table: &Table, names: &[&str], found: &mut Listing) {
    let set = names
        .iter()
        .filter_map(|name| Some((name, table.get(*name)?)));
    found
        .other
        .extend(set.map(|(name, value)| format!("{place}.{name}: {value:?}")));
}

/// A table of lists of requirements.
fn groups(parent: &Table, name: &str, found: &mut Listing) -> Result<(), String> {
    let Some(groups) = parent.get(name) else {
        return Ok(());
    };
    for (group, list) in as_table(name, groups)? {
        requirements(&format!("{name} {group}"), Some(list), found)?;
    }
    Ok(())
}

fn requirements(place: &str, list: Option<&Value>, found: &mut Listing) -> Result<(), String> {
    let list = match list {
        None => return Ok(()),
        Some(Value::Array(list)) => list,
        Some(_) => return Err(format!("`{place}` is not a list")),
    };
    for item in list {
        let text = item.as_str();
        match text.and_then(python_requirement).zip(text) {
            Some((name, text)) => found.mention(&name, format!("{place} {text}")),
            None => found.other.push(format!("{place}: {item:?}")),
        }
    }
    Ok(())
}

fn parse(text: &str) -> Result<Table, String> {
    text.parse::<Table>()
        .map_err(|problem| problem.message().to_owned())
}

fn for_each_table(
    parent: &Table,
    names: &[&str],
    place: &str,
    found: &mut Listing,
    read: fn(&str, &Table, &mut Listing),
) -> Result<(), String> {
    for name in names {
        if let Some(table) = parent.get(*name) {
            read(&format!("{place} {name}"), as_table(name, table)?, found);
        }
    }
    Ok(())
}

/// The tables inside a table.
fn tables<'a>(parent: &'a Table, name: &str) -> Result<Vec<(&'a String, &'a Table)>, String> {
    let Some(value) = parent.get(name) else {
        return Ok(Vec::new());
    };
    let inside = as_table(name, value)?.iter();
    inside
        .map(|(key, value)| Ok((key, as_table(key, value)?)))
        .collect()
}

fn as_table<'a>(name: &str, value: &'a Value) -> Result<&'a Table, String> {
    value
        .as_table()
        .ok_or_else(|| format!("`{name}` is not a table"))
}
