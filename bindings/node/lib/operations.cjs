'use strict';

// Every operation of the core becomes a function: pure ones take their arguments by position and
// answer at once; those that touch the disk take one options object, return a promise, and have a
// blocking twin with the suffix `Sync`.

const wire = require('./wire.cjs');
const { usage } = require('./errors.cjs');
const { camelCase, options } = require('./options.cjs');

/** The arguments of the pure functions, in order. */
const PURE = {
  check_scope: [
    'changed',
    'allowlist',
    'denylist',
    'lockfiles',
    'allow_deps',
    'env_allowlist',
    'presets',
  ],
  preflight_reasons: ['scope_result', 'allow_dirty'],
  glob_match: ['pattern', 'path'],
  globs_overlap: ['a', 'b'],
  normalize_owns: ['list'],
  check_owned_paths: ['changed', 'owns', 'env_allowlist'],
  file_collisions: ['files_expected', 'active_runs'],
  stop_reasons: [],
  next_action: ['stop_reason', 'run_id', 'other_run'],
  select_tiers: ['risk_triggers', 'changed_files', 'risk_level', 'last_milestone', 'min_tier'],
  check_no_changes_evidence: ['evidence', 'allowlist'],
  unwrap_output: ['output_mode', 'stdout'],
  parse_reply: ['stage', 'text'],
  parse_task: ['text'],
  legal_transition: ['from', 'to'],
  resume_target: ['phase', 'last_successful_phase'],
  enter_phase: ['state', 'to'],
  compare_fingerprints: ['original', 'current'],
  review_fingerprint: ['changes'],
  fold: ['events'],
  report: ['events', 'state'],
  sanitize_run_id: ['text'],
  parse_ref: ['text'],
  merge_run_meta: ['text', 'patch'],
  upsert_index: ['text', 'entry'],
  missing_upstream_flows: ['present', 'flow'],
  data_dir: ['env', 'home', 'os'],
  repo_key: ['origin_url', 'repo_root'],
  repo_id: ['origin_url', 'repo_root'],
  branch_name: ['title', 'run_id', 'prefix'],
  new_run_meta: [
    'run_id',
    'repo_id',
    'title',
    'runner',
    'runner_cmd',
    'parent_branch',
    'branch',
    'worktree_path',
    'created_at',
  ],
  apply_meta_ops: ['text', 'ops'],
};

/** The options of the functions that touch the disk. */
const DISK = {
  status: ['run_id', 'root'],
  runs: ['root'],
  report_run: ['run_id', 'root'],
  verify_receipt: ['run_id', 'root'],
  submit: ['run_id', 'to', 'dry_run', 'squash', 'push', 'root'],
  trust: ['root'],
  approve: ['run_id', 'root'],
  tasks: ['root'],
  task_done: ['path', 'root'],
  prep: [
    'root',
    'flow',
    'run_id',
    'refs',
    'restart',
    'base_ref',
    'facts',
    'branch',
    'now',
    'dry_run',
  ],
  link_run: ['root', 'run_id', 'harness_run_id'],
  owner_heartbeat: ['target', 'run_id', 'token', 'root', 'single_host'],
  owner_repair: ['target', 'root', 'single_host'],
};

const pure = {};
for (const [name, parameters] of Object.entries(PURE)) {
  define(pure, camelCase(name), (...values) => {
    const args = {};
    parameters.forEach((parameter, at) => {
      args[parameter] = values[at];
    });
    return wire.callSync(name, args);
  });
}

const disk = {};
for (const [name, known] of Object.entries(DISK)) {
  define(disk, camelCase(name), async (given) => wire.call(name, options(given, known)));
  define(disk, `${camelCase(name)}Sync`, (given) => wire.callSync(name, options(given, known)));
}

/** Moves the commits of a run to a branch, unless a signal is aborted first. */
define(disk, 'submit', async (given) => {
  const { signal, ...found } = options(given, [...DISK.submit, 'signal']);
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw usage('signal is not an AbortSignal');
  }
  const stopped = (submitted) => submitted.outcome === 'interrupted';
  return wire.callUntil(signal, 'submit', found, stopped);
});

function define(place, name, body) {
  Object.defineProperty(body, 'name', { value: name });
  place[name] = body;
}

module.exports = { pure, disk };
