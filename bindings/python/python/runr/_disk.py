"""Functions that read or write the files of a repository."""

from __future__ import annotations

import os
from typing import Any, cast

from . import _wire
from ._options import only_known_options

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
