//! Presets: named groups of patterns that a kind of project needs in its allowlist.

use crate::glob::{Dots, GlobSet};

/// All of them, in order, with their patterns.
const PRESETS: [(&str, &[&str]); 15] = [
    ("drizzle", &["drizzle.config.*", "drizzle/**"]),
    (
        "env",
        &[".env.example", ".env.local.example", ".env.template"],
    ),
    ("eslint", &["eslint.config.*", ".eslintrc*"]),
    ("go", &["go.mod", "**/*_test.go"]),
    (
        "jest",
        &[
            "jest.config.*",
            "jest.setup.*",
            "**/*.test.ts",
            "**/*.test.tsx",
            "**/*.spec.ts",
            "**/*.spec.tsx",
        ],
    ),
    (
        "nextjs",
        &[
            "next.config.*",
            "next-env.d.ts",
            "middleware.ts",
            "middleware.js",
        ],
    ),
    ("playwright", &["playwright.config.*", "e2e/**", "tests/**"]),
    ("poetry", &["pyproject.toml"]),
    ("prisma", &["prisma/**"]),
    (
        "pytest",
        &[
            "pytest.ini",
            "**/conftest.py",
            "**/test_*.py",
            "**/*_test.py",
        ],
    ),
    ("react", &["vite.config.*", "index.html"]),
    ("rust", &["Cargo.toml", "**/Cargo.toml", "build.rs"]),
    ("tailwind", &["tailwind.config.*", "postcss.config.*"]),
    ("typescript", &["tsconfig*.json"]),
    (
        "vitest",
        &[
            "vitest.config.*",
            "vite.config.*",
            "**/*.test.ts",
            "**/*.test.tsx",
            "**/*.spec.ts",
            "**/*.spec.tsx",
        ],
    ),
];

/// The patterns a preset stands for, or nothing if the name is unknown.
#[must_use]
pub(super) fn preset(name: &str) -> Option<&'static [&'static str]> {
    let named = PRESETS.iter().find(|(known, _)| *known == name);
    named.map(|(_, patterns)| *patterns)
}

/// An allowlist with the patterns of `presets` behind it, each pattern once; unknown names add
/// nothing.
#[must_use]
pub(super) fn expand(allowlist: &[String], presets: &[String]) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    let added = presets.iter().filter_map(|name| preset(name)).flatten();
    for pattern in allowlist.iter().map(String::as_str).chain(added.copied()) {
        if !all.iter().any(|known| known == pattern) {
            all.push(pattern.to_owned());
        }
    }
    all
}

/// The presets that would allow at least one of `files` and are not in the allowlist yet, in order.
#[must_use]
pub(super) fn suggested(files: &[&str], allowlist: &[String]) -> Vec<String> {
    let is_new = |pattern: &&&str| !allowlist.iter().any(|known| known == **pattern);
    let helps = |patterns: &[&str]| {
        let new = GlobSet::new(patterns.iter().filter(is_new), Dots::Skip);
        new.is_ok_and(|new| files.iter().any(|file| new.matches(file)))
    };
    let helpful = PRESETS.iter().filter(|(_, patterns)| helps(patterns));
    helpful.map(|(name, _)| (*name).to_owned()).collect()
}

/// The same as advice for people.
#[must_use]
pub(super) fn advice(presets: &[String]) -> Option<String> {
    match presets {
        [] => None,
        [one] => Some(format!("add preset {one} to scope.presets")),
        many => Some(format!(
            "add the presets that fit to scope.presets: {}",
            many.join(", ")
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_is_listed_once_and_in_order() {
        assert!(PRESETS.is_sorted_by(|(a, _), (b, _)| a < b));
    }

    #[test]
    fn presets_that_would_allow_a_file_are_suggested_in_order() {
        let none: &[String] = &[];
        let suggest = |files: &[&str], allow: &[String]| suggested(files, allow);
        assert_eq!(suggest(&["docs/a.md"], none), [""; 0]);
        assert_eq!(suggest(&["crates/a/Cargo.toml"], none), ["rust"]);
        let mixed = ["web/a.test.ts", "docs/a.md", "prisma/schema.prisma"];
        assert_eq!(suggest(&mixed, none), ["jest", "prisma", "vitest"]);
        assert_eq!(
            suggest(&[".eslintrc.json", ".env.example"], none),
            ["env", "eslint"]
        );
        assert_eq!(suggest(&[".env"], none), [""; 0]);
    }

    #[test]
    fn a_preset_that_is_there_already_is_not_suggested() {
        let with_jest = expand(&["src/**".to_owned()], &["jest".to_owned()]);
        // What jest and vitest share is allowed; only the rest of vitest could help.
        assert_eq!(suggested(&["a.test.ts"], &with_jest), [""; 0]);
        assert_eq!(suggested(&["vitest.config.ts"], &with_jest), ["vitest"]);
    }

    #[test]
    fn advice_names_what_to_add_and_leaves_the_choice() {
        let names = ["jest", "vitest"].map(str::to_owned);
        assert_eq!(advice(&[]), None);
        let one = advice(&names[..1]);
        assert_eq!(one.unwrap(), "add preset jest to scope.presets");
        let two = advice(&names).unwrap();
        assert_eq!(
            two,
            "add the presets that fit to scope.presets: jest, vitest"
        );
    }

    #[test]
    fn presets_come_behind_the_allowlist_and_nothing_twice() {
        let allow = [
            "src/**".to_owned(),
            "vite.config.*".to_owned(),
            "src/**".to_owned(),
        ];
        let names = [
            "react".to_owned(),
            "no-such".to_owned(),
            "tailwind".to_owned(),
        ];
        assert_eq!(
            expand(&allow, &names),
            [
                "src/**",
                "vite.config.*",
                "index.html",
                "tailwind.config.*",
                "postcss.config.*"
            ]
        );
        assert_eq!(preset("no-such"), None);
    }
}
