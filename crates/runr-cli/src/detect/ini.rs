//! The files of Python's `configparser`, as far as lists of dependencies need them.

/// A value with its place; a value of several lines comes line by line.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Line<'a> {
    section: &'a str,
    key: &'a str,
    text: &'a str,
}

/// A file of sections and keys.
#[derive(Debug, Clone, Default)]
pub(super) struct Ini<'a> {
    sections: Vec<&'a str>,
    lines: Vec<Line<'a>>,
}

impl<'a> Ini<'a> {
    pub(super) fn read(text: &'a str) -> Self {
        let mut ini = Self::default();
        let (mut section, mut key) = ("", "");
        for line in text.lines() {
            let trimmed = line.trim();
            if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
                continue;
            }
            let mut text = trimmed;
            if !line.starts_with([' ', '\t']) {
                if let Some(name) = header(trimmed) {
                    ini.sections.push(name);
                    (section, key) = (name, "");
                    continue;
                }
                (key, text) = match trimmed.split_once(['=', ':']) {
                    Some((key, value)) => (key.trim(), value.trim()),
                    None => (trimmed, ""),
                };
            }
            ini.lines.push(Line { section, key, text });
        }
        ini
    }

    pub(super) fn has_section(&self, name: &str) -> bool {
        self.sections.contains(&name)
    }

    /// The lines of all values whose section and key are wanted.
    pub(super) fn lines(
        &self,
        wanted: impl Fn(&str, &str) -> bool,
    ) -> impl Iterator<Item = &'a str> {
        self.lines
            .iter()
            .filter(move |line| wanted(line.section, line.key))
            .map(|line| line.text)
    }
}

fn header(line: &str) -> Option<&str> {
    line.strip_prefix('[')?
        .split_once(']')
        .map(|(name, _)| name)
}
