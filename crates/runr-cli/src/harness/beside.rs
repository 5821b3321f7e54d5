//! Threads that work beside the driver until it ends them.

use std::sync::mpsc::Sender;
use std::thread::JoinHandle;

/// A thread that is ended, and waited for, when this is dropped; by the process that started it.
pub(crate) struct Beside<T = ()> {
    home: u32,
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<T>>,
}

impl<T> Beside<T> {
    /// A thread that ends when `stop` is gone, or by itself.
    pub(crate) fn over(thread: JoinHandle<T>, stop: Option<Sender<()>>) -> Self {
        Self {
            home: std::process::id(),
            stop,
            thread: Some(thread),
        }
    }

    /// Ends the thread; what it returned, unless it panicked.
    pub(crate) fn end(mut self) -> Option<T> {
        self.join()
    }

    fn join(&mut self) -> Option<T> {
        let (stop, thread) = (self.stop.take(), self.thread.take());
        if std::process::id() != self.home {
            // A forked copy has the handle of a thread that it does not have: there is nothing to
            // end, and whatever the thread had locked is locked for ever.
            std::mem::forget((stop, thread));
            return None;
        }
        drop(stop);
        thread?.join().ok()
    }
}

impl<T> Drop for Beside<T> {
    fn drop(&mut self) {
        drop(self.join());
    }
}
