//! A question to a worker, as programs see it.

use runr_core::Timestamp;
use runr_core::phase::model::Stage;
use serde::Serialize;

/// A question to a worker.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WorkerCall {
    /// Unique within the run.
    pub id: String,
    /// What for.
    pub stage: Stage,
    /// What the worker is told.
    pub prompt: String,
    /// Where it works.
    pub cwd: String,
    /// 0-based.
    pub milestone: usize,
    /// 1 to 3 per worker.
    pub attempt: u32,
    /// When the answer comes too late.
    pub deadline: Timestamp,
    /// The JSON Schema of the answer.
    pub schema: serde_json::Value,
    /// The configured name of the worker.
    pub worker: String,
    /// The failure to fix, for an implementer after a failed VERIFY.
    pub fix: Option<Fix>,
}

/// The failure an implementer has to fix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fix {
    /// 2 to 4.
    pub attempt: u32,
    /// What failed.
    pub failed_command: String,
    /// What it said.
    pub error_output: String,
    /// What had changed.
    pub changed_files: Vec<String>,
}
