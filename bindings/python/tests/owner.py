"""A process that owns a target: ``owner.py ROOT TARGET RUN_ID [TTL]``.

Says its token, then does what each line of its input asks for, and says how it went: ``check``,
``act FILE`` (adds one to the number in a file), ``lost``, ``release``, ``fail``. The end of the
input ends the process without a release.
"""

from __future__ import annotations

import os
import pathlib
import sys

import runr


def one_more(file: pathlib.Path) -> int:
    number = int(file.read_text()) + 1
    file.write_text(str(number))
    return number


def do(owner: runr.Ownership, words: list[str]) -> object:
    match words:
        case ["check"]:
            return owner.check()
        case ["act", file]:
            return owner.act(lambda: one_more(pathlib.Path(file)))
        case ["lost"]:
            return owner.lost
        case ["release"]:
            answer = owner.release()
            return answer["status"] if answer["ok"] else answer["error"]
        case ["fail"]:
            with owner:
                raise ValueError("as asked")
    raise LookupError(f"what is {words}?")


root, target, run_id, *ttl = sys.argv[1:]
owner = runr.own(target, run_id, root=root, ttl=float(ttl[0]) if ttl else 60)
print(owner.token, flush=True)
for line in sys.stdin:
    try:
        print(do(owner, line.split()), flush=True)
    except (runr.RunrError, ValueError) as error:
        print(getattr(error, "code", repr(error)), flush=True)
os._exit(0)
