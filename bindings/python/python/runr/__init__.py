"""Durable runs for coding agents, over plain files.

>>> import runr
>>> runr.legal_transition("VERIFY", "REVIEW")
True

A program drives a run by answering its calls; see :class:`Run`. Every error is a
:class:`RunrError` with a stable ``code``.
"""

from ._command import main, run_command
from ._disk import report_run, runs, status, trust
from ._identity import (
    link_run,
    merge_run_meta,
    missing_upstream_flows,
    parse_ref,
    prep,
    sanitize_run_id,
    upsert_index,
)
from ._native import __version__
from ._pure import (
    apply_meta_ops,
    branch_name,
    check_no_changes_evidence,
    check_owned_paths,
    check_scope,
    compare_fingerprints,
    data_dir,
    enter_phase,
    file_collisions,
    fold,
    glob_match,
    globs_overlap,
    legal_transition,
    new_run_meta,
    next_action,
    normalize_owns,
    parse_reply,
    parse_task,
    preflight_reasons,
    repo_id,
    repo_key,
    report,
    resume_target,
    review_fingerprint,
    select_tiers,
    stop_reasons,
    unwrap_output,
)
from ._run import Run, WorkerCall
from ._store import RunStore
from .errors import (
    InvalidInput,
    LockTimeout,
    NotFound,
    OwnershipLost,
    Refused,
    RunrError,
    StoreError,
    Untrusted,
)

__all__ = [
    "InvalidInput",
    "LockTimeout",
    "NotFound",
    "OwnershipLost",
    "Refused",
    "Run",
    "RunStore",
    "RunrError",
    "StoreError",
    "Untrusted",
    "WorkerCall",
    "__version__",
    "apply_meta_ops",
    "branch_name",
    "check_no_changes_evidence",
    "check_owned_paths",
    "check_scope",
    "compare_fingerprints",
    "data_dir",
    "enter_phase",
    "file_collisions",
    "fold",
    "glob_match",
    "globs_overlap",
    "legal_transition",
    "link_run",
    "main",
    "merge_run_meta",
    "missing_upstream_flows",
    "new_run_meta",
    "next_action",
    "normalize_owns",
    "parse_ref",
    "parse_reply",
    "parse_task",
    "preflight_reasons",
    "prep",
    "repo_id",
    "repo_key",
    "report",
    "report_run",
    "resume_target",
    "review_fingerprint",
    "run_command",
    "runs",
    "sanitize_run_id",
    "select_tiers",
    "status",
    "stop_reasons",
    "trust",
    "unwrap_output",
    "upsert_index",
]
