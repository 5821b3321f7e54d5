//! What the scope guard costs on a huge change.

use std::hint::black_box;

use globset::{Glob, GlobBuilder, GlobSet, GlobSetBuilder};
use runr_core::phase::scope::{ScopePolicy, ScopeRules};

use super::Bench;
use super::row::{Pair, Row, Unit, timed};
use crate::Failure;

const PATHS: usize = 50_000;
const GOAL: &str = "<= 1.2x";

pub(crate) fn measure(bench: &Bench) -> Result<Vec<Row>, Failure> {
    eprintln!("measuring the scope guard: {PATHS} paths ...");
    let policy = ScopePolicy {
        allowlist: allowlist(),
        denylist: denylist(),
        ..ScopePolicy::default()
    };
    let rules = ScopeRules::new(&policy).map_err(|why| why.to_string())?;
    let [noise, deny, allow] =
        [&policy.env_allowlist, &policy.denylist, &policy.allowlist].map(|list| peer(list));
    let (noise, deny, allow) = (noise?, deny?, allow?);
    let changed: Vec<String> = (0..PATHS).map(path).collect();
    let verdict =
        |path: &String| !noise.is_match(path) && (deny.is_match(path) || !allow.is_match(path));
    let theirs = changed.iter().filter(|path| verdict(path)).count();
    let ours = rules.check(&changed).scope_violations.len();
    if ours != theirs {
        return Err(format!("{ours} violations, but the peer finds {theirs}"));
    }
    let mut pair = Pair::measure(
        bench.rounds,
        || {
            timed(|| {
                drop(black_box(rules.check(black_box(&changed))));
                Ok::<(), Failure>(())
            })
        },
        || {
            timed(|| {
                let violating = changed.iter().filter(|path| verdict(path));
                black_box(violating.cloned().collect::<Vec<_>>());
                Ok::<(), Failure>(())
            })
        },
    )?;
    let what = format!("scope check, {PATHS} paths, 100 patterns, {ours} outside");
    let names = [what.as_str(), "globset, the same lists", "none"];
    Ok(vec![pair.row(names, Unit::TimesThePeer, Some(GOAL))])
}

/// The 60 patterns of a large repository with many packages.
fn allowlist() -> Vec<String> {
    let mut all = Vec::new();
    for n in 0..20 {
        all.push(format!("packages/app-{n}/src/**"));
        all.push(format!("packages/app-{n}/tests/**/*.{{ts,tsx}}"));
        all.push(format!("crates/part_{n}/**/*.rs"));
    }
    all
}

/// 40 patterns of what nobody may change.
fn denylist() -> Vec<String> {
    let endings = [
        "pem", "key", "p12", "pfx", "kdbx", "env", "secret", "crt", "jks", "gpg",
    ];
    let mut all: Vec<String> = endings.map(|ending| format!("**/*.{ending}")).to_vec();
    for n in 0..30 {
        all.push(format!("packages/app-{n}/src/generated/**"));
    }
    all
}

/// Paths of all kinds: nine of ten inside.
fn path(n: usize) -> String {
    let (app, deep) = (n % 20, n / 20);
    match n % 10 {
        0 => format!("docs/guide-{deep}/page-{n}.md"),
        1 => format!("crates/part_{app}/src/module_{deep}/file_{n}.rs"),
        2 => format!("packages/app-{app}/tests/unit/case-{n}.test.ts"),
        3 if n % 100 == 3 => format!("packages/app-{app}/src/generated/file-{n}.ts"),
        _ => format!("packages/app-{app}/src/feature-{deep}/component-{n}/index.tsx"),
    }
}

fn peer(patterns: &[String]) -> Result<GlobSet, Failure> {
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        let glob: Result<Glob, _> = GlobBuilder::new(pattern).literal_separator(true).build();
        set.add(glob.map_err(|why| why.to_string())?);
    }
    set.build().map_err(|why| why.to_string())
}
