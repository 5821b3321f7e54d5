"""An orchestrator that keeps its own runs: store.py DATA_DIR [COMMAND...]

Every command becomes a run. Runs that are not done yet are tried, those of earlier calls too, so
whatever ends this program, the next call goes on.
"""

import os
import subprocess
import sys

import runr

data_dir, *commands = sys.argv[1:]
store = runr.RunStore.data(data_dir, runr.repo_id(None, os.getcwd()))


def attempt(run_id, command):
    store.append_event(run_id, "cmd_start", {"cmd": command})
    status = subprocess.run(command, shell=True).returncode
    store.append_event(run_id, "cmd_end", {"cmd": command, "exit_code": status})

    def judge(document):  # Under the lock of the run: whoever else changes it comes before or after.
        document["attempts"] = document.get("attempts", 0) + 1
        document["done"] = status == 0
        document["flags"] = {} if status == 0 else {"needs_attention": True}
        return document

    return store.update(run_id, judge)


for command in commands:
    store.create(title=command, runner="shell", runner_cmd=command, worktree_check=False)

done = True
for row in store.list():
    if row["broken"]:  # Listed and left as it is; nothing is guessed about it.
        run = row
    else:
        run = store.read(row["run_id"])
        if not run.get("done"):
            run = attempt(row["run_id"], run["runner_cmd"])
    print("done" if run.get("done") else "open", run.get("attempts", 0), run["title"])
    done = done and run.get("done", False)
sys.exit(not done)
