//! Promises for work that may wait for others.
//!
//! It must not take a thread of the pool: there are only four, shared with the file system calls
//! of the host program.

use std::collections::VecDeque;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use napi::bindgen_prelude::{Object, ToNapiValue};
use napi::{Env, Error, Result};

/// What settles the promise, on the event loop.
type Resolver<T> = Box<dyn FnOnce(Env) -> Result<T> + Send>;

/// Work whose promise is settled at its end.
type Job = Box<dyn FnOnce() + Send>;

/// Runs `work`, which may take minutes, on a thread of its own and returns the promise of its
/// answer.
pub(crate) fn on_own_thread<T: ToNapiValue + Send + 'static>(
    env: &Env,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<Object<'_>> {
    promise(env, work, spawn)
}

/// Runs `work`, which may wait for a lock, on one of a few threads for such work.
pub(crate) fn in_turn<T: ToNapiValue + Send + 'static>(
    env: &Env,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<Object<'_>> {
    promise(env, work, line_up)
}

fn promise<T: ToNapiValue + Send + 'static>(
    env: &Env,
    work: impl FnOnce() -> T + Send + 'static,
    start: impl FnOnce(Job) -> io::Result<()>,
) -> Result<Object<'_>> {
    let (deferred, promise) = env.create_deferred::<T, Resolver<T>>()?;
    let job = move || {
        let answer = work();
        deferred.resolve(Box::new(move |_| Ok(answer)));
    };
    match start(Box::new(job)) {
        Ok(()) => Ok(promise),
        Err(why) => Err(Error::from_reason(format!("cannot start a thread: {why}"))),
    }
}

fn spawn(job: Job) -> io::Result<()> {
    // The job settles a promise; nobody joins the thread.
    thread::Builder::new()
        .name("runr".into())
        .spawn(job)
        .map(drop)
}

/// So many locks may be waited for at once. Each wait has a deadline, so a thousand writes to one
/// run must come one after the other and not wait for each other all together.
const MOST_WAITERS: usize = 32;

static LINE: Mutex<Line> = Mutex::new(Line {
    jobs: VecDeque::new(),
    threads: 0,
});

/// What is to be done, and how many threads are at it.
struct Line {
    jobs: VecDeque<Job>,
    threads: usize,
}

fn line() -> MutexGuard<'static, Line> {
    // Each change of it is one step: a panic leaves it whole.
    LINE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Puts a job into the line; a thread that finds no job left ends.
fn line_up(job: Job) -> io::Result<()> {
    let mut line = line();
    line.jobs.push_back(job);
    if line.threads == MOST_WAITERS {
        return Ok(());
    }
    match spawn(Box::new(work_off)) {
        Ok(()) => line.threads += 1,
        // Those that are there do it.
        Err(_) if line.threads > 0 => {}
        Err(why) => {
            line.jobs.pop_back();
            return Err(why);
        }
    }
    Ok(())
}

fn work_off() {
    while let Some(job) = next() {
        job();
    }
}

fn next() -> Option<Job> {
    let mut line = line();
    let job = line.jobs.pop_front();
    if job.is_none() {
        line.threads -= 1;
    }
    job
}
