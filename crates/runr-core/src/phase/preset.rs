//! Presets: named groups of patterns that a kind of project needs in its allowlist.

const TESTS: [&str; 4] = [
    "**/*.test.ts",
    "**/*.test.tsx",
    "**/*.spec.ts",
    "**/*.spec.tsx",
];

/// The patterns a preset stands for, or nothing if the name is unknown.
#[must_use]
pub(super) fn preset(name: &str) -> Option<Vec<&'static str>> {
    let own: &[&str] = match name {
        "nextjs" => &[
            "next.config.*",
            "next-env.d.ts",
            "middleware.ts",
            "middleware.js",
        ],
        "react" => &["vite.config.*", "index.html"],
        "drizzle" => &["drizzle.config.*", "drizzle/**"],
        "prisma" => &["prisma/**"],
        "vitest" => &["vitest.config.*", "vite.config.*"],
        "jest" => &["jest.config.*", "jest.setup.*"],
        "playwright" => &["playwright.config.*", "e2e/**", "tests/**"],
        "typescript" => &["tsconfig*.json"],
        "tailwind" => &["tailwind.config.*", "postcss.config.*"],
        "eslint" => &["eslint.config.*", ".eslintrc*"],
        "env" => &[".env.example", ".env.local.example", ".env.template"],
        "pytest" => &[
            "pytest.ini",
            "**/conftest.py",
            "**/test_*.py",
            "**/*_test.py",
        ],
        "poetry" => &["pyproject.toml"],
        "rust" => &["Cargo.toml", "**/Cargo.toml", "build.rs"],
        "go" => &["go.mod", "**/*_test.go"],
        _ => return None,
    };
    let tests: &[&str] = match name {
        "vitest" | "jest" => &TESTS,
        _ => &[],
    };
    Some([own, tests].concat())
}

/// An allowlist with the patterns of `presets` behind it, each pattern once; unknown names add
/// nothing.
#[must_use]
pub(super) fn expand(allowlist: &[String], presets: &[String]) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    let added = presets.iter().filter_map(|name| preset(name)).flatten();
    for pattern in allowlist.iter().map(String::as_str).chain(added) {
        if !all.iter().any(|known| known == pattern) {
            all.push(pattern.to_owned());
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

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
