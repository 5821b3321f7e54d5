//! What a worker call consumed, as its own output tells.
//!
//! Believed only in the form in which the worker is configured to answer: a number in prose is
//! nobody's bill. Whatever is missing, or is no number that can be, is unknown and never zero.

use serde_json::Value;

use super::event::Usage;
use super::reply::{OutputMode, objects};

/// Tokens and cost out of a worker's standard output; nothing where it told nothing.
///
/// A result object (`usage`, `total_cost_usd`) speaks for the whole call, the last one counts.
/// Turns (`turn.completed`) speak for themselves and are added up.
#[must_use]
pub fn usage_of(mode: OutputMode, stdout: &str) -> Option<Usage> {
    let (mut whole, mut turns) = (None, None::<Usage>);
    for object in objects(mode, stdout) {
        match object["type"].as_str() {
            Some("turn.completed") => {
                if let Some(turn) = told_by(&object) {
                    turns.get_or_insert_default().add(&turn);
                }
            }
            Some("result") | None => whole = told_by(&object).or(whole),
            Some(_) => {}
        }
    }
    whole.or(turns)
}

fn told_by(object: &Value) -> Option<Usage> {
    let tokens = &object["usage"];
    let cost = ["total_cost_usd", "cost_usd"];
    plausible(Usage {
        input_tokens: prompt_tokens(tokens),
        output_tokens: tokens["output_tokens"].as_u64(),
        cost_usd: cost.iter().find_map(|key| object[*key].as_f64()),
    })
}

/// All tokens of the prompt: where the cache is counted apart, it is part of the prompt still.
fn prompt_tokens(tokens: &Value) -> Option<u64> {
    let parts = [
        "input_tokens",
        "cache_creation_input_tokens",
        "cache_read_input_tokens",
    ];
    let told = parts.iter().filter_map(|key| tokens[*key].as_u64());
    told.reduce(u64::saturating_add)
}

/// What can be true of a usage; nothing where nothing is left.
#[must_use]
pub fn plausible(usage: Usage) -> Option<Usage> {
    let can_be = |cost: &f64| cost.is_finite() && *cost >= 0.0;
    let usage = Usage {
        cost_usd: usage.cost_usd.filter(can_be),
        ..usage
    };
    (usage != Usage::default()).then_some(usage)
}

impl Usage {
    /// Adds another usage: what one of them does not know is what the other says. Tokens saturate.
    pub fn add(&mut self, other: &Self) {
        fn sum<T>(a: Option<T>, b: Option<T>, add: impl Fn(T, T) -> T) -> Option<T> {
            match (a, b) {
                (Some(a), Some(b)) => Some(add(a, b)),
                (a, b) => a.or(b),
            }
        }
        self.input_tokens = sum(self.input_tokens, other.input_tokens, u64::saturating_add);
        self.output_tokens = sum(self.output_tokens, other.output_tokens, u64::saturating_add);
        self.cost_usd = sum(self.cost_usd, other.cost_usd, |a, b| a + b);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn usage(input: u64, output: u64, cost: Option<f64>) -> Option<Usage> {
        Some(Usage {
            input_tokens: Some(input),
            output_tokens: Some(output),
            cost_usd: cost,
        })
    }

    const CLAUDE: &str = r#"{"type":"result","subtype":"success","is_error":false,"result":"x","total_cost_usd":0.25,
        "usage":{"input_tokens":3,"cache_creation_input_tokens":40,"cache_read_input_tokens":500,"output_tokens":7}}"#;

    #[test]
    fn the_cache_is_part_of_the_prompt() {
        let expected = usage(543, 7, Some(0.25));
        assert_eq!(usage_of(OutputMode::Json, CLAUDE), expected);
    }

    #[test]
    fn a_result_is_found_in_a_list_and_in_a_stream() {
        let line = CLAUDE.replace('\n', " ");
        let noise =
            r#"{"type":"assistant","message":{"usage":{"input_tokens":1,"output_tokens":1}}}"#;
        let list = format!("[{noise},{line}]");
        let stream = format!("starting\n{noise}\n{line}\n");
        let expected = usage(543, 7, Some(0.25));
        assert_eq!(usage_of(OutputMode::Json, &list), expected);
        assert_eq!(usage_of(OutputMode::Json, &stream), expected);
        assert_eq!(usage_of(OutputMode::Jsonl, &stream), expected);
    }

    #[test]
    fn turns_are_added_up_and_tell_no_cost() {
        let turn = r#"{"type":"turn.completed","usage":{"input_tokens":10,"cached_input_tokens":8,"output_tokens":2}}"#;
        let stream = format!("{turn}\n{{\"type\":\"item.completed\"}}\nnoise\n{turn}\n");
        assert_eq!(
            usage_of(OutputMode::Jsonl, &stream),
            usage(20, 4, None),
            "the cached tokens are among the others already"
        );
    }

    #[test]
    fn text_is_never_a_bill() {
        assert_eq!(usage_of(OutputMode::Text, CLAUDE), None);
        let prose = format!("I saw this: {}", CLAUDE.replace('\n', " "));
        assert_eq!(usage_of(OutputMode::Json, &prose), None);
        assert_eq!(usage_of(OutputMode::Jsonl, &prose), None);
    }

    #[test]
    fn what_cannot_be_is_unknown() {
        for (object, expected) in [
            (r#"{"total_cost_usd":-1}"#, None),
            (r#"{"total_cost_usd":"free","usage":[]}"#, None),
            (r#"{"usage":{"input_tokens":-5,"output_tokens":1.5}}"#, None),
            (r#"{"total_cost_usd":0}"#, Some(Some(0.0))),
        ] {
            let cost = usage_of(OutputMode::Json, object).map(|usage| usage.cost_usd);
            assert_eq!(cost, expected, "{object}");
        }
    }

    #[test]
    fn absurd_numbers_do_not_overflow() {
        let most = u64::MAX;
        let turn = format!(
            r#"{{"type":"turn.completed","usage":{{"input_tokens":{most},"output_tokens":{most}}}}}"#
        );
        let stream = format!("{turn}\n{turn}\n");
        assert_eq!(
            usage_of(OutputMode::Jsonl, &stream),
            usage(most, most, None)
        );
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in r#"[\[\]{}",:a-z0-9\n-]{0,200}|\PC{0,80}"#) {
            for mode in [OutputMode::Text, OutputMode::Json, OutputMode::Jsonl] {
                let _told = usage_of(mode, &text);
            }
        }
    }
}
