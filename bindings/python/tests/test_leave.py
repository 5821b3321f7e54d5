"""How a program leaves a run, also where that goes wrong."""

from __future__ import annotations

import pathlib

import pytest

import runr
from greeter import options, work


def test_a_run_whose_stop_cannot_be_recorded_is_free_all_the_same(repo: pathlib.Path) -> None:
    run = runr.Run.start(**options(repo), own="acme/shop#17")
    next(run)
    timeline = repo / ".runr" / "runs" / run.run_id / "timeline.jsonl"
    aside = timeline.rename(timeline.with_name("aside"))
    with pytest.raises(runr.StoreError):
        run.close()
    aside.rename(timeline)
    with runr.Run.resume(run.run_id, repo) as again:
        # Whoever has left does not stop what others drive.
        run.close()
        run.stop()
        for call in again:
            call.reply(work(call))
    assert again.outcome["stop_reason"] == "complete"


def test_a_block_that_fails_leaves_a_run_whose_stop_cannot_be_recorded(repo: pathlib.Path) -> None:
    with pytest.raises(ZeroDivisionError):
        with runr.Run.start(**options(repo), own="acme/shop#17") as run:
            next(run)
            timeline = repo / ".runr" / "runs" / run.run_id / "timeline.jsonl"
            aside = timeline.rename(timeline.with_name("aside"))
            raise ZeroDivisionError
    aside.rename(timeline)
    runr.Run.resume(run.run_id, repo).close()
