"""The whole command line, in this process."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import cast

from . import _native
from .types import CommandResult


def main(argv: Sequence[str]) -> int:
    """Runs a command line, without the program name, and returns its exit status.

    Signals stay with the program: Ctrl-C stops a run as interrupted and raises KeyboardInterrupt.
    """
    _flush()
    return _native.main(_words(argv), _self_command())


def installed(argv: Sequence[str]) -> int:
    """Runs a command line as the whole purpose of this process, which takes over its signals."""
    _flush()
    return _native.entry(_words(argv), _self_command())


def run_command(argv: Sequence[str]) -> CommandResult:
    """Runs a command line and returns its exit status, its JSON result and its messages."""
    return cast(CommandResult, json.loads(_native.run_command(_words(argv), _self_command())))


def _flush() -> None:
    # The command writes past Python's buffers; what was printed before must come before.
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()


def _words(argv: Sequence[str]) -> list[str]:
    if isinstance(argv, str):
        raise TypeError("argv is a list of words, not one text")
    return list(argv)


def _self_command() -> list[str]:
    """How child processes start runr again."""
    # Without `-P`, files of the repository the child starts in would be imported before ours.
    safe = ["-P"] if sys.version_info >= (3, 11) else []
    return [sys.executable, *safe, "-m", "runr"]
