"""Keywords are checked by name before anything else happens."""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import CodeType
from typing import ParamSpec, TypeVar

from .errors import InvalidInput

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
    # Here, not above: only somebody who mistyped has to wait for it.
    import difflib

    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}?" if near else None
    return InvalidInput(f"unknown option {name}", code="E_USAGE", hint=hint)
