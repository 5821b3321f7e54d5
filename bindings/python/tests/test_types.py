"""The types of the package are complete and agree with the native module."""

from __future__ import annotations

import pathlib
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).parent


@pytest.mark.parametrize(
    "check",
    [
        ["mypy", "--strict", "-p", "runr"],
        ["mypy", "--strict", str(HERE / "typed_program.py")],
        ["mypy.stubtest", "runr._native"],
    ],
    ids=["package", "program", "stubs"],
)
def test_the_type_checker_agrees(check: list[str], tmp_path: pathlib.Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *check], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stdout + done.stderr
