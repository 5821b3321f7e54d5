"""Values of the host program to JSON text and back: the only place that converts."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import datetime, timezone
from types import MappingProxyType
from typing import Any

from . import _native
from .errors import InvalidInput


def call(name: str, args: Mapping[str, Any] = MappingProxyType({}), **optional: Any) -> Any:
    """Runs an operation of the core; an optional argument that is None is left out."""
    return json.loads(_native.call(name, encode({**args, **given(optional)})))


def call_interruptible(name: str, args: Mapping[str, Any]) -> Any:
    """Runs an operation that may take minutes; Ctrl-C ends it before KeyboardInterrupt goes on."""
    return json.loads(_native.call_interruptible(name, encode(args)))


def given(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that were given: None stands for the default, which the core knows."""
    return {name: value for name, value in options.items() if value is not None}


def encode(value: object) -> str:
    """JSON text; refuses what JSON cannot hold instead of bending it."""
    _check_keys(value)
    try:
        return json.dumps(value, allow_nan=False, separators=(",", ":"), default=_plain)
    except ValueError as why:
        raise InvalidInput(f"the value has no JSON form: {why}", code="E_USAGE") from None


def path(value: str | os.PathLike[str]) -> str:
    """A path as text; bytes are refused, because paths go into JSON documents."""
    text = os.fspath(value)
    if not isinstance(text, str):
        raise TypeError(f"a path must be str or os.PathLike[str], not {type(text).__name__}")
    return text


def time(value: str | datetime) -> str:
    """A point in time as RFC 3339 text in UTC; text is passed on as it is."""
    if isinstance(value, str):
        return value
    if not isinstance(value, datetime):
        raise TypeError(f"a time must be str or datetime, not {type(value).__name__}")
    if value.utcoffset() is None:
        raise InvalidInput(
            "a datetime without a time zone names no point in time",
            code="E_USAGE",
            hint="use datetime.now(timezone.utc)",
        )
    text = value.astimezone(timezone.utc).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return time(value)
    if isinstance(value, os.PathLike):
        return path(value)
    if isinstance(value, Mapping):
        _check_keys(dict(value))
        return dict(value)
    if isinstance(value, (set, frozenset)):
        raise TypeError("a set has no order; pass a list")
    raise TypeError(f"a value of type {type(value).__name__} has no JSON form")


def _check_keys(value: object) -> None:
    # The standard encoder turns other keys into text: {1: ..} and {"1": ..} would become one.
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise TypeError(f"the keys of a JSON object are str, not {type(key).__name__}")
            _check_keys(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            _check_keys(item)
