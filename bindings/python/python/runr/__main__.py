"""``python -m runr`` and the command ``runr``."""

from __future__ import annotations

import signal
import sys

from ._command import main


def entry() -> None:
    """Runs the command line of this process and exits."""
    # Python only notes a signal until the next bytecode, and none runs while a command does.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.exit(main(sys.argv[1:]))


if __name__ == "__main__":
    entry()
