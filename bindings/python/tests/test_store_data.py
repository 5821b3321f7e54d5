"""The runs of several repositories in one data directory."""

from __future__ import annotations

import pathlib
from typing import Any

import pytest

import runr


@pytest.fixture
def every(tmp_path: pathlib.Path) -> runr.RunStore:
    """Two repositories, with an id and a name that stand in both of them."""
    every = runr.RunStore.data(tmp_path)
    for number, repo_id in enumerate(["r1", "r2"]):
        for run_id in ("same-1", f"main-{repo_id}"):
            every.create(
                run_id=run_id,
                repo_id=repo_id,
                created_at=f"2026-01-0{number + 1}T00:00:00Z",
                worktree_check=False,
            )
        every.update(f"main-{repo_id}", set={"/name": "both"})
    return every


def refused(kind: type[runr.RunrError], code: str, call: Any, *args: Any, **options: Any) -> Any:
    """What an error carries besides."""
    with pytest.raises(kind) as caught:
        call(*args, **options)
    assert (type(caught.value), caught.value.code) == (kind, code)
    return caught.value.context


def test_the_list_has_the_runs_of_all_the_newest_first(every: runr.RunStore) -> None:
    rows = [(row["repo_id"], row["run_id"]) for row in every.list()]
    newest, oldest = [("r2", "main-r2"), ("r2", "same-1")], [("r1", "main-r1"), ("r1", "same-1")]
    assert rows == [*newest, *oldest]
    assert every.resolve("latest")["repo_id"] == "r2"


def test_one_repository_knows_nothing_of_the_others(
    every: runr.RunStore, tmp_path: pathlib.Path
) -> None:
    one = runr.RunStore.data(tmp_path, "r1")
    assert {row["repo_id"] for row in one.list()} == {"r1"}
    assert one.resolve("both")["run_id"] == "main-r1"
    assert one.resolve("same-1")["repo_id"] == one.read("same-1")["repo_id"] == "r1"
    refused(runr.NotFound, "E_RUN_NOT_FOUND", one.resolve, "main-r2")


def test_a_run_id_of_two_repositories_means_none(every: runr.RunStore) -> None:
    both = [{"repo_id": repo, "run_id": "same-1"} for repo in ("r1", "r2")]
    for call in (every.resolve, every.read, every.paths, every.events):
        context = refused(runr.InvalidInput, "E_RUN_ID_AMBIGUOUS", call, "same-1")
        assert context["candidates"] == both
    refused(runr.InvalidInput, "E_RUN_ID_AMBIGUOUS", every.update, "same-1", lambda it: it)


def test_a_name_of_two_repositories_means_that_of_the_present_one(every: runr.RunStore) -> None:
    context = refused(runr.InvalidInput, "E_RUN_REF_AMBIGUOUS", every.resolve, "both")
    assert [run["run_id"] for run in context["candidates"]] == ["main-r1", "main-r2"]
    assert every.resolve("both", current_repo="r2")["run_id"] == "main-r2"
    every.update("main-r1", set={"/archive/archived_at": "2026-01-03T00:00:00Z"})
    assert every.resolve("both")["run_id"] == "main-r2"


def test_what_a_reference_may_not_be(every: runr.RunStore, tmp_path: pathlib.Path) -> None:
    refused(runr.InvalidInput, "E_USAGE", every.resolve, "  ")
    context = refused(runr.InvalidInput, "E_RUN_ID_AMBIGUOUS", every.resolve, "main")
    assert [run["run_id"] for run in context["candidates"]] == ["main-r1", "main-r2"]
    refused(runr.NotFound, "E_RUN_NOT_FOUND", every.resolve, "mai")
    assert every.resolve(" main-r1 ")["run_id"] == "main-r1"
    nothing = runr.RunStore.data(tmp_path / "nothing")
    refused(runr.NotFound, "E_NO_RUNS", nothing.resolve, "latest")
    assert not (tmp_path / "nothing").exists()


def test_a_broken_run_is_found_by_its_id_and_never_by_its_name(every: runr.RunStore) -> None:
    path = pathlib.Path(every.run_meta_path("main-r1"))
    path.write_text("{", "utf-8")
    assert every.resolve("main-r1")["broken"] is True
    assert every.resolve("both")["run_id"] == "main-r2"
    [row] = [row for row in every.list() if row["broken"]]
    assert (row["run_id"], row["repo_id"], row["title"]) == ("main-r1", "r1", "<broken>")
    assert every.list()[-1] == row
    refused(runr.StoreError, "E_STORE_CORRUPT", every.update, "main-r1", set={"/x": 1})
    assert path.read_text("utf-8") == "{"


def test_a_name_that_is_taken_or_none_is_refused(every: runr.RunStore, tmp_path: pathlib.Path) -> None:
    one = runr.RunStore.data(tmp_path, "r1")
    taken = refused(runr.InvalidInput, "E_RUN_REF_AMBIGUOUS", one.update, "same-1", set={"/name": "both"})
    assert [run["run_id"] for run in taken["candidates"]] == ["main-r1"]
    wrong = refused(runr.InvalidInput, "E_INVALID_ID", one.update, "same-1", set={"/name": "No Name"})
    assert wrong["field"] == "name"
    assert "name" not in one.read("same-1")


def test_the_default_is_the_data_directory_of_the_user(
    every: runr.RunStore, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENCY_DATA_DIR", str(tmp_path))
    assert runr.RunStore.data().list() == every.list()
    assert runr.RunStore.data(repo_id="r2").runs_dir() == str(tmp_path / "repos/r2/runs")
    monkeypatch.setenv("RUNR_DATA_DIR", str(tmp_path / "other"))
    assert runr.RunStore.data().list() == []
    monkeypatch.setenv("RUNR_DATA_DIR", "relative")
    refused(runr.InvalidInput, "E_USAGE", runr.RunStore.data().list)
    refused(runr.InvalidInput, "E_INVALID_ID", runr.RunStore.data(tmp_path, "../r1").list)
