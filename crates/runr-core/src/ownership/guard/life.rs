//! What a guard knows of its claim between two looks at the store.

use std::mem;
use std::time::{Duration, Instant};

use super::loss::Loss;
use super::signals::ExitWatch;
use crate::error::Error;
use crate::mutant::without;
use crate::ownership::model::Record;

/// What is called when a claim is lost.
pub(super) type OnLoss = Box<dyn FnOnce(&Error) + Send>;

/// The life of a claim in the hands of a guard. It only goes one way: once out, always out.
pub(super) struct Life {
    /// The longest time without a sign of life in which the guard still acts.
    limit: Duration,
    /// When the last sign of life that reached the record was *begun*: its stamp is not younger.
    last: Instant,
    /// Why the heartbeats since then failed.
    failure: Option<Error>,
    /// Whether a heartbeat is under way.
    pub(super) beating: bool,
    /// Why the guard may not act any more.
    out: Option<Loss>,
    listeners: Vec<OnLoss>,
    /// The exit signals of the run.
    pub(super) exit: ExitWatch,
}

impl Life {
    /// A claim that was made, or found, at `began` and lives for `ttl` without a sign of life.
    ///
    /// The guard stops at two thirds of that: the rest is for what is under way when it stops, and
    /// for clocks that do not run alike.
    pub(super) fn new(began: Instant, ttl: Duration, exit: ExitWatch) -> Self {
        Self {
            limit: ttl / 3 * 2,
            last: began,
            failure: None,
            beating: false,
            out: None,
            listeners: Vec::new(),
            exit,
        }
    }

    /// How long the guard may act without another sign of life; or why it may not.
    pub(super) fn standing(&self, now: Instant) -> Result<Duration, Loss> {
        if let Some(loss) = &self.out {
            return Err(loss.clone());
        }
        let silence = now.saturating_duration_since(self.last);
        let left = self.limit.saturating_sub(silence);
        if left.is_zero() && !without("guard-silence") {
            let cause = self.failure.as_ref().map(Error::to_json);
            return Err(Loss::Silent { silence, cause });
        }
        Ok(left)
    }

    /// Notes a sign of life that reached the record.
    pub(super) fn alive(&mut self, began: Instant, record: Option<&Record>) {
        self.last = began;
        self.failure = None;
        self.exit.look(record);
    }

    /// Notes why a heartbeat failed.
    pub(super) fn failed(&mut self, error: Error) {
        self.failure = Some(error);
    }

    /// Puts the guard out, unless it is already; who wants to know of it.
    pub(super) fn put_out(&mut self, loss: Loss) -> Vec<OnLoss> {
        if self.out.is_none() {
            self.out = Some(loss);
        }
        mem::take(&mut self.listeners)
    }

    /// Why the guard may not act any more.
    pub(super) fn out(&self) -> Option<&Loss> {
        self.out.as_ref()
    }

    /// Calls `listener` when the claim is lost. Given back if nothing of the kind can happen now.
    pub(super) fn listen(&mut self, listener: OnLoss) -> Option<OnLoss> {
        if self.out.is_some() {
            return Some(listener);
        }
        self.listeners.push(listener);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;
    use crate::ownership::{RunName, Target};

    const TTL: Duration = Duration::from_secs(60);

    fn life(began: Instant) -> Life {
        let run = RunName::new("run-1").unwrap();
        Life::new(began, TTL, ExitWatch::new(run, None))
    }

    #[test]
    fn the_guard_stops_at_two_thirds_of_the_lease() {
        let began = Instant::now();
        let mut life = life(began);
        let at = |seconds| began + Duration::from_secs(seconds);
        assert_eq!(life.standing(at(0)), Ok(Duration::from_secs(40)));
        assert_eq!(life.standing(at(39)), Ok(Duration::from_secs(1)));
        let silent = life.standing(at(40)).unwrap_err();
        assert!(matches!(silent, Loss::Silent { silence, .. } if silence.as_secs() == 40));
        // A heartbeat counts from when it was begun.
        life.alive(at(20), None);
        assert_eq!(life.standing(at(59)), Ok(Duration::from_secs(1)));
        assert!(life.standing(at(60)).is_err());
    }

    #[test]
    fn silence_names_the_failure_since_the_last_success_only() {
        let began = Instant::now();
        let mut life = life(began);
        life.failed(Error::new(Code::Io, "the disk is gone"));
        let silent = life.standing(began + TTL).unwrap_err();
        let Loss::Silent { cause, .. } = &silent else {
            panic!("{silent:?}");
        };
        assert_eq!(cause.as_ref().unwrap()["code"], "E_IO");
        let target = Target::pr("acme/shop", 17).unwrap();
        let about = super::super::loss::About {
            target: &target,
            run_id: &RunName::new("run-1").unwrap(),
            token: None,
            location: "pr-17.json",
        };
        let error = silent.error(about);
        assert_eq!(
            error.to_string(),
            "Ownership lost: acme/shop#17 has had no heartbeat for 60.0 s: the disk is gone"
        );
        life.alive(began, None);
        let silent = life.standing(began + TTL).unwrap_err();
        assert!(matches!(silent, Loss::Silent { cause: None, .. }));
    }

    #[test]
    fn the_first_loss_is_the_one_that_is_told() {
        let began = Instant::now();
        let mut life = life(began);
        assert!(life.listen(Box::new(|_| ())).is_none());
        let replaced = Loss::Replaced {
            owner: None,
            token: None,
        };
        assert_eq!(life.put_out(replaced.clone()).len(), 1);
        assert_eq!(life.put_out(Loss::Ended).len(), 0);
        assert_eq!(life.standing(began), Err(replaced));
        assert!(life.listen(Box::new(|_| ())).is_some());
    }
}
