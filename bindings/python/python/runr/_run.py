"""Driving a run: the machine asks, the host program answers."""

from __future__ import annotations

import json
import os
import weakref
from collections.abc import Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, cast

from . import _native, _wire
from ._off_loop import off_loop
from ._options import only_known_options
from ._own import Ownership
from .errors import RunrError
from .types import Evidence, FailureKind, Fix, Flow, Milestone, Outcome, Stage, Target, Usage

PathLike = str | os.PathLike[str]

_sessions: weakref.WeakSet[_native.Session] = weakref.WeakSet()


def _let_go() -> None:
    """In a forked copy, which may outlive this process: nobody could resume a run it has locked."""
    for session in list(_sessions):
        session.let_go()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)


class Run:
    """One run, driven by this program.

    Made by :meth:`start` or :meth:`resume`; iterating it yields the calls to answer::

        with Run.start("login.md", worktree=True) as run:
            for call in run:
                call.reply(agent(call.prompt, cwd=call.cwd))

    Leaving the ``with`` block closes the run; one that has not ended is stopped as interrupted and
    can be resumed. ``async with`` and ``async for`` do the same off the event loop.

    A forked copy of the process cannot drive the run; leaving the block there does nothing.
    """

    __slots__ = ("_home", "_session", "run_id")

    run_id: str

    def __init__(self, session: _native.Session) -> None:
        self._home = os.getpid()
        self._session = session
        _sessions.add(session)
        self.run_id = session.run_id()

    @classmethod
    @only_known_options
    def start(
        cls,
        task: PathLike | None = None,
        *,
        task_text: str | None = None,
        root: PathLike = ".",
        worktree: bool = False,
        fast: bool = False,
        allow: Sequence[str] | None = None,
        deny: Sequence[str] | None = None,
        verify: Sequence[str] | None = None,
        config: PathLike | Mapping[str, Any] | None = None,
        allow_deps: bool | Sequence[str] = False,
        allow_dirty: bool = False,
        allow_unverified: bool = False,
        worker: str | None = None,
        force_parallel: bool = False,
        no_branch: bool = False,
        time_minutes: float | None = None,
        max_ticks: int | None = None,
        max_cost: float | None = None,
        approve_plan: bool = False,
        auto_resume: bool | None = None,
        skip_doctor: bool = False,
        flow: Flow | None = None,
        refs: Sequence[str] = (),
        own: Target | Ownership | None = None,
    ) -> Run:
        """Starts a run of a task. An option that is None keeps its documented default.

        With ``flow`` or ``refs`` the work item is prepared first, and the run linked to it. With
        ``own`` the run claims this target before PLAN and gives it back at the end, or works under
        the claim of a guard, which it leaves to the guard. Raises :class:`OwnershipLost` if another
        run owns the target.
        """
        if isinstance(refs, str):
            raise TypeError("refs is a list of references, not one of them")
        options = _wire.given(
            {
                "task": None if task is None else _wire.path(task),
                "task_text": task_text,
                "root": _wire.path(root),
                "worktree": worktree,
                "fast": fast,
                "allow": allow,
                "deny": deny,
                "verify": verify,
                "config": _config(config),
                "allow_deps": allow_deps,
                "allow_dirty": allow_dirty,
                "allow_unverified": allow_unverified,
                "worker": worker,
                "force_parallel": force_parallel,
                "no_branch": no_branch,
                "time_minutes": time_minutes,
                "max_ticks": max_ticks,
                "max_cost": max_cost,
                "approve_plan": approve_plan,
                "auto_resume": auto_resume,
                "skip_doctor": skip_doctor,
                "flow": flow,
                "refs": [*refs],
                "own": _own(own),
            }
        )
        return cls(_native.Session.start(_wire.encode(options)))

    @classmethod
    @only_known_options
    def resume(
        cls,
        run_id: str,
        root: PathLike = ".",
        *,
        config: PathLike | Mapping[str, Any] | None = None,
        allow_deps: bool | Sequence[str] | None = None,
        time_minutes: float | None = None,
        max_ticks: int | None = None,
        max_cost: float | None = None,
        auto_resume: bool | None = None,
        force: bool = False,
        force_branch: bool = False,
        auto_stash: bool = False,
        own: Target | Ownership | None = None,
    ) -> Run:
        """Goes on with a stopped run, as it was set up; its budgets begin anew.

        A run that owned a target claims it again; ``own`` is another target, or a guard.
        """
        options = _wire.given(
            {
                "run_id": run_id,
                "root": _wire.path(root),
                "config": _config(config),
                "allow_deps": allow_deps,
                "time_minutes": time_minutes,
                "max_ticks": max_ticks,
                "max_cost": max_cost,
                "auto_resume": auto_resume,
                "force": force,
                "force_branch": force_branch,
                "auto_stash": auto_stash,
                "own": _own(own),
            }
        )
        return cls(_native.Session.resume(_wire.encode(options)))

    @property
    def outcome(self) -> Outcome:
        """Where the run stands, and what to do next."""
        return cast(Outcome, json.loads(self._session.outcome()))

    def stop(self) -> None:
        """Stops the run as asked for; it can be resumed."""
        self._session.stop("stop_request")

    def close(self) -> None:
        """Leaves the run; one that has not ended is stopped as interrupted."""
        self._session.close()

    def __iter__(self) -> Run:
        return self

    def __next__(self) -> WorkerCall:
        call = self._session.next_call()
        if call is None:
            raise StopIteration
        return WorkerCall(self._session, json.loads(call))

    def __aiter__(self) -> Run:
        return self

    async def __anext__(self) -> WorkerCall:
        session = self._session
        call = await off_loop(session.next_call, cancel=session.cancel)
        if call is None:
            raise StopAsyncIteration
        return WorkerCall(session, json.loads(call))

    def __enter__(self) -> Run:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        raised: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._leave(raised)

    async def __aenter__(self) -> Run:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        raised: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await off_loop(lambda: self._leave(raised))

    def __repr__(self) -> str:
        return f"<runr.Run {self.run_id}>"

    def _leave(self, raised: BaseException | None) -> None:
        if os.getpid() != self._home:
            return  # The block goes on in the process that drives.
        if raised is None:
            self._session.close()
            return
        # The exception of the block is what the reader must see: a failure to stop is only noted.
        try:
            try:
                self._session.stop("signal")
            finally:
                self._session.close()
        except RunrError as error:
            if hasattr(raised, "add_note"):
                raised.add_note(f"run {self.run_id} was not left cleanly: {error}")


class WorkerCall:
    """A question of the machine to an agent; answer it once, with one of the methods."""

    __slots__ = (
        "_session",
        "attempt",
        "cwd",
        "deadline",
        "fix",
        "id",
        "milestone",
        "prompt",
        "schema",
        "stage",
        "worker",
    )

    _session: _native.Session
    id: str
    stage: Stage
    prompt: str
    cwd: str
    milestone: int
    attempt: int
    deadline: str
    schema: dict[str, Any]
    worker: str
    fix: Fix | None

    def __init__(self, session: _native.Session, fields: Mapping[str, Any]) -> None:
        set_once = object.__setattr__
        set_once(self, "_session", session)
        for name in self.__slots__[1:]:
            set_once(self, name, fields.get(name))

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a WorkerCall is frozen: cannot set {name}")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"a WorkerCall is frozen: cannot delete {name}")

    def reply(self, answer: str | Mapping[str, Any], usage: Usage | None = None) -> None:
        """Answers with a text or with the object the schema asks for.

        ``usage`` is what the call consumed, for the report and for ``max_cost``.
        """
        self._send({"reply": _answer(answer), **_told(usage)})

    async def reply_async(
        self, answer: str | Mapping[str, Any], usage: Usage | None = None
    ) -> None:
        """Answers without blocking the event loop."""
        message = {"reply": _answer(answer), **_told(usage)}
        await off_loop(lambda: self._send(message))

    def plan(self, milestones: Sequence[Milestone]) -> None:
        """Answers a plan call with the milestones."""
        self.reply({"milestones": list(milestones)})

    def ok(self, memo: str) -> None:
        """Answers an implement call: done; the memo goes to the next reader."""
        self.reply({"status": "ok", "handoff_memo": memo})

    def blocked(self, reason: str) -> None:
        """Answers an implement call: cannot be done, and why."""
        self.reply({"status": "blocked", "handoff_memo": reason})

    def no_changes(self, evidence: Evidence) -> None:
        """Answers an implement call: nothing has to be changed, and the proof."""
        memo = "no changes needed"
        self.reply(
            {"status": "no_changes_needed", "handoff_memo": memo, "evidence": dict(evidence)}
        )

    def approve(self) -> None:
        """Answers a review call: the milestone is good."""
        self.reply({"status": "approve", "changes": []})

    def request_changes(self, changes: Sequence[str]) -> None:
        """Answers a review call: these changes are needed; they go to the implementer verbatim."""
        self.reply({"status": "request_changes", "changes": list(changes)})

    def fail(
        self,
        kind: FailureKind,
        message: str,
        retry_at: str | datetime | None = None,
        usage: Usage | None = None,
    ) -> None:
        """Says that the agent itself failed; treated like a failed worker process."""
        self._send(_failure(kind, message, retry_at, usage))

    async def fail_async(
        self,
        kind: FailureKind,
        message: str,
        retry_at: str | datetime | None = None,
        usage: Usage | None = None,
    ) -> None:
        """Says so without blocking the event loop."""
        failure = _failure(kind, message, retry_at, usage)
        await off_loop(lambda: self._send(failure))

    def __repr__(self) -> str:
        return f"<runr.WorkerCall {self.id} {self.stage} attempt {self.attempt}>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, WorkerCall):
            return NotImplemented
        return self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[str, str]:
        return self._session.run_id(), self.id

    def _send(self, message: Mapping[str, Any]) -> None:
        self._session.reply(self.id, _wire.encode(message))


def _failure(
    kind: FailureKind, message: str, retry_at: str | datetime | None, usage: Usage | None
) -> dict[str, Any]:
    when = None if retry_at is None else _wire.time(retry_at)
    return {"fail": {"kind": kind, "message": message, "retry_at": when}, **_told(usage)}


def _told(usage: Usage | None) -> dict[str, Any]:
    return {} if usage is None else {"usage": dict(usage)}


def _answer(answer: object) -> object:
    if isinstance(answer, str):
        return answer
    if isinstance(answer, Mapping):
        return dict(answer)
    raise TypeError(f"a reply is str or a mapping, not {type(answer).__name__}")


def _own(own: Target | Ownership | None) -> object:
    """A target as it is, a guard as the claim that the run uses."""
    if not isinstance(own, Ownership):
        return own
    claim = {"target": own.target, "run_id": own.run_id, "token": own.token}
    return {**claim, "shared": True}


def _config(config: PathLike | Mapping[str, Any] | None) -> object:
    if config is None or isinstance(config, Mapping):
        return config
    return _wire.path(config)
