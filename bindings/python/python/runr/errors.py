"""The exceptions of runr.

Programs look at the class or at ``.code``; people read the message and the hint. Each subclass is
also the builtin exception that fits, so ``except TimeoutError`` and ``except LookupError`` work.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

__all__ = [
    "InvalidInput",
    "LockTimeout",
    "NotFound",
    "OwnershipLost",
    "Refused",
    "RunrError",
    "StoreError",
    "Untrusted",
]


class RunrError(Exception):
    """What went wrong, where, and what to do next."""

    code: str
    message: str
    path: str | None
    operation: str | None
    hint: str | None
    retryable: bool
    context: dict[str, Any]

    def __init__(
        self,
        message: str,
        *,
        code: str = "E_INTERNAL",
        path: str | None = None,
        operation: str | None = None,
        hint: str | None = None,
        retryable: bool = False,
        context: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.path = path
        self.operation = operation
        self.hint = hint
        self.retryable = retryable
        self.context = dict(context or {})
        if hint is not None and hasattr(self, "add_note"):
            self.add_note(f"hint: {hint}")

    def __str__(self) -> str:
        return self.message

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.code}: {self.message!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        # By default an `OSError` is rebuilt from `args`, which would lose the number and the name.
        fields = {
            "code": self.code,
            "path": self.path,
            "operation": self.operation,
            "hint": self.hint,
            "retryable": self.retryable,
            "context": self.context,
        }
        return _rebuild, (type(self), self.message, fields)


class InvalidInput(RunrError, ValueError):
    """The caller passed something unusable."""


class NotFound(RunrError, LookupError):
    """The named thing does not exist."""


class Refused(RunrError):
    """Refused before acting."""


class Untrusted(RunrError):
    """The commands of the repository are not approved."""


class OwnershipLost(RunrError):
    """Another run owns the target."""


class _SystemError(RunrError, OSError):
    """What the file system did; ``errno`` and ``filename`` are set where they are known."""

    def __init__(self, message: str, **fields: Any) -> None:
        super().__init__(message, **fields)
        number = self.context.get("errno")
        self.errno = number if isinstance(number, int) else None
        self.filename = self.path


class LockTimeout(_SystemError, TimeoutError):
    """A lock was not obtained in time."""


class StoreError(_SystemError):
    """Reading or writing the store failed."""


_CLASSES: dict[str, type[RunrError]] = {
    cls.__name__: cls
    for cls in (
        RunrError,
        InvalidInput,
        NotFound,
        Refused,
        Untrusted,
        OwnershipLost,
        LockTimeout,
        StoreError,
    )
}


def _from_core(class_name: str, document: str) -> RunrError:
    """The exception for the JSON form of an error; called by the native module."""
    fields: dict[str, Any] = json.loads(document)
    fields.pop("error", None)
    known = {
        name: fields.pop(name, None) for name in ("code", "path", "operation", "hint", "retryable")
    }
    message = fields.pop("message", "")
    return _CLASSES.get(class_name, RunrError)(message, **known, context=fields)


def _rebuild(cls: type[RunrError], message: str, fields: dict[str, Any]) -> RunrError:
    return cls(message, **fields)
