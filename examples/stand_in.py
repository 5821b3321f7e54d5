"""An agent without a model, for trying things out: reads a prompt, writes one file, answers.

It tells the stages apart by the first line of the prompt; a real agent need not, since every prompt
says which answer it wants.
"""

import json
import pathlib
import sys

prompt = sys.stdin.read()
if prompt.startswith("# Plan"):
    milestone = {"goal": "Say hello", "done_checks": ["src/hello.txt is there"], "risk_level": "low"}
    answer = {"milestones": [milestone]}
elif prompt.startswith("# Implement"):
    target = pathlib.Path("src/hello.txt")
    target.parent.mkdir(exist_ok=True)
    target.write_text("hello\n")
    answer = {"status": "ok", "handoff_memo": "wrote src/hello.txt"}
else:
    answer = {"status": "approve", "changes": []}
print("BEGIN_JSON", json.dumps(answer), "END_JSON")
