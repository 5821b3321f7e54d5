//! The wish to end an operation.

use napi_derive::napi;
use runr_core::fs::CancelFlag;

/// The wish to end the operations that were begun with it.
#[napi]
#[derive(Default)]
pub struct Cancellation(CancelFlag);

#[napi]
impl Cancellation {
    /// One that nobody has yet.
    #[napi(constructor)]
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks them to end soon; each still settles its promise.
    #[napi]
    pub fn cancel(&self) {
        self.0.cancel();
    }

    pub(crate) fn flag(&self) -> CancelFlag {
        self.0.clone()
    }
}
