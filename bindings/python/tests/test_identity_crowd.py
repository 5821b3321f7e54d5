"""Programs of three languages prepare work items at once, while somebody reads."""

from __future__ import annotations

import json
import os
import pathlib
import shlex
import shutil
import subprocess
import sys

import pytest

CHECKOUT = pathlib.Path(__file__).resolve().parents[3]
LONG = "RUNR_TEST_LONG" in os.environ
PROCESSES = 64 if LONG else 24
TIMES = 5 if LONG else 2
NOW = "2026-02-03T04:05:06Z"

PYTHON = """
import os, sys, time, runr
root, gate, item, times = sys.argv[1:]
while not os.path.exists(gate):
    time.sleep(0.005)
for name in [item] * int(times) + ["shared"]:
    report = runr.prep(root, flow="build", run_id=name, now="{now}")
    assert report["status"] == "VERIFIED", report
"""

NODE = """
const fs = require('node:fs');
const runr = require({package});
const [root, gate, item, times] = process.argv.slice(1);
const nap = new Int32Array(new SharedArrayBuffer(4));
while (!fs.existsSync(gate)) Atomics.wait(nap, 0, 0, 5);
(async () => {{
  for (const runId of [...Array(Number(times)).fill(item), 'shared']) {{
    const report = await runr.prep({{ root, flow: 'build', runId, now: '{now}' }});
    if (report.status !== 'VERIFIED') throw new Error(JSON.stringify(report));
  }}
}})();
"""

SHELL = """
set -e
while [ ! -e "$2" ]; do sleep 0.01; done
for _ in $(seq "$4"); do {runr} prep --root "$1" --flow build --run-id "$3" --now {now} --strict; done
{runr} prep --root "$1" --flow build --run-id shared --now {now} --strict
"""


def programs() -> dict[str, list[str]]:
    """How each language is started; a test without one of them would say nothing about it."""
    node = shutil.which("node")
    package = CHECKOUT / "bindings/node"
    if node is None or not (package / "native.js").exists():
        pytest.skip("needs node and the built package for it (cargo xtask dev)")
    runr = CHECKOUT / "target/debug/runr"
    asked = runr.exists() and subprocess.run([runr, "prep", "--help"], capture_output=True)
    if not asked or asked.returncode != 0:
        pytest.skip("needs the built command (cargo build -p runr-cli)")
    return {
        "python": [sys.executable, "-c", PYTHON.format(now=NOW)],
        "node": [node, "-e", NODE.format(now=NOW, package=json.dumps(str(package)))],
        "shell": ["sh", "-c", SHELL.format(now=NOW, runr=shlex.quote(str(runr))), "sh"],
    }


def listed(root: pathlib.Path) -> list[str]:
    """What stands in the index at this moment: always a whole document."""
    path = root / ".runs/index.json"
    if not path.exists():
        return []
    return [row["run_id"] for row in json.loads(path.read_text("utf-8"))["runs"]]


def test_no_work_item_and_no_count_is_lost(tmp_path: pathlib.Path) -> None:
    commands = list(programs().values())
    gate = tmp_path / "go"
    root = tmp_path / "root"
    root.mkdir()
    items = [f"item-{number:02}" for number in range(PROCESSES)]
    children = [
        subprocess.Popen(
            [*commands[number % len(commands)], str(root), str(gate), item, str(TIMES)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number, item in enumerate(items)
    ]
    gate.touch()
    seen: set[str] = set()
    reads = 0
    try:
        while any(child.poll() is None for child in children):
            now = set(listed(root))
            assert seen <= now
            seen, reads = now, reads + 1
    finally:
        errors = [child.communicate()[1] for child in children]
    assert [child.returncode for child in children] == [0] * PROCESSES, "\n".join(errors)
    assert reads > PROCESSES
    assert listed(root) == [*items, "shared"]
    for item, count in [*((item, TIMES) for item in items), ("shared", PROCESSES)]:
        meta = json.loads((root / f".runs/{item}/run_meta.json").read_text("utf-8"))
        assert meta["iterations"] == count, item
    left = [path.name for path in root.rglob("*") if path.name.endswith(".tmp")]
    assert left == []
