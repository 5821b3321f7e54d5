//! A target as programs write it: a text where one says it, else an object.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::Target;
use crate::json::{Rules, Written, scan};

impl Serialize for Target {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = self.to_string();
        if Self::parse(&text).is_ok_and(|read| read == *self) {
            return serializer.serialize_str(&text);
        }
        let members = Written::object(self.members());
        let object: Value =
            serde_json::from_str(members.text()).map_err(serde::ser::Error::custom)?;
        object.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Target {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Value::deserialize(deserializer)?.to_string();
        let tree = scan(&text, &Rules::default()).map_err(D::Error::custom)?;
        Self::from_json(tree.root()).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_target_is_written_as_text_only_where_the_text_says_it() {
        let issue = json!({"kind": "issue", "repo": "acme/shop", "issue": 17});
        let odd = json!({"repo": "acme/sh#op", "pr": 17});
        for (target, written) in [
            (Target::pr("Acme/Shop", 17), json!("acme/shop#17")),
            (
                Target::branch("acme/shop", "fix/a#1@b"),
                json!("acme/shop@fix/a#1@b"),
            ),
            (Target::issue("acme/shop", 17), issue),
            (Target::pr("acme/sh#op", 17), odd),
        ] {
            let target = target.unwrap();
            assert_eq!(serde_json::to_value(&target).unwrap(), written);
            assert_eq!(serde_json::from_value::<Target>(written).unwrap(), target);
        }
    }

    #[test]
    fn what_is_no_target_is_not_read_as_one() {
        for none in [json!("acme"), json!({"repo": "acme/shop"}), json!(17)] {
            assert!(serde_json::from_value::<Target>(none).is_err());
        }
    }
}
