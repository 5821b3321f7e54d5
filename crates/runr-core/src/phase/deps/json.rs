//! Manifests in JSON: `package.json` and `composer.json`.

use serde_json::{Map, Value};

use super::Listing;

/// Tables from the name of a package to what is asked of it.
const NPM_TABLES: [&str; 7] = [
    "dependencies",
    "devDependencies",
    "peerDependencies",
    "optionalDependencies",
    "peerDependenciesMeta",
    "dependenciesMeta",
    "catalog",
];
/// Lists of names.
const NPM_LISTS: [&str; 3] = [
    "bundleDependencies",
    "bundledDependencies",
    "trustedDependencies",
];

pub(super) fn npm(text: &str) -> Result<Listing, String> {
    let root = object(text)?;
    let mut found = Listing::default();
    read_npm(&root, &mut found)?;
    if let Some(Value::Object(workspaces)) = root.get("workspaces") {
        read_npm(workspaces, &mut found)?;
    }
    if let Some(settings) = root.get("pnpm") {
        read_pnpm(as_object("pnpm", settings)?, &mut found);
    }
    Ok(found)
}

fn read_npm(root: &Map<String, Value>, found: &mut Listing) -> Result<(), String> {
    for table in NPM_TABLES {
        for (name, value) in members(root, table)? {
            let real = value.as_str().and_then(aliased).unwrap_or(name);
            found.mention(real, format!("{table} {name} {value}"));
        }
    }
    for list in NPM_LISTS {
        match root.get(list) {
            None => {}
            Some(Value::Array(names)) => mention_all(list, names, found),
            Some(all) => found.other.push(format!("{list}: {all}")),
        }
    }
    for (name, value) in members(root, "overrides")? {
        read_override("overrides", name, value, found);
    }
    for (pattern, value) in members(root, "resolutions")? {
        found.mention(last_of(pattern), format!("resolutions {pattern} {value}"));
    }
    for (catalog, packages) in members(root, "catalogs")? {
        for (name, value) in as_object(catalog, packages)? {
            found.mention(name, format!("catalogs {catalog} {value}"));
        }
    }
    Ok(())
}

/// A package under another name: the registry is asked for the one behind `npm:`.
fn aliased(spec: &str) -> Option<&str> {
    spec.strip_prefix("npm:").map(without_version)
}

/// Which package an override puts in place of which: the innermost key, or for `.` the one around.
fn read_override(place: &str, name: &str, value: &Value, found: &mut Listing) {
    match value {
        Value::Object(inner) => {
            for (key, value) in inner {
                let inside = if key == "." { name } else { key };
                read_override(&format!("{place} {name}"), inside, value, found);
            }
        }
        _ => {
            let target = value.as_str().and_then(aliased);
            let name = name.rsplit('>').next().unwrap_or(name);
            found.mention(
                target.unwrap_or(without_version(name)),
                format!("{place} {name} {value}"),
            );
        }
    }
}

fn read_pnpm(settings: &Map<String, Value>, found: &mut Listing) {
    for (setting, value) in settings {
        match value {
            Value::Object(packages) if setting != "peerDependencyRules" => {
                for (name, value) in packages {
                    read_override(&format!("pnpm {setting}"), name, value, found);
                }
            }
            Value::Array(names) => mention_all(&format!("pnpm {setting}"), names, found),
            value => found.other.push(format!("pnpm.{setting}: {value}")),
        }
    }
}

fn mention_all(place: &str, names: &[Value], found: &mut Listing) {
    for name in names {
        match name.as_str() {
            Some(name) => found.mention(without_version(name), place),
            None => found.other.push(format!("{place}: {name}")),
        }
    }
}

/// The package behind the last slash of a path of packages, its scope included.
fn last_of(pattern: &str) -> &str {
    let start = pattern.rfind('/').map_or(0, |slash| slash + 1);
    let before = pattern.get(..start.saturating_sub(1)).unwrap_or_default();
    let scope = before.rfind('/').map_or(0, |slash| slash + 1);
    let from = if start > 0 && before[scope..].starts_with('@') {
        scope
    } else {
        start
    };
    without_version(&pattern[from..])
}

/// A name without the `@1.2` behind it; the `@` of a scope stays.
fn without_version(name: &str) -> &str {
    match name.get(1..).and_then(|rest| rest.find('@')) {
        Some(at) => &name[..=at],
        None => name,
    }
}

/// Where composer names packages.
const COMPOSER_TABLES: [&str; 6] = [
    "require",
    "require-dev",
    "replace",
    "provide",
    "conflict",
    "suggest",
];

pub(super) fn composer(text: &str) -> Result<Listing, String> {
    let root = object(text)?;
    let mut found = Listing::default();
    for table in COMPOSER_TABLES {
        for (name, value) in members(&root, table)? {
            found.mention(name, format!("{table} {value}"));
        }
    }
    for setting in ["repositories", "minimum-stability"] {
        let value = root.get(setting);
        found
            .other
            .extend(value.map(|value| format!("{setting}: {value}")));
    }
    Ok(found)
}

fn object(text: &str) -> Result<Map<String, Value>, String> {
    // A repeated key means another thing to every reader.
    let tree =
        crate::json::scan(text, &crate::json::Rules::default()).map_err(|bad| bad.to_string())?;
    if let Some(twice) = tree.repeated_key() {
        return Err(format!("the key {} stands there twice", twice.key_text()));
    }
    match serde_json::from_str(text) {
        Ok(Value::Object(root)) => Ok(root),
        Ok(_) => Err("it is not an object".to_owned()),
        Err(problem) => Err(problem.to_string()),
    }
}

fn members<'a>(
    root: &'a Map<String, Value>,
    table: &str,
) -> Result<impl Iterator<Item = (&'a String, &'a Value)>, String> {
    let table = root.get(table).map(|value| as_object(table, value));
    Ok(table.transpose()?.into_iter().flatten())
}

fn as_object<'a>(name: &str, value: &'a Value) -> Result<&'a Map<String, Value>, String> {
    value
        .as_object()
        .ok_or_else(|| format!("`{name}` is not an object"))
}
