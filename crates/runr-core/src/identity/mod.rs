//! Which work item is this? The ids that name one.

pub mod rules;

pub use rules::{Sanitized, sanitize};
