"""Work items: which one is meant, and what its files say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, cast

from . import _wire
from ._disk import PathLike
from ._options import only_known_options
from .types import Branch, EditedText, Facts, Flow, Linked, PrepReport, RunRef, SanitizedId


def parse_ref(text: str) -> RunRef | None:
    """What a reference to an issue or PR means; ``None`` if it is none.

    >>> parse_ref("gh-17")["candidate"]
    'gh-17'
    """
    return cast("RunRef | None", _wire.call("parse_ref", {"text": text}))


def sanitize_run_id(text: str) -> SanitizedId:
    """The id of a work item made from any text."""
    return cast(SanitizedId, _wire.call("sanitize_run_id", {"text": text}))


def merge_run_meta(text: str | None, patch: Mapping[str, Any]) -> EditedText:
    """The text of a ``run_meta.json`` after a preparation; without a text a new one.

    ``patch`` is ``{"run_id", "flow", "now"}`` and optionally ``aliases``, ``facts``, ``base_ref``
    and ``source``. Every byte that it does not concern stays as it is.
    """
    return cast(EditedText, _wire.call("merge_run_meta", {"text": text, "patch": patch}))


def upsert_index(text: str | None, entry: Mapping[str, Any]) -> EditedText:
    """The text of an ``index.json`` with a work item added or brought up to date."""
    return cast(EditedText, _wire.call("upsert_index", {"text": text, "entry": entry}))


def missing_upstream_flows(present: Sequence[str], flow: Flow) -> list[str]:
    """Of the flows that usually come before, those that have left no directory."""
    args = {"present": present, "flow": flow}
    return cast("list[str]", _wire.call("missing_upstream_flows", args))


@only_known_options
def prep(
    root: PathLike = ".",
    *,
    flow: Flow,
    run_id: str | None = None,
    refs: Sequence[str] = (),
    restart: bool = False,
    base_ref: str | None = None,
    facts: Facts | None = None,
    branch: Branch | None = None,
    now: str | datetime | None = None,
    dry_run: bool = False,
) -> PrepReport:
    """Decides which work item is meant, makes its directories and brings its files up to date.

    What cannot be read or written is no exception but a report with the status
    ``CANNOT_PROCEED``. The default root is the main checkout of the repository around the present
    directory; the default branch is the one that is checked out, the default time is now.
    """
    args = {"root": _wire.path(root), "flow": flow, "refs": refs, "restart": restart}
    report = _wire.call(
        "prep",
        {**args, "dry_run": dry_run},
        run_id=run_id,
        base_ref=base_ref,
        facts=facts,
        branch=branch,
        now=None if now is None else _wire.time(now),
    )
    return cast(PrepReport, report)


@only_known_options
def link_run(root: PathLike, run_id: str, harness_run_id: str) -> Linked:
    """Adds a harness run to those that worked on a work item, unless it is there."""
    args = {"root": _wire.path(root), "run_id": run_id, "harness_run_id": harness_run_id}
    return cast(Linked, _wire.call("link_run", args))
