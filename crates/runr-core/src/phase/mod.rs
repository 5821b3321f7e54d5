//! What happens next in a run, and may it: the phase machine and the rules around it.

pub mod model;

pub use model::{
    ClaimedCommand, Evidence, ImplementReply, ImplementStatus, Milestone, Phase, Plan, PlanReply,
    Rejected, ReviewReply, RiskLevel, Stage, Tier, Verdict,
};
