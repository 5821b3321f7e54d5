"""A process that records exit signals: ``exit_signals.py CWD RUN_ID HOW_MANY``.

Says ``ready``, begins with the first line of its input.
"""

from __future__ import annotations

import sys

import runr

cwd, run_id, how_many = sys.argv[1:]
print("ready", flush=True)
sys.stdin.readline()
for count in range(1, int(how_many) + 1):
    answer = runr.record_exit_signal_for_runner(
        repo="acme/shop",
        pr=17,
        cwd=cwd,
        run_id=run_id,
        reason=f"{run_id} {count}",
        require_active_owner=False,
    )
    assert answer["ok"], answer["message"]
