//! What is owned, as the command line names it.

use runr_core::Result;
use runr_core::ownership::{BranchName, Number, Slug, Target};

use crate::commands::Invocation;
use crate::commands::cli::TargetArgs;
use crate::ownership::default_slug;

/// The target that the options name, in the repository that they name or that of `origin`.
///
/// # Errors
/// `E_TARGET_INVALID`; `E_IO` for a configuration of git that cannot be read.
pub(super) fn target(call: &Invocation<'_>, args: &TargetArgs) -> Result<Target> {
    let slug = match &args.repo {
        Some(text) => Slug::parse(text),
        None => default_slug(call.host, &call.root),
    };
    let (slug, thing) = (slug?, &args.thing);
    match (&thing.issue, &thing.branch) {
        (Some(number), _) => Ok(Target::Issue(slug, Number::parse(number)?)),
        (_, Some(name)) => Ok(Target::Branch(slug, BranchName::parse(name)?)),
        _ => {
            let number = thing.pr.as_deref().unwrap_or_default();
            Ok(Target::Pr(slug, Number::parse(number)?))
        }
    }
}
