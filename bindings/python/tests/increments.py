"""A process that adds ones to a field of a run: ``increments.py RUNS RUN_ID HOW_MANY``.

Says ``ready``, begins with the first line of its input.
"""

from __future__ import annotations

import sys
from typing import Any

import runr


def one_more(document: dict[str, Any]) -> dict[str, Any]:
    document["total"] = document.get("total", 0) + 1
    return document


runs, run_id, how_many = sys.argv[1:]
store = runr.RunStore.open(runs)
print("ready", flush=True)
sys.stdin.readline()
for _ in range(int(how_many)):
    store.update(run_id, one_more)
