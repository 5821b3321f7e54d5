//! Promises for work that may wait for minutes.
//!
//! It must not take a thread of the pool: there are only four, shared with the file system calls
//! of the host program.

use napi::bindgen_prelude::{Object, ToNapiValue};
use napi::{Env, Error, Result};

/// What settles the promise, on the event loop.
type Resolver<T> = Box<dyn FnOnce(Env) -> Result<T> + Send>;

/// Runs `work` on a thread of its own and returns the promise of its answer.
pub(crate) fn on_own_thread<T: ToNapiValue + Send + 'static>(
    env: &Env,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<Object<'_>> {
    let (deferred, promise) = env.create_deferred::<T, Resolver<T>>()?;
    let started = std::thread::Builder::new()
        .name("runr".into())
        .spawn(move || {
            let answer = work();
            deferred.resolve(Box::new(move |_| Ok(answer)));
        });
    match started {
        // The thread settles the promise; nobody joins it.
        Ok(_detached) => Ok(promise),
        Err(why) => Err(Error::from_reason(format!("cannot start a thread: {why}"))),
    }
}
