//! Each kind of secret goes, what only looks like one stays, and the laws of the whole.

mod kinds;
mod laws;
mod long;

use super::{REDACTED, Redactor};

fn redact(text: &str) -> String {
    Redactor::default().text(text)
}
