"""The recorded behaviour of the store, replayed through the public functions and on real files."""

from __future__ import annotations

import hashlib
import json
import pathlib
from collections import Counter
from datetime import datetime
from typing import Any

import pytest

import runr
from test_vectors import excepted, load

FILE = "store-meta.json"
CASES = load(FILE)["cases"]
COUNTS = {"new": 8, "update": 7, "read": 5, "repo_id": 4, "branch": 3, "resolve": 4}


def run_file(store: runr.RunStore, run_id: str, text: str) -> pathlib.Path:
    """The document of a run, as another program left it."""
    path = pathlib.Path(store.run_meta_path(run_id))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())
    return path


def replay_new(case: dict[str, Any], data: pathlib.Path) -> None:
    given, expected = case["input"], case["expected_text"]
    assert runr.new_run_meta(**given) == expected
    moment = datetime.fromisoformat(given["created_at"].replace("Z", "+00:00"))
    assert runr.new_run_meta(**{**given, "created_at": moment}) == expected
    for place, fields in {"fields": given, "document": json.loads(expected)}.items():
        store = runr.RunStore.data(data / place, given["repo_id"])
        created = store.create(fields, worktree_check=False)
        written = pathlib.Path(created["meta_path"]).read_bytes()
        assert written == expected.encode()
        assert hashlib.sha256(written).hexdigest() == case["expected_sha256"]
        assert store.read(given["run_id"]) == json.loads(expected)


def applied(document: dict[str, Any], ops: list[dict[str, Any]]) -> dict[str, Any]:
    """What a program does in its function to get what the changes say."""
    for op in ops:
        *parents, name = op["path"].removeprefix("/").split("/")
        place = document
        for parent in parents:
            place = place.setdefault(parent, {})
        if op["op"] == "set":
            place[name] = op["value"]
        else:
            del place[name]
    return document


def replay_update(case: dict[str, Any], data: pathlib.Path) -> None:
    start, ops, expected = case["start_text"], case["ops"], case["expected_text"]
    assert runr.apply_meta_ops(start, ops) == expected
    run = json.loads(start)
    store, run_id = runr.RunStore.data(data, run["repo_id"]), run["run_id"]
    changed = {op["path"]: op["value"] for op in ops if op["op"] == "set"}
    removed = [op["path"] for op in ops if op["op"] == "unset"]
    for update in (
        lambda: store.update(run_id, lambda document: applied(document, ops)),
        lambda: store.update(run_id, set=changed, unset=removed),
    ):
        path = run_file(store, run_id, start)
        assert update() == json.loads(expected)
        assert path.read_bytes() == expected.encode()
        assert hashlib.sha256(path.read_bytes()).hexdigest() == case["expected_sha256"]


def replay_read(case: dict[str, Any], data: pathlib.Path) -> None:
    run_id, expected = case["dir_run_id"], case["expected"]
    store = runr.RunStore.data(data, case["dir_repo_id"])
    path = run_file(store, run_id, case["text"])
    if "value" in expected:
        assert store.read(run_id) == expected["value"]
    else:
        with pytest.raises(runr.StoreError) as refused:
            store.read(run_id)
        assert refused.value.code == expected["error"]
    broken = "error" in expected
    assert [row["broken"] for row in store.list()] == [broken]
    assert store.resolve(run_id)["broken"] is broken
    assert path.read_bytes() == case["text"].encode()


def replay_repo_id(case: dict[str, Any], _: pathlib.Path) -> None:
    given = (case["input"]["origin_url"], case["input"]["repo_root"])
    key = runr.repo_key(*given)
    found = {
        "repo_key": key,
        "repo_id": runr.repo_id(*given),
        "github": key.startswith("github:"),
    }
    assert found == case["expected"]


def replay_branch(case: dict[str, Any], _: pathlib.Path) -> None:
    given, expected = case["input"], case["expected"]
    # The recorded prefix ends with the slash that ours goes without.
    branch = runr.branch_name(given["title"], given["run_id"], given["prefix"].rstrip("/"))
    assert branch == expected["branch"]
    assert branch == f"{given['prefix']}{expected['slug']}-{expected['short_id']}"


def replay_resolve(case: dict[str, Any], data: pathlib.Path) -> None:
    every = runr.RunStore.data(data)
    for repo_id, run_id, name, active in case["refs"]:
        every.create(repo_id=repo_id, run_id=run_id, worktree_check=False)
        archived = {} if active else {"/archive/archived_at": "2026-01-12T00:00:00Z"}
        every.update(run_id, set={"/name": name, **archived})
    expected = case["expected"]
    if "ok" in expected:
        found = every.resolve(case["input"])
        assert [found["repo_id"], found["run_id"]] == expected["ok"]
        return
    with pytest.raises(runr.RunrError) as refused:
        every.resolve(case["input"])
    assert refused.value.code == expected["error"]
    candidates = refused.value.context.get("candidates", [])
    pairs = [[run["repo_id"], run["run_id"]] for run in candidates]
    assert pairs == expected.get("candidates", [])


REPLAY = {
    "new": replay_new,
    "update": replay_update,
    "read": replay_read,
    "repo_id": replay_repo_id,
    "branch": replay_branch,
    "resolve": replay_resolve,
}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_a_recorded_case(case: dict[str, Any], tmp_path: pathlib.Path) -> None:
    if case["id"] in excepted(FILE):
        pytest.skip(f"{case['id']} is named in exceptions.toml")
    REPLAY[case["kind"]](case, tmp_path)


def test_all_31_cases_are_replayed() -> None:
    assert Counter(case["kind"] for case in CASES) == COUNTS
    assert len({case["id"] for case in CASES}) == sum(COUNTS.values()) == 31
    assert excepted(FILE) == set()
