//! What a preparation found out: notes, doubts, and what somebody has to settle.

/// Collected while deciding; the status and the advice follow from it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    /// In the order in which they were found.
    pub notes: Vec<String>,
    /// What somebody has to settle; each is a note too.
    pub blockers: Vec<String>,
    /// Whether anything makes the choice doubtful.
    pub doubtful: bool,
    /// Whether what is stored needs its owner.
    pub needs_owner: bool,
}

/// Who settles a blocker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Settles {
    /// The caller, by naming the work item.
    Caller,
    /// Whoever owns the stored data.
    Owner,
}

impl Findings {
    /// Something worth knowing.
    pub(super) fn note(&mut self, text: impl Into<String>) {
        let text = text.into();
        if !self.notes.contains(&text) {
            self.notes.push(text);
        }
    }

    /// Something that makes the choice doubtful.
    pub(super) fn doubt(&mut self, text: impl Into<String>) {
        self.doubtful = true;
        self.note(text);
    }

    /// Something that has to be settled.
    pub(super) fn block(&mut self, text: impl Into<String>, by: Settles) {
        let text = text.into();
        self.needs_owner |= by == Settles::Owner;
        self.blockers.push(text.clone());
        self.doubt(text);
    }

    /// Adds what was found later.
    pub(super) fn extend(&mut self, later: Self) {
        self.doubtful |= later.doubtful;
        self.needs_owner |= later.needs_owner;
        for note in later.notes {
            self.note(note);
        }
        self.blockers.extend(later.blockers);
    }
}
