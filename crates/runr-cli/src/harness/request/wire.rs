//! An answer as programs of other languages write it.

use runr_core::Timestamp;
use runr_core::phase::event::{FailureKind, Usage};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::Reply;

/// Either `reply` or `fail`, and beside it what is known of the cost.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Answered {
    // An answer may be null; it is no good one, but one.
    #[serde(default, deserialize_with = "present")]
    reply: Option<Value>,
    fail: Option<Failure>,
    usage: Option<Usage>,
}

#[derive(Deserialize)]
struct Failure {
    kind: FailureKind,
    #[serde(default)]
    message: String,
    #[serde(default)]
    retry_at: Option<Timestamp>,
}

fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

impl TryFrom<Answered> for super::Answered {
    type Error = &'static str;

    fn try_from(wire: Answered) -> Result<Self, Self::Error> {
        let reply = match (wire.reply, wire.fail) {
            (Some(reply), None) => Reply::Reply(reply),
            (None, Some(failure)) => Reply::Fail {
                kind: failure.kind,
                message: failure.message,
                retry_at: failure.retry_at,
            },
            _ => return Err("give either `reply` or `fail`"),
        };
        Ok(Self {
            reply,
            usage: wire.usage,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json};

    use super::super::Answered;
    use super::*;

    #[test]
    fn an_answer_may_say_what_it_cost() {
        let usage = json!({"output_tokens": 7, "cost_usd": 0.5});
        let told: Answered =
            from_value(json!({"reply": {"status": "ok"}, "usage": usage})).unwrap();
        assert_eq!(told.usage.unwrap().cost_usd, Some(0.5));
        let failed = json!({"fail": {"kind": "crash"}, "usage": usage});
        let failed: Answered = from_value(failed).unwrap();
        assert_eq!(failed.usage.unwrap().output_tokens, Some(7));
        let silent: Answered = from_value(json!({"reply": null})).unwrap();
        assert_eq!(silent, Reply::Reply(Value::Null).into());
    }

    #[test]
    fn an_answer_is_one_answer() {
        for wrong in [
            json!({}),
            json!({"reply": "a", "fail": {"kind": "crash"}}),
            json!({"usage": {}}),
            json!({"reply": "a", "cost": 1}),
            json!({"fail": {"kind": "mood"}}),
            json!({"fail": {"kind": "rate_limit", "retry_at": "soon"}}),
        ] {
            assert!(from_value::<Answered>(wrong.clone()).is_err(), "{wrong}");
        }
    }
}
