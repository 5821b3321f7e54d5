"""The run store: run directories and their documents."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

from . import _native, _wire
from ._disk import PathLike
from .errors import InvalidInput
from .types import CreatedRun, ResolvedRun, SeenRepository, StoreEvent, StoreFinding, StoreRow

Document = dict[str, Any]
Rows = list[StoreRow]
Events = list[StoreEvent]
Findings = list[StoreFinding]


class RunStore:
    """A directory of run directories. Made by :meth:`open` or :meth:`data`."""

    __slots__ = ("_place",)

    _place: dict[str, Any]

    def __init__(self, root: PathLike) -> None:
        object.__setattr__(self, "_place", {"root": _wire.path(root)})

    @classmethod
    def _at(cls, place: dict[str, Any]) -> RunStore:
        store = cls.__new__(cls)
        object.__setattr__(store, "_place", place)
        return store

    @classmethod
    def open(cls, root: PathLike) -> RunStore:
        """The store with this runs root; touches nothing."""
        return cls(root)

    @classmethod
    def data(cls, data_dir: PathLike | None = None, repo_id: str | None = None) -> RunStore:
        """The store of a repository in the data directory; without ``repo_id`` of all of them.

        Touches nothing. The default is the data directory of the user.
        """
        place = _wire.given(
            {"data_dir": None if data_dir is None else _wire.path(data_dir), "repo_id": repo_id}
        )
        return cls._at({"data_store": place})

    @property
    def root(self) -> str | None:
        """The directory of runs it was opened with."""
        return cast("str | None", self._place.get("root"))

    def create(
        self, meta: Mapping[str, Any] | None = None, /, *, worktree_check: bool = True, **fields: Any
    ) -> CreatedRun:
        """Creates a run directory with its ``meta.json``, exclusively.

        The fields of the document are given as keywords or as one mapping; what is missing is
        generated.
        """
        fields = {**(meta or {}), **fields}
        created = self._call("store_create", fields=fields, worktree_check=worktree_check)
        return cast(CreatedRun, created)

    def read(self, run_id: str) -> Document:
        """The document of a run."""
        return cast(Document, self._call("store_read", run_id=run_id))

    def update(
        self,
        run_id: str,
        fn: Callable[[Document], Document] | None = None,
        /,
        *,
        set: Mapping[str, Any] | None = None,
        unset: Iterable[str] | None = None,
    ) -> Document:
        """Changes the document of a run and returns it as it is then.

        Either ``fn`` makes the new document of the present one, under the lock of the run: if it
        raises, the file stays as it was, and it must not update this run again. Or fields are
        set and removed by their paths, such as ``{"/flags/needs_attention": True}``.
        """
        if fn is None:
            args = _wire.given({"set": set, "unset": None if unset is None else [*unset]})
            return cast(Document, self._call("store_update", run_id=run_id, **args))
        if set is not None or unset is not None:
            raise InvalidInput("an update takes a function or values, not both", code="E_USAGE")

        def change(text: str) -> str:
            return _wire.encode(fn(json.loads(text)))

        place = _wire.encode(self._place)
        return cast(Document, json.loads(_native.update_run(place, run_id, change)))

    def list(self) -> Rows:
        """All runs, the newest first; those whose document is unusable are ``broken``."""
        return cast(Rows, self._call("store_list"))

    def resolve(self, ref: str, *, current_repo: str | None = None) -> ResolvedRun:
        """The run that an id, a unique prefix, the name of an active run, ``"latest"`` or a work item means."""
        args = _wire.given({"current_repo": current_repo})
        return cast(ResolvedRun, self._call("store_resolve", ref=ref, **args))

    def paths(self, run_id: str | None = None) -> dict[str, str]:
        """The paths of a run; without one only the directory of the runs."""
        return cast("dict[str, str]", self._call("store_paths", run_id=run_id))

    def runs_dir(self) -> str:
        """The directory of the runs."""
        return self.paths()["runs_dir"]

    def run_dir(self, run_id: str) -> str:
        """The directory of a run."""
        return self.paths(run_id)["run_dir"]

    def run_meta_path(self, run_id: str) -> str:
        """The document of a run."""
        return self.paths(run_id)["meta_path"]

    def run_logs_dir(self, run_id: str) -> str:
        """The log files of a run."""
        return self.paths(run_id)["logs_dir"]

    def touch_repository(self, repo_root: PathLike = ".") -> SeenRepository:
        """Notes in the data directory that the repository at ``repo_root`` was seen.

        From then on the lists of the store name its key and its origin.
        """
        seen = self._call("store_touch_repository", repo_root=_wire.path(repo_root))
        return cast(SeenRepository, seen)

    def append_event(
        self, run_id: str, name: str, data: Mapping[str, Any] | None = None
    ) -> StoreEvent:
        """Appends an event to those of a run, durably."""
        appended = self._call("store_append_event", run_id=run_id, name=name, data=data)
        return cast(StoreEvent, appended)

    def events(self, run_id: str, since: int = 0) -> Events:
        """The events of a run with a number above ``since``."""
        found = self._call("store_events", run_id=run_id, since=since)
        return cast(Events, found)

    def repair(self, *, fix: bool = False) -> Findings:
        """What is wrong with the runs; with ``fix`` after what can be repaired was.

        Nothing of worth is lost: what was damaged is kept, and ``kept`` says where. Runs that
        somebody drives are left alone.
        """
        return cast(Findings, self._call("store_repair", fix=fix))

    def _call(self, operation: str, /, **args: Any) -> Any:
        return _wire.call(operation, {**self._place, **args})

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a RunStore is frozen: cannot set {name}")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"a RunStore is frozen: cannot delete {name}")

    def __reduce__(self) -> tuple[Any, ...]:
        # By default a copy is made empty and then filled, which a frozen object refuses.
        return self._at, (self._place,)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RunStore):
            return NotImplemented
        return self._place == other._place

    def __hash__(self) -> int:
        return hash(_wire.encode(self._place))

    def __repr__(self) -> str:
        if self.root is not None:
            return f"RunStore({self.root!r})"
        given = ", ".join(f"{key}={value!r}" for key, value in self._place["data_store"].items())
        return f"RunStore.data({given})"
