//! What happens next in a run, and may it: the phase machine and the rules around it.
//!
//! [`model`] holds the words, [`rules`] the machine, [`ops`] the files. [`event`] is what stands in
//! the timeline, [`state`] its fold. Each further file is one rule: what may be changed ([`scope`],
//! [`owned`]), what is run ([`tiers`]), what counts as proof ([`evidence`]), what an answer means
//! ([`reply`], [`failure`], [`usage`]), when a run may go on ([`fingerprint`], [`transitions`]), how
//! long it may take ([`watchdog`]), why it ended ([`stop`], [`budget`], [`wait`]), where its work goes
//! ([`submit`]), what comes into a worktree and when it may go ([`include`], [`removal`]). What is left
//! for those who come later is made of the [`story`] of a run: its [`diagnosis`], its [`handoff`]s and
//! its [`receipt`].

pub mod budget;
pub mod claim;
pub mod config;
pub mod deps;
pub mod diagnosis;
pub mod event;
pub mod evidence;
pub mod failure;
mod field;
pub mod fingerprint;
mod front_matter;
pub mod handoff;
pub mod include;
pub mod model;
pub mod ops;
pub mod options;
pub mod owned;
mod preset;
pub mod prompt;
pub mod receipt;
pub mod removal;
pub mod reply;
pub mod reply_schema;
pub mod report;
pub mod rules;
pub mod scope;
pub mod shell;
pub mod state;
pub mod status;
pub mod stop;
pub mod story;
pub mod stray;
pub mod submit;
pub mod task;
pub mod task_status;
pub mod tiers;
pub mod transitions;
pub mod usage;
pub mod wait;
pub mod watchdog;
