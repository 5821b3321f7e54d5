"""The results of runr, exactly as they stand in JSON."""

from __future__ import annotations

from typing import Any, Literal, TypedDict

Phase = Literal[
    "INIT", "PLAN", "IMPLEMENT", "VERIFY", "REVIEW", "CHECKPOINT", "FINALIZE", "STOPPED"
]
Stage = Literal["plan", "implement", "review"]
Tier = Literal["tier0", "tier1", "tier2"]
RiskLevel = Literal["low", "medium", "high"]
OutputMode = Literal["text", "json", "jsonl"]
FailureKind = Literal["timeout", "auth", "rate_limit", "network", "crash"]
NextAction = Literal[
    "none",
    "resume",
    "fix_config",
    "resolve_scope_violation",
    "resolve_branch_mismatch",
    "inspect_logs",
]
TerminalState = Literal["complete", "failed", "stopped"]


class Usage(TypedDict, total=False):
    """What a worker call consumed, as far as it is known."""

    input_tokens: int | None
    output_tokens: int | None
    cost_usd: float | None


class Outcome(TypedDict):
    """Where a run stands."""

    run_id: str
    phase: Phase
    stop_reason: str | None
    milestones_completed: int
    next_action: NextAction
    suggested_command: str | None


class Fix(TypedDict):
    """Why an implement call is a repair, and of what."""

    attempt: int
    failed_command: str
    error_output: str
    changed_files: list[str]


class _MilestoneRequired(TypedDict):
    goal: str
    done_checks: list[str]
    risk_level: RiskLevel


class Milestone(_MilestoneRequired, total=False):
    """One step of a plan."""

    files_expected: list[str]


class _CommandRun(TypedDict):
    command: str
    exit_code: int


class Evidence(TypedDict, total=False):
    """Why nothing had to be changed; one of the three is enough."""

    files_checked: list[str]
    grep_output: str
    commands_run: list[_CommandRun]


class ScopeResult(TypedDict):
    """The verdict of the scope guard."""

    ok: bool
    effective_allowlist: list[str]
    env_touched: list[str]
    semantic_changed: list[str]
    scope_violations: list[str]
    lockfile_violations: list[str]


class OwnedPathsResult(TypedDict):
    """The verdict on the paths a task owns."""

    ok: bool
    owned_paths: list[str]
    semantic_changed: list[str]
    violating_files: list[str]


class ActiveRun(TypedDict):
    """A live run and the files it plans to touch."""

    run_id: str
    files_expected: list[str]


class Collision(TypedDict):
    """The files two runs would both touch."""

    run_id: str
    colliding_files: list[str]


class StopReason(TypedDict):
    """A row of the registry of stop reasons."""

    stop_reason: str
    family: str
    watch_resumable: bool
    supervisor_auto_resumable: bool
    next_action: NextAction
    suggested_command: str | None
    terminal_state: TerminalState


class NextStep(TypedDict):
    """What to do about a run."""

    outcome: str
    next_action: NextAction
    suggested_command: str | None


class RiskTrigger(TypedDict):
    """Files whose change asks for a higher tier."""

    name: str
    patterns: list[str]
    tier: Tier


class Tiers(TypedDict):
    """The verification tiers of a pass, and why."""

    tiers: list[Tier]
    reasons: list[str]


class EvidenceResult(TypedDict):
    """The verdict on the evidence that nothing had to be changed."""

    ok: bool
    satisfied_by: str | None
    errors: list[str]


class _ParsedReplyRequired(TypedDict):
    ok: bool


class ParsedReply(_ParsedReplyRequired, total=False):
    """A validated reply of a worker (``value``), or why there is none (``error``)."""

    value: dict[str, Any]
    error: str


class ParsedTask(TypedDict):
    """A task file, taken apart."""

    ok: bool
    body: str
    owns_raw: list[str]
    owns_normalized: list[str]
    allowlist_add: list[str]
    verification_tier: Tier | None
    depends_on: list[str]
    type: str
    fallback_milestones: list[Milestone]


class PhasePosition(TypedDict):
    """A phase and how often it has been entered in a row."""

    phase: Phase
    phase_attempt: int


class EnteredPhase(PhasePosition):
    """The position after a change of phase."""

    last_successful_phase: Phase | None


class FingerprintDifference(TypedDict):
    """A part of the environment that is no longer what it was."""

    field: str
    original: Any
    current: Any


class SanitizedId(TypedDict):
    """A run id made from any text, and what was lost on the way."""

    id: str
    original: str
    changed: bool
    lossy: bool


Flow = Literal["plan", "build", "review", "gate", "deploy", "wisdom"]


class RunRef(TypedDict):
    """A reference to an issue or PR."""

    kind: Literal["issue", "pr"]
    number: int
    repo: str | None
    candidate: str


class Facts(TypedDict, total=False):
    """What an earlier step established about a work item."""

    run_id_kind: Literal["GH_ISSUE", "LOCAL_ONLY"] | None
    issue_binding: Literal["IMMEDIATE", "DEFERRED"] | None
    issue_binding_deferred_reason: Literal["gh_unauth", "gh_unavailable"] | None
    github_repo: str | None
    github_repo_expected: str | None
    github_repo_actual_at_creation: str | None
    github_ops_allowed: bool | None
    repo_mismatch: bool | None
    issue_number: int | None
    issue_url: str | None
    issue_title: str | None


class Branch(TypedDict, total=False):
    """The branch of the working tree."""

    state: Literal["named", "detached", "unavailable"]
    name: str
    upstream: str | None
    why: str | None


class EditedText(TypedDict):
    """A document after a change."""

    text: str
    changed: bool
    notes: list[str]


class _DryRun(TypedDict, total=False):
    error: str
    run_meta_text: str
    index_text: str


class PrepReport(_DryRun):
    """The result of a preparation."""

    status: Literal["VERIFIED", "UNVERIFIED", "CANNOT_PROCEED"]
    recommended_action: Literal["PROCEED", "RERUN", "BOUNCE", "FIX_ENV"]
    route_to_agent: None
    route_to_flow: None
    run_id: str | None
    flow: Flow
    supersedes: str | None
    missing_upstream_flows: list[str]
    blockers: list[str]
    missing_required: list[str]
    notes: list[str]
    mode: Literal["NEW", "EXISTING", "SUPERSEDING"] | None
    source: Literal["explicit_run_id", "issue_ref", "pr_ref", "branch", "fallback"] | None
    run_dir: str | None
    flow_dir: str | None
    iterations: int | None
    aliases_added: list[str]
    schema: str
    machine_block: str
    handoff: str


class Linked(TypedDict):
    """What linking a run to a work item did."""

    changed: bool


class CreatedRun(TypedDict):
    """Where a new run directory lies."""

    run_id: str
    run_dir: str
    logs_dir: str
    meta_path: str


class StoreRow(TypedDict):
    """A run in the list of a store.

    ``derived_status`` is ``merged``, ``abandoned``, ``failed``, ``needs attention``, ``active``
    (somebody drives it now), ``idle`` or ``broken``. ``tmux_active`` is always false: runr keeps no
    terminal sessions.
    """

    run_id: str
    repo_id: str
    repo_key: str | None
    origin_url: str | None
    title: str
    name: str | None
    runner: str | None
    created_at: str | None
    last_push_at: str | None
    tmux_active: bool
    worktree_present: bool
    archived: bool
    pr_number: int | None
    pr_url: str | None
    derived_status: str
    summary: str | None
    broken: bool


class ResolvedRun(TypedDict):
    """Which run a reference means, and where it lies."""

    run_id: str
    repo_id: str
    run_dir: str
    meta_path: str
    broken: bool


class SeenRepository(TypedDict):
    """A repository as the data directory knows it."""

    repo_id: str
    repo_key: str
    origin_url: str
    repo_root: str
    repo_dir: str


class _WithData(TypedDict, total=False):
    data: Any


class StoreEvent(_WithData):
    """Something that happened to a run."""

    schema_version: str
    timestamp: str
    repo_id: str
    run_id: str
    event: str
    seq: int


class StoreFinding(TypedDict):
    """Something that is wrong with the runs of a store, and what was done about it."""

    run_id: str | None
    repo_id: str | None
    path: str
    diagnosis: Literal[
        "abandoned",
        "meta_missing",
        "meta_broken",
        "meta_newer",
        "leftover",
        "journal_damaged",
        "unreadable",
    ]
    reason: str
    remedy: Literal["remove", "rebuild", "quarantine", "update", "wait", "inspect"]
    done: bool
    kept: str | None
    error: dict[str, Any] | None


ClaimMode = Literal["claim", "takeover"]
CoordinationRoot = Literal["git", "cwd"]


class _TargetRepo(TypedDict):
    repo: str


class TargetParts(_TargetRepo, total=False):
    """A PR, an issue or a branch: the key of its number or name is its kind."""

    kind: Literal["pr", "issue", "branch"]
    pr: int | str
    issue: int | str
    branch: str


Target = str | TargetParts


class OwnerRun(TypedDict):
    """The owner of a PR."""

    runId: str
    claimedAt: str | None
    updatedAt: str | None


class PreviousOwner(TypedDict):
    """The owner before."""

    runId: str
    replacedAt: str | None
    replacedByRunId: str | None


class ExitSignal(TypedDict):
    """The word of a run that it ends."""

    runId: str
    at: str | None
    reason: str | None


class CoordinationState(TypedDict):
    """The record of a PR."""

    schemaVersion: int
    target: dict[str, Any]
    activeRun: OwnerRun | None
    previousRun: PreviousOwner | None
    history: list[Any]
    exitSignals: list[ExitSignal]


class LoadedState(TypedDict):
    """A record, and where it lies."""

    filePath: str
    state: CoordinationState | None


class _OwnershipAnswer(TypedDict):
    ok: bool
    repo: str
    pr: int
    runId: str | None
    activeRun: OwnerRun | None
    filePath: str


class OwnershipResult(_OwnershipAnswer, total=False):
    """The answer of an operation: done (``status``), or refused (``error`` and ``message``)."""

    status: Literal[
        "claimed_new",
        "refreshed",
        "taken_over",
        "owner_confirmed",
        "no_owner_record",
        "released",
        "release_noop",
        "exit_signal_recorded",
        "skipped_no_async_run_id",
    ]
    error: Literal["run_id_required", "active_run_exists", "ownership_missing", "ownership_lost"]
    message: str
    previousRun: PreviousOwner | None
    exitSignals: list[ExitSignal]
    token: int


class _StaleRunner(TypedDict):
    runId: str
    claimedAt: str
    updatedAt: str
    claimedAgeMs: int
    updatedAgeMs: int
    maxAgeMs: int


class StaleRunner(_StaleRunner, total=False):
    """An owner that gave no sign of life for too long; an age of -1 cannot be read."""

    corruptedTimestamp: bool


class ExitSignalled(TypedDict):
    """An owner that said that it ends."""

    runId: str
    signals: list[ExitSignal]


class _StaleResult(TypedDict):
    ok: bool
    status: Literal["no_owner_record", "exit_signal_recorded", "stale_runner", "fresh_runner"]
    repo: str
    pr: int | str
    activeRun: OwnerRun | None
    staleRunner: StaleRunner | None
    exitSignal: ExitSignalled | None
    filePath: str
    maxAgeMs: int


class StaleResult(_StaleResult, total=False):
    """Whether the owner of a PR can be counted on; ``repo`` and ``pr`` are as they were given."""

    error: Literal["exit_signal_recorded", "stale_runner"]
    message: str


class RepairedClaim(TypedDict):
    """What a repair of a claim did."""

    ok: bool
    actions: list[dict[str, Any]]


class CommandResult(TypedDict):
    """What a command printed and how it ended."""

    exit: int
    json: Any
    stderr: str


#: A commit of a run, and the one that stands for it on the branch.
MovedCommit = TypedDict("MovedCommit", {"from": str, "to": str})


class FailedCheck(TypedDict):
    """A check that failed on the result; ``log`` is relative to the run directory."""

    tier: Literal["tier0", "tier1", "tier2"]
    command: str
    exit_code: int
    timed_out: bool
    log: str


class Submitted(TypedDict):
    """What became of the work of a run on a branch."""

    run_id: str
    target: str
    old_sha: str
    new_sha: str | None
    commits: list[MovedCommit]
    verified: bool
    pushed: bool
    dry_run: bool
    conflicts: list[str]
    recipe: list[str]
    outcome: Literal[
        "moved",
        "nothing_to_move",
        "planned",
        "conflict",
        "checks_failed",
        "kept",
        "push_failed",
        "interrupted",
    ]
    messages: list[str]
    kept_as: str | None
    failed_check: FailedCheck | None
