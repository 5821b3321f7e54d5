//! A look at the claim of a run once a second, while a worker or a check is at work, or the program
//! around the driver.

use std::sync::mpsc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use runr_core::fs::CancelFlag;
use runr_core::ownership::Guard;
use runr_core::phase::claim::ClaimEnd;
use runr_core::{Code, Error, Result};

use super::end_of;
use crate::harness::beside::Beside;

/// How long a run may go on without knowing that its claim has ended. The guard's own heartbeat is
/// rarer, and a look takes no lock.
const EVERY: Duration = Duration::from_secs(1);

/// Who wants to be told of the end of a claim.
pub(crate) type Listener = Box<dyn FnOnce(&ClaimEnd) + Send>;

/// What is known of the end of a claim, and who is to know it.
#[derive(Default)]
enum News {
    #[default]
    None,
    Wanted(Listener),
    Ended(ClaimEnd),
}

/// Raises a flag when the claim does not let the run go on; ends when it is dropped.
pub(super) struct Watch {
    news: Arc<Mutex<News>>,
    _thread: Option<Beside>,
}

impl Watch {
    /// Starts to look.
    ///
    /// # Errors
    /// `E_IO` if there are no threads left.
    pub(super) fn start(guard: Arc<Guard>, cancel: CancelFlag) -> Result<Self> {
        let (stop, stopped) = mpsc::channel();
        let news = Arc::<Mutex<News>>::default();
        let heard = Arc::clone(&news);
        let look = move || {
            while let Err(mpsc::RecvTimeoutError::Timeout) = stopped.recv_timeout(EVERY) {
                // What cannot be read now is read by the next look, or the guard gives up.
                if let Ok(Some(end)) = end_of(&guard) {
                    cancel.cancel();
                    tell(&heard, end);
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name("runr-claim".to_owned());
        let thread = thread.spawn(look).map_err(|why| {
            let message = format!("cannot start the watch over a claim: {why}");
            Error::new(Code::Io, message).during("spawn").caused_by(why)
        })?;
        Ok(Self {
            news,
            _thread: Some(Beside::over(thread, Some(stop))),
        })
    }

    /// Calls `listener` when the claim ends, or at once if it has.
    pub(super) fn on_end(&self, listener: Listener) {
        let mut news = lock(&self.news);
        match &*news {
            News::Ended(end) => {
                let end = end.clone();
                drop(news);
                listener(&end);
            }
            News::None | News::Wanted(_) => *news = News::Wanted(listener),
        }
    }
}

/// Tells the one who wants to know, or keeps it for whoever asks.
fn tell(news: &Mutex<News>, end: ClaimEnd) {
    let before = std::mem::replace(&mut *lock(news), News::Ended(end.clone()));
    if let News::Wanted(listener) = before {
        listener(&end);
    }
}

fn lock(news: &Mutex<News>) -> MutexGuard<'_, News> {
    // A value is replaced whole, so a panic leaves none half written.
    news.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn idle() -> Watch {
        Watch {
            news: Arc::default(),
            _thread: None,
        }
    }

    /// What a listener of this watch hears.
    fn hear(watch: &Watch) -> mpsc::Receiver<ClaimEnd> {
        let (say, heard) = mpsc::channel();
        watch.on_end(Box::new(move |end| say.send(end.clone()).unwrap()));
        heard
    }

    #[test]
    fn the_end_is_told_once_whether_it_comes_before_the_listener_or_after() {
        let end = ClaimEnd::Lost("gone".to_owned());
        let watch = idle();
        let early = hear(&watch);
        assert!(early.try_recv().is_err());
        tell(&watch.news, end.clone());
        let late = hear(&watch);
        for heard in [early, late] {
            assert_eq!(heard.iter().collect::<Vec<_>>(), std::slice::from_ref(&end));
        }
    }
}
