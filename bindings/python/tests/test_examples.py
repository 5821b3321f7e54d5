"""The examples of the README, run as their reader would run them."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import pytest

import runr

EXAMPLES = pathlib.Path(__file__).parents[3] / "examples"


@pytest.fixture
def repo(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    monkeypatch.setenv("RUNR_CONFIG_DIR", str(tmp_path / "settings"))
    monkeypatch.setenv("AGENT", f"'{sys.executable}' '{EXAMPLES / 'stand_in.py'}'")
    (tmp_path / "hello.md").write_text("# Say hello\n\n## Goal\nWrite src/hello.txt.\n")
    root = tmp_path / "repo"
    root.mkdir()
    git(root, "init", "--quiet", "--initial-branch=main")
    git(root, "config", "user.name", "An Example")
    git(root, "config", "user.email", "example@localhost")
    assert runr.run_command(["--root", str(root), "init"])["exit"] == 0
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "base")
    return root


def git(root: pathlib.Path, *args: str) -> str:
    done = subprocess.run(["git", *args], cwd=root, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout.strip()


def commits(root: pathlib.Path) -> str:
    return git(root, "rev-list", "--count", "--branches=runr/*", "^main")


def quickstart(root: pathlib.Path, check: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, EXAMPLES / "quickstart.py", root, root.parent / "hello.md", check]
    return subprocess.run(command, env=os.environ, capture_output=True, text=True, timeout=120)


def test_the_quick_start_commits_what_passes_its_check(repo: pathlib.Path) -> None:
    done = quickstart(repo, "test -f src/hello.txt")
    assert (done.returncode, done.stdout) == (0, "complete None\n"), done.stderr
    assert commits(repo) == "1"


def test_the_quick_start_never_ends_with_0_on_failure(repo: pathlib.Path) -> None:
    done = quickstart(repo, "false")
    assert done.returncode == 1, done.stderr
    assert done.stdout.startswith("verification_failed_max_retries runr resume ")
    assert commits(repo) == "0"


def orchestrate(folder: pathlib.Path, *commands: str) -> tuple[int, list[str]]:
    command = [sys.executable, EXAMPLES / "store.py", folder / "data", *commands]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    return done.returncode, sorted(done.stdout.splitlines())


def test_the_orchestrator_goes_on_with_what_is_not_done(tmp_path: pathlib.Path) -> None:
    assert orchestrate(tmp_path) == (0, [])
    later = "test -f later"
    assert orchestrate(tmp_path, "true", later) == (1, ["done 1 true", f"open 1 {later}"])
    store = runr.RunStore.data(tmp_path / "data")
    [open_run] = [row for row in store.list() if row["title"] == later]
    assert open_run["derived_status"] == "needs attention"
    (tmp_path / "later").touch()
    assert orchestrate(tmp_path) == (0, ["done 1 true", f"done 2 {later}"])
    assert {row["derived_status"] for row in store.list()} == {"idle"}
    kept = [(it["event"], it.get("data")) for it in store.events(open_run["run_id"])]
    assert kept[1::2] == [
        ("cmd_end", {"cmd": later, "exit_code": 1}),
        ("cmd_end", {"cmd": later, "exit_code": 0}),
    ]


def test_the_orchestrator_leaves_a_broken_run_alone(tmp_path: pathlib.Path) -> None:
    assert orchestrate(tmp_path, "true")[0] == 0
    store = runr.RunStore.data(tmp_path / "data")
    path = pathlib.Path(store.run_meta_path(store.list()[0]["run_id"]))
    path.write_text("{")
    assert orchestrate(tmp_path, "true") == (1, ["done 1 true", "open 0 <broken>"])
    assert path.read_text() == "{"
