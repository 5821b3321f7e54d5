"""Guards: held, lost, released, and in the way of nobody else."""

from __future__ import annotations

import asyncio
import os
import pathlib
import pickle
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import runr

HERE = pathlib.Path(__file__).parent
PR = "acme/shop#17"
#: Short, but not so short that a busy machine loses a claim: it beats every two seconds.
TTL = 6


@pytest.fixture(autouse=True)
def _no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RUNR_RUN_ID", "RUNR_TOKEN", "DEVLOOPS_RUN_ID", "PI_SUBAGENT_RUN_ID"):
        monkeypatch.delenv(name, raising=False)


def state(root: pathlib.Path) -> Any:
    return runr.load_runner_coordination_state(repo="acme/shop", pr=17, cwd=root)["state"]


def owner_of(root: pathlib.Path) -> str | None:
    active = state(root)["activeRun"]
    return active and active["runId"]


def until(what: Callable[[], Any], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.01)


class Other:
    """Another process that owns the target."""

    def __init__(self, root: pathlib.Path, run_id: str, **env: str) -> None:
        self.child = subprocess.Popen(
            [sys.executable, str(HERE / "owner.py"), str(root), PR, run_id],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **env},
        )
        self.token = int(self._line())

    def ask(self, words: str) -> str:
        assert self.child.stdin is not None
        self.child.stdin.write(words + "\n")
        self.child.stdin.flush()
        return self._line()

    def _line(self) -> str:
        assert self.child.stdout is not None
        return self.child.stdout.readline().rstrip("\n")

    def kill(self) -> None:
        self.child.kill()
        self.child.communicate()


@pytest.fixture
def start(tmp_path: pathlib.Path) -> Iterator[Callable[..., Other]]:
    started: list[Other] = []

    def begin(run_id: str, **env: str) -> Other:
        started.append(Other(tmp_path, run_id, **env))
        return started[-1]

    yield begin
    for other in started:
        other.kill()


def test_a_block_owns_its_target_and_gives_it_back(tmp_path: pathlib.Path) -> None:
    with runr.own("Acme/Shop#17", " run-1 ", root=tmp_path) as owner:
        assert (owner.run_id, owner.target) == ("run-1", {"repo": "acme/shop", "pr": 17})
        assert owner.token > 0 and not owner.lost
        owner.check()
        assert owner_of(tmp_path) == "run-1"
        assert repr(owner) == f"<runr.Ownership of acme/shop 17 by run-1 with {owner.token}>"
    assert owner_of(tmp_path) is None
    assert [event["type"] for event in state(tmp_path)["history"]] == ["claim", "release"]
    with pytest.raises(runr.OwnershipLost):
        owner.check()
    assert not owner.lost
    with runr.own(PR, "run-1", root=tmp_path) as again:
        assert again.token > owner.token


@pytest.mark.parametrize(
    "target",
    [
        {"kind": "issue", "repo": "acme/shop", "issue": 17},
        {"kind": "branch", "repo": "acme/shop", "branch": "fix/a#1"},
    ],
    ids=["issue", "branch"],
)
def test_an_issue_and_a_branch_are_targets_too(target: Any, tmp_path: pathlib.Path) -> None:
    with runr.own(target, "run-1", root=tmp_path) as owner:
        assert owner.target == target
        with pytest.raises(runr.OwnershipLost):
            runr.own(owner.target, "run-2", root=tmp_path)
    with runr.own("acme/shop@fix/a#1", "run-2", root=tmp_path) as owner:
        assert owner.target["kind"] == "branch"


def test_a_target_of_another_run_is_refused(
    tmp_path: pathlib.Path, start: Callable[..., Other]
) -> None:
    other = start("run-1")
    with pytest.raises(runr.OwnershipLost) as refused:
        with runr.own(PR, "run-2", root=tmp_path):
            pytest.fail("the block was entered")
    assert refused.value.code == "E_OWNERSHIP_LOST"
    assert "run-1" in refused.value.message and refused.value.hint
    assert other.ask("check") == "None"
    assert other.ask("release") == "released"
    with runr.own(PR, "run-2", root=tmp_path):
        assert owner_of(tmp_path) == "run-2"


def test_an_exception_is_recorded_and_goes_on(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ValueError, match="it broke"):
        with runr.own(PR, "run-1", root=tmp_path):
            raise ValueError("it broke: \udc80")
    record = state(tmp_path)
    assert record["activeRun"] is None
    [signal] = record["exitSignals"]
    assert (signal["runId"], signal["reason"]) == ("run-1", "ValueError: it broke: \ufffd")
    with pytest.raises(KeyboardInterrupt):
        with runr.own(PR, "run-2", root=tmp_path):
            raise KeyboardInterrupt
    assert state(tmp_path)["exitSignals"][1]["reason"] == "KeyboardInterrupt"


def test_a_guard_that_was_taken_over_acts_no_more(
    tmp_path: pathlib.Path, start: Callable[..., Other]
) -> None:
    other = start("run-1")
    with runr.own(PR, "run-2", root=tmp_path, takeover=True) as owner:
        assert owner.token > other.token
        file = tmp_path / "number"
        file.write_text("0")
        assert other.ask(f"act {file}") == "E_OWNERSHIP_LOST"
        assert other.ask("check") == "E_OWNERSHIP_LOST"
        assert (other.ask("lost"), file.read_text()) == ("True", "0")
        assert other.ask("release") == "ownership_lost"
        owner.check()
        assert owner_of(tmp_path) == "run-2"


def test_what_a_lost_guard_answers(tmp_path: pathlib.Path) -> None:
    with runr.own(PR, "run-1", root=tmp_path) as owner:
        taken = runr.own(PR, "run-2", root=tmp_path, takeover=True)
        called: list[int] = []
        with pytest.raises(runr.OwnershipLost) as lost:
            owner.act(lambda: called.append(1))
        assert (called, lost.value.context["owner"]) == ([], "run-2")
        assert owner.lost
        with pytest.raises(runr.OwnershipLost):
            owner.__enter__()
        answer = owner.release()
        assert (answer["ok"], answer["error"]) == (False, "ownership_lost")
    taken.check()
    taken.release()


def test_a_takeover_may_be_conditional(tmp_path: pathlib.Path) -> None:
    owner = runr.own(PR, "run-1", root=tmp_path)
    for condition in ({"expect": "run-9"}, {"expect": owner.token - 1}, {"only_if_expired": True}):
        with pytest.raises(runr.OwnershipLost):
            runr.own(PR, "run-2", root=tmp_path, takeover=True, **condition)
    owner.check()
    second = runr.own(PR, "run-2", root=tmp_path, takeover=True, expect="run-1")
    third = runr.own(PR, "run-3", root=tmp_path, takeover=True, expect=second.token)
    assert owner.token < second.token < third.token
    third.release()
    assert [owner.lost, second.lost, third.lost] == [False, False, False]
    for one in (owner, second):
        assert one.release()["ok"] is False


def test_the_claim_of_a_killed_process_has_expired(
    tmp_path: pathlib.Path, start: Callable[..., Other]
) -> None:
    other = start("run-1")
    with pytest.raises(runr.OwnershipLost):
        runr.own(PR, "run-2", root=tmp_path, takeover=True, only_if_expired=True)
    other.kill()
    with runr.own(PR, "run-2", root=tmp_path, takeover=True, only_if_expired=True) as owner:
        assert owner.token > other.token


def test_heartbeats_keep_a_claim_fresh(tmp_path: pathlib.Path) -> None:
    with runr.own(PR, "run-1", root=tmp_path, ttl=TTL) as owner:
        first = state(tmp_path)["activeRun"]
        until(lambda: state(tmp_path)["activeRun"]["updatedAt"] > first["updatedAt"])
        owner.check()
        assert state(tmp_path)["activeRun"]["claimedAt"] == first["claimedAt"]
    assert [event["type"] for event in state(tmp_path)["history"]] == ["claim", "release"]


def test_a_release_is_answered_alike_every_time(tmp_path: pathlib.Path) -> None:
    owner = runr.own(PR, "run-1", root=tmp_path)
    answer = owner.release("the work is done")
    assert (answer["status"], answer["activeRun"]) == ("released", None)
    assert answer["token"] > owner.token
    assert owner.release() == answer
    assert [signal["reason"] for signal in state(tmp_path)["exitSignals"]] == ["the work is done"]
    with pytest.raises(runr.OwnershipLost):
        owner.__enter__()


# ----- act -----


def test_an_action_runs_while_nobody_can_take_over(tmp_path: pathlib.Path) -> None:
    order: list[str] = []

    def rescue() -> None:
        with runr.own(PR, "run-2", root=tmp_path, takeover=True):
            order.append("taken over")

    rescuer = threading.Thread(target=rescue)

    def action() -> str:
        rescuer.start()
        # Time for it to come first, if it could.
        rescuer.join(0.3)
        order.append("acted")
        return "value"

    with runr.own(PR, "run-1", root=tmp_path) as owner:
        assert owner.act(action) == "value"
        rescuer.join()
        assert order == ["acted", "taken over"]
        with pytest.raises(runr.OwnershipLost):
            owner.check()


def test_an_action_may_fail_check_and_act_but_not_release(tmp_path: pathlib.Path) -> None:
    with runr.own(PR, "run-1", root=tmp_path) as owner:
        with pytest.raises(ZeroDivisionError):
            owner.act(lambda: 1 // 0)
        assert owner.act(lambda: (owner.check(), owner.act(lambda: 2))) == (None, 2)
        with pytest.raises(runr.InvalidInput):
            owner.act(owner.release)

        async def later() -> int:
            return 1

        with pytest.raises(runr.InvalidInput, match="must not be async"):
            owner.act(later)
        owner.check()


def test_processes_that_share_a_claim_act_one_at_a_time(
    tmp_path: pathlib.Path, start: Callable[..., Other], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "number"
    file.write_text("0")
    with runr.own(PR, "run-1", root=tmp_path) as owner:
        others = [start("run-1", RUNR_TOKEN=str(owner.token)) for _ in "12"]
        assert [other.token for other in others] == [owner.token] * 2

        def add(other: Other) -> None:
            for _ in range(20):
                other.ask(f"act {file}")

        threads = [threading.Thread(target=add, args=[other]) for other in others]
        for thread in threads:
            thread.start()
        for _ in range(20):
            owner.act(lambda: file.write_text(str(int(file.read_text()) + 1)))
        for thread in threads:
            thread.join()
        assert file.read_text() == "60"
        # Those who share a claim do not give it back.
        assert others[0].ask("release") == "release_noop"
        owner.check()
        # Without the token it is a new holder of the same run: a resume.
        resumed = start("run-1")
        assert resumed.token > owner.token
        with pytest.raises(runr.OwnershipLost):
            owner.check()


# ----- threads, forks, the end -----


def lock_directory(root: pathlib.Path) -> pathlib.Path:
    """The lock of another program that lives."""
    lock = root / ".pi/runner-coordination/acme/shop/pr-17.json.lock"
    lock.mkdir(parents=True)
    (lock / "owner.json").write_text(f'{{"pid": {os.getpid()}, "acquiredAt": "2026-01-01"}}')
    return lock


def test_other_threads_run_while_a_lock_is_waited_for(tmp_path: pathlib.Path) -> None:
    lock = lock_directory(tmp_path)

    def tick() -> None:
        # Ends the wait, so a wait that kept the interpreter for itself would end in a timeout.
        for _ in range(20):
            threading.Event().wait(0.01)
        (lock / "owner.json").unlink()
        lock.rmdir()

    def ticking() -> threading.Thread:
        ticker = threading.Thread(target=tick)
        ticker.start()
        return ticker

    ticker = ticking()
    with runr.own(PR, "run-1", root=tmp_path) as owner:
        ticker.join()
        lock_directory(tmp_path)
        ticker = ticking()
        assert owner.act(lambda: "acted") == "acted"
        ticker.join()


def test_ctrl_c_ends_a_wait_for_a_lock_and_claims_nothing(tmp_path: pathlib.Path) -> None:
    lock = lock_directory(tmp_path)
    program = (
        "import runr, signal, sys, threading, os\n"
        "threading.Timer(0.3, os.kill, [os.getpid(), signal.SIGINT]).start()\n"
        "try:\n"
        f"    runr.own({PR!r}, 'run-1', root=sys.argv[1])\n"
        "except KeyboardInterrupt:\n"
        "    print('interrupted')\n"
    )
    printed = subprocess.check_output(
        [sys.executable, "-c", program, str(tmp_path)], text=True, timeout=60
    )
    assert printed == "interrupted\n"
    (lock / "owner.json").unlink()
    lock.rmdir()
    assert state(tmp_path) is None


def test_an_event_loop_goes_on_while_a_lock_is_waited_for(tmp_path: pathlib.Path) -> None:
    lock = lock_directory(tmp_path)

    async def main() -> None:
        owning = asyncio.create_task(asyncio.to_thread(runr.own, PR, "run-1", root=tmp_path))
        for _ in range(20):
            await asyncio.sleep(0.01)
        assert not owning.done()
        (lock / "owner.json").unlink()
        lock.rmdir()
        async with await owning as owner:
            assert await asyncio.to_thread(owner.act, lambda: 1) == 1
        with pytest.raises(ValueError):
            async with runr.own(PR, "run-1", root=tmp_path):
                raise ValueError("no")

    asyncio.run(main())
    assert [signal["reason"] for signal in state(tmp_path)["exitSignals"]] == ["ValueError: no"]


def test_a_forked_copy_does_not_own(tmp_path: pathlib.Path) -> None:
    with runr.own(PR, "run-1", root=tmp_path, ttl=TTL) as owner:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if child == 0:
            os._exit(in_the_copy(owner))
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        owner.check()
        owner.act(lambda: None)
    assert [event["type"] for event in state(tmp_path)["history"]] == ["claim", "release"]
    assert state(tmp_path)["exitSignals"] == []


def in_the_copy(owner: runr.Ownership) -> int:
    """0 if the guard knows that it is a copy, and leaves everything as it is."""
    try:
        for act in (owner.check, owner.release, lambda: owner.act(lambda: None)):
            try:
                act()
            except runr.OwnershipLost:
                continue
            return 1
        if not owner.lost:
            return 2
        # The ends of the block, well and not.
        owner.__exit__(None, None, None)
        error = ValueError("in the copy")
        owner.__exit__(ValueError, error, None)
        return 0
    except BaseException:  # noqa: BLE001 - the status is all that a copy can say
        return 3


def test_a_forked_copy_that_ends_leaves_the_claim_alone(tmp_path: pathlib.Path) -> None:
    program = (
        "import os, runr, sys, warnings\n"
        "warnings.simplefilter('ignore')\n"
        f"owner = runr.own({PR!r}, 'run-1', root=sys.argv[1])\n"
        "child = os.fork()\n"
        "if child:\n"
        "    _, status = os.waitpid(child, 0)\n"
        "    assert status == 0, status\n"
        "    owner.check()\n"
        "    print(owner.release()['status'])\n"
    )
    printed = subprocess.check_output(
        [sys.executable, "-c", program, str(tmp_path)], text=True, timeout=60
    )
    assert printed == "released\n"


def test_a_forked_copy_waits_for_the_lock_that_it_seems_to_hold(tmp_path: pathlib.Path) -> None:
    def record() -> bool:
        run = {"run_id": "run-2", "require_active_owner": False}
        target = {"repo": "acme/shop", "pr": 17, "cwd": tmp_path}
        return runr.record_exit_signal_for_runner(**target, **run)["ok"]

    def action() -> int:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if child == 0:
            try:
                os._exit(0 if record() else 1)
            finally:
                os._exit(2)
        return child

    with runr.own(PR, "run-1", root=tmp_path) as owner:
        _, status = os.waitpid(owner.act(action), 0)
        assert os.waitstatus_to_exitcode(status) == 0
    assert len(state(tmp_path)["exitSignals"]) == 1


@pytest.mark.parametrize("end", ["", "raise SystemExit(0)", "del owner", "import os; os._exit(0)"])
def test_a_guard_that_nobody_released_keeps_no_program_alive(
    end: str, tmp_path: pathlib.Path
) -> None:
    program = f"import runr, sys\nowner = runr.own({PR!r}, 'run-1', root=sys.argv[1])\n{end}\n"
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    # Whether it was given back or not, it counts no more.
    with runr.own(PR, "run-2", root=tmp_path, takeover=True, only_if_expired=True):
        assert owner_of(tmp_path) == "run-2"


def test_a_guard_stays_in_its_process(tmp_path: pathlib.Path) -> None:
    with runr.own(PR, "run-1", root=tmp_path) as owner:
        with pytest.raises(TypeError, match="belongs to its process"):
            pickle.dumps(owner)


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"target": "acme/shop"}, "E_TARGET_INVALID"),
        ({"target": {"kind": "tree", "repo": "acme/shop"}}, "E_TARGET_INVALID"),
        ({"target": 17}, "E_TARGET_INVALID"),
        ({"run_id": "  "}, "E_USAGE"),
        ({"run_id": 17}, "E_USAGE"),
        ({"ttl": -1}, "E_USAGE"),
        ({"ttl": 0}, "E_USAGE"),
        ({"ttl": float("inf")}, "E_USAGE"),
        ({"expect": 1.5}, "E_USAGE"),
        ({"take_over": True}, "E_USAGE"),
    ],
)
def test_unusable_options_are_refused_before_anything_is_made(
    options: dict[str, Any], code: str, tmp_path: pathlib.Path
) -> None:
    with pytest.raises(runr.InvalidInput) as refused:
        runr.own(**{"target": PR, "run_id": "run-1", "root": tmp_path, **options})
    assert refused.value.code == code
    assert list(tmp_path.iterdir()) == []
