//! `runr._native`: text in, text out. The typed front is the package around it.

mod error;
mod guard;
mod wait;

use pyo3::prelude::pymodule;

/// The functions the package `runr` is built on; not for direct use.
#[pymodule]
mod _native {
    use std::sync::Arc;

    use pyo3::prelude::*;
    use runr_cli::embed;
    use runr_core::fs::CancelFlag;

    use crate::error::{raise, shield};
    use crate::wait::{interruptible, interruptible_or};

    #[pymodule_export]
    use crate::guard::Guard;

    #[pymodule_export]
    #[allow(non_upper_case_globals)]
    const __version__: &str = runr_core::VERSION;

    /// Runs one operation: the JSON of its arguments in, the JSON of its result out.
    #[pyfunction]
    fn call(py: Python<'_>, name: &str, args: &str) -> PyResult<String> {
        py.detach(|| shield(|| embed::call(name, args)))
            .map_err(|error| raise(py, &error))
    }

    /// Runs one operation that may take minutes; it is ended before the exception of a signal goes on.
    #[pyfunction]
    fn call_interruptible(py: Python<'_>, name: String, args: String) -> PyResult<String> {
        let cancel = CancelFlag::default();
        let asked = cancel.clone();
        let work = move || embed::call_until(&name, &args, asked);
        interruptible(py, || cancel.cancel(), work)
    }

    /// The names of all operations.
    #[pyfunction]
    fn operations() -> Vec<&'static str> {
        embed::operations().to_vec()
    }

    /// Runs a command line in this process and returns its exit status.
    #[pyfunction]
    fn main(py: Python<'_>, argv: Vec<String>, self_command: Vec<String>) -> PyResult<i32> {
        let cancel = CancelFlag::default();
        let asked = cancel.clone();
        let work = move || Ok(embed::main(&argv, self_command, asked));
        interruptible(py, || cancel.cancel(), work)
    }

    /// The installed command: takes the signals of this process and returns its exit status.
    #[pyfunction]
    fn entry(py: Python<'_>, argv: Vec<String>, self_command: Vec<String>) -> PyResult<i32> {
        py.detach(|| shield(|| Ok(embed::entry(&argv, self_command))))
            .map_err(|error| raise(py, &error))
    }

    /// Runs a command line and returns the JSON of its exit status, result and messages.
    #[pyfunction]
    fn run_command(
        py: Python<'_>,
        argv: Vec<String>,
        self_command: Vec<String>,
    ) -> PyResult<String> {
        let cancel = CancelFlag::default();
        let asked = cancel.clone();
        let work = move || Ok(embed::run_command(&argv, self_command, asked));
        interruptible(py, || cancel.cancel(), work)
    }

    /// Changes the document of a run by a function from JSON to JSON, under the lock of the run.
    /// What the function raises leaves the file as it was, and is raised here.
    #[pyfunction]
    fn update_run(
        py: Python<'_>,
        place: &str,
        run_id: &str,
        function: Py<PyAny>,
    ) -> PyResult<String> {
        let mut raised = None;
        let change = |document: &str| {
            Python::attach(|py| function.call1(py, (document,))?.extract::<String>(py)).map_err(
                |error| {
                    raised = Some(error);
                    runr_core::Error::internal("the function raised an exception")
                },
            )
        };
        // The wait for the lock holds nobody up.
        let updated = py.detach(|| shield(|| embed::update_run(place, run_id, change)));
        match (raised, updated) {
            (Some(error), _) => Err(error),
            (None, updated) => updated.map_err(|error| raise(py, &error)),
        }
    }

    /// A session that a signal may end while it is made: then the run, if there is one, is stopped.
    fn made(
        py: Python<'_>,
        make: impl FnOnce(CancelFlag) -> runr_core::Result<embed::Session> + Send + 'static,
    ) -> PyResult<Session> {
        let cancel = CancelFlag::default();
        let asked = cancel.clone();
        // The exception of the signal is what there is to tell.
        let close = |session: embed::Session| drop(session.close());
        let session = interruptible_or(py, || cancel.cancel(), move || make(asked), close)?;
        Ok(Session(Arc::new(session)))
    }

    /// One driver of one run.
    #[pyclass(frozen, weakref, module = "runr._native")]
    struct Session(Arc<embed::Session>);

    #[pymethods]
    impl Session {
        /// Starts a run from the JSON of its options.
        #[staticmethod]
        fn start(py: Python<'_>, options: String) -> PyResult<Self> {
            made(py, move |cancel| embed::Session::start(&options, cancel))
        }

        /// Goes on with a run.
        #[staticmethod]
        fn resume(py: Python<'_>, options: String) -> PyResult<Self> {
            made(py, move |cancel| embed::Session::resume(&options, cancel))
        }

        /// The id of the run.
        fn run_id(&self) -> String {
            self.0.run_id()
        }

        /// The next call as JSON, or nothing at the end of the run; may wait for minutes.
        fn next_call(&self, py: Python<'_>) -> PyResult<Option<String>> {
            let session = Arc::clone(&self.0);
            interruptible(py, || self.0.cancel(), move || session.next_call())
        }

        /// Answers a call; checks that the answer claims may run for minutes.
        fn reply(&self, py: Python<'_>, call_id: String, reply: String) -> PyResult<()> {
            let session = Arc::clone(&self.0);
            let work = move || session.reply(&call_id, &reply);
            interruptible(py, || self.0.cancel(), work)
        }

        /// Where the run stands, as JSON.
        fn outcome(&self, py: Python<'_>) -> PyResult<String> {
            py.detach(|| shield(|| self.0.outcome()))
                .map_err(|error| raise(py, &error))
        }

        /// Stops the run for a cause: `signal` or `stop_request`.
        fn stop(&self, py: Python<'_>, cause: &str) -> PyResult<()> {
            py.detach(|| shield(|| self.0.stop(cause)))
                .map_err(|error| raise(py, &error))
        }

        /// Leaves the run; one that has not ended is stopped.
        fn close(&self, py: Python<'_>) -> PyResult<()> {
            py.detach(|| shield(|| self.0.close()))
                .map_err(|error| raise(py, &error))
        }

        /// Asks a waiting `next_call` to return soon.
        fn cancel(&self) {
            self.0.cancel();
        }

        /// Closes what a forked copy of the process has of the run's locks.
        fn let_go(&self) {
            self.0.let_go();
        }
    }

    impl Drop for Session {
        fn drop(&mut self) {
            let let_go = || {
                shield(|| {
                    self.0.let_go();
                    Ok(())
                })
            };
            // The wait for the lock of a claim holds nobody up.
            drop(Python::attach(|py| py.detach(let_go)));
        }
    }
}
