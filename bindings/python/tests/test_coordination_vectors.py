"""The recorded behaviour of claims, replayed through the public functions and on real files."""

from __future__ import annotations

import json
import pathlib
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import runr
from test_vectors import excepted, load

FILE = "coordination.json"
VECTORS = load(FILE)
CASES, LOCKS = VECTORS["cases"], VECTORS["lock"]

#: What stands beside a record, and is ours alone.
OURS = (".fence.json", ".history.jsonl", ".oslock")

#: Values that the vectors spell out because JSON lacks them.
JS = {"undefined": None, "NaN": float("nan"), "Infinity": float("inf")}


def arguments(args: dict[str, Any]) -> dict[str, Any]:
    """The arguments under their Python names."""
    found = {}
    for name, value in args.items():
        if isinstance(value, dict) and "$js" in value:
            value = JS[value["$js"]]
        found["".join(f"_{c.lower()}" if c.isupper() else c for c in name)] = value
    # What is required here was merely missing there.
    return {"repo": None, "pr": None, **found}


def at(function: Callable[..., Any]) -> Callable[[dict[str, Any], pathlib.Path], Any]:
    return lambda step, cwd: function(**{"cwd": cwd, **arguments(step["args"])})


def ensure(step: dict[str, Any], cwd: pathlib.Path) -> Any:
    return at(runr.ensure_async_runner_ownership)(
        {"args": {"now": step["clock"], **step["args"]}}, cwd
    )


def path(step: dict[str, Any], cwd: pathlib.Path) -> Any:
    return runr.default_runner_coordination_file_path_for_target(arguments(step["args"]), cwd)


def write(step: dict[str, Any], cwd: pathlib.Path) -> None:
    place(cwd, step["args"]["path"], step["args"]["text"])


def remove(step: dict[str, Any], cwd: pathlib.Path) -> None:
    (cwd / step["args"]["path"]).unlink()


OPERATIONS: dict[str, Callable[[dict[str, Any], pathlib.Path], Any]] = {
    "claim": at(runr.claim_runner_ownership),
    "assert": at(runr.assert_runner_ownership),
    "release": at(runr.release_runner_ownership),
    "exit_signal": at(runr.record_exit_signal_for_runner),
    "ensure": ensure,
    "load": at(runr.load_runner_coordination_state),
    "stale": at(runr.detect_stale_runner),
    "path": path,
    "create": lambda step, _: runr.create_runner_coordination_state(**arguments(step["args"])),
    "write": write,
    "remove": remove,
}


def place(cwd: pathlib.Path, name: str, text: str) -> None:
    (cwd / name).parent.mkdir(parents=True, exist_ok=True)
    (cwd / name).write_bytes(text.encode())


def records(cwd: pathlib.Path) -> dict[str, str]:
    """The files that the recorded program knows, with their text; none of its locks is left."""
    files = (found for found in cwd.rglob("*") if found.is_file())
    texts = {str(file.relative_to(cwd)): file for file in files if not file.name.endswith(OURS)}
    assert not [found for found in cwd.rglob("*.lock") if found.is_dir()]
    return {name: file.read_bytes().decode() for name, file in texts.items()}


def changes(before: dict[str, str], after: dict[str, str]) -> dict[str, str | None]:
    gone: dict[str, str | None] = {name: None for name in before if name not in after}
    return gone | {name: text for name, text in after.items() if before.get(name) != text}


def same_result(found: Any, step: dict[str, Any], cwd: pathlib.Path) -> None:
    expected = json.loads(step["resultJson"]) if "resultJson" in step else step["result"]
    expected = placed(expected, cwd)
    if isinstance(expected, dict) and "message_facts" in expected:
        for fact in expected.pop("message_facts"):
            assert fact in found["message"], found
        found = {name: value for name, value in found.items() if name != "message"}
    assert found == expected
    if isinstance(expected, dict) and step["op"] in ("claim", "assert", "release", "exit_signal"):
        assert list(found) == list(expected)


def placed(value: Any, cwd: pathlib.Path) -> Any:
    """A value of the vectors with the working directory in it."""
    return json.loads(json.dumps(value).replace("<cwd>", json.dumps(str(cwd))[1:-1]))


def replay(step: dict[str, Any], cwd: pathlib.Path) -> None:
    step, before = {**step, "args": placed(step["args"], cwd)}, records(cwd)
    operation = OPERATIONS[step["op"]]
    if "throws" in step:
        with pytest.raises(runr.RunrError) as refused:
            operation(step, cwd)
        assert refused.value.code == step["throws"]["code"]
    else:
        found = operation(step, cwd)
        if step["op"] not in ("write", "remove"):
            same_result(found, step, cwd)
    assert changes(before, records(cwd)) == step.get("files", {})


@pytest.fixture
def cwd() -> Iterator[pathlib.Path]:
    """A working directory in memory, where there is such a place: the thousands of flushes of all
    cases would take minutes on a disk, and are tested elsewhere."""
    memory = pathlib.Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as directory:
        yield pathlib.Path(directory).resolve()


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"case {case['id']}")
def test_a_recorded_sequence(case: dict[str, Any], cwd: pathlib.Path) -> None:
    if str(case["id"]) in excepted(FILE):
        pytest.skip(f"{case['id']} is named in exceptions.toml")
    if case["pre"] is not None:
        place(cwd, case["pre"]["path"], case["pre"]["text"])
    for number, step in enumerate(case["steps"]):
        try:
            replay(step, cwd)
        except AssertionError as wrong:
            raise AssertionError(f"step {number}, {step['op']} {step['args']}: {wrong}") from wrong


def held(case: dict[str, Any], cwd: pathlib.Path) -> pathlib.Path:
    """The lock of another program, as the case has it."""
    lock = cwd / ".pi/runner-coordination/owner/repo/pr-17.json.lock"
    if case["lockIsFile"]:
        place(cwd, str(lock.relative_to(cwd)), "")
    elif case["ownerText"] is None:
        lock.mkdir(parents=True)
    else:
        place(lock, "owner.json", case["ownerText"])
    return lock


def contend(case: dict[str, Any], cwd: pathlib.Path) -> None:
    lock = held(case, cwd)
    place_and_run = {"repo": "owner/repo", "pr": 17, "run_id": "run-1", "cwd": cwd}
    with pytest.raises(runr.LockTimeout) as refused:
        runr.claim_runner_ownership(**place_and_run, single_host=False)
    assert refused.value.code == case["throws"]["code"]
    assert lock.exists() and lock.is_file() == case["lockIsFile"]
    answer = runr.assert_runner_ownership(**place_and_run)
    assert answer["status"] == case["assertStillWorks"]


def test_a_lock_that_somebody_may_hold_is_waited_for_and_left(tmp_path: pathlib.Path) -> None:
    places = [tmp_path.resolve() / str(number) for number in range(len(LOCKS))]
    # Each waits for seconds; together they wait as long as one.
    with ThreadPoolExecutor(len(LOCKS)) as pool:
        list(pool.map(contend, LOCKS, places))


def test_all_cases_are_replayed() -> None:
    assert (len(CASES), len(LOCKS)) == (300, 6)
    assert len({case["id"] for case in CASES}) == 300
    assert {step["op"] for case in CASES for step in case["steps"]} == set(OPERATIONS)
    assert sum(len(case["steps"]) for case in CASES) == 1904
    assert excepted(FILE) == set()
