"""The rows of ``tests/parity/operations.json``, run through the public Python functions."""

from __future__ import annotations

import inspect
import json
import pathlib
import subprocess
from typing import Any

import pytest

import runr

TABLE = json.loads(
    (pathlib.Path(__file__).parents[3] / "tests/parity/operations.json").read_text("utf-8")
)
ROWS = TABLE["rows"]

#: Where the name of a table argument cannot be the name of a Python argument.
PYTHON_NAMES = {"from": "from_"}


def includes(whole: Any, part: Any) -> bool:
    if isinstance(whole, dict) and isinstance(part, dict):
        return all(key in whole and includes(whole[key], part[key]) for key in part)
    if isinstance(whole, list) and isinstance(part, list):
        return all(any(includes(found, value) for found in whole) for value in part)
    return bool(whole == part)


def set_up(setup: dict[str, Any], directory: pathlib.Path) -> None:
    if setup.get("git"):
        command = ["git", "init", "--quiet", "--initial-branch=main"]
        subprocess.run(command, cwd=directory, check=True)
    for name in setup.get("dirs", []):
        (directory / name).mkdir(parents=True)
    for name, text in setup.get("files", {}).items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(text, "utf-8", newline="")


def call(operation: str, args: dict[str, Any]) -> Any:
    if operation == "store_create":
        store = runr.RunStore.open(args["root"])
        return store.create(args["fields"], worktree_check=args["worktree_check"])
    if operation.startswith("store_"):
        if "data_store" in args:
            store = runr.RunStore.data(**args.pop("data_store"))
        else:
            store = runr.RunStore.open(args.pop("root"))
        method = getattr(store, operation.removeprefix("store_"))
        by_position = [args.pop(name) for name in ("run_id", "ref") if name in args]
        return method(*by_position, **args)
    # By position where that is possible: the order of the arguments is part of the interface.
    function = getattr(runr, operation)
    order = [PYTHON_NAMES.get(n, n) for n in TABLE["operations"][operation]["arguments"]]
    args = {PYTHON_NAMES.get(name, name): value for name, value in args.items()}
    kinds = {name: found.kind for name, found in inspect.signature(function).parameters.items()}
    by_position = [
        args.pop(name)
        for name in order
        if name in args and kinds[name] is not inspect.Parameter.KEYWORD_ONLY
    ]
    return function(*by_position, **args)


@pytest.mark.parametrize("row", ROWS, ids=[f"{row['operation']}: {row['name']}" for row in ROWS])
def test_a_row_of_the_table(row: dict[str, Any], tmp_path: pathlib.Path) -> None:
    directory = tmp_path.resolve()
    inside_quotes = json.dumps(str(directory))[1:-1]
    row = json.loads(json.dumps(row).replace("{tmp}", inside_quotes))
    set_up(row.get("setup", {}), directory)
    if "error" in row:
        with pytest.raises(runr.RunrError) as caught:
            call(row["operation"], row["args"])
        found = {"code": caught.value.code, "class": type(caught.value).__name__}
        assert found == {key: row["error"][key] for key in found}
        return
    found = call(row["operation"], row["args"])
    if "result" in row:
        assert found == row["result"]
    else:
        assert includes(found, row["includes"]), found


def test_every_operation_has_a_row_and_a_public_function() -> None:
    operations = set(runr._native.operations())
    assert operations == set(TABLE["operations"]) == {row["operation"] for row in ROWS}
    for name, described in TABLE["operations"].items():
        if described["kind"] == "store":
            assert callable(getattr(runr.RunStore, name.removeprefix("store_")))
            continue
        assert name in runr.__all__
        arguments = list(inspect.signature(getattr(runr, name)).parameters)
        assert arguments == [PYTHON_NAMES.get(n, n) for n in described["arguments"]], name
