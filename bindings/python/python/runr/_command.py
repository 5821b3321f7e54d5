"""The whole command line, in this process."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import cast

from . import _native
from .types import CommandResult


def main(argv: Sequence[str]) -> int:
    """Runs a command line, without the program name, and returns its exit status."""
    for stream in (sys.stdout, sys.stderr):
        # The command writes past Python's buffers; what was printed before must come before.
        if stream is not None:
            stream.flush()
    return _native.main(_words(argv), _self_command())


def run_command(argv: Sequence[str]) -> CommandResult:
    """Runs a command line and returns its exit status, its JSON result and its messages."""
    return cast(CommandResult, json.loads(_native.run_command(_words(argv), _self_command())))


def _words(argv: Sequence[str]) -> list[str]:
    if isinstance(argv, str):
        raise TypeError("argv is a list of words, not one text")
    return list(argv)


def _self_command() -> list[str]:
    """How child processes start runr again."""
    return [sys.executable, "-m", "runr"]
