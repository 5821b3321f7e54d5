"""The hostile and the odd documents of ``tests/hostile``, under a run that Python looks at."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import pytest

import runr

TABLE = json.loads(
    (pathlib.Path(__file__).parents[3] / "tests/hostile/documents.json").read_text("utf-8")
)
EVENTS = json.loads(
    (pathlib.Path(__file__).parents[3] / "tests/hostile/events.json").read_text("utf-8")
)
RUN = "gh-17"
REPO = "abcd1234ef567890"


def content(row: dict[str, Any]) -> tuple[bytes, int]:
    """The bytes of a row, and where the damage begins; 0 if it is the whole."""
    text, here = b"", 0
    for part in row["parts"]:
        if part is None:
            here = len(text)
        elif isinstance(part, str):
            text += part.encode()
        elif "hex" in part:
            text += bytes.fromhex(part["hex"])
        else:
            text += part["repeat"].encode() * part["times"]
    return text, here


@pytest.fixture
def store(tmp_path: pathlib.Path) -> runr.RunStore:
    store = runr.RunStore.data(tmp_path, REPO)
    store.create(run_id=RUN, title="t", worktree_check=False)
    return store


def test_a_hostile_document_is_refused_and_stays_as_it_is(store: runr.RunStore) -> None:
    path = pathlib.Path(store.run_meta_path(RUN))
    for row in TABLE["refused"]:
        text, here = content(row)
        path.write_bytes(text)
        for ask in (
            lambda: store.read(RUN),
            lambda: store.update(RUN, set={"/pr_number": 5}),
            lambda: store.update(RUN, lambda document: {**document, "pr_number": 5}),
        ):
            with pytest.raises(runr.StoreError) as caught:
                ask()
            assert caught.value.code == "E_STORE_CORRUPT", row["name"]
            if here > 0:
                assert caught.value.context["offset"] == here, row["name"]
        assert [run["broken"] for run in store.list()] == [True]
        assert store.resolve(RUN)["broken"] is True
        assert path.read_bytes() == text, row["name"]


def test_an_odd_document_is_kept_in_its_spelling(store: runr.RunStore) -> None:
    path = pathlib.Path(store.run_meta_path(RUN))
    for row in TABLE["kept"]:
        text, _ = content(row)
        path.write_bytes(text)
        store.update(RUN, lambda document: document)
        assert path.read_bytes() == text, row["name"]
        after = store.update(RUN, lambda document: {**document, "pr_number": 5})
        assert after["pr_number"] == 5
        assert row["keeps"] in path.read_text("utf-8"), row["name"]


def test_hostile_events_are_refused_and_stay_as_they_are(store: runr.RunStore) -> None:
    path = pathlib.Path(store.run_dir(RUN), "events.jsonl")
    for row in EVENTS["refused"]:
        text = content(row)[0] + b"\n"
        path.write_bytes(text)
        for ask in (lambda: store.events(RUN), lambda: store.append_event(RUN, "stop")):
            with pytest.raises(runr.StoreError) as caught:
                ask()
            assert caught.value.code == "E_STORE_CORRUPT", row["name"]
        assert path.read_bytes() == text, row["name"]
    for row in EVENTS["kept"]:
        text = content(row)[0] + b"\n"
        path.write_bytes(text)
        assert store.append_event(RUN, "stop")["seq"] == 2, row["name"]
        assert [event["seq"] for event in store.events(RUN)] == [1, 2], row["name"]
        assert path.read_bytes().startswith(text), row["name"]
