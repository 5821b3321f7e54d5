//! The archive of a claim.

use runr_core::Code;
use runr_core::fs::{MemoryFs, Open};
use runr_core::ownership::{ArchivedKind, ClaimStore};
use serde_json::Value;

use crate::world::{ARCHIVE, FENCE, RECORD, World, target};

fn claimed() -> World {
    let world = World::new(MemoryFs::new().into());
    world.claim("a").unwrap();
    world
}

#[test]
fn what_leaves_the_record_stands_in_the_archive() {
    let world = claimed();
    for _ in 0..60 {
        world.claim("a").unwrap();
    }
    let token = world.token().unwrap();
    let archived = world.archived();
    let evicted = archived
        .iter()
        .filter(|line| line.0 == ArchivedKind::Evicted);
    assert_eq!(evicted.count(), 11);
    assert_eq!(
        archived[1],
        (ArchivedKind::Evicted, token.0, "claim".to_owned())
    );
    let record: Value = serde_json::from_str(&world.text(RECORD)).unwrap();
    assert_eq!(record["history"].as_array().unwrap().len(), 50);
}

#[test]
fn an_event_of_another_program_keeps_its_spelling_on_one_line() {
    let world = claimed();
    let strange = "{\n  \"n\": 1.50, \"type\": \"x\",\n  \"s\": \"\\ud800 \\/ a\"\n}";
    let events = vec!["{\"type\":\"y\"}"; 50].join(",");
    let text = world.text(RECORD);
    let start = text.find("\"history\": [").unwrap() + "\"history\": [".len();
    let text = format!("{}{strange},{events},{}", &text[..start], &text[start..]);
    world.put(RECORD, &text);
    world.claim("a").unwrap();
    let archive = world.text(ARCHIVE);
    let line = "\"kind\":\"evicted\",\"event\":{\"n\":1.50,\"type\":\"x\",\"s\":\"\\ud800 \\/ a\"},\"seq\":2}\n";
    assert!(archive.contains(line), "{archive}");
    // And it is an archive still.
    world.release("a").unwrap();
}

#[test]
fn a_torn_last_line_is_cut_by_the_next_one() {
    let world = claimed();
    let mut file = world.dir().open(ARCHIVE, Open::Append).unwrap();
    file.write(b"{\"token\":17,\"ki").unwrap();
    drop(file);
    world.release("a").unwrap();
    assert_eq!(world.archived().len(), 2);
}

#[test]
fn a_damaged_archive_is_named_and_stays_as_it_is() {
    for damage in [
        "rubbish\n",
        "{\"token\":1}\n",
        "{\"token\":18446744073709551615,\"kind\":\"change\",\"event\":{},\"seq\":1}\n",
    ] {
        let world = claimed();
        let [record, fence] = [RECORD, FENCE].map(|name| world.text(name));
        world.put(ARCHIVE, damage);
        let error = world.take_over("b").unwrap_err();
        assert_eq!(error.code(), Code::StoreCorrupt);
        assert_eq!(
            error.path().unwrap(),
            &format!("{}/{ARCHIVE}", crate::world::FOLDER)
        );
        assert!(
            error.hint_text().unwrap().contains("runr owner repair"),
            "{error:?}"
        );
        assert_eq!(
            [ARCHIVE, RECORD, FENCE].map(|name| world.text(name)),
            [damage.to_owned(), record, fence]
        );
        // Its owner goes on as long as nothing has to be archived.
        assert!(world.claim("a").unwrap().ok());
        // Where it is the only one who knows the token, nothing goes on.
        world.put(FENCE, "rubbish");
        assert_eq!(world.claim("a").unwrap_err().code(), Code::StoreCorrupt);
        assert_eq!(
            world.claims.load(&target()).unwrap_err().code(),
            Code::StoreCorrupt
        );
        assert_eq!(world.owner().unwrap(), "a");
    }
}
