"""How a program leaves a run, also where that goes wrong."""

from __future__ import annotations

import fcntl
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import pytest

import runr
from greeter import STEP, options, work

HERE = pathlib.Path(__file__).parent


def kinds(repo: pathlib.Path, run: runr.Run) -> list[str]:
    timeline = repo / ".runr" / "runs" / run.run_id / "timeline.jsonl"
    return [json.loads(line)["type"] for line in timeline.read_text().splitlines()]


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


def in_a_fork(work: Callable[[], object]) -> int:
    """The exit status of a forked copy of this process that does this work, and no more."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException as raised:  # noqa: BLE001 - it is told to the parent
            print(repr(raised), file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_forked_copy_can_do_nothing_to_the_run(repo: pathlib.Path) -> None:
    with runr.Run.start(**options(repo), own="acme/shop#17") as run:
        call = next(run)

        def meddle() -> None:
            for step in (run.stop, run.close, lambda: next(run), lambda: call.approve()):
                with pytest.raises(runr.InvalidInput) as refused:
                    step()
                assert refused.value.code == "E_USAGE"
            with pytest.raises(runr.InvalidInput):
                run.outcome  # noqa: B018 - a property
            with pytest.raises(SystemExit):
                with run:
                    sys.exit()

        assert in_a_fork(meddle) == 0
        call.reply(work(call))
        for call in run:
            call.reply(work(call))
    assert run.outcome["stop_reason"] == "complete"


#: A program whose forked copy ends as programs do, with everything that Python does then.
FORKS = """
import os, sys
import runr
from greeter import STEP, options, work
run = runr.Run.start(**options(sys.argv[1]), own="acme/shop#17")
call = next(run)
child = os.fork()
if child == 0:
    sys.exit()
assert os.waitpid(child, 0)[1] == 0, "the copy did not end well"
try:
    runr.Run.resume(run.run_id, sys.argv[1])
    raise AssertionError("two drivers of one run")
except runr.Refused as refused:
    assert refused.code == "E_RUN_ACTIVE", refused
call.reply(work(call))
for call in run:
    call.reply(work(call))
assert run.outcome["stop_reason"] == "complete", run.outcome
"""


def test_a_forked_copy_that_ends_leaves_the_run_locked(repo: pathlib.Path) -> None:
    subprocess.run([sys.executable, "-c", FORKS, str(repo)], check=True, cwd=HERE)


#: A program that a worker of a pool outlives, as nobody tells it.
POOL = """
import os, sys, time
import runr
from greeter import options
run = runr.Run.start(**options(sys.argv[1]))
next(run)
if os.fork() != 0:
    print(run.run_id, flush=True)
time.sleep(60)
"""


def test_a_forked_copy_that_outlives_the_driver_keeps_nothing_locked(repo: pathlib.Path) -> None:
    program = [sys.executable, "-c", POOL, str(repo)]
    # A session of its own, so that the copy can be ended, too.
    driver = subprocess.Popen(
        program, stdout=subprocess.PIPE, text=True, cwd=HERE, start_new_session=True
    )
    assert driver.stdout is not None
    with driver.stdout as told:
        run_id = told.readline().strip()
        driver.kill()
        driver.wait()
        try:
            runr.Run.resume(run_id, repo).close()
        finally:
            os.killpg(driver.pid, signal.SIGKILL)


def reply_late(call: runr.WorkerCall) -> None:
    with pytest.raises(runr.Refused) as refused:
        call.reply({"milestones": []})
    assert refused.value.code == "E_CALL_LATE"


def test_an_answer_after_the_stop_is_noted_once(repo: pathlib.Path) -> None:
    with runr.Run.start(**options(repo)) as run:
        call = next(run)
        run.stop()
        reply_late(call)
        reply_late(call)
    reply_late(call)
    assert kinds(repo, run).count("late_worker_result_ignored") == 1
    with runr.Run.resume(run.run_id, repo) as again:
        for call in again:
            call.reply(work(call))
    assert again.outcome["stop_reason"] == "complete"


def test_an_answer_after_the_close_is_noted(repo: pathlib.Path) -> None:
    with runr.Run.start(**options(repo)) as run:
        call = next(run)
    reply_late(call)
    assert kinds(repo, run)[-1] == "late_worker_result_ignored"


def test_an_answer_to_a_run_that_somebody_else_drives_is_not_noted(repo: pathlib.Path) -> None:
    with runr.Run.start(**options(repo)) as run:
        call = next(run)
    with runr.Run.resume(run.run_id, repo) as again:
        reply_late(call)
        for other in again:
            other.reply(work(other))
    reply_late(call)
    assert again.outcome["stop_reason"] == "complete"
    assert "late_worker_result_ignored" not in kinds(repo, run)


def test_an_answer_to_a_run_that_somebody_else_has_driven_is_not_noted(repo: pathlib.Path) -> None:
    with runr.Run.start(**options(repo)) as run:
        call = next(run)
    runr.Run.resume(run.run_id, repo).close()
    reply_late(call)
    assert "late_worker_result_ignored" not in kinds(repo, run)


def wait_for(sign: pathlib.Path) -> None:
    deadline = time.monotonic() + 20
    while not sign.exists():
        assert time.monotonic() < deadline, f"there is no {sign}"
        time.sleep(0.01)


#: A program of its own: where git is, is looked up once.
STARTS = """
import sys
import runr
from greeter import options
try:
    runr.Run.start(**options(sys.argv[1]), own="acme/shop#17")
except KeyboardInterrupt:
    sys.exit("Ctrl-C")
"""


def test_ctrl_c_while_a_run_starts_leaves_an_interrupted_run(
    repo: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    begun, git = tmp_path / "begun", tmp_path / "bin" / "git"
    git.parent.mkdir()
    slow = f"case \"$*\" in *worktree*add*) touch '{begun}'; sleep 1 ;; esac"
    git.write_text(f'#!/bin/sh\n{slow}\nexec {shutil.which("git")} "$@"\n')
    git.chmod(0o755)
    path = f"{git.parent}:{os.environ['PATH']}"
    program = subprocess.Popen(
        [sys.executable, "-c", STARTS, str(repo)],
        stderr=subprocess.PIPE,
        text=True,
        cwd=HERE,
        env={**os.environ, "PATH": path},
    )
    wait_for(begun)
    program.send_signal(signal.SIGINT)
    assert program.communicate(timeout=60)[1] == "Ctrl-C\n"
    (row,) = runr.runs(repo)
    status = runr.status(row["run_id"], repo)
    assert (status["liveness"], status["stop_reason"]) == ("stopped", "interrupted")
    with runr.Run.resume(row["run_id"], repo) as again:
        for call in again:
            call.reply(work(call))
    assert again.outcome["stop_reason"] == "complete"


def test_ctrl_c_ends_a_check_that_an_answer_claims(
    repo: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    begun = tmp_path / "begun"
    check = f"touch '{begun}'; sleep 30"

    def interrupt() -> None:
        wait_for(begun)
        os.kill(os.getpid(), signal.SIGINT)

    user = threading.Thread(target=interrupt)
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        with runr.Run.start(**{**options(repo), "verify": [check]}) as run:
            next(run).reply({"milestones": [STEP]})
            user.start()
            next(run).no_changes({"commands_run": [{"command": check, "exit_code": 0}]})
    user.join()
    assert time.monotonic() - began < 25
    assert run.outcome["stop_reason"] == "interrupted"
    assert "no_changes_evidence_failed" not in kinds(repo, run)


def test_a_run_that_is_dropped_holds_no_other_thread_up(repo: pathlib.Path) -> None:
    run = runr.Run.start(**options(repo), own="acme/shop#17")
    lock = repo / ".pi" / "runner-coordination" / "acme" / "shop" / "pr-17.json.oslock"
    with lock.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)

        def release() -> None:
            time.sleep(0.3)
            fcntl.flock(held, fcntl.LOCK_UN)

        other = threading.Thread(target=release)
        other.start()
        began = time.monotonic()
        del run
        assert time.monotonic() - began < 5
        other.join()
    state = runr.load_runner_coordination_state(repo="acme/shop", pr=17, cwd=repo)["state"]
    assert state is not None and state["activeRun"] is None
