//! Exit signals that others record for the run of a guard.

use crate::ownership::model::{ExitSignal, Record, RunName};

/// Tells the exit signals that came after the claim from those of an earlier life of the same run.
///
/// They are counted. Their times may be any text, and a run that is resumed keeps the time of its
/// first claim.
#[derive(Debug)]
pub(super) struct ExitWatch {
    run: RunName,
    known: usize,
    found: Option<ExitSignal>,
}

impl ExitWatch {
    /// Counts what the record holds when it is claimed as known.
    pub(super) fn new(run: RunName, claimed: Option<&Record>) -> Self {
        let known = of(&run, claimed).count();
        Self {
            run,
            known,
            found: None,
        }
    }

    /// Looks for new ones.
    pub(super) fn look(&mut self, record: Option<&Record>) {
        let count = of(&self.run, record).count();
        if count > self.known {
            self.found = of(&self.run, record).last().cloned();
        }
        // Fewer than before: another program has cut the list. What comes then is new.
        self.known = count;
    }

    /// The newest one that came after the claim.
    pub(super) fn found(&self) -> Option<&ExitSignal> {
        self.found.as_ref()
    }
}

fn of<'a>(run: &'a RunName, record: Option<&'a Record>) -> impl Iterator<Item = &'a ExitSignal> {
    let signals = record.map_or(&[][..], |record| &record.exit_signals);
    signals.iter().filter(move |signal| signal.run_id == *run)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ownership::Target;

    fn record(signals: &[(&str, &str)]) -> Record {
        let mut record = Record::new(Target::pr("acme/shop", 17).unwrap());
        let signal = |(run, reason): &(&str, &str)| ExitSignal {
            run_id: RunName::new(*run).unwrap(),
            at: None,
            reason: Some((*reason).into()),
        };
        record.exit_signals = signals.iter().map(signal).collect();
        record
    }

    #[test]
    fn only_signals_of_this_run_after_the_claim_count() {
        let run = RunName::new("run-1").unwrap();
        let old = record(&[("run-1", "an earlier life"), ("run-2", "another")]);
        let mut watch = ExitWatch::new(run, Some(&old));
        watch.look(Some(&old));
        assert_eq!(watch.found(), None);
        let mut more = record(&[("run-1", "an earlier life"), ("run-2", "another")]);
        more.exit_signals
            .extend(record(&[("run-2", "again")]).exit_signals);
        watch.look(Some(&more));
        assert_eq!(watch.found(), None);
        more.exit_signals
            .extend(record(&[("run-1", "stop now")]).exit_signals);
        watch.look(Some(&more));
        let found = watch.found().and_then(|signal| signal.reason.clone());
        assert_eq!(found, Some("stop now".into()));
        // It stays found.
        watch.look(Some(&more));
        watch.look(None);
        assert!(watch.found().is_some());
    }

    #[test]
    fn a_list_that_was_cut_hides_no_new_signal() {
        let run = RunName::new("run-1").unwrap();
        let mut watch = ExitWatch::new(run, Some(&record(&[("run-1", "a"), ("run-1", "b")])));
        watch.look(Some(&record(&[])));
        assert_eq!(watch.found(), None);
        watch.look(Some(&record(&[("run-1", "c")])));
        assert!(watch.found().is_some());
    }
}
