"""Functions that read or write the files of a repository."""

from __future__ import annotations

import builtins
import os
from collections.abc import Mapping, Sequence
from typing import Any, cast

from . import _wire
from ._options import only_known_options
from .types import CreatedRun

PathLike = str | os.PathLike[str]


@only_known_options
def status(run_id: str, root: PathLike = ".") -> dict[str, Any]:
    """Where a run stands. ``run_id`` is an id, a unique prefix, ``"latest"`` or a work item."""
    args = {"run_id": run_id, "root": _wire.path(root)}
    return cast("dict[str, Any]", _wire.call("status", args))


@only_known_options
def runs(root: PathLike = ".") -> list[dict[str, Any]]:
    """All runs of a repository."""
    return cast("list[dict[str, Any]]", _wire.call("runs", {"root": _wire.path(root)}))


@only_known_options
def report_run(run_id: str, root: PathLike = ".") -> dict[str, Any]:
    """The report on a run: times, verifications, workers, outcome and what to do next."""
    args = {"run_id": run_id, "root": _wire.path(root)}
    return cast("dict[str, Any]", _wire.call("report_run", args))


@only_known_options
def trust(root: PathLike = ".") -> dict[str, Any]:
    """Approves the command list of a repository, without a prompt."""
    return cast("dict[str, Any]", _wire.call("trust", {"root": _wire.path(root)}))


class RunStore:
    """A directory of run directories. Made by :meth:`open`."""

    __slots__ = ("root",)

    root: str

    def __init__(self, root: PathLike) -> None:
        object.__setattr__(self, "root", _wire.path(root))

    @classmethod
    def open(cls, root: PathLike) -> RunStore:
        """The store with this runs root; touches nothing."""
        return cls(root)

    def create(
        self, meta: Mapping[str, Any] | None = None, /, *, worktree_check: bool = True, **fields: Any
    ) -> CreatedRun:
        """Creates a run directory with its ``meta.json``, exclusively.

        The fields of the document are given as keywords or as one mapping; what is missing is
        generated.
        """
        args = {
            "root": self.root,
            "fields": {**(meta or {}), **fields},
            "worktree_check": worktree_check,
        }
        return cast(CreatedRun, _wire.call("store_create", args))

    def read(self, run_id: str) -> dict[str, Any]:
        """The document of a run."""
        args = {"root": self.root, "run_id": run_id}
        return cast("dict[str, Any]", _wire.call("store_read", args))

    def update(
        self,
        run_id: str,
        *,
        set: Mapping[str, Any] | None = None,  # noqa: A002 - the name of the interface
        unset: Sequence[str] = (),
    ) -> dict[str, Any]:
        """Changes a document under its lock and returns it. Keys are paths: ``/flags/abandoned``."""
        args = {"root": self.root, "run_id": run_id, "set": dict(set or {}), "unset": unset}
        return cast("dict[str, Any]", _wire.call("store_update", args))

    def compare_and_set(
        self, run_id: str, expected: Mapping[str, Any], document: Mapping[str, Any]
    ) -> dict[str, Any] | None:
        """Replaces a document that is still ``expected``; ``None`` if it is not."""
        args = {"root": self.root, "run_id": run_id, "expected": expected, "document": document}
        return cast("dict[str, Any] | None", _wire.call("store_compare_and_set", args))

    def list(self) -> builtins.list[dict[str, Any]]:
        """All runs, the newest first; unusable ones are there, marked as broken."""
        return cast("builtins.list[dict[str, Any]]", _wire.call("store_list", {"root": self.root}))

    def resolve(self, ref: str) -> dict[str, Any]:
        """The run an id, a unique prefix, a name or ``"latest"`` means."""
        args = {"root": self.root, "ref": ref}
        return cast("dict[str, Any]", _wire.call("store_resolve", args))

    def paths(self, run_id: str) -> dict[str, Any]:
        """Where the files of a run are; nothing is touched."""
        args = {"root": self.root, "run_id": run_id}
        return cast("dict[str, Any]", _wire.call("store_paths", args))

    def append_event(self, run_id: str, name: str, payload: Any = None) -> dict[str, Any]:
        """Appends an event and returns its record."""
        args = {"root": self.root, "run_id": run_id, "name": name, "payload": payload}
        return cast("dict[str, Any]", _wire.call("store_append_event", args))

    def events(self, run_id: str, since: int = 0) -> builtins.list[dict[str, Any]]:
        """The events after number ``since``."""
        args = {"root": self.root, "run_id": run_id, "since": since}
        return cast("builtins.list[dict[str, Any]]", _wire.call("store_events", args))

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a RunStore is frozen: cannot set {name}")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RunStore):
            return NotImplemented
        return self.root == other.root

    def __hash__(self) -> int:
        return hash(self.root)

    def __repr__(self) -> str:
        return f"RunStore({self.root!r})"
