//! Both bindings, built for this checkout: `import runr` and `require('./bindings/node')` work.

use crate::steps::Steps;
use crate::{Failure, node, python};

/// Builds both bindings with debug information.
pub(crate) fn run() -> Result<(), Failure> {
    let mut steps = Steps::default();
    python::build(&mut steps)?;
    node::build(&mut steps)
}
