//! One guard of one claim.

use pyo3::prelude::*;
use runr_cli::embed;
use runr_core::fs::CancelFlag;

use crate::error::{raise, shield};
use crate::wait::interruptible;

/// One guard of one claim.
#[pyclass(frozen, module = "runr._native")]
pub(crate) struct Guard(embed::Guard);

#[pymethods]
impl Guard {
    /// Claims a target by the JSON of its options, and keeps the claim alive.
    #[staticmethod]
    fn acquire(py: Python<'_>, options: String) -> PyResult<Self> {
        let cancel = CancelFlag::default();
        let asked = cancel.clone();
        let work = move || embed::Guard::acquire(&options, asked);
        interruptible(py, || cancel.cancel(), work).map(Self)
    }

    /// The target, the run id and the token, as JSON.
    fn claim(&self) -> String {
        self.0.claim()
    }

    /// Raises `OwnershipLost` unless the guard holds its target at this moment.
    fn check(&self, py: Python<'_>) -> PyResult<()> {
        py.detach(|| shield(|| self.0.check()))
            .map_err(|error| raise(py, &error))
    }

    /// Calls a function while nobody can take the target over, and returns what it returns.
    fn act(&self, py: Python<'_>, function: Py<PyAny>) -> PyResult<Py<PyAny>> {
        let run = || Python::attach(|py| function.call0(py));
        // The wait for the lock holds nobody up.
        py.detach(|| shield(|| self.0.act(run)))
            .map_err(|error| raise(py, &error))?
    }

    /// Whether the target is known to be lost.
    fn is_lost(&self) -> bool {
        self.0.is_lost()
    }

    /// Gives the target up, for a reason (JSON); the outcome as JSON.
    fn release(&self, py: Python<'_>, reason: &str) -> PyResult<String> {
        py.detach(|| shield(|| self.0.release(reason)))
            .map_err(|error| raise(py, &error))
    }
}
