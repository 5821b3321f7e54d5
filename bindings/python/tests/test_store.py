"""The run store: updates by function and by values, lists, and stores in the data directory."""

from __future__ import annotations

import json
import pathlib
import threading
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
    def again(document: dict[str, Any]) -> dict[str, Any]:
        store.update(ID, set={"/pr_number": 1})
        return document

    with pytest.raises(runr.LockTimeout) as caught:
        store.update(ID, again)
    assert caught.value.code == "E_LOCK_TIMEOUT"
    assert caught.value.retryable is False


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
