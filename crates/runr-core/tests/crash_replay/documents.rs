//! Documents after a power cut.

use runr_core::fs::{Document, Durability, Storage};

use crate::judge::{Program, Seen, Step, Verdict, judge};
use crate::{killed_at_each_call, temporaries};

fn document(storage: &Storage) -> Document {
    Document::new(storage.clone(), "/", "doc.json")
}

fn read(storage: &Storage) -> Seen {
    match document(storage).read() {
        Ok(text) => Ok(vec![format!("{text:?}")]),
        Err(damage) => Err(damage.to_string()),
    }
}

fn next(storage: &Storage) -> Result<(), String> {
    let add = |old: Option<&str>| Ok(format!("{}!", old.unwrap_or_default()));
    let wanted = document(storage)
        .update(add)
        .map_err(|error| error.to_string())?;
    let present = document(storage)
        .read()
        .map_err(|error| error.to_string())?;
    let left = temporaries(storage, "/");
    if present.as_ref() == Some(&wanted.text) && left.is_empty() {
        Ok(())
    } else {
        Err(format!("{present:?} and {left:?} after {wanted:?}"))
    }
}

fn created(storage: &Storage) {
    document(storage).create("the old text\n").unwrap();
}

fn updated(text: &'static str) -> Step<'static> {
    Box::new(move |storage| {
        document(storage).update(|_| Ok(text.into())).unwrap();
        true
    })
}

fn judged(before: &dyn Fn(&Storage), steps: Vec<Step<'_>>) -> Verdict {
    let (read, next) = (&read, &next);
    judge(&Program {
        before,
        steps,
        read,
        next,
    })
}

#[test]
fn an_acknowledged_change_of_a_document_survives_every_power_cut() {
    let created_anew: Step<'_> = Box::new(|storage| {
        created(storage);
        true
    });
    let replaced: Step<'_> = Box::new(|storage| {
        document(storage).replace("replaced\n").unwrap();
        true
    });
    judged(&|_| {}, vec![created_anew, updated("new\n")]).assert_safe();
    judged(
        &created,
        vec![updated("a longer new text\n"), updated("b\n")],
    )
    .assert_safe();
    judged(&created, vec![replaced, updated("b\n")]).assert_safe();
}

#[test]
fn a_change_after_a_killed_one_survives_every_power_cut() {
    // The second writer may want what the dead one wrote, or something else.
    for text in ["of the dead\n", "another\n"] {
        let of_the_dead = |storage: &Storage| {
            drop(document(storage).update(|_| Ok("of the dead\n".into())));
        };
        killed_at_each_call(of_the_dead, |dying| {
            judged(&created, vec![dying, updated(text)]).assert_safe();
        });
    }
}

#[test]
fn the_level_file_never_tears_but_may_lose_and_the_level_none_may_tear() {
    let at = |level: Durability| {
        let change: Step<'_> = Box::new(move |storage| {
            let document = document(storage).durability(level);
            document.update(|_| Ok("new\n".into())).unwrap();
            true
        });
        judged(&created, vec![change])
    };
    let file = at(Durability::File);
    assert!(file.torn.is_none() && file.lost.is_some(), "{file}");
    assert!(file.stuck.is_none(), "{file}");
    let none = at(Durability::None);
    assert!(none.torn.is_some() && none.lost.is_some(), "{none}");
}
