//! What stands in the place of the files of a claim.

use std::io;

use serde_json::Value;

use super::past::Past;
use crate::error::{Code, Error, Result};
use crate::mutant::without;
use crate::ownership::fencing::Fence;
use crate::ownership::files::stored::{Files, Text, is_in_the_way, read_fence};
use crate::ownership::model::Record;

/// The latest schema of a record that we know.
const LATEST_SCHEMA: f64 = 2.0;

/// A file of a claim.
#[derive(Debug)]
pub(super) enum State<T> {
    Missing,
    Usable(Text, T),
    /// Its text, if it has one, and what is wrong.
    Broken(Option<Text>, String),
}

impl<T> State<T> {
    pub(super) fn usable(&self) -> Option<&T> {
        match self {
            Self::Usable(_, value) => Some(value),
            _ => None,
        }
    }

    pub(super) fn is_broken(&self) -> bool {
        matches!(self, Self::Broken(..))
    }

    pub(super) fn text(&self) -> Option<&Text> {
        match self {
            Self::Usable(text, _) => Some(text),
            Self::Broken(text, _) => text.as_ref(),
            Self::Missing => None,
        }
    }
}

/// All files of a claim.
#[derive(Debug)]
pub(super) struct Seen {
    /// The record; none in a usable file if it says that there is none.
    pub(super) record: State<Option<Record>>,
    pub(super) fence: State<Fence>,
    pub(super) past: Past,
    pub(super) damage: Option<Damage>,
}

/// What is wrong with the archive.
#[derive(Debug)]
pub(super) struct Damage {
    pub(super) reason: String,
    /// So many bytes before it are good.
    pub(super) offset: Option<u64>,
}

impl Seen {
    pub(super) fn look(files: &Files<'_>) -> Result<Self> {
        let record = record(files)?;
        let fence = fence(files)?;
        let mut past = Past::until(fence.usable().map(|fence| fence.token));
        let read = files.archive.replay_in(files.dir, |line| past.take(&line));
        let damage = match read {
            Ok(()) => None,
            Err(error) if is_damage(files, &error) => Some(Damage {
                offset: error.context().get("offset").and_then(Value::as_u64),
                reason: reason(&error),
            }),
            Err(error) => return Err(error),
        };
        Ok(Self {
            record,
            fence,
            past,
            damage,
        })
    }

    /// Whether there was a sidecar, and is none that can be used.
    pub(super) fn has_lost_fence(&self) -> bool {
        match self.fence {
            State::Usable(..) => false,
            State::Broken(..) => true,
            State::Missing => self.past.highest().is_some() || self.damage.is_some(),
        }
    }
}

fn is_damage(files: &Files<'_>, error: &Error) -> bool {
    error.code() == Code::StoreCorrupt || is_in_the_way(files.dir, &files.place.names.archive)
}

fn record(files: &Files<'_>) -> Result<State<Option<Record>>> {
    let text = match files.read_text() {
        Ok(Some(text)) => text,
        Ok(None) => return Ok(State::Missing),
        Err(error) if error.code() == Code::StoreCorrupt => {
            return Ok(State::Broken(None, reason(&error)));
        }
        Err(error) => return Err(error),
    };
    match files.read_record(&text.text) {
        Ok(record) => Ok(State::Usable(text, record)),
        Err(error) if is_newer(&error) && !without("repair-newer") => Err(error),
        Err(error) => Ok(State::Broken(Some(text), reason(&error))),
    }
}

fn reason(error: &Error) -> String {
    error
        .context()
        .get("cause")
        .and_then(|cause| cause.as_str())
        .map_or_else(|| error.to_string(), str::to_owned)
}

/// Whether a later version of the format wrote it: it is not broken, we are too old.
fn is_newer(error: &Error) -> bool {
    let version = error.context().get("schema_version");
    let number = version.and_then(|it| it.as_str()?.parse::<f64>().ok());
    error.code() == Code::RecordSchema && number.is_some_and(|number| number > LATEST_SCHEMA)
}

fn fence(files: &Files<'_>) -> Result<State<Fence>> {
    let name = &files.place.names.fence;
    match files.read_fence_text()? {
        Some(text) => match read_fence(&text.text) {
            Some(fence) => Ok(State::Usable(text, fence)),
            None => Ok(State::Broken(Some(text), "it holds no token".to_owned())),
        },
        None => match files.dir.stat(name) {
            Ok(_) => Ok(State::Broken(None, "it is no file with a text".to_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(State::Missing),
            Err(error) => Err(Error::io("stat", &files.place.fence(), error)),
        },
    }
}
