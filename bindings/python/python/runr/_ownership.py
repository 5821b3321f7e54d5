"""Who may act on a PR: the functions of the coordination module whose files runr shares.

A conflict is a result with ``ok`` false, not an exception; only guards raise (:func:`runr.own`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, cast

from . import _wire
from ._disk import PathLike
from ._options import only_known_options
from .types import (
    ClaimMode,
    CoordinationRoot,
    CoordinationState,
    LoadedState,
    OwnershipResult,
    RepairedClaim,
    StaleResult,
    Target,
)

#: The schema of records that is written.
RUNNER_COORDINATION_SCHEMA_VERSION: Final = 2

#: The schemas that can be read.
RUNNER_COORDINATION_SUPPORTED_SCHEMA_VERSIONS: Final = (1, 2)

#: The words of conflicts, and of owners that cannot be counted on.
RUNNER_OWNERSHIP_ERROR: Final[Mapping[str, str]] = MappingProxyType(
    {
        "RUN_ID_REQUIRED": "run_id_required",
        "ACTIVE_RUN_EXISTS": "active_run_exists",
        "OWNERSHIP_MISSING": "ownership_missing",
        "OWNERSHIP_LOST": "ownership_lost",
        "EXIT_SIGNAL_RECORDED": "exit_signal_recorded",
        "STALE_RUNNER": "stale_runner",
    }
)


@only_known_options
def claim_runner_ownership(
    *,
    repo: str,
    pr: int | str,
    run_id: str | None = None,
    cwd: PathLike | None = None,
    file_path: PathLike | None = None,
    mode: ClaimMode = "claim",
    now: str | datetime | None = None,
    root: CoordinationRoot = "git",
    single_host: bool | None = None,
) -> OwnershipResult:
    """Makes the run the owner of a PR, or keeps it the owner.

    With the mode ``"takeover"`` it replaces another owner. The record lies at the checkout that
    git's common directory belongs to, with ``root="cwd"`` at ``cwd``, or is ``file_path`` itself.
    ``single_host`` says whether all who share it run on this host, so that a lock whose process is
    gone may be removed; the default is what the configuration says, else true.
    """
    place = _place(repo, pr, cwd, file_path, root)
    rest = {"run_id": run_id, "mode": mode, "now": _now(now), "single_host": single_host}
    return cast(OwnershipResult, _call("claim_runner_ownership", place, rest))


@only_known_options
def assert_runner_ownership(
    *,
    repo: str,
    pr: int | str,
    run_id: str | None = None,
    cwd: PathLike | None = None,
    file_path: PathLike | None = None,
    require_existing: bool = False,
    root: CoordinationRoot = "git",
) -> OwnershipResult:
    """Whether the run is the owner. Writes nothing."""
    place = _place(repo, pr, cwd, file_path, root)
    rest = {"run_id": run_id, "require_existing": require_existing}
    return cast(OwnershipResult, _call("assert_runner_ownership", place, rest))


@only_known_options
def release_runner_ownership(
    *,
    repo: str,
    pr: int | str,
    run_id: str | None = None,
    cwd: PathLike | None = None,
    file_path: PathLike | None = None,
    now: str | datetime | None = None,
    root: CoordinationRoot = "git",
    single_host: bool | None = None,
) -> OwnershipResult:
    """Makes the run the owner no more."""
    place = _place(repo, pr, cwd, file_path, root)
    rest = {"run_id": run_id, "now": _now(now), "single_host": single_host}
    return cast(OwnershipResult, _call("release_runner_ownership", place, rest))


@only_known_options
def record_exit_signal_for_runner(
    *,
    repo: str,
    pr: int | str,
    run_id: str | None = None,
    reason: str | None = None,
    require_active_owner: bool = True,
    cwd: PathLike | None = None,
    file_path: PathLike | None = None,
    now: str | datetime | None = None,
    root: CoordinationRoot = "git",
    single_host: bool | None = None,
) -> OwnershipResult:
    """Records that the run ends, and why; it stays the owner."""
    place = _place(repo, pr, cwd, file_path, root)
    rest = {
        "run_id": run_id,
        "reason": reason,
        "require_active_owner": require_active_owner,
        "now": _now(now),
        "single_host": single_host,
    }
    return cast(OwnershipResult, _call("record_exit_signal_for_runner", place, rest))


@only_known_options
def ensure_async_runner_ownership(
    *,
    repo: str,
    pr: int | str,
    cwd: PathLike | None = None,
    file_path: PathLike | None = None,
    env: Mapping[str, str] | None = None,
    require_existing: bool = False,
    claim_if_missing: bool = True,
    supersede_stale: bool = False,
    now: str | datetime | None = None,
    root: CoordinationRoot = "git",
    single_host: bool | None = None,
) -> OwnershipResult:
    """Makes sure that the run which the environment names is the owner.

    The default environment is that of this process. Without a run in it nothing is done.
    """
    place = _place(repo, pr, cwd, file_path, root)
    rest = {
        "env": None if env is None else dict(env),
        "require_existing": require_existing,
        "claim_if_missing": claim_if_missing,
        "supersede_stale": supersede_stale,
        "now": _now(now),
        "single_host": single_host,
    }
    return cast(OwnershipResult, _call("ensure_async_runner_ownership", place, rest))


@only_known_options
def load_runner_coordination_state(
    *,
    repo: str,
    pr: int | str,
    cwd: PathLike | None = None,
    file_path: PathLike | None = None,
    root: CoordinationRoot = "git",
) -> LoadedState:
    """The record of a PR; ``state`` is ``None`` if there is none."""
    place = _place(repo, pr, cwd, file_path, root)
    return cast(LoadedState, _call("load_runner_coordination_state", place, {}))


@only_known_options
def create_runner_coordination_state(
    *,
    repo: str,
    pr: int | str,
    run_id: str | None = None,
    now: str | datetime | None = None,
) -> CoordinationState:
    """A new record, with a claim if a run is named. Touches nothing."""
    args = {"repo": repo, "pr": pr, "run_id": run_id, "now": _now(now)}
    return cast(CoordinationState, _call("create_runner_coordination_state", args, {}))


@only_known_options
def detect_stale_runner(
    *,
    repo: str,
    pr: int | str,
    cwd: PathLike | None = None,
    file_path: PathLike | None = None,
    now: float | datetime | None = None,
    max_age_ms: float | None = None,
    env: Mapping[str, str] | None = None,
    root: CoordinationRoot = "git",
) -> StaleResult:
    """Whether the owner of a PR said that it ends, or gave no sign of life for too long.

    ``now`` is in milliseconds since 1970. The default age is set by the environment, else it is
    30 minutes.
    """
    place = _place(repo, pr, cwd, file_path, root)
    rest = {
        "now": now,
        "max_age_ms": max_age_ms,
        "env": None if env is None else dict(env),
    }
    return cast(StaleResult, _call("detect_stale_runner", place, rest))


@only_known_options
def default_runner_coordination_file_path_for_target(
    target: Mapping[str, Any], cwd: PathLike | None = None, root: CoordinationRoot = "git"
) -> str:
    """Where the record of a PR is kept; the target is ``{"repo", "pr"}``."""
    args = {"target": _target(target), "cwd": _path(cwd), "root": root}
    return cast(str, _call("default_runner_coordination_file_path_for_target", args, {}))


@only_known_options
def normalize_runner_coordination_state(
    raw: object, target: Mapping[str, Any]
) -> CoordinationState | None:
    """The record in a value of another program, ``None`` for ``None``."""
    args = {"raw": raw, "target": _target(target)}
    return cast("CoordinationState | None", _call("normalize_runner_coordination_state", args, {}))


@only_known_options
def owner_heartbeat(
    target: Target,
    run_id: str,
    token: int,
    root: PathLike = ".",
    single_host: bool | None = None,
) -> OwnershipResult:
    """Shows that the owner lives, for a program that keeps its own claim.

    The target is ``"owner/name#17"`` (a PR), ``"owner/name@branch"``, or
    ``{"kind": "issue", "repo", "issue"}`` and the like.
    """
    args = {"target": target, "run_id": run_id, "token": token, "root": _wire.path(root)}
    return cast(OwnershipResult, _wire.call("owner_heartbeat", args, single_host=single_host))


@only_known_options
def owner_repair(
    target: Target, root: PathLike = ".", single_host: bool | None = None
) -> RepairedClaim:
    """Removes a dead lock, sets a broken record aside and rebuilds it."""
    args = {"target": target, "root": _wire.path(root)}
    return cast(RepairedClaim, _wire.call("owner_repair", args, single_host=single_host))


def _place(
    repo: object, pr: object, cwd: PathLike | None, file_path: PathLike | None, root: str
) -> dict[str, object]:
    """What says which record is meant."""
    named = {"repo": repo, "pr": pr, "root": root}
    return {**named, "cwd": _path(cwd), "file_path": _path(file_path)}


def _path(value: PathLike | None) -> str | None:
    return None if value is None else _wire.path(value)


def _now(value: str | datetime | None) -> str | None:
    return None if value is None else _wire.time(value)


def _target(target: Mapping[str, Any]) -> dict[str, object]:
    return _wire.given({name: _plain(target.get(name)) for name in ("repo", "pr")})


def _call(name: str, place: Mapping[str, object], rest: Mapping[str, object]) -> Any:
    args = {key: _plain(value) for key, value in {**place, **rest}.items()}
    return _wire.call(name, _wire.given(args))


def _plain(value: object) -> object:
    """What JSON cannot hold is no number of a PR, and no other value of these functions either."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
