"""What every test has: a home of its own, so that nothing of the machine is read or written."""

from __future__ import annotations

import pathlib
import subprocess

import pytest


@pytest.fixture(autouse=True)
def _own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path_factory.mktemp("home")
    (home / ".gitconfig").write_text("[user]\n\tname = A Tester\n\temail = tester@localhost\n")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("RUNR_CONFIG_DIR", str(home / "runr"))
    for name in ("RUNR_WORKER_SCRIPT", "RUNR_TRUST_CONFIG", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def repo(tmp_path: pathlib.Path) -> pathlib.Path:
    """A repository of one commit."""
    path = tmp_path / "repo"
    path.mkdir()
    for command in (
        ["init", "--quiet", "--initial-branch=main"],
        ["commit", "--quiet", "--allow-empty", "--message", "start"],
    ):
        subprocess.run(["git", *command], cwd=path, check=True)
    return path
