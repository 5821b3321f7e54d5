//! Workers as processes: how they are called, what is read of them, and what becomes of failures.

mod cost;
mod doctor;
mod failures;
mod forms;
mod ping;
mod program;
mod prompts;
mod standin;

use standin::*;

use serde_json::{Value, json};

use crate::support::{Config, Script, is_alive, strings};
