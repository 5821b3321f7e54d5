//! The recorded cases of `identity-cases.json`.

use runr_core::identity::{Branch, Facts, PrepReport, PrepRequest};
use serde_json::{Map, Value, json};

use crate::place::{Contents, Place};

#[test]
fn every_recorded_case_ends_as_recorded() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/vectors/identity-cases.json"
    );
    let all: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let cases = all["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 62);
    let mut wrong = Vec::new();
    for case in cases {
        let Some(place) = Place::of(&case["fs"]) else {
            continue;
        };
        for step in case["steps"].as_array().unwrap() {
            let before = place.contents();
            let report = place.prep(&request(step), step["now"].as_str().unwrap());
            let seen = Seen {
                place: &place,
                before: &before,
                report: &report,
            };
            for (key, expected) in step["expect"].as_object().unwrap() {
                let actual = seen.actual(key, expected);
                if actual != *expected {
                    wrong.push(format!("{} {key}: {expected} but {actual}", case["id"]));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn request(step: &Value) -> PrepRequest {
    let asked = &step["request"];
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let mut request = PrepRequest::new(asked["flow"].as_str().unwrap().parse().unwrap());
    request.run_id = text(&asked["run_id"]);
    request.refs = asked["refs"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(text)
        .collect();
    request.restart = asked["restart"].as_bool().unwrap();
    request.base_ref = text(&asked["base_ref"]);
    request.facts = serde_json::from_value::<Facts>(asked["facts"].clone()).unwrap();
    let git = &step["git"];
    request.branch = match git["state"].as_str().unwrap() {
        "branch" => Branch::Named {
            name: text(&git["branch"]).unwrap(),
            upstream: text(&git["upstream"]),
        },
        "detached" => Branch::Detached,
        _ => Branch::Unavailable { why: None },
    };
    request
}

/// What a step left.
struct Seen<'a> {
    place: &'a Place,
    before: &'a Contents,
    report: &'a PrepReport,
}

impl Seen<'_> {
    /// What is there where a case expects something: the very same if it holds.
    fn actual(&self, key: &str, expected: &Value) -> Value {
        let report = serde_json::to_value(self.report).unwrap();
        let holds = |it: bool| if it { expected.clone() } else { Value::Null };
        match key {
            "rid" => report["run_id"].clone(),
            "rid_one_of" => holds(list(expected).contains(&report["run_id"])),
            "rid_matches" => {
                let id = report["run_id"].as_str().unwrap();
                let form = regex::Regex::new(expected.as_str().unwrap()).unwrap();
                holds(form.is_match(id))
            }
            "status_not" => holds(report["status"] != *expected),
            "missing_required_nonempty" => json!(!list(&report["missing_required"]).is_empty()),
            "meta" => subset(&self.meta(), expected),
            "aliases" => self.meta()["aliases"].clone(),
            "aliases_include" => {
                let aliases = self.meta()["aliases"].clone();
                holds(
                    list(expected)
                        .iter()
                        .all(|alias| list(&aliases).contains(alias)),
                )
            }
            "meta_unchanged_except" => holds(self.unchanged_except(list(expected))),
            "meta_key_order" => {
                let meta = self.meta();
                let keys = meta.as_object().unwrap().keys().map(|key| json!(key));
                keys.filter(|key| list(expected).contains(key)).collect()
            }
            "number_literals" => self.literals(expected),
            "index_order" => list(&self.index()["runs"])
                .iter()
                .map(|it| it["run_id"].clone())
                .collect(),
            "index_entry" => subset(&entry(&self.index(), &report["run_id"]), expected),
            "index_entries_unchanged" => {
                let before: Value = parse(&self.before[std::path::Path::new(".runs/index.json")]);
                let after = self.index();
                holds(
                    list(expected)
                        .iter()
                        .all(|id| entry(&before, id) == entry(&after, id)),
                )
            }
            "index_top" => subset(&self.index(), expected),
            "dirs_exist" => {
                let there = |dir: &Value| self.place.root().join(dir.as_str().unwrap()).is_dir();
                holds(list(expected).iter().all(there))
            }
            "files_unchanged" => {
                let after = self.place.contents();
                let same = |path: &Value| {
                    let path = std::path::Path::new(path.as_str().unwrap());
                    self.before[path] == after[path]
                };
                holds(list(expected).iter().all(same))
            }
            "bytes_preserved" => {
                let after = self.place.contents();
                let kept = |path: &Value| {
                    let bytes = &self.before[std::path::Path::new(path.as_str().unwrap())];
                    after.values().any(|it| it == bytes)
                };
                holds(list(expected).iter().all(kept))
            }
            "no_paths_outside" => {
                let inside = |contents: &Contents| {
                    let mut outside = contents.clone();
                    outside.retain(|path, _| !path.starts_with(".runs"));
                    outside
                };
                holds(inside(self.before) == inside(&self.place.contents()))
            }
            key => report[key].clone(),
        }
    }

    fn path(&self) -> String {
        format!(
            ".runs/{}/run_meta.json",
            self.report.run_id.as_deref().unwrap()
        )
    }

    fn meta(&self) -> Value {
        serde_json::from_str(&self.place.text(&self.path())).unwrap()
    }

    fn index(&self) -> Value {
        serde_json::from_str(&self.place.text(".runs/index.json")).unwrap()
    }

    fn unchanged_except(&self, except: &[Value]) -> bool {
        let before: Value = parse(&self.before[std::path::Path::new(&self.path())]);
        let after = self.meta();
        let same = |(key, value): (&String, &Value)| {
            except.contains(&json!(key)) || after.get(key) == Some(value)
        };
        let known = |key: &&String| before.get(key.as_str()).is_some();
        let (before_map, after_map) = (before.as_object().unwrap(), after.as_object().unwrap());
        before_map.iter().all(same) && before_map.keys().eq(after_map.keys().filter(known))
    }

    fn literals(&self, expected: &Value) -> Value {
        let text = self.place.text(&self.path());
        let found = |path: &String| {
            let literal = expected[path].as_str().unwrap();
            let key = path.rsplit('/').next().unwrap();
            text.contains(&format!("\"{key}\": {literal}"))
                .then(|| json!(literal))
        };
        let literals = expected.as_object().unwrap().keys();
        literals
            .map(|path| (path.clone(), found(path).into()))
            .collect::<Map<_, _>>()
            .into()
    }
}

fn parse(bytes: &Option<Vec<u8>>) -> Value {
    serde_json::from_slice(bytes.as_ref().unwrap()).unwrap()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

fn entry(index: &Value, id: &Value) -> Value {
    let found = list(&index["runs"]).iter().find(|it| it["run_id"] == *id);
    found.cloned().unwrap_or_default()
}

/// Of an object only what is asked for; absent is null.
fn subset(object: &Value, asked: &Value) -> Value {
    let keys = asked.as_object().unwrap().keys();
    let read = |key: &String| (key.clone(), object.get(key).cloned().unwrap_or_default());
    Value::Object(keys.map(read).collect())
}
