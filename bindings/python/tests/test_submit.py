"""A submission whose check takes long, and what ends it."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import threading
import time

import pytest

import runr
from greeter import FILE, options, work


def is_alive(pid: int) -> bool:
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rsplit(")", 1)[1].split()[0] != "Z"


def git(repo: pathlib.Path, *words: str) -> str:
    return subprocess.check_output(["git", *words], cwd=repo, text=True).strip()


def wait_for(pid_file: pathlib.Path) -> int:
    deadline = time.monotonic() + 20
    while not (pid_file.exists() and pid_file.read_text().endswith("\n")):
        assert time.monotonic() < deadline, "the check never began"
        time.sleep(0.01)
    return int(pid_file.read_text())


def test_ctrl_c_ends_the_check_of_a_submission_and_moves_nothing(
    repo: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    pid_file = tmp_path / "check.pid"
    hang = f"sleep 30 & echo $! > '{pid_file}'; wait"
    check = f"test -f {FILE}; case $(pwd) in */submit-*) {hang} ;; esac"
    with runr.Run.start(**{**options(repo), "verify": [check]}) as run:
        for call in run:
            call.reply(work(call))
    assert run.outcome["stop_reason"] == "complete"
    before = git(repo, "rev-parse", "main"), git(repo, "status", "--porcelain")

    def interrupt() -> None:
        wait_for(pid_file)
        os.kill(os.getpid(), signal.SIGINT)

    user = threading.Thread(target=interrupt)
    user.start()
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        runr.submit(run.run_id, "main", root=repo)
    user.join()
    assert time.monotonic() - began < 15
    assert not is_alive(wait_for(pid_file))
    assert before == (git(repo, "rev-parse", "main"), git(repo, "status", "--porcelain"))
    assert "submit-" not in git(repo, "worktree", "list")
