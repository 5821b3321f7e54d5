//! The section of `AGENTS.md` for agents that are asked to operate runr.

use camino::Utf8Path;
use runr_core::fs::{Kind, Storage};
use runr_core::{Error, Result};

use super::files::{Done, Fate, LIMIT, open, stat, write_whole};
use crate::detect::{Detected, Warning};

const FILE: &str = "AGENTS.md";
const BEGIN: &str = "<!-- runr:begin -->";
const END: &str = "<!-- runr:end -->";
const SECTION: &str = include_str!("agents.md");

/// Writes the section, or brings it up to date. A file that cannot be understood is left, with a
/// warning.
pub(super) fn write(
    storage: &Storage,
    root: &Utf8Path,
    done: &mut Done,
    found: &mut Detected,
) -> Result<()> {
    match update(storage, root)? {
        Ok(fate) => done.add(fate, FILE),
        Err(why) => {
            done.add(Fate::Kept, FILE);
            found.warnings.push(Warning::AgentsFile { why });
        }
    }
    Ok(())
}

fn update(storage: &Storage, root: &Utf8Path) -> Result<Result<Fate, &'static str>> {
    // Often one of several names of the same file, so a link is followed, though not out of here.
    let mut path = root.join(FILE);
    if stat(open(storage, root)?.as_ref(), FILE)? == Some(Kind::Link) {
        match storage.real_path(&path) {
            Ok(real) if real.starts_with(root) => path = real,
            _ => return Ok(Err("a link that leads to no file of the repository")),
        }
    }
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Ok(Err("not a file"));
    };
    let dir = open(storage, folder)?;
    let old = match stat(dir.as_ref(), name)? {
        None => String::new(),
        Some(Kind::File) => {
            let read = dir.read(name, LIMIT);
            let read = read.map_err(|problem| Error::io("read", &path, problem))?;
            match String::from_utf8(read.bytes) {
                Ok(text) => text,
                Err(_) => return Ok(Err("not UTF-8")),
            }
        }
        Some(_) => return Ok(Err("not a file")),
    };
    Ok(match with_section(&old) {
        Ok(new) if new == old => Ok(Fate::Kept),
        Ok(new) => Ok(write_whole(dir.as_ref(), name, new.as_bytes())?),
        Err(why) => Err(why),
    })
}

/// The text with the section in its place, or at its end; every other byte stays.
fn with_section(text: &str) -> Result<String, &'static str> {
    let section = format!("{BEGIN}\n{SECTION}{END}\n");
    let section = if text.contains("\r\n") {
        section.replace('\n', "\r\n")
    } else {
        section
    };
    let lines = |marker: &str| -> Vec<(usize, &str)> {
        let starts = text.split_inclusive('\n').scan(0, |at, line| {
            let start = *at;
            *at += line.len();
            Some((start, line))
        });
        starts
            .filter(|(_, line)| line.trim_end() == marker)
            .collect()
    };
    match (lines(BEGIN).as_slice(), lines(END).as_slice()) {
        ([], []) => {
            let gap = match text {
                "" => "",
                _ if text.ends_with("\n\n") || text.ends_with("\r\n\r\n") => "",
                _ if text.ends_with("\r\n") => "\r\n",
                _ if text.ends_with('\n') => "\n",
                _ if text.contains("\r\n") => "\r\n\r\n",
                _ => "\n\n",
            };
            Ok(format!("{text}{gap}{section}"))
        }
        ([(begin, _)], [(end, line)]) if begin < end => {
            let after = &text[end + line.len()..];
            Ok(format!("{}{section}{after}", &text[..*begin]))
        }
        _ => Err("its runr section does not begin and end exactly once"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_section_is_added_once_and_every_other_byte_stays() {
        for before in [
            "",
            "# Mine\n",
            "# Mine",
            "# Mine\n\n",
            "# Mine\r\nx\r\n",
            "a\r\nb",
        ] {
            let once = with_section(before).unwrap();
            assert!(once.starts_with(before), "{before:?}");
            assert_eq!(with_section(&once).unwrap(), once, "{before:?}");
            assert!(!once.contains("\n\n\n"), "{before:?}");
            let more = format!("{once}\ttail \u{e4}");
            assert_eq!(with_section(&more).unwrap(), more, "{before:?}");
        }
    }

    #[test]
    fn an_old_section_is_replaced_where_it_stands() {
        let old = format!("before\n{BEGIN}\nold text\n{END}\nafter");
        let new = with_section(&old).unwrap();
        assert_eq!(new, format!("before\n{BEGIN}\n{SECTION}{END}\nafter"));
    }

    #[test]
    fn markers_that_do_not_make_one_section_are_left() {
        for text in [
            format!("{BEGIN}\n"),
            format!("{END}\n"),
            format!("{END}\n{BEGIN}\n"),
            format!("{BEGIN}\n{BEGIN}\n{END}\n"),
            format!("{BEGIN}\n{END}\n{BEGIN}\n{END}\n"),
        ] {
            assert!(with_section(&text).is_err(), "{text:?}");
        }
        let prose = format!("The marker is `{BEGIN}`.\n");
        assert!(with_section(&prose).unwrap().starts_with(&prose));
    }
}
