"""The quick-start of the README, run as its reader would run it."""

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
