"""``python -m runr`` and the command ``runr``."""

from __future__ import annotations

import signal
import sys

from ._command import installed


def entry() -> None:
    """Runs the command line of this process and exits; a signal stops a run cleanly first."""
    # Else Python would raise KeyboardInterrupt on top, after the command has ended in order.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.exit(installed(sys.argv[1:]))


if __name__ == "__main__":
    entry()
