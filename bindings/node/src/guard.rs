//! One guard of one claim.

use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use napi::bindgen_prelude::{Function, Object};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi::{Env, Status};
use napi_derive::napi;
use runr_cli::embed;
use runr_core::fs::CancelFlag;
use runr_core::{Error, Result};

use crate::envelope;
use crate::promise::in_turn;

/// How often a wait for the event loop looks whether that still exists.
const LOOK: Duration = Duration::from_millis(100);

/// A function that waits for its turn on the event loop.
type Action = ThreadsafeFunction<(), (), (), Status, false>;

/// One guard. It is made empty and filled by `acquire`, because only plain values can cross from
/// the thread that claims.
#[napi]
#[derive(Default)]
pub struct Guard(Arc<OnceLock<embed::Guard>>);

#[napi]
impl Guard {
    /// A guard without a claim.
    #[napi(constructor)]
    pub fn new() -> Self {
        Self::default()
    }

    /// Claims a target; resolves to an envelope with the target, the run id and the token.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn acquire<'env>(&self, env: &'env Env, options: String) -> napi::Result<Object<'env>> {
        let place = Arc::clone(&self.0);
        in_turn(env, move || {
            envelope::json(|| {
                let guard = embed::Guard::acquire(&options, CancelFlag::default())?;
                let claim = guard.claim();
                match place.set(guard) {
                    Ok(()) => Ok(claim),
                    Err(_second) => Err(Error::internal("a guard was acquired twice")),
                }
            })
        })
    }

    /// Calls a function with the envelope of the error once, when the target is lost. Waiting for
    /// that keeps no program alive.
    #[napi]
    pub fn on_loss(&self, callback: Function<'_, String, ()>) -> napi::Result<()> {
        let tell = envelope::teller(callback)?;
        if let Some(guard) = self.0.get() {
            guard.on_loss(tell);
        }
        Ok(())
    }

    /// Whether the target is known to be lost; answers at once.
    #[napi]
    pub fn is_lost(&self) -> bool {
        self.0.get().is_some_and(embed::Guard::is_lost)
    }

    /// Resolves to an envelope with null if the guard holds its target at this moment.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn check<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        self.later(env, |guard| guard.check().map(|()| "null".to_owned()))
    }

    /// Runs a function on the event loop while nobody can take the target over.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn act<'env>(
        &self,
        env: &'env Env,
        action: Function<'_, (), ()>,
    ) -> napi::Result<Object<'env>> {
        let action = action.build_threadsafe_function::<()>().build()?;
        self.later(env, move |guard| {
            guard.act(|| on_event_loop(&action))??;
            Ok("null".to_owned())
        })
    }

    /// Gives the target up, for a reason (JSON); resolves to an envelope with the outcome.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn release<'env>(&self, env: &'env Env, reason: String) -> napi::Result<Object<'env>> {
        self.later(env, move |guard| guard.release(&reason))
    }

    fn later<'env>(
        &self,
        env: &'env Env,
        work: impl FnOnce(&embed::Guard) -> Result<String> + Send + 'static,
    ) -> napi::Result<Object<'env>> {
        let place = Arc::clone(&self.0);
        in_turn(env, move || {
            envelope::json(|| match place.get() {
                Some(guard) => work(guard),
                None => Err(Error::internal("a guard was used before it was acquired")),
            })
        })
    }
}

/// Runs a function on the event loop and waits for its end. A loop that ends first may say so, or
/// forget the function.
fn on_event_loop(action: &Action) -> Result<()> {
    let gone = || Error::internal("the event loop ended before the action was run");
    let (sender, receiver) = sync_channel(1);
    let asked = action.call_with_return_value(
        (),
        ThreadsafeFunctionCallMode::NonBlocking,
        move |ran, _| {
            // The receiver waits for nothing else.
            let _told = sender.send(ran.is_ok());
            Ok(())
        },
    );
    if asked != Status::Ok {
        return Err(gone());
    }
    loop {
        match receiver.recv_timeout(LOOK) {
            Ok(true) => return Ok(()),
            Err(RecvTimeoutError::Timeout) if !action.aborted() => {}
            Ok(false) | Err(_) => return Err(gone()),
        }
    }
}
