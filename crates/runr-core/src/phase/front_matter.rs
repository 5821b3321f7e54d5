//! YAML front matter: a block between two lines `---` at the very top of a text.

use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde_json::{Map, Value};

/// Deeper nesting than this is no front matter.
const MAX_DEPTH: usize = 16;

/// The YAML and the text behind it; none if there is no block or it is not closed.
pub(super) fn split(text: &str) -> Option<(&str, &str)> {
    let mut lines = text.split_inclusive('\n');
    let first = lines.next().filter(|line| line.trim_end() == "---")?;
    let mut end = first.len();
    for line in lines {
        if line.trim_end() == "---" {
            return Some((&text[first.len()..end], &text[end + line.len()..]));
        }
        end += line.len();
    }
    None
}

/// The YAML as a JSON value; nothing at all is an empty object.
pub(super) fn parse(yaml: &str) -> Result<Value, String> {
    let documents = Yaml::load_from_str(yaml).map_err(|error| {
        // The block starts on the second line of the file.
        let line = error.marker().line() + 1;
        format!("line {line}: {}", error.info())
    })?;
    match documents.as_slice() {
        [] => Ok(Value::Object(Map::new())),
        [document] => match to_json(document, MAX_DEPTH)? {
            Value::Null => Ok(Value::Object(Map::new())),
            value => Ok(value),
        },
        _ => Err("it holds more than one document".to_owned()),
    }
}

fn to_json(yaml: &Yaml<'_>, depth: usize) -> Result<Value, String> {
    let depth = depth.checked_sub(1).ok_or("it is nested too deeply")?;
    Ok(match yaml {
        Yaml::Value(Scalar::Null) => Value::Null,
        Yaml::Value(Scalar::Boolean(value)) => Value::Bool(*value),
        Yaml::Value(Scalar::Integer(value)) => (*value).into(),
        Yaml::Value(Scalar::FloatingPoint(value)) => value.into_inner().into(),
        Yaml::Value(Scalar::String(text)) => Value::String(text.to_string()),
        Yaml::Sequence(items) => Value::Array(
            items
                .iter()
                .map(|item| to_json(item, depth))
                .collect::<Result<_, _>>()?,
        ),
        Yaml::Mapping(members) => {
            let mut object = Map::new();
            for (key, value) in members {
                let key = key.as_str().ok_or("a key is no text")?;
                object.insert(key.to_owned(), to_json(value, depth)?);
            }
            Value::Object(object)
        }
        Yaml::Tagged(_, node) => to_json(node, depth)?,
        Yaml::Representation(text, ..) => Value::String(text.to_string()),
        Yaml::Alias(_) | Yaml::BadValue => return Err("a value cannot be read".to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_a_closed_block_at_the_top_is_front_matter() {
        assert_eq!(split("---\na: 1\n---\nbody"), Some(("a: 1\n", "body")));
        assert_eq!(
            split("---\r\na: 1\r\n---\r\nbody"),
            Some(("a: 1\r\n", "body"))
        );
        assert_eq!(split("---\n---"), Some(("", "")));
        assert_eq!(split("---\na: 1\n"), None);
        assert_eq!(split("\n---\na: 1\n---\n"), None);
        assert_eq!(split("----\n---\n"), None);
    }

    #[test]
    fn yaml_becomes_json_and_errors_name_the_line_of_the_file() {
        let yaml = "a: [1, 2.5, x, true, null]\nb: {c: 'd'}\n";
        assert_eq!(
            parse(yaml).unwrap(),
            json!({"a": [1, 2.5, "x", true, null], "b": {"c": "d"}})
        );
        assert_eq!(parse("").unwrap(), json!({}));
        assert_eq!(parse("# only a comment\n").unwrap(), json!({}));
        assert!(parse("a: 1\nb: [\n").unwrap_err().starts_with("line "));
        assert!(parse(&"[".repeat(40)).is_err());
        let deep = format!("{}{}", "[".repeat(40), "]".repeat(40));
        assert_eq!(parse(&deep).unwrap_err(), "it is nested too deeply");
        assert!(
            parse("a: 1\na: 2\n").is_err(),
            "a repeated key is a mistake"
        );
    }
}
