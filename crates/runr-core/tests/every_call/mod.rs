//! Every call of the storage fails: once, and from then on.

use std::io::ErrorKind;

use runr_core::fs::{Fault, FaultFs, Lasting, MemoryFs};

const FAULTS: [Fault; 4] = [
    Fault::Error(ErrorKind::StorageFull),
    Fault::Error(ErrorKind::Interrupted),
    Fault::Short,
    Fault::Torn,
];

/// Runs `round` with each fault in each call, until the calls are used up. A round gets a fresh
/// file system and prepares it before it calls the given function, which lays the fault; and it
/// is told how many temporary files may be left: none while we live.
pub(crate) fn every_call_fails(mut round: impl FnMut(&FaultFs, &dyn Fn(), usize)) {
    for lasting in [Lasting::Once, Lasting::FromThenOn] {
        for fault in FAULTS {
            // An interruption without end is waited out for ever, as it must be.
            if lasting == Lasting::FromThenOn && fault == Fault::Error(ErrorKind::Interrupted) {
                continue;
            }
            let mut rounds = 0;
            for nth in 1.. {
                let fs = FaultFs::new(MemoryFs::new().into());
                let laid = std::cell::Cell::new(false);
                let lay = || {
                    fs.fail(nth, fault, lasting);
                    laid.set(true);
                };
                round(&fs, &lay, usize::from(lasting == Lasting::FromThenOn));
                assert!(laid.get());
                rounds = nth;
                if !REACHED.with(std::cell::Cell::take) {
                    break;
                }
            }
            assert!(rounds > 10, "only {rounds} calls");
        }
    }
}

thread_local! {
    static REACHED: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Ends the fault; to be called by each round.
pub(crate) fn heal(fs: &FaultFs) {
    REACHED.with(|reached| reached.set(fs.heal()));
}
