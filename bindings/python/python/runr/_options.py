"""Keywords are checked by name before anything else happens."""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import CodeType
from typing import ParamSpec, TypeVar

from .errors import InvalidInput

#: Options of the command line that a program has no use for, and what to do instead.
ELSEWHERE = {
    "detach": "the agent of this run is this program; run_command(['run', '--detach', ..]) and "
    "`runr run --detach` start one that the configured workers answer",
}

P = ParamSpec("P")
T = TypeVar("T")


def only_known_options(function: Callable[P, T]) -> Callable[P, T]:
    """Refuses an option the function does not have as every language does: with ``E_USAGE``."""
    code: CodeType = getattr(function, "__code__")
    known = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]

    @functools.wraps(function)
    def checked(*args: P.args, **options: P.kwargs) -> T:
        for name in options:
            if name not in known:
                raise _unknown(name, known)
        return function(*args, **options)

    return checked


def _unknown(name: str, known: tuple[str, ...]) -> InvalidInput:
    message = f"unknown option {name}"
    if name in ELSEWHERE:
        return InvalidInput(message, code="E_USAGE", hint=ELSEWHERE[name])
    # Here, not above: only somebody who mistyped has to wait for it.
    import difflib

    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}?" if near else None
    return InvalidInput(message, code="E_USAGE", hint=hint)
