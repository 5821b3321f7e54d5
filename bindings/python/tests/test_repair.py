"""Runs that cannot be used: what is wrong, and the repair."""

from __future__ import annotations

import pathlib

import pytest

import runr

ID = "20260110120000-a3f2"
TORN = '{"schema_version": "1.0", "title": "to'


@pytest.fixture
def store(tmp_path: pathlib.Path) -> runr.RunStore:
    store = runr.RunStore.open(tmp_path / "runs")
    store.create(run_id=ID, title="Improve search", worktree_check=False)
    return store


def meta(store: runr.RunStore) -> pathlib.Path:
    return pathlib.Path(store.run_meta_path(ID))


def test_a_healthy_store_has_nothing_to_repair(store: runr.RunStore) -> None:
    assert store.repair() == store.repair(fix=True) == []


def test_nothing_is_changed_unless_it_is_asked_for(store: runr.RunStore) -> None:
    meta(store).write_text(TORN, "utf-8")
    (finding,) = store.repair()
    assert (finding["diagnosis"], finding["remedy"]) == ("meta_broken", "rebuild")
    assert (finding["run_id"], finding["path"]) == (ID, str(meta(store)))
    assert not finding["done"]
    assert meta(store).read_text("utf-8") == TORN


def test_a_broken_run_can_be_read_again_and_its_old_document_is_kept(store: runr.RunStore) -> None:
    store.append_event(ID, "named", {"title": "Improve search"})
    meta(store).write_text(TORN, "utf-8")
    (finding,) = store.repair(fix=True)
    assert finding["done"] and finding["error"] is None
    assert finding["kept"] is not None
    assert pathlib.Path(finding["kept"]).read_text("utf-8") == TORN
    assert store.read(ID)["title"] == "Improve search"
    assert store.repair(fix=True) == []


def test_what_could_not_be_done_has_its_error_and_raises_nothing(
    tmp_path: pathlib.Path, store: runr.RunStore
) -> None:
    broken = tmp_path / "runs" / "gh-17"
    broken.mkdir()
    (broken / "meta.json").write_text("{", "utf-8")
    (tmp_path / "quarantine").write_text("in the way", "utf-8")
    (finding,) = store.repair(fix=True)
    assert (finding["remedy"], finding["done"]) == ("quarantine", False)
    assert finding["error"] is not None and finding["error"]["code"] == "E_IO"
    assert (broken / "meta.json").read_text("utf-8") == "{"


def test_all_repositories_of_a_data_directory_are_looked_at(tmp_path: pathlib.Path) -> None:
    for repo in ["1111111111111111", "2222222222222222"]:
        (tmp_path / "repos" / repo / "runs" / ID / "logs").mkdir(parents=True)
    found = runr.RunStore.data(tmp_path).repair(fix=True)
    assert [it["repo_id"] for it in found] == ["1111111111111111", "2222222222222222"]
    assert all(it["diagnosis"] == "abandoned" and it["done"] for it in found)
    assert not any((tmp_path / "repos").glob("*/runs/*"))
