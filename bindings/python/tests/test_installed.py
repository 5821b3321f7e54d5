"""The installed command: signals, and children in the background."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from greeter import FILE, STEP, TASK

MODULE = [sys.executable, "-m", "runr"]
SCRIPT = [str(pathlib.Path(sys.executable).parent / "runr")]


@pytest.fixture
def ready(repo: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """A repository with a configuration, and a worker that takes its time to implement."""
    monkeypatch.setenv("PYTHONSAFEPATH", "1")
    subprocess.run([*MODULE, "init", "--verify", f"test -f {FILE}"], cwd=repo, check=True)
    return repo


def scripted(repo: pathlib.Path, monkeypatch: pytest.MonkeyPatch, sleep_ms: int) -> None:
    steps = {
        "plan": [{"reply": {"milestones": [STEP]}}],
        "implement": [
            {
                "sleep_ms": sleep_ms,
                "files": {FILE: "hello\n"},
                "reply": {"status": "ok", "handoff_memo": "written"},
            }
        ],
        "review": [{"reply": {"status": "approve", "changes": []}}],
    }
    file = repo.parent / "worker.json"
    file.write_text(json.dumps(steps))
    monkeypatch.setenv("RUNR_WORKER_SCRIPT", str(file))


def wait_for(what: Callable[[], Any], seconds: float = 30) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.02)
    return found


def status(repo: pathlib.Path) -> dict[str, Any]:
    done = subprocess.run([*MODULE, "status", "--json"], cwd=repo, capture_output=True)
    return json.loads(done.stdout) if done.returncode == 0 else {}


def run_command(command: list[str]) -> list[str]:
    return [*command, "run", "--worktree", "--json", "--task-text", TASK]


@pytest.mark.parametrize("command", [MODULE, SCRIPT], ids=["module", "script"])
@pytest.mark.parametrize(
    ("number", "exit_status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["int", "term"]
)
def test_a_signal_records_the_run_as_interrupted(
    command: list[str],
    number: signal.Signals,
    exit_status: int,
    ready: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scripted(ready, monkeypatch, 60_000)
    child = subprocess.Popen(run_command(command), cwd=ready, stdout=subprocess.DEVNULL)
    wait_for(lambda: status(ready).get("phase") == "IMPLEMENT")
    child.send_signal(number)
    assert child.wait(30) == exit_status
    found = status(ready)
    assert (found["stop_reason"], found["liveness"]) == ("interrupted", "stopped")


@pytest.mark.skipif(sys.version_info < (3, 11), reason="needs -P")
def test_a_detached_child_finishes_the_run_and_imports_nothing_of_the_repository(
    ready: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted(ready, monkeypatch, 1500)
    monkeypatch.delenv("PYTHONSAFEPATH")
    for name in ("json.py", "runr.py", "signal.py"):
        (ready / name).write_text("raise SystemExit('imported from the repository')\n")
    done = subprocess.run(
        [*run_command(SCRIPT), "--detach"], cwd=ready, stdout=subprocess.PIPE, check=True
    )
    line = json.loads(done.stdout)
    assert line["status"] == "started"
    monkeypatch.setenv("PYTHONSAFEPATH", "1")
    # The caller is back before the run has ended.
    assert status(ready)["liveness"] == "running"
    wait_for(lambda: status(ready)["liveness"] == "stopped")
    assert status(ready)["run_id"] == line["run_id"]
    assert status(ready)["stop_reason"] == "complete"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_main_as_a_library_call_installs_no_handler_and_still_detaches(
    ready: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted(ready, monkeypatch, 0)
    # What the kernel knows; Python itself sees only the handlers that it installed.
    program = (
        "import re, runr, signal, sys\n"
        "WATCHED = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGXFSZ)\n"
        "def caught():\n"
        "    mask = int(re.search(r'SigCgt:\\s*(\\w+)', open('/proc/self/status').read())[1], 16)\n"
        "    return [number for number in WATCHED if mask >> (number - 1) & 1]\n"
        "assert caught() == [signal.SIGINT]\n"
        f"code = runr.main({run_command([])!r} + ['--detach'])\n"
        "assert caught() == [signal.SIGINT]\n"
        "sys.exit(code)\n"
    )
    subprocess.run([sys.executable, "-c", program], cwd=ready, check=True, timeout=60)
    wait_for(lambda: status(ready).get("stop_reason") == "complete")


def test_ctrl_c_in_a_library_call_stops_the_run_and_raises(
    ready: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted(ready, monkeypatch, 60_000)
    program = (
        "import runr, os\n"
        "try:\n"
        f"    runr.main({run_command([])!r})\n"
        "except KeyboardInterrupt:\n"
        "    os._exit(7)\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", program], cwd=ready, stdout=subprocess.DEVNULL
    )
    wait_for(lambda: status(ready).get("phase") == "IMPLEMENT")
    child.send_signal(signal.SIGINT)
    assert child.wait(30) == 7
    assert status(ready)["stop_reason"] == "interrupted"


def test_ctrl_c_during_the_checks_of_a_driven_run_stops_it(
    ready: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = (
        "import runr, sys\n"
        f"sys.path.insert(0, {os.path.dirname(__file__)!r})\n"
        "from greeter import options, work\n"
        f"given = {{**options({str(ready)!r}), 'verify': ['sleep 60']}}\n"
        "with runr.Run.start(**given) as run:\n"
        "    for call in run:\n"
        "        call.reply(work(call))\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", program], cwd=ready, stderr=subprocess.PIPE, text=True
    )
    wait_for(lambda: status(ready).get("phase") == "VERIFY")
    child.send_signal(signal.SIGINT)
    _, printed = child.communicate(timeout=30)
    assert printed.rstrip().endswith("KeyboardInterrupt")
    assert status(ready)["stop_reason"] == "interrupted"
