"""Work items: the recorded cases on real files, and documents that keep every byte."""

from __future__ import annotations

import json
import os
import pathlib
import re
import shutil
from typing import Any, cast

import pytest

import runr

CHECKOUT = pathlib.Path(__file__).resolve().parents[3]
CASES = json.loads((CHECKOUT / "tests/vectors/identity-cases.json").read_text("utf-8"))["cases"]
#: Recordings of real repositories, which are not ours to copy into this one.
REAL = pathlib.Path(
    os.environ.get("RUNR_REAL_RUNS") or CHECKOUT.parent / "shared/vectors/real-runs"
)
NOW = "2026-02-03T04:05:06Z"


def set_up(state: dict[str, Any], root: pathlib.Path) -> None:
    if state["real"] is not None:
        tree = REAL / state["real"]
        if not tree.is_dir():
            pytest.skip(f"the real tree {state['real']} is not on this machine (RUNR_REAL_RUNS)")
        shutil.copytree(tree / ".runs", root / ".runs")
        layout = json.loads((tree / "layout.json").read_text("utf-8"))
        for name in layout["dirs"]:
            (root / name).mkdir(parents=True, exist_ok=True)
    for name in state["dirs"]:
        (root / name).mkdir(parents=True, exist_ok=True)
    for name, content in state["files"].items():
        text = content.get("text")
        if text is None:
            text = json.dumps(content["json"], indent=2, ensure_ascii=False) + "\n"
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, "utf-8", newline="")


def contents(root: pathlib.Path) -> dict[str, bytes | None]:
    """Every file and its bytes, every directory, without lock files."""
    return {
        str(path.relative_to(root)): path.read_bytes() if path.is_file() else None
        for path in root.rglob("*")
        if path.name != ".lock"
    }


def branch(git: dict[str, Any]) -> Any:
    if git["state"] == "branch":
        return {"state": "named", "name": git["branch"], "upstream": git["upstream"]}
    return {"state": git["state"]}


def entry(index: Any, run_id: str) -> Any:
    return next((row for row in index["runs"] if row["run_id"] == run_id), {})


def part(whole: dict[str, Any], asked: dict[str, Any]) -> dict[str, Any]:
    """Of an object only what is asked for; absent is null."""
    return {key: whole.get(key) for key in asked}


class Step:
    """What one preparation left."""

    def __init__(self, root: pathlib.Path, before: dict[str, bytes | None], report: Any) -> None:
        self.root, self.before, self.report = root, before, report
        self.after = contents(root)
        self.meta_path = f".runs/{report['run_id']}/run_meta.json"

    def read(self, path: str) -> Any:
        return json.loads(self.after[path] or b"")

    def check(self, key: str, expected: Any) -> None:
        check = getattr(self, key, None)
        if check is None:
            name = "run_id" if key == "rid" else key
            assert self.report[name] == expected, key
        else:
            check(expected)

    def rid_one_of(self, expected: Any) -> None:
        assert self.report["run_id"] in expected

    def rid_matches(self, expected: Any) -> None:
        assert re.search(expected, self.report["run_id"])

    def status_not(self, expected: Any) -> None:
        assert self.report["status"] != expected

    def missing_required_nonempty(self, expected: Any) -> None:
        assert bool(self.report["missing_required"]) is expected

    def meta(self, expected: Any) -> None:
        assert part(self.read(self.meta_path), expected) == expected

    def aliases(self, expected: Any) -> None:
        assert self.read(self.meta_path)["aliases"] == expected

    def aliases_include(self, expected: Any) -> None:
        assert set(expected) <= set(self.read(self.meta_path)["aliases"])

    def meta_unchanged_except(self, expected: Any) -> None:
        before, after = json.loads(self.before[self.meta_path] or b""), self.read(self.meta_path)
        kept = [key for key in before if key not in expected]
        assert {key: after[key] for key in kept} == {key: before[key] for key in kept}
        assert [key for key in after if key in before] == list(before)

    def meta_key_order(self, expected: Any) -> None:
        assert [key for key in self.read(self.meta_path) if key in expected] == expected

    def number_literals(self, expected: Any) -> None:
        text = (self.after[self.meta_path] or b"").decode()
        for path, literal in expected.items():
            assert re.search(rf'"{path.split("/")[-1]}": {re.escape(literal)}[,\s]', text), path

    def index_order(self, expected: Any) -> None:
        assert [row["run_id"] for row in self.read(".runs/index.json")["runs"]] == expected

    def index_entry(self, expected: Any) -> None:
        found = entry(self.read(".runs/index.json"), self.report["run_id"])
        assert part(found, expected) == expected

    def index_entries_unchanged(self, expected: Any) -> None:
        before = json.loads(self.before[".runs/index.json"] or b"")
        for run_id in expected:
            assert entry(self.read(".runs/index.json"), run_id) == entry(before, run_id) != {}

    def index_top(self, expected: Any) -> None:
        assert part(self.read(".runs/index.json"), expected) == expected

    def dirs_exist(self, expected: Any) -> None:
        for name in expected:
            assert (self.root / name).is_dir(), name

    def files_unchanged(self, expected: Any) -> None:
        for name in expected:
            assert self.after[name] == self.before[name] is not None, name

    def bytes_preserved(self, expected: Any) -> None:
        kept = [value for name, value in self.after.items() if name.startswith(".runs")]
        for name in expected:
            assert self.before[name] in kept, name

    def no_paths_outside(self, expected: Any) -> None:
        def outside(tree: dict[str, bytes | None]) -> dict[str, bytes | None]:
            return {name: data for name, data in tree.items() if not name.startswith(".runs")}

        assert (outside(self.before) == outside(self.after)) is expected


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_a_recorded_case_ends_as_recorded(case: dict[str, Any], tmp_path: pathlib.Path) -> None:
    set_up(case["fs"], tmp_path)
    for step in case["steps"]:
        before = contents(tmp_path)
        report = runr.prep(
            tmp_path, **step["request"], branch=branch(step["git"]), now=step["now"]
        )
        seen = Step(tmp_path, before, report)
        for key, expected in step["expect"].items():
            seen.check(key, expected)


def test_no_case_and_no_expectation_is_missing() -> None:
    steps = [step for case in CASES for step in case["steps"]]
    assert (len(CASES), len(steps)) == (62, 64)
    assert sum(len(step["expect"]) for step in steps) == 256
    # An expectation nobody checks by a method is a field of the result.
    fields = runr.prep(".", flow="plan", run_id="x", dry_run=True)
    keys = {key for step in steps for key in step["expect"]} - {"rid"}
    assert {key for key in keys if not hasattr(Step, key)} <= set(fields)


ODD = [
    pytest.param('{"a": 12345678901234567890123, "b": 1e3, "c": 1.50%s}', id="numbers"),
    pytest.param('{"a": "\\ud800", "b": "\\u00e4\\/ä€"%s}', id="escapes"),
    pytest.param('{\r\n\t"a": 1,\r\n\r\n\t"b": [1,2]%s\r\n}\r\n', id="CRLF and tabs"),
    pytest.param('\ufeff{\n "a": {} %s\n}', id="byte order mark"),
]


@pytest.mark.parametrize("odd", ODD)
def test_metadata_keep_every_byte_that_a_merge_does_not_concern(odd: str) -> None:
    stored = (
        ', "run_id": "w", "iterations": 4, "flows_started": ["plan"], "aliases": ["w"],'
        ' "updated_at": "2025-01-01T00:00:00Z"'
    )
    before = odd % stored
    patch: Any = {"run_id": "w", "flow": "plan", "now": NOW}
    first = runr.merge_run_meta(before, patch)
    assert first["changed"] is True
    expected = before.replace('"iterations": 4', '"iterations": 5').replace(
        "2025-01-01T00:00:00Z", NOW
    )
    # All that is new stands in one block before the brace; in front of it nothing moved.
    end = expected.rindex('"' + NOW + '"') + len(NOW) + 2
    assert first["text"].startswith(expected[:end])
    assert first["text"].endswith(expected[end:].lstrip())
    assert ("\r\n" in before) == ("\r\n" in first["text"])
    second = runr.merge_run_meta(first["text"], patch)["text"]
    assert second == first["text"].replace('"iterations": 5', '"iterations": 6')


@pytest.mark.parametrize("odd", ODD)
def test_an_index_keeps_every_byte_that_an_upsert_does_not_concern(odd: str) -> None:
    runs = (
        ', "runs": [{"run_id": "a", "x": 1.50}, {"run_id": "b", "y": 1e3, "updated_at": "old",'
        ' "status": "VERIFIED", "last_flow": "plan"}], "version": 1'
    )
    before = odd % runs
    row: Any = {"run_id": "b", "updated_at": NOW, "last_flow": "gate"}
    after = runr.upsert_index(before, row)
    expected = before.replace('"old"', f'"{NOW}"').replace('"plan"', '"gate"')
    assert after == {"text": expected, "changed": True, "notes": []}
    again = runr.upsert_index(after["text"], row)
    assert again == {"text": expected, "changed": False, "notes": []}


def test_bytes_on_disk_survive_a_preparation(tmp_path: pathlib.Path) -> None:
    path = tmp_path / ".runs/w/run_meta.json"
    path.parent.mkdir(parents=True)
    odd = b'\xef\xbb\xbf{\r\n  "n": 12345678901234567890123,\r\n  "half": "\\ud800",\r\n  "e": 1e3'
    path.write_bytes(odd + b"\r\n}\r\n")
    runr.prep(tmp_path, flow="plan", run_id="w", now=NOW)
    after = path.read_bytes()
    assert after.startswith(odd + b',\r\n  "run_id": "w",\r\n')
    assert after.endswith(b"\r\n}\r\n")
    assert after.count(b"\n") == after.count(b"\r\n")


def test_the_default_root_is_the_main_checkout(
    repo: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = repo / "src/deep"
    inside.mkdir(parents=True)
    monkeypatch.chdir(inside)
    report = runr.prep(flow="plan", run_id="w")
    assert report["status"] == "VERIFIED"
    assert (repo / ".runs/w/plan").is_dir()
    assert not (inside / ".runs").exists()


def test_a_linked_run_is_what_the_work_item_means(
    repo: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runr.prep(repo, flow="build", refs=["#17"])
    assert runr.link_run(repo, "gh-17", "20260101000000") == {"changed": True}
    assert runr.link_run(root=str(repo), run_id="gh-17", harness_run_id="20260101000000") == {
        "changed": False
    }
    monkeypatch.chdir(repo)
    with pytest.raises(runr.NotFound) as missing:
        runr.status("#17")
    assert "gh-17 has no run" in str(missing.value)


def test_times_and_paths_may_be_objects(tmp_path: pathlib.Path) -> None:
    from datetime import datetime, timezone

    now = datetime(2026, 2, 3, 4, 5, 6, tzinfo=timezone.utc)
    runr.prep(tmp_path, flow="plan", run_id="w", now=now)
    meta = json.loads((tmp_path / ".runs/w/run_meta.json").read_text("utf-8"))
    assert meta["created_at"] == NOW
    merged = runr.merge_run_meta(None, cast(Any, {"run_id": "w", "flow": "plan", "now": now}))
    assert f'"created_at": "{NOW}"' in merged["text"]
