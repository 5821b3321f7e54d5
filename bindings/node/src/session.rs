//! One driver of one run.

use std::sync::{Arc, OnceLock};

use napi::Env;
use napi::bindgen_prelude::{Function, Object};
use napi_derive::napi;
use runr_cli::embed;
use runr_core::fs::CancelFlag;
use runr_core::{Error, Result};

use crate::envelope;
use crate::promise::on_own_thread;

/// One driver of one run. It is made empty and filled by `start` or `resume`, because only plain
/// values can cross from the thread that starts a run.
#[napi]
#[derive(Default)]
pub struct Session(Arc<OnceLock<embed::Session>>);

#[napi]
impl Session {
    /// A session without a run.
    #[napi(constructor)]
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts a run from the JSON of its options; resolves to an envelope with the run id.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn start<'env>(&self, env: &'env Env, options: String) -> napi::Result<Object<'env>> {
        self.fill(env, move || {
            embed::Session::start(&options, CancelFlag::default())
        })
    }

    /// Goes on with a run; resolves to an envelope with the run id.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn resume<'env>(&self, env: &'env Env, options: String) -> napi::Result<Object<'env>> {
        self.fill(env, move || {
            embed::Session::resume(&options, CancelFlag::default())
        })
    }

    /// Resolves to an envelope with the next call, or null at the end; may take minutes.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn next_call<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        self.later(env, |session| {
            Ok(session.next_call()?.unwrap_or_else(|| "null".to_owned()))
        })
    }

    /// Answers a call.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn reply<'env>(
        &self,
        env: &'env Env,
        call_id: String,
        reply: String,
    ) -> napi::Result<Object<'env>> {
        self.later(env, move |session| {
            session.reply(&call_id, &reply).map(|()| "null".to_owned())
        })
    }

    /// Where the run stands; answers at once.
    #[napi]
    pub fn outcome(&self) -> String {
        envelope::json(|| filled(&self.0)?.outcome())
    }

    /// Stops the run for a cause: `signal` or `stop_request`.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn stop<'env>(&self, env: &'env Env, cause: String) -> napi::Result<Object<'env>> {
        self.later(env, move |session| {
            session.stop(&cause).map(|()| "null".to_owned())
        })
    }

    /// Leaves the run; one that has not ended is stopped.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn close<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        self.later(env, |session| session.close().map(|()| "null".to_owned()))
    }

    /// Calls a function with the envelope of the error once, when the run may not go on under its
    /// claim.
    #[napi]
    pub fn on_claim_end(&self, callback: Function<'_, String, ()>) -> napi::Result<()> {
        let tell = envelope::teller(callback)?;
        if let Some(session) = self.0.get() {
            session.on_claim_end(tell);
        }
        Ok(())
    }

    /// Asks a waiting `nextCall` to return soon.
    #[napi]
    pub fn cancel(&self) -> String {
        envelope::done(|| {
            filled(&self.0)?.cancel();
            Ok(())
        })
    }

    fn fill<'env>(
        &self,
        env: &'env Env,
        make: impl FnOnce() -> Result<embed::Session> + Send + 'static,
    ) -> napi::Result<Object<'env>> {
        let place = Arc::clone(&self.0);
        on_own_thread(env, move || {
            envelope::json(|| {
                let session = make()?;
                let run_id = serde_json::Value::String(session.run_id()).to_string();
                match place.set(session) {
                    Ok(()) => Ok(run_id),
                    Err(_second) => Err(Error::internal("a session was started twice")),
                }
            })
        })
    }

    fn later<'env>(
        &self,
        env: &'env Env,
        work: impl FnOnce(&embed::Session) -> Result<String> + Send + 'static,
    ) -> napi::Result<Object<'env>> {
        let place = Arc::clone(&self.0);
        on_own_thread(env, move || envelope::json(|| work(filled(&place)?)))
    }
}

fn filled(place: &OnceLock<embed::Session>) -> Result<&embed::Session> {
    place
        .get()
        .ok_or_else(|| Error::internal("a session was used before it was started"))
}
