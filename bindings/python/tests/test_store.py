"""The run store: updates by function and by values, lists, and stores in the data directory."""

from __future__ import annotations

import copy
import json
import pathlib
import pickle
import threading
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

import runr

ID = "20260110120000-a3f2"


@pytest.fixture
def store(tmp_path: pathlib.Path) -> runr.RunStore:
    store = runr.RunStore.open(tmp_path / "runs")
    store.create(run_id=ID, title="Improve search", worktree_check=False)
    return store


def text(store: runr.RunStore) -> str:
    return pathlib.Path(store.run_meta_path(ID)).read_text("utf-8")


def test_a_function_changes_the_document_under_the_lock(store: runr.RunStore) -> None:
    def change(document: dict[str, Any]) -> dict[str, Any]:
        document["pr_number"] = 12
        document["note"] = {"by": "me"}
        return document

    after = store.update(ID, change)
    assert after == store.read(ID)
    assert (after["pr_number"], after["note"]) == (12, {"by": "me"})


def test_what_a_function_leaves_alone_keeps_its_spelling(store: runr.RunStore) -> None:
    path = pathlib.Path(store.run_meta_path(ID))
    big = "123456789012345678901234"
    path.write_text(text(store).replace('Z"\n', f'Z",\n  "n": {big},\n  "e": 1e3\n'), "utf-8")
    store.update(ID, lambda document: {**document, "pr_number": 1})
    assert f'"n": {big},\n  "e": 1e3\n' in text(store)


def test_integers_of_any_size_are_kept(store: runr.RunStore) -> None:
    big = 2**64 + 1
    store.update(ID, set={"/ext/n": big, "/ext/list": [-(10**40)]})
    assert f'"n": {big}' in text(store) and f"-1{'0' * 40}" in text(store)
    store.update(ID, lambda it: {**it, "more": {"n": big + 1}})
    store.update(ID, lambda it: {**it, "more": {"n": big + 2}})
    assert f'"n": {big},' in text(store) and f'"n": {big + 2}\n' in text(store)


def test_an_exception_leaves_the_file_and_comes_out_as_it_is(store: runr.RunStore) -> None:
    before = text(store)

    class Mine(Exception):
        pass

    def fail(document: dict[str, Any]) -> dict[str, Any]:
        document["pr_number"] = 12
        raise Mine("no")

    with pytest.raises(Mine, match="no"):
        store.update(ID, fail)
    assert text(store) == before
    store.update(ID, set={"/pr_number": 1})


def test_an_update_within_an_update_is_refused_at_once(store: runr.RunStore) -> None:
    before = text(store)
    for write in (
        lambda: store.update(ID, lambda document: {**document, "pr_number": 1}),
        lambda: store.update(ID, set={"/pr_number": 1}),
        lambda: store.append_event(ID, "stop"),
    ):
        with pytest.raises(runr.LockTimeout) as caught:
            store.update(ID, lambda document, write=write: (write(), document)[1])
        assert (caught.value.code, caught.value.retryable) == ("E_LOCK_TIMEOUT", False)
        assert caught.value.context["reentrant"] is True
        assert isinstance(caught.value, TimeoutError)
    assert text(store) == before


def test_within_an_update_the_run_can_be_read_and_another_one_updated(
    store: runr.RunStore,
) -> None:
    other = store.create(run_id="20260110120000-b000", worktree_check=False)["run_id"]

    def change(document: dict[str, Any]) -> dict[str, Any]:
        assert store.read(ID) == document
        seen = store.update(other, lambda it: {**it, "parent": document["run_id"]})
        store.append_event(other, "child")
        return {**document, "child": seen["run_id"]}

    assert store.update(ID, change)["child"] == other
    assert store.read(other)["parent"] == ID
    assert [event["event"] for event in store.events(other)] == ["child"]


def test_a_function_that_returns_no_document_is_refused(store: runr.RunStore) -> None:
    before = text(store)
    wrong: Any
    for wrong in (None, [], "x"):
        with pytest.raises(runr.InvalidInput):
            store.update(ID, lambda _: wrong)
    with pytest.raises(TypeError):
        store.update(ID, lambda document: {**document, "x": object()})
    with pytest.raises(runr.InvalidInput):
        store.update(ID, lambda document: document, set={"/x": 1})
    assert text(store) == before


def test_threads_lose_no_update(store: runr.RunStore) -> None:
    def count() -> None:
        for _ in range(25):
            store.update(ID, lambda it: {**it, "pr_number": it.get("pr_number", 0) + 1})

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.read(ID)["pr_number"] == 200


def test_a_store_in_the_data_directory_spans_all_repositories(tmp_path: pathlib.Path) -> None:
    every = runr.RunStore.data(tmp_path)
    assert every.list() == []
    for number, repo in enumerate(["r1", "r2"]):
        store = runr.RunStore.data(tmp_path, repo)
        store.create(run_id=f"run-{number}", title="t", worktree_check=False)
    assert {row["repo_id"] for row in every.list()} == {"r1", "r2"}
    assert every.resolve("run-1")["repo_id"] == "r2"
    assert every.read("run-1")["repo_id"] == "r2"
    with pytest.raises(runr.InvalidInput):
        every.create(title="t", worktree_check=False)
    created = every.create(repo_id="r3", title="Fix It", worktree_check=False)
    assert every.read(created["run_id"])["branch"].startswith("runr/fix-it-")
    assert every.run_dir("run-0") == str(tmp_path / "repos/r1/runs/run-0")


def test_stores_are_values(tmp_path: pathlib.Path) -> None:
    data = runr.RunStore.data(tmp_path, "r1")
    assert data == runr.RunStore.data(tmp_path, "r1") != runr.RunStore.data(tmp_path)
    assert len({data, runr.RunStore.data(tmp_path, "r1")}) == 1
    assert repr(data) == f"RunStore.data(data_dir={str(tmp_path)!r}, repo_id='r1')"
    assert (data.root, runr.RunStore.open("x").root) == (None, "x")


def test_events_are_kept_in_order(store: runr.RunStore) -> None:
    assert store.events(ID) == []
    store.append_event(ID, "cmd_start", {"cmd": "push"})
    store.append_event(ID, "stop")
    assert [event["seq"] for event in store.events(ID)] == [1, 2]
    assert [event["event"] for event in store.events(ID, since=1)] == ["stop"]
    path = pathlib.Path(store.run_dir(ID), "events.jsonl")
    assert json.loads(path.read_text("utf-8").splitlines()[0])["data"] == {"cmd": "push"}


def test_the_events_of_a_run_can_be_asked_for_from_any_number_on(store: runr.RunStore) -> None:
    for name in ("a", "b", "c"):
        appended = store.append_event(ID, name, {"of": name})
    assert store.events(ID)[-1] == appended
    names = [[event["event"] for event in store.events(ID, since)] for since in range(5)]
    assert names == [["a", "b", "c"], ["b", "c"], ["c"], [], []]
    with pytest.raises(runr.InvalidInput):
        store.events(ID, since=-1)


def test_events_of_no_run_and_damaged_ones_are_refused(store: runr.RunStore) -> None:
    for call in (store.events, lambda run_id: store.append_event(run_id, "stop")):
        with pytest.raises(runr.NotFound) as missing:
            call("20260110120000-ffff")
        assert missing.value.code == "E_RUN_NOT_FOUND"
    store.append_event(ID, "a")
    path = pathlib.Path(store.paths(ID)["events_path"])
    good = path.read_bytes()
    path.write_bytes(good + b'{"seq": 2, "eve')
    assert [event["event"] for event in store.events(ID)] == ["a"]
    path.write_bytes(good + b"damage\n")
    for call in (store.events, lambda run_id: store.append_event(run_id, "b")):
        with pytest.raises(runr.StoreError) as damaged:
            call(ID)
        assert (damaged.value.code, damaged.value.path) == ("E_STORE_CORRUPT", str(path))
        assert damaged.value.context["offset"] == len(good)
    assert path.read_bytes() == good + b"damage\n"


def test_paths_are_computed_and_looked_for_nowhere(tmp_path: pathlib.Path) -> None:
    root = tmp_path / "runs"
    store = runr.RunStore.open(root)
    assert store.runs_dir() == str(root)
    assert store.run_dir("r-1") == str(root / "r-1")
    assert store.run_meta_path("r-1") == str(root / "r-1" / "meta.json")
    assert store.run_logs_dir("r-1") == str(root / "r-1" / "logs")
    assert not root.exists()
    for wrong in ("..", "a/b", "", ".a", "con", "a" * 129):
        with pytest.raises(runr.InvalidInput) as caught:
            store.run_dir(wrong)
        assert caught.value.code == "E_INVALID_ID", wrong


def test_fields_may_be_paths_and_times(store: runr.RunStore, tmp_path: pathlib.Path) -> None:
    zone = timezone(timedelta(hours=2))
    moment = datetime(2026, 1, 10, 14, 0, 0, 999_999, tzinfo=zone)
    created = store.create(title="t", worktree_path=tmp_path, created_at=moment)
    run = store.read(created["run_id"])
    assert run["worktree_path"] == str(tmp_path)
    assert run["created_at"] == "2026-01-10T12:00:00Z"
    after = store.update(run["run_id"], set={"/seen": {"at": moment, "in": tmp_path}})
    assert after["seen"] == {"at": "2026-01-10T12:00:00.999Z", "in": str(tmp_path)}
    with pytest.raises(runr.InvalidInput, match="time zone"):
        store.create(created_at=datetime(2026, 1, 10), worktree_check=False)


def test_a_worktree_that_is_missing_is_seen_before_anything_is_made(
    tmp_path: pathlib.Path,
) -> None:
    store = runr.RunStore.open(tmp_path / "runs")
    with pytest.raises(runr.RunrError) as caught:
        store.create(title="t", worktree_path=tmp_path / "missing")
    assert caught.value.code == "E_INTERNAL"
    assert caught.value.context["worktree_path"] == str(tmp_path / "missing")
    assert not (tmp_path / "runs").exists()


def test_a_whole_document_may_be_given_but_no_other_format(store: runr.RunStore) -> None:
    run = {**store.read(ID), "run_id": "20260110120000-ffff"}
    for version in ("2.0", ""):
        with pytest.raises(runr.InvalidInput):
            store.create({**run, "schema_version": version}, worktree_check=False)
    store.create(run, worktree_check=False)
    assert store.read(run["run_id"]) == run


def test_a_store_cannot_be_changed_but_copied_and_sent_to_another_process(
    tmp_path: pathlib.Path,
) -> None:
    for store in (runr.RunStore.open(tmp_path), runr.RunStore.data(tmp_path, "r1")):
        for name in ("root", "_place", "other"):
            with pytest.raises(AttributeError, match="frozen"):
                setattr(store, name, "x")
        with pytest.raises(AttributeError, match="frozen"):
            del store._place
        for twin in (pickle.loads(pickle.dumps(store)), copy.copy(store), copy.deepcopy(store)):
            assert twin == store
            assert twin.runs_dir() == store.runs_dir()
