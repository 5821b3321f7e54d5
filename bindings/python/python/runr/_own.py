"""Guards: the right to act on a target, kept alive while the program does."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from types import TracebackType
from typing import Any, TypeVar, cast

from . import _native, _wire
from ._disk import PathLike
from ._off_loop import off_loop
from ._options import only_known_options
from .errors import InvalidInput, RunrError
from .types import OwnershipResult, Target, TargetParts

T = TypeVar("T")


@only_known_options
def own(
    target: Target,
    run_id: str,
    ttl: float = 60,
    takeover: bool = False,
    expect: str | int | None = None,
    only_if_expired: bool = False,
    root: PathLike = ".",
    single_host: bool | None = None,
) -> Ownership:
    """Claims a target for a run and keeps the claim alive until the ``with`` block ends::

        with runr.own("acme/shop#17", run_id) as owner:
            owner.check()
            push(owner.token)

    Raises :class:`OwnershipLost` if another run holds the target. With ``takeover`` that run is
    replaced: with ``expect`` only if it is the one with this run id or token, with
    ``only_if_expired`` only if it gave no sign of life for the ``ttl`` (seconds) of its claim.

    The target is ``"owner/name#17"`` (a PR), ``"owner/name@branch"``, or
    ``{"kind": "issue", "repo", "issue"}`` and the like. ``root`` is any directory of the
    repository. An exception in the block is recorded as an exit signal.
    """
    options = {
        "target": target,
        "run_id": run_id,
        "ttl": ttl,
        "takeover": takeover,
        "expect": expect,
        "only_if_expired": only_if_expired,
        "root": _wire.path(root),
        "single_host": single_host,
    }
    return Ownership(_native.Guard.acquire(_wire.encode(_wire.given(options))))


class Ownership:
    """The right to act on a target. Made by :func:`own`; ends with :meth:`release`, or when lost.

    Heartbeats run on a thread of their own, which keeps no program from exiting. A forked copy of
    the process does not have it.
    """

    __slots__ = ("_guard", "_home", "_released", "run_id", "target", "token")

    #: The run that claimed.
    run_id: str
    #: What it claimed.
    target: TargetParts
    #: The number of the claim: it grows with every change of owner.
    token: int

    def __init__(self, guard: _native.Guard) -> None:
        self._released = False
        self._home = os.getpid()
        self._guard = guard
        claim = json.loads(guard.claim())
        self.run_id, self.target, self.token = claim["run_id"], claim["target"], claim["token"]

    @property
    def lost(self) -> bool:
        """Whether the target is known to be lost. Looks at no file; :meth:`check` does."""
        return self._guard.is_lost()

    def check(self) -> None:
        """Raises :class:`OwnershipLost` unless this guard holds its target at this moment."""
        self._guard.check()

    def act(self, fn: Callable[[], T]) -> T:
        """Calls a short function while nobody can take the target over; returns what it returns.

        Raises :class:`OwnershipLost`, without the call, if the target is lost.
        """
        answer = self._guard.act(fn)
        if hasattr(answer, "__await__"):
            close = getattr(answer, "close", None)
            if close is not None:
                close()
            raise InvalidInput(
                "the function of act must not be async",
                code="E_USAGE",
                hint="await first, then act",
            )
        return cast(T, answer)

    def release(self, reason: str | None = None) -> OwnershipResult:
        """Gives the target up; with a reason, an exit signal is recorded first.

        A target that was lost meanwhile is the answer ``ownership_lost``.
        """
        outcome = self._guard.release(_wire.encode(reason))
        self._released = True
        return cast(OwnershipResult, json.loads(outcome))

    def __enter__(self) -> Ownership:
        if self.lost or self._released:
            self.check()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        raised: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if os.getpid() != self._home:
            return  # The block goes on in the process that claimed.
        if raised is None:
            self.release()
            return
        # The exception of the block is what the reader must see: a failure to release is only noted.
        try:
            self.release(_described(raised))
        except RunrError as error:
            if hasattr(raised, "add_note"):
                raised.add_note(f"{self!r} was not released cleanly: {error}")

    async def __aenter__(self) -> Ownership:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        raised: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await off_loop(lambda: self.__exit__(kind, raised, trace))

    def __del__(self) -> None:
        # Not left to the native half, which would keep the GIL while it waits for a lock.
        if getattr(self, "_released", True):
            return
        try:
            self.release()
        except Exception:  # noqa: BLE001 - as well as it can: the claim expires by itself
            pass

    def __repr__(self) -> str:
        return f"<runr.Ownership of {_name(self.target)} by {self.run_id} with {self.token}>"

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError("an Ownership belongs to its process: pass its target, run_id and token")


def _described(raised: BaseException) -> str:
    """Why a block failed, in one text."""
    name = type(raised).__name__
    try:
        text = str(raised)
    except Exception:  # noqa: BLE001 - whatever it is, the name of the first one is known
        text = ""
    return f"{name}: {text}" if text else name


def _name(target: TargetParts) -> str:
    return " ".join(str(value) for value in target.values())
