"""Functions that read or write the files of a repository."""

from __future__ import annotations

import os
from typing import Any, cast

from . import _wire
from ._options import only_known_options
from .types import Submitted

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
def verify_receipt(run_id: str, root: PathLike = ".") -> dict[str, Any]:
    """Whether the files and commits of a run are still as the receipt of its last stop says.

    ``ok`` is the sum of ``entries``, whose ``status`` is ``OK``, ``CHANGED`` or ``MISSING``.
    Nothing is written, and nothing of the repository is executed.
    """
    args = {"run_id": run_id, "root": _wire.path(root)}
    return cast("dict[str, Any]", _wire.call("verify_receipt", args))


@only_known_options
def trust(root: PathLike = ".") -> dict[str, Any]:
    """Approves the command list of a repository, without a prompt."""
    return cast("dict[str, Any]", _wire.call("trust", {"root": _wire.path(root)}))


@only_known_options
def approve(run_id: str, root: PathLike = ".") -> dict[str, Any]:
    """Approves the plan of a run that was started with ``approve_plan``; it can be resumed then."""
    args = {"run_id": run_id, "root": _wire.path(root)}
    return cast("dict[str, Any]", _wire.call("approve", args))


@only_known_options
def tasks(root: PathLike = ".") -> list[dict[str, Any]]:
    """How the tasks of a repository stand; what wants a person comes first."""
    return cast("list[dict[str, Any]]", _wire.call("tasks", {"root": _wire.path(root)}))


@only_known_options
def task_done(path: PathLike, root: PathLike = ".") -> dict[str, Any]:
    """Notes that a person did a task. An automated one needs a complete run."""
    args = {"path": _wire.path(path), "root": _wire.path(root)}
    return cast("dict[str, Any]", _wire.call("task_done", args))


@only_known_options
def submit(
    run_id: str,
    to: str,
    *,
    dry_run: bool = False,
    squash: bool = False,
    push: bool = False,
    root: PathLike = ".",
) -> Submitted:
    """Moves the commits of a run to a local branch, after all checks have passed on the result.

    A conflict, a failing check, a branch that cannot take the result and a failed push are no
    exceptions: ``outcome`` says what happened, and ``recipe`` what a person can do.

    Ctrl-C ends the check at work and moves nothing; then KeyboardInterrupt goes on.
    """
    flags = {"dry_run": dry_run, "squash": squash, "push": push}
    args = {"run_id": run_id, "to": to, "root": _wire.path(root)}
    return cast(Submitted, _wire.call_interruptible("submit", {**args, **flags}))
