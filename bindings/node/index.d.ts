/// <reference lib="esnext.disposable" />

/** Durable runs for coding agents, over plain files. */

// --- Words ---------------------------------------------------------------------------------

export type Phase =
  | 'INIT'
  | 'PLAN'
  | 'IMPLEMENT'
  | 'VERIFY'
  | 'REVIEW'
  | 'CHECKPOINT'
  | 'FINALIZE'
  | 'STOPPED';
export type Stage = 'plan' | 'implement' | 'review';
export type Tier = 'tier0' | 'tier1' | 'tier2';
export type RiskLevel = 'low' | 'medium' | 'high';
export type OutputMode = 'text' | 'json' | 'jsonl';
export type FailureKind = 'timeout' | 'auth' | 'rate_limit' | 'network' | 'crash';
export type NextAction =
  | 'none'
  | 'resume'
  | 'fix_config'
  | 'resolve_scope_violation'
  | 'resolve_branch_mismatch'
  | 'inspect_logs';
export type TerminalState = 'complete' | 'failed' | 'stopped';

/** A value of JSON. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type JsonObject = { [key: string]: Json };

// --- Errors --------------------------------------------------------------------------------

export interface ErrorFields {
  code?: string;
  path?: string | null;
  operation?: string | null;
  hint?: string | null;
  retryable?: boolean;
  context?: JsonObject;
  cause?: unknown;
}

/** What went wrong, where, and what to do next. */
export class RunrError extends Error {
  constructor(message: string, fields?: ErrorFields);
  /** Stable: `E_...`. */
  readonly code: string;
  readonly path: string | null;
  readonly operation: string | null;
  /** What to do next. */
  readonly hint: string | null;
  /** Whether repeating the call unchanged may succeed. */
  readonly retryable: boolean;
  /** Further keys, such as `candidates`. */
  readonly context: JsonObject;
}
/** The caller passed something unusable. */
export class InvalidInput extends RunrError {}
/** The named thing does not exist. */
export class NotFound extends RunrError {}
/** Refused before acting. */
export class Refused extends RunrError {}
/** The commands of the repository are not approved. */
export class Untrusted extends RunrError {}
/** Another run owns the target. */
export class OwnershipLost extends RunrError {}
/** A lock was not obtained in time. */
export class LockTimeout extends RunrError {}
/** Reading or writing the store failed. */
export class StoreError extends RunrError {}

// --- Runs ----------------------------------------------------------------------------------

/** What both starting and resuming take. */
export interface RunOverrides {
  /** Any directory of the repository; default `"."`. */
  root?: string;
  /** The path of a config, or the config itself; default `.runr/runr.config.json`. */
  config?: string | JsonObject;
  /** Allow changes of lockfiles; with a list, only of these packages. */
  allowDeps?: boolean | readonly string[];
  /** Wall budget; default 120. */
  timeMinutes?: number;
  /** Phases to execute at most; default 50. */
  maxTicks?: number;
  /** What the worker calls of the whole run may cost, in US dollars. */
  maxCost?: number;
  /** Try again after a stall or a timeout, without leaving the process. */
  autoResume?: boolean;
  /**
   * A target that the run claims before PLAN and gives back at the end, or a guard whose claim it
   * uses and leaves alone. A resume claims again what the run owned before, unless this is given.
   * Rejects with `OwnershipLost` if another run owns the target.
   */
  own?: Target | Ownership;
}

/** One of `task` and `taskText` is required. */
export interface RunOptions extends RunOverrides {
  /** The path of a task file; bare names also in `.runr/tasks/`. */
  task?: string;
  /** The text of a task. */
  taskText?: string;
  /** Own worktree and branch. */
  worktree?: boolean;
  /** Without PLAN and REVIEW. */
  fast?: boolean;
  /** Replaces the allowlist of the config. */
  allow?: readonly string[];
  /** Replaces the denylist of the config. */
  deny?: readonly string[];
  /** Replaces the verification commands of the config. */
  verify?: readonly string[];
  /** Start despite uncommitted changes; they are never committed by the run. */
  allowDirty?: boolean;
  /** Start although there is no verification command. */
  allowUnverified?: boolean;
  /** One worker for all stages. */
  worker?: string;
  /** Do not stop when a live run expects the same files. */
  forceParallel?: boolean;
  /** Stay on the present branch. */
  noBranch?: boolean;
  /** Stop after PLAN; go on after `approve` with `Run.resume`. */
  approvePlan?: boolean;
  /** Do not ask the workers for their version. */
  skipDoctor?: boolean;
  /** Prepare the work item for this flow first, and link the run to it. */
  flow?: Flow;
  /** Issues and PRs that the work belongs to. */
  refs?: readonly string[];
}

/** Scope and checks stay as the run has them; its budgets begin anew. */
export interface ResumeOptions extends RunOverrides {
  runId: string;
  /** Go on although the environment differs from the one the run began in. */
  force?: boolean;
  /** Go on although the tree is on another branch. */
  forceBranch?: boolean;
  /** Put uncommitted changes that are not the run's on the stash first. */
  autoStash?: boolean;
}

/** What a worker call consumed, as far as it is known; for the report and for `maxCost`. */
export interface Usage {
  input_tokens?: number | null;
  output_tokens?: number | null;
  cost_usd?: number | null;
}

/** Where a run stands. */
export interface Outcome {
  run_id: string;
  phase: Phase;
  stop_reason: string | null;
  milestones_completed: number;
  next_action: NextAction;
  suggested_command: string | null;
}

/** Why an implement call is a repair, and of what. */
export interface Fix {
  attempt: number;
  failed_command: string;
  error_output: string;
  changed_files: string[];
}

/** One step of a plan. */
export interface Milestone {
  goal: string;
  files_expected?: readonly string[];
  done_checks: readonly string[];
  risk_level: RiskLevel;
}

/** Why nothing had to be changed; one of the three is enough. */
export interface Evidence {
  files_checked?: readonly string[];
  grep_output?: string;
  commands_run?: readonly { command: string; exit_code: number }[];
}

/** One run, driven by this program. */
export class Run implements AsyncIterable<WorkerCall> {
  private constructor();
  /** Starts a run of a task. */
  static start(options: RunOptions): Promise<Run>;
  /** Goes on with a stopped run. */
  static resume(options: ResumeOptions): Promise<Run>;
  readonly runId: string;
  /** Where the run stands, and what to do next. */
  readonly outcome: Outcome;
  /** The next call to answer, or null at the end of the run. */
  nextCall(): Promise<WorkerCall | null>;
  /** Stops the run as asked for; it can be resumed. */
  stop(): Promise<void>;
  /** Leaves the run; one that has not ended is stopped as interrupted. */
  close(): Promise<void>;
  /** Leaving the loop early, or by an exception, closes the run. */
  [Symbol.asyncIterator](): AsyncIterator<WorkerCall, undefined>;
  /** `await using run = await Run.start(..)`, where the runtime has it. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** A question of the machine to an agent; answer it once, with one of the methods. */
export class WorkerCall {
  private constructor();
  readonly id: string;
  readonly stage: Stage;
  readonly prompt: string;
  readonly cwd: string;
  readonly milestone: number;
  readonly attempt: number;
  readonly deadline: string;
  /** The JSON Schema of the reply. */
  readonly schema: JsonObject;
  /** The configured worker of this stage. */
  readonly worker: string;
  readonly fix: Fix | null;
  /**
   * Aborted at the deadline, when the run stops, or when another run has its target: with an
   * `OwnershipLost` then. An answer comes too late.
   */
  readonly signal: AbortSignal;
  /** Answers with a text or with the object the schema asks for. */
  reply(answer: string | object, settings?: { usage?: Usage }): Promise<void>;
  /** Answers a plan call with the milestones. */
  plan(milestones: readonly Milestone[]): Promise<void>;
  /** Answers an implement call: done; the memo goes to the next reader. */
  ok(memo: string): Promise<void>;
  /** Answers an implement call: cannot be done, and why. */
  blocked(reason: string): Promise<void>;
  /** Answers an implement call: nothing has to be changed, and the proof. */
  noChanges(evidence: Evidence): Promise<void>;
  /** Answers a review call: the milestone is good. */
  approve(): Promise<void>;
  /** Answers a review call: these changes are needed; they go to the implementer verbatim. */
  requestChanges(changes: readonly string[]): Promise<void>;
  /** Says that the agent itself failed; treated like a failed worker process. */
  fail(
    kind: FailureKind,
    message: string,
    settings?: { retryAt?: string | Date; usage?: Usage },
  ): Promise<void>;
}

export interface RootOption {
  /** Any directory of the repository; default `"."`. */
  root?: string;
}
export interface RunOption extends RootOption {
  /** An id, a unique prefix, `"latest"`, or a work item. */
  runId: string;
}

/** Where a run stands. */
export function status(options: RunOption): Promise<JsonObject>;
export function statusSync(options: RunOption): JsonObject;
/** All runs of a repository. */
export function runs(options?: RootOption): Promise<JsonObject[]>;
export function runsSync(options?: RootOption): JsonObject[];
/** The report on a run: times, verifications, workers, outcome and what to do next. */
export function reportRun(options: RunOption): Promise<JsonObject>;
export function reportRunSync(options: RunOption): JsonObject;
/**
 * Whether the files and commits of a run are still as the receipt of its last stop says. `ok` is the
 * sum of `entries`, whose `status` is `OK`, `CHANGED` or `MISSING`. Nothing is written, and nothing
 * of the repository is executed.
 */
export function verifyReceipt(options: RunOption): Promise<JsonObject>;
export function verifyReceiptSync(options: RunOption): JsonObject;
/**
 * Moves the commits of a run to a local branch, after all checks have passed on the result. A
 * conflict, a failing check, a branch that cannot take the result and a failed push are no errors:
 * `outcome` says what happened, and `recipe` what a person can do.
 */
export function submit(options: SubmitOptions & SignalOption): Promise<Submitted>;
export function submitSync(options: SubmitOptions): Submitted;
export interface SignalOption {
  /**
   * Ends the checks when it is aborted. The promise rejects with the reason of the signal once they
   * have ended, and nothing was moved; it resolves if the branch had moved already.
   */
  signal?: AbortSignal;
}
export interface SubmitOptions extends RunOption {
  /** The branch, without `refs/heads/`. */
  to: string;
  /** Only say what would come of it. */
  dryRun?: boolean;
  /** Make one commit of all. */
  squash?: boolean;
  /** Push the branch afterwards, never by force. */
  push?: boolean;
}
/** What became of the work of a run on a branch. */
export interface Submitted {
  run_id: string;
  target: string;
  old_sha: string;
  new_sha: string | null;
  /** Commits of the run, and those that stand for them on the branch. */
  commits: { from: string; to: string }[];
  verified: boolean;
  pushed: boolean;
  dry_run: boolean;
  conflicts: string[];
  recipe: string[];
  outcome:
    | 'moved'
    | 'nothing_to_move'
    | 'planned'
    | 'conflict'
    | 'checks_failed'
    | 'kept'
    | 'push_failed'
    | 'interrupted';
  messages: string[];
  /** The reference that keeps a result which the branch could not take. */
  kept_as: string | null;
  /** `log` is relative to the run directory. */
  failed_check: {
    tier: 'tier0' | 'tier1' | 'tier2';
    command: string;
    exit_code: number;
    timed_out: boolean;
    log: string;
  } | null;
}
/** Approves the command list of a repository, without a prompt. */
export function trust(options?: RootOption): Promise<JsonObject>;
export function trustSync(options?: RootOption): JsonObject;
/** Approves the plan of a run that was started with `approvePlan`; it can be resumed then. */
export function approve(options: RunOption): Promise<JsonObject>;
export function approveSync(options: RunOption): JsonObject;
/** How the tasks of a repository stand; what wants a person comes first. */
export function tasks(options?: RootOption): Promise<JsonObject[]>;
export function tasksSync(options?: RootOption): JsonObject[];
export interface TaskOption extends RootOption {
  /** The task file; bare names are also looked up in `.runr/tasks/`. */
  path: string;
}
/** Notes that a person did a task. An automated one needs a complete run. */
export function taskDone(options: TaskOption): Promise<JsonObject>;
export function taskDoneSync(options: TaskOption): JsonObject;

// --- Store ---------------------------------------------------------------------------------

/** Where a new run directory lies. */
export interface CreatedRun {
  run_id: string;
  run_dir: string;
  logs_dir: string;
  meta_path: string;
}

/** A run in the list of a store. */
export interface StoreRow {
  run_id: string;
  repo_id: string;
  repo_key: string | null;
  origin_url: string | null;
  title: string;
  name: string | null;
  runner: string | null;
  created_at: string | null;
  last_push_at: string | null;
  /** Always false: runr keeps no terminal sessions. */
  tmux_active: boolean;
  worktree_present: boolean;
  archived: boolean;
  pr_number: number | null;
  pr_url: string | null;
  /** `merged`, `abandoned`, `failed`, `needs attention`, `active` (driven now), `idle`, `broken`. */
  derived_status: string;
  summary: string | null;
  broken: boolean;
}
/** Which run a reference means, and where it lies. */
export interface ResolvedRun {
  run_id: string;
  repo_id: string;
  run_dir: string;
  meta_path: string;
  broken: boolean;
}
/** The paths of a run; without a run only the first one. */
export interface StorePaths {
  runs_dir: string;
  run_id?: string;
  run_dir?: string;
  logs_dir?: string;
  meta_path?: string;
  events_path?: string;
}
/** Something that happened to a run. */
export interface StoreEvent {
  schema_version: string;
  timestamp: string;
  repo_id: string;
  run_id: string;
  event: string;
  data?: Json;
  seq: number;
}
/** A repository as the data directory knows it. */
export interface SeenRepository {
  repo_id: string;
  repo_key: string;
  /** Empty if it has no origin. */
  origin_url: string;
  repo_root: string;
  repo_dir: string;
}
/** Something that is wrong with the runs of a store, and what was done about it. */
export interface StoreFinding {
  run_id: string | null;
  repo_id: string | null;
  path: string;
  diagnosis:
    | 'abandoned'
    | 'meta_missing'
    | 'meta_broken'
    | 'meta_newer'
    | 'leftover'
    | 'journal_damaged'
    | 'unreadable';
  reason: string;
  remedy: 'remove' | 'rebuild' | 'quarantine' | 'update' | 'wait' | 'inspect';
  done: boolean;
  /** Where that which was damaged is kept now. */
  kept: string | null;
  /** Why it was not done, though it was tried. */
  error: JsonObject | null;
}
/** Fields by their paths, such as `/flags/needs_attention`. */
export interface StoreChanges {
  set?: Record<string, unknown>;
  unset?: readonly string[];
}
/** Makes the new document of the present one, which it may change in place. */
export type StoreChange = (document: JsonObject) => object;

/** A directory of run directories. */
export class RunStore {
  private constructor();
  /** The store with this runs root; touches nothing. */
  static open(root: string): RunStore;
  /** The store of a repository in the data directory; without `repoId` of all of them. */
  static data(settings?: { dataDir?: string; repoId?: string }): RunStore;
  readonly root: string | undefined;
  /** Creates a run directory with its meta.json; the fields keep their names in the file. */
  create(fields?: object, settings?: { worktreeCheck?: boolean }): Promise<CreatedRun>;
  createSync(fields?: object, settings?: { worktreeCheck?: boolean }): CreatedRun;
  /** The document of a run. */
  read(runId: string): Promise<JsonObject>;
  readSync(runId: string): JsonObject;
  /**
   * Changes the document of a run; the document as it is then. Values are set and removed all at
   * once. A function makes the new document of the present one: it is synchronous, holds no lock,
   * and runs again when another program has changed the document meanwhile, at most 8 times
   * (`E_LOCK_TIMEOUT`). If it throws, nothing is changed.
   */
  update(runId: string, changes: StoreChanges | StoreChange): Promise<JsonObject>;
  updateSync(runId: string, changes: StoreChanges | StoreChange): JsonObject;
  /** All runs, the newest first; those whose document is unusable are `broken`. */
  list(): Promise<StoreRow[]>;
  listSync(): StoreRow[];
  /** The run that an id, a unique prefix, the name of an active run, `latest` or a work item means. */
  resolve(ref: string, settings?: { currentRepo?: string }): Promise<ResolvedRun>;
  resolveSync(ref: string, settings?: { currentRepo?: string }): ResolvedRun;
  /** The paths of a run; without one only the directory of the runs. */
  paths(runId?: string): Promise<StorePaths>;
  pathsSync(runId?: string): StorePaths;
  runsDir(): string;
  runDir(runId: string): string;
  runMetaPath(runId: string): string;
  runLogsDir(runId: string): string;
  /** Notes in the data directory that a repository was seen; its lists then name key and origin. */
  touchRepository(settings?: { repoRoot?: string }): Promise<SeenRepository>;
  touchRepositorySync(settings?: { repoRoot?: string }): SeenRepository;
  /** Appends an event to those of a run, durably. */
  appendEvent(runId: string, name: string, data?: object | null): Promise<StoreEvent>;
  appendEventSync(runId: string, name: string, data?: object | null): StoreEvent;
  /** The events of a run with a number above `since`. */
  events(runId: string, since?: number): Promise<StoreEvent[]>;
  eventsSync(runId: string, since?: number): StoreEvent[];
  /** What is wrong with the runs; with `fix` after what can be repaired was, without losing anything. */
  repair(settings?: { fix?: boolean }): Promise<StoreFinding[]>;
  repairSync(settings?: { fix?: boolean }): StoreFinding[];
}

// --- Ownership -----------------------------------------------------------------------------

/** Where records lie: at the checkout that git's common directory belongs to, or at `cwd`. */
export type CoordinationRoot = 'git' | 'cwd';

/** What all functions on the record of a PR take. */
export interface CoordinationOptions {
  /** `owner/name`; case does not count. */
  repo: string;
  pr: number | string;
  /** Default: the present directory. */
  cwd?: string;
  /** The record itself, instead of the place that `cwd` and `root` give. */
  filePath?: string;
  /** Default `"git"`. */
  root?: CoordinationRoot;
}
export interface RunnerOptions extends CoordinationOptions {
  /** Without one the answer is the conflict `run_id_required`. */
  runId?: string | null;
}
export interface WritingOptions {
  /** Written as it is; default: now. */
  now?: string | Date;
  /** Whether all who share the record run on this host; default: what the configuration says, else true. */
  singleHost?: boolean;
}
export interface ClaimOptions extends RunnerOptions, WritingOptions {
  /** What becomes of another owner; default `"claim"`: it stays. */
  mode?: 'claim' | 'takeover';
}
export interface AssertOptions extends RunnerOptions {
  /** Whether nobody's PR is a conflict; default false. */
  requireExisting?: boolean;
}
export interface ReleaseOptions extends RunnerOptions, WritingOptions {}
export interface ExitSignalOptions extends RunnerOptions, WritingOptions {
  /** Cut to 500 UTF-16 units. */
  reason?: string | null;
  /** Whether only the owner may say so; default true. */
  requireActiveOwner?: boolean;
}
export interface EnsureOptions extends CoordinationOptions, WritingOptions {
  /** Names the run; default: the variables of this process. */
  env?: NodeJS.ProcessEnv | Record<string, string | undefined>;
  requireExisting?: boolean;
  /** Whether nobody's PR is claimed; default true. */
  claimIfMissing?: boolean;
  /** Whether an owner that is stale, or said that it ends, is replaced; default false. */
  supersedeStale?: boolean;
}
export interface StaleOptions extends CoordinationOptions {
  /** Milliseconds since 1970, or a date; default: now. */
  now?: number | Date;
  /** Default: by the variables of the environment, else 30 minutes. */
  maxAgeMs?: number;
  env?: NodeJS.ProcessEnv | Record<string, string | undefined>;
}

/** The owner of a PR. */
export interface OwnerRun {
  runId: string;
  claimedAt: string | null;
  updatedAt: string | null;
}
/** The owner before. */
export interface PreviousOwner {
  runId: string;
  replacedAt: string | null;
  replacedByRunId: string | null;
}
/** The word of a run that it ends. */
export interface ExitSignal {
  runId: string;
  at: string | null;
  reason: string | null;
}
/** The record of a PR. */
export interface CoordinationState {
  schemaVersion: number;
  target: { repo: string; pr: number };
  activeRun: OwnerRun | null;
  previousRun: PreviousOwner | null;
  /** Events of all programs, the newest last. */
  history: Json[];
  exitSignals: ExitSignal[];
}

/** What an answer says, done or refused. */
export interface OwnershipAnswer {
  repo: string;
  pr: number;
  runId: string | null;
  activeRun: OwnerRun | null;
  filePath: string;
}
/** It was done, or nothing had to be done. */
export interface OwnershipDone extends OwnershipAnswer {
  ok: true;
  status:
    | 'claimed_new'
    | 'refreshed'
    | 'taken_over'
    | 'owner_confirmed'
    | 'no_owner_record'
    | 'released'
    | 'release_noop'
    | 'exit_signal_recorded'
    | 'skipped_no_async_run_id';
  previousRun?: PreviousOwner | null;
  exitSignals: ExitSignal[];
  /** The number of the claim, where it was asked for. */
  token?: number;
}
/** It was refused. */
export interface OwnershipConflict extends OwnershipAnswer {
  ok: false;
  error: 'run_id_required' | 'active_run_exists' | 'ownership_missing' | 'ownership_lost';
  /** For people. */
  message: string;
  exitSignals?: ExitSignal[];
}
/** Programs look at `ok`, then at `status` or `error`. */
export type OwnershipResult = OwnershipDone | OwnershipConflict;

/** An owner that gave no sign of life for too long. */
export interface StaleRunner {
  runId: string;
  claimedAt: string;
  updatedAt: string;
  /** -1 for a time that cannot be read. */
  claimedAgeMs: number;
  updatedAgeMs: number;
  maxAgeMs: number;
  corruptedTimestamp?: boolean;
}
/** Whether the owner of a PR can be counted on. */
export interface StaleResult {
  ok: boolean;
  error?: 'exit_signal_recorded' | 'stale_runner';
  status: 'no_owner_record' | 'exit_signal_recorded' | 'stale_runner' | 'fresh_runner';
  /** As it was given. */
  repo: string;
  /** As it was given. */
  pr: number | string;
  activeRun: OwnerRun | null;
  staleRunner: StaleRunner | null;
  exitSignal: { runId: string; signals: ExitSignal[] } | null;
  filePath: string;
  maxAgeMs: number;
  message?: string;
}

/** Makes the run the owner of a PR, or keeps it the owner. A conflict is an answer. */
export function claimRunnerOwnership(options: ClaimOptions): Promise<OwnershipResult>;
export function claimRunnerOwnershipSync(options: ClaimOptions): OwnershipResult;
/** Whether the run is the owner. Writes nothing. */
export function assertRunnerOwnership(options: AssertOptions): Promise<OwnershipResult>;
export function assertRunnerOwnershipSync(options: AssertOptions): OwnershipResult;
/** Makes the run the owner no more. */
export function releaseRunnerOwnership(options: ReleaseOptions): Promise<OwnershipResult>;
export function releaseRunnerOwnershipSync(options: ReleaseOptions): OwnershipResult;
/** Records that the run ends, and why; it stays the owner. */
export function recordExitSignalForRunner(options: ExitSignalOptions): Promise<OwnershipResult>;
export function recordExitSignalForRunnerSync(options: ExitSignalOptions): OwnershipResult;
/** Makes sure that the run which the environment names is the owner. */
export function ensureAsyncRunnerOwnership(options: EnsureOptions): Promise<OwnershipResult>;
export function ensureAsyncRunnerOwnershipSync(options: EnsureOptions): OwnershipResult;
/** The record of a PR; `state` is null if there is none. */
export function loadRunnerCoordinationState(
  options: CoordinationOptions,
): Promise<{ filePath: string; state: CoordinationState | null }>;
export function loadRunnerCoordinationStateSync(options: CoordinationOptions): {
  filePath: string;
  state: CoordinationState | null;
};
/** Whether the owner of a PR said that it ends, or gave no sign of life for too long. */
export function detectStaleRunner(options: StaleOptions): Promise<StaleResult>;
export function detectStaleRunnerSync(options: StaleOptions): StaleResult;
/** A new record, with a claim if a run is named. Touches nothing. */
export function createRunnerCoordinationState(options: {
  repo: string;
  pr: number | string;
  runId?: string | null;
  now?: string | Date;
}): CoordinationState;
/** The record in a value of another program; null for null. */
export function normalizeRunnerCoordinationState(
  raw: unknown,
  target: { repo: string; pr: number | string },
): CoordinationState | null;
/** Where the record of a PR is kept. */
export function defaultRunnerCoordinationFilePathForTarget(
  target: { repo: string; pr: number | string },
  cwd?: string,
  root?: CoordinationRoot,
): string;
/** The schema that is written. */
export const RUNNER_COORDINATION_SCHEMA_VERSION: 2;
/** The schemas that can be read. */
export const RUNNER_COORDINATION_SUPPORTED_SCHEMA_VERSIONS: readonly [1, 2];
/** The words of conflicts, and of owners that cannot be counted on. */
export const RUNNER_OWNERSHIP_ERROR: {
  readonly RUN_ID_REQUIRED: 'run_id_required';
  readonly ACTIVE_RUN_EXISTS: 'active_run_exists';
  readonly OWNERSHIP_MISSING: 'ownership_missing';
  readonly OWNERSHIP_LOST: 'ownership_lost';
  readonly EXIT_SIGNAL_RECORDED: 'exit_signal_recorded';
  readonly STALE_RUNNER: 'stale_runner';
};

/** `"owner/name#17"` (a PR), `"owner/name@branch"`, or its parts. */
export type Target = string | TargetParts;
/** A PR, an issue or a branch. */
export type TargetParts =
  | { kind?: 'pr'; repo: string; pr: number | string }
  | { kind: 'issue'; repo: string; issue: number | string }
  | { kind: 'branch'; repo: string; branch: string };

export interface OwnOptions {
  target: Target;
  runId: string;
  /** The seconds a claim lives without a heartbeat; default 60. */
  ttl?: number;
  /** Take the target over from another owner. */
  takeover?: boolean;
  /** Only from this owner: its run id, or the number of its claim. */
  expect?: string | number;
  /** Only if the claim of the other owner has expired. */
  onlyIfExpired?: boolean;
  /** Any directory of the repository; default `"."`. */
  root?: string;
  /** Whether all who share the record run on this host; default: what the configuration says, else true. */
  singleHost?: boolean;
}

/** The right to act on a target. Made by `own`; ends with `release`, or when it is lost. */
export class Ownership {
  private constructor();
  readonly target: Readonly<TargetParts>;
  readonly runId: string;
  /** The number of the claim: it grows with every change of owner. */
  readonly token: number;
  /** Aborted when the target is lost, with an `OwnershipLost`. */
  readonly signal: AbortSignal;
  /** Whether the target is known to be lost. */
  readonly lost: boolean;
  /** Rejects with `OwnershipLost` unless this guard holds its target at this moment. */
  check(): Promise<void>;
  /**
   * Runs a short synchronous function while nobody can take the target over, and resolves to its
   * value. The event loop goes on while the lock is waited for. The function must not call one of
   * the blocking functions on the same target.
   */
  act<T>(fn: () => T): Promise<T>;
  /** Gives the target up; with a reason, an exit signal is recorded first. */
  release(reason?: string | null): Promise<OwnershipResult>;
  /** `await using owner = await own(..)`, where the runtime has it. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Claims a target and keeps the claim alive by heartbeats. Rejects with `OwnershipLost` if another
 * run holds it. With a function it resolves to the function's value, after the target is released;
 * a failure is recorded as an exit signal. Without one it resolves to the guard.
 */
export function own<T>(options: OwnOptions, work: (owner: Ownership) => T | PromiseLike<T>): Promise<T>;
export function own(options: OwnOptions): Promise<Ownership>;

export interface HeartbeatOptions {
  target: Target;
  runId: string;
  token: number;
  root?: string;
  singleHost?: boolean;
}
/** Shows that the owner lives, for a program that keeps its own claim. */
export function ownerHeartbeat(options: HeartbeatOptions): Promise<OwnershipResult>;
export function ownerHeartbeatSync(options: HeartbeatOptions): OwnershipResult;

/** What a repair did. */
export interface RepairedClaim {
  ok: boolean;
  actions: JsonObject[];
}
export interface RepairOptions {
  target: Target;
  root?: string;
  singleHost?: boolean;
}
/** Removes a dead lock, sets a broken record aside and rebuilds it. */
export function ownerRepair(options: RepairOptions): Promise<RepairedClaim>;
export function ownerRepairSync(options: RepairOptions): RepairedClaim;

// --- Pure functions ------------------------------------------------------------------------

/** The verdict of the scope guard. */
export interface ScopeResult {
  ok: boolean;
  effective_allowlist: string[];
  env_touched: string[];
  semantic_changed: string[];
  scope_violations: string[];
  lockfile_violations: string[];
}
/** The verdict on the paths a task owns. */
export interface OwnedPathsResult {
  ok: boolean;
  owned_paths: string[];
  semantic_changed: string[];
  violating_files: string[];
}
/** A live run and the files it plans to touch. */
export interface ActiveRun {
  run_id: string;
  files_expected: readonly string[];
}
/** The files two runs would both touch. */
export interface Collision {
  run_id: string;
  colliding_files: string[];
}
/** A row of the registry of stop reasons. */
export interface StopReason {
  stop_reason: string;
  family: string;
  watch_resumable: boolean;
  supervisor_auto_resumable: boolean;
  next_action: NextAction;
  suggested_command: string | null;
  terminal_state: TerminalState;
}
/** What to do about a run. */
export interface NextStep {
  outcome: string;
  next_action: NextAction;
  suggested_command: string | null;
}
/** Files whose change asks for a higher tier. */
export interface RiskTrigger {
  name: string;
  patterns: readonly string[];
  tier: Tier;
}
/** The verification tiers of a pass, and why. */
export interface Tiers {
  tiers: Tier[];
  reasons: string[];
}
/** The verdict on the evidence that nothing had to be changed. */
export interface EvidenceResult {
  ok: boolean;
  satisfied_by: string | null;
  errors: string[];
}
/** A validated reply of a worker, or why there is none. */
export type ParsedReply = { ok: true; value: JsonObject } | { ok: false; error: string };
/** A task file, taken apart. */
export interface ParsedTask {
  ok: boolean;
  body: string;
  owns_raw: string[];
  owns_normalized: string[];
  allowlist_add: string[];
  verification_tier: Tier | null;
  depends_on: string[];
  type: string;
  fallback_milestones: Milestone[];
}
/** A phase and how often it has been entered in a row. */
export interface PhasePosition {
  phase: Phase;
  phase_attempt: number;
}
/** The position after a change of phase. */
export interface EnteredPhase extends PhasePosition {
  last_successful_phase: Phase | null;
}
/** A part of the environment that is no longer what it was. */
export interface FingerprintDifference {
  field: string;
  original: Json;
  current: Json;
}
/** A run id made from any text, and what was lost on the way. */
export interface SanitizedId {
  id: string;
  original: string;
  changed: boolean;
  lossy: boolean;
}

/** Judges changed files against the scope of a run. */
export function checkScope(
  changed: readonly string[],
  allowlist: readonly string[],
  denylist: readonly string[],
  lockfiles: readonly string[],
  allowDeps: boolean,
  envAllowlist: readonly string[],
  presets: readonly string[],
): ScopeResult;
/** Why a run may not start in a tree with these changes; empty if it may. */
export function preflightReasons(scopeResult: ScopeResult, allowDirty?: boolean): string[];
/** Whether a pattern matches a path of the repository. */
export function globMatch(pattern: string, path: string): boolean;
/** Whether some path is matched by both patterns. */
export function globsOverlap(a: string, b: string): boolean;
/** The `owns` entries of a task in the form they are compared in. */
export function normalizeOwns(list: readonly string[]): string[];
/** Judges changed files against the paths a task owns. */
export function checkOwnedPaths(
  changed: readonly string[],
  owns: readonly string[],
  envAllowlist?: readonly string[],
): OwnedPathsResult;
/** The live runs that plan to touch the same files. */
export function fileCollisions(
  filesExpected: readonly string[],
  activeRuns: readonly ActiveRun[],
): Collision[];
/** The registry of stop reasons. */
export function stopReasons(): StopReason[];
/** What to do about a run that stopped for a reason; null means it is running. */
export function nextAction(stopReason: string | null, runId: string, otherRun?: string): NextStep;
/** The verification tiers of a pass, and why. */
export function selectTiers(
  riskTriggers: readonly RiskTrigger[],
  changedFiles: readonly string[],
  riskLevel: RiskLevel,
  lastMilestone: boolean,
  minTier?: Tier,
): Tiers;
/** Whether the evidence shows that nothing had to be changed. */
export function checkNoChangesEvidence(
  evidence: Evidence | null,
  allowlist: readonly string[],
): EvidenceResult;
/** The text of a worker's reply, out of what its process printed. */
export function unwrapOutput(outputMode: OutputMode, stdout: string): string;
/** The validated reply in a text, or why there is none. */
export function parseReply(stage: Stage, text: string): ParsedReply;
/** A task file, taken apart. */
export function parseTask(text: string): ParsedTask;
/** Whether a run may go from one phase to another. */
export function legalTransition(from: Phase, to: Phase): boolean;
/** The phase in which a stopped run goes on by itself. */
export function resumeTarget(phase: Phase, lastSuccessfulPhase: Phase | null): Phase;
/** The position of a run after a change of phase. */
export function enterPhase(state: PhasePosition, to: Phase): EnteredPhase;
/** What in the environment differs from the environment of the run. */
export function compareFingerprints(original: object, current: object): FingerprintDifference[];
/** 16 hex digits that tell whether a reviewer asks for the same again. */
export function reviewFingerprint(changes: readonly string[]): string;
/** The state of a run after these events. */
export function fold(events: readonly object[]): JsonObject;
/** The report on a run with these events and this state. */
export function report(events: readonly object[], state: object): JsonObject;
/** The data directory: by `RUNR_DATA_DIR`, `AGENCY_DATA_DIR`, or the place of the system. */
export function dataDir(env?: Record<string, string>, home?: string, os?: string): string;
/** What tells a repository from others. */
export function repoKey(originUrl: string | null, repoRoot: string): string;
/** The id of a repository: 16 hex digits of its key's SHA-256. */
export function repoId(originUrl: string | null, repoRoot: string): string;
/** The branch of a run. */
export function branchName(title: string, runId: string, prefix?: string): string;
/** The text of the meta.json of a new run. */
export function newRunMeta(
  runId: string,
  repoId: string,
  title: string,
  runner: string,
  runnerCmd: string,
  parentBranch: string,
  branch: string,
  worktreePath: string,
  createdAt: string | Date,
): string;
/** A change of one field of a meta.json. */
export type MetaOp =
  | { op: 'set'; path: string; value: unknown }
  | { op: 'unset'; path: string };
/** The text of a meta.json after some changes; all that they do not concern is kept. */
export function applyMetaOps(text: string, ops: readonly MetaOp[]): string;

// --- Work items ----------------------------------------------------------------------------

export type Flow = 'plan' | 'build' | 'review' | 'gate' | 'deploy' | 'wisdom';
/** A reference to an issue or PR. */
export interface RunRef {
  kind: 'issue' | 'pr';
  number: number;
  repo: string | null;
  /** The id of the work item, if none is known for it. */
  candidate: string;
}
/** What an earlier step established about a work item. */
export interface Facts {
  run_id_kind?: 'GH_ISSUE' | 'LOCAL_ONLY' | null;
  issue_binding?: 'IMMEDIATE' | 'DEFERRED' | null;
  issue_binding_deferred_reason?: 'gh_unauth' | 'gh_unavailable' | null;
  github_repo?: string | null;
  github_repo_expected?: string | null;
  github_repo_actual_at_creation?: string | null;
  github_ops_allowed?: boolean | null;
  repo_mismatch?: boolean | null;
  issue_number?: number | null;
  issue_url?: string | null;
  issue_title?: string | null;
}
/** The branch of the working tree. */
export type Branch =
  | { state: 'named'; name: string; upstream?: string | null }
  | { state: 'detached' }
  | { state: 'unavailable'; why?: string | null };
/** What a preparation says about a run_meta.json. */
export interface MetaPatch {
  run_id: string;
  flow: Flow;
  now: string | Date;
  aliases?: readonly string[];
  facts?: Facts;
  base_ref?: string | null;
  source?: PrepReport['source'];
}
/** What an upsert says about a work item. */
export interface IndexEntry {
  run_id: string;
  canonical_key?: string | null;
  task_key?: string | null;
  task_title?: string | null;
  issue_number?: number | null;
  pr_number?: number | null;
  updated_at: string | Date;
  last_flow: string;
}
/** A document after a change. */
export interface EditedText {
  text: string;
  changed: boolean;
  notes: string[];
}
export interface PrepOptions {
  /** Default: the main checkout of the repository around the present directory. */
  root?: string;
  flow: Flow;
  runId?: string;
  /** Issues and PRs, the most important one first. */
  refs?: readonly string[];
  /** Begin anew beside what is there. */
  restart?: boolean;
  baseRef?: string;
  facts?: Facts;
  /** Default: the one that is checked out. */
  branch?: Branch;
  now?: string | Date;
  /** Write nothing. */
  dryRun?: boolean;
}
/** The result of a preparation. */
export interface PrepReport {
  status: 'VERIFIED' | 'UNVERIFIED' | 'CANNOT_PROCEED';
  recommended_action: 'PROCEED' | 'RERUN' | 'BOUNCE' | 'FIX_ENV';
  route_to_agent: null;
  route_to_flow: null;
  run_id: string | null;
  flow: Flow;
  supersedes: string | null;
  missing_upstream_flows: string[];
  blockers: string[];
  missing_required: string[];
  notes: string[];
  mode: 'NEW' | 'EXISTING' | 'SUPERSEDING' | null;
  source: 'explicit_run_id' | 'issue_ref' | 'pr_ref' | 'branch' | 'fallback' | null;
  run_dir: string | null;
  flow_dir: string | null;
  iterations: number | null;
  aliases_added: string[];
  schema: string;
  machine_block: string;
  handoff: string;
  error?: string;
  run_meta_text?: string;
  index_text?: string;
}
/** The id of a work item made from any text. */
export function sanitizeRunId(text: string): SanitizedId;
/** What a reference means; null if it is none. */
export function parseRef(text: string): RunRef | null;
/** The text of a run_meta.json after a preparation; without a text a new one. */
export function mergeRunMeta(text: string | null, patch: MetaPatch): EditedText;
/** The text of an index.json with a work item added or brought up to date. */
export function upsertIndex(text: string | null, entry: IndexEntry): EditedText;
/** Of the flows that usually come before, those that have left no directory. */
export function missingUpstreamFlows(present: readonly string[], flow: Flow): string[];
/**
 * Decides which work item is meant, makes its directories and brings its files up to date. What
 * cannot be read or written is no error but a report with the status CANNOT_PROCEED.
 */
export function prep(options: PrepOptions): Promise<PrepReport>;
export function prepSync(options: PrepOptions): PrepReport;
/** Adds a harness run to those that worked on a work item, unless it is there. */
export function linkRun(options: LinkOptions): Promise<{ changed: boolean }>;
export function linkRunSync(options: LinkOptions): { changed: boolean };
export interface LinkOptions {
  root?: string;
  runId: string;
  harnessRunId: string;
}

// --- Whole program -------------------------------------------------------------------------

/** What a command printed and how it ended. */
export interface CommandResult {
  exit: number;
  json: Json;
  stderr: string;
}
/** Runs a command line, without the program name; resolves to its exit status. */
export function main(argv: readonly string[]): Promise<number>;
/** Runs a command line; resolves to its exit status, its JSON result and its messages. */
export function runCommand(argv: readonly string[]): Promise<CommandResult>;
/** The version of runr, the same in all four languages. */
export const version: string;
