'use strict';

// Who may act on a PR: the functions of the coordination module whose files runr shares, under its
// names. Each takes one options object, of which unknown members are ignored; a conflict is an
// answer, not an error. Members of a wrong type are for the core to judge.

const native = require('./native.cjs');
const { camelCase } = require('./options.cjs');
const { callRoundedSync, encodeForgiving, open } = require('./wire.cjs');

/** The options of the functions that touch the disk. */
const DISK = {
  claim_runner_ownership: [
    'repo',
    'pr',
    'run_id',
    'cwd',
    'file_path',
    'mode',
    'now',
    'root',
    'single_host',
  ],
  assert_runner_ownership: ['repo', 'pr', 'run_id', 'cwd', 'file_path', 'require_existing', 'root'],
  release_runner_ownership: [
    'repo',
    'pr',
    'run_id',
    'cwd',
    'file_path',
    'now',
    'root',
    'single_host',
  ],
  record_exit_signal_for_runner: [
    'repo',
    'pr',
    'run_id',
    'reason',
    'require_active_owner',
    'cwd',
    'file_path',
    'now',
    'root',
    'single_host',
  ],
  ensure_async_runner_ownership: [
    'repo',
    'pr',
    'cwd',
    'file_path',
    'env',
    'require_existing',
    'claim_if_missing',
    'supersede_stale',
    'now',
    'root',
    'single_host',
  ],
  load_runner_coordination_state: ['repo', 'pr', 'cwd', 'file_path', 'root'],
  detect_stale_runner: ['repo', 'pr', 'cwd', 'file_path', 'now', 'max_age_ms', 'env', 'root'],
};

/** The options of the function that only makes a value. */
const CREATE = ['repo', 'pr', 'run_id', 'now'];

/** A number of a PR may have any type that becomes one; JSON knows all but this. */
const withoutBigInt = (pr) => (typeof pr === 'bigint' ? String(pr) : pr);

/** How an option becomes an argument, where that is not as it is. */
const ARGUMENTS = {
  pr: withoutBigInt,
  require_existing: Boolean,
  require_active_owner: Boolean,
  claim_if_missing: Boolean,
  supersede_stale: Boolean,
  single_host: Boolean,
};

/** The JSON of the arguments in an options object. */
function argumentsOf(known, given) {
  const place = Object(given);
  const found = {};
  for (const argument of known) {
    // Of a worker thread the variables are its own; the core only knows those of the process.
    const value = place[camelCase(argument)] ?? (argument === 'env' ? process.env : undefined);
    if (value === undefined || value === null) continue;
    found[argument] = ARGUMENTS[argument] ? ARGUMENTS[argument](value) : value;
  }
  return encodeForgiving(found);
}

/** What JSON can hold of a target that is given by position. */
function plain(target) {
  return JSON.parse(encodeForgiving({ repo: target?.repo, pr: withoutBigInt(target?.pr) }));
}

/** Where the record of a target is kept. */
function defaultRunnerCoordinationFilePathForTarget(target, cwd, root) {
  const name = 'default_runner_coordination_file_path_for_target';
  return open(native.call(name, encodeForgiving({ target: plain(target), cwd, root })));
}

/** A record as another program left it, in its normal form; null if it is none. */
function normalizeRunnerCoordinationState(raw, target) {
  return callRoundedSync('normalize_runner_coordination_state', { raw, target: plain(target) });
}

/** The record of a target as the first claim of it would write it. */
function createRunnerCoordinationState(options) {
  return open(native.call('create_runner_coordination_state', argumentsOf(CREATE, options)));
}

const functions = {
  createRunnerCoordinationState,
  defaultRunnerCoordinationFilePathForTarget,
  normalizeRunnerCoordinationState,
};
for (const [name, known] of Object.entries(DISK)) {
  define(camelCase(name), async (given) =>
    open(await native.callAsync(name, argumentsOf(known, given))),
  );
  define(`${camelCase(name)}Sync`, (given) => open(native.call(name, argumentsOf(known, given))));
}

function define(name, body) {
  functions[name] = Object.defineProperty(body, 'name', { value: name });
}

const constants = {
  /** The schema that is written. */
  RUNNER_COORDINATION_SCHEMA_VERSION: 2,
  /** The schemas that can be read. */
  RUNNER_COORDINATION_SUPPORTED_SCHEMA_VERSIONS: Object.freeze([1, 2]),
  /** The words of conflicts and of runs that are stale. */
  RUNNER_OWNERSHIP_ERROR: Object.freeze({
    RUN_ID_REQUIRED: 'run_id_required',
    ACTIVE_RUN_EXISTS: 'active_run_exists',
    OWNERSHIP_MISSING: 'ownership_missing',
    OWNERSHIP_LOST: 'ownership_lost',
    EXIT_SIGNAL_RECORDED: 'exit_signal_recorded',
    STALE_RUNNER: 'stale_runner',
  }),
};

module.exports = { constants, functions };
