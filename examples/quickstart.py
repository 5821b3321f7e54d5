"""Drives a task with an agent of your own: quickstart.py REPOSITORY TASK CHECK"""

import os
import subprocess
import sys

import runr


def agent(prompt, cwd):
    """Any program that reads a prompt, works in its directory and prints an answer."""
    command = os.environ.get("AGENT", "claude -p --permission-mode acceptEdits")
    done = subprocess.run(
        command, shell=True, cwd=cwd, input=prompt, stdout=subprocess.PIPE, text=True
    )
    return done.stdout


repository, task, check = sys.argv[1:]
with runr.Run.start(task, root=repository, worktree=True, allow=["src/**"], verify=[check]) as run:
    for call in run:
        call.reply(agent(call.prompt, cwd=call.cwd))
print(run.outcome["stop_reason"], run.outcome["suggested_command"])
sys.exit(run.outcome["stop_reason"] != "complete")
