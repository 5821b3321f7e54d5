// The functions of the format: their names, their forgiving options, and where they look.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';

import * as runr from 'runr';

const { claimRunnerOwnership, ensureAsyncRunnerOwnership } = runr;
const VARIABLES = ['RUNR_RUN_ID', 'RUNR_TOKEN', 'DEVLOOPS_RUN_ID', 'PI_SUBAGENT_RUN_ID'];
for (const name of VARIABLES) delete process.env[name];

function freshDirectory(t) {
  const folder = realpathSync(mkdtempSync(path.join(tmpdir(), 'runr-claims-')));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

const RECORD = '.pi/runner-coordination/acme/shop/pr-17.json';
const place = (cwd) => ({ repo: 'acme/shop', pr: 17, cwd });

test('a script of the format changes only its import, in both module systems', () => {
  const names = [
    'claimRunnerOwnership',
    'assertRunnerOwnership',
    'releaseRunnerOwnership',
    'recordExitSignalForRunner',
    'ensureAsyncRunnerOwnership',
    'loadRunnerCoordinationState',
    'createRunnerCoordinationState',
    'detectStaleRunner',
    'defaultRunnerCoordinationFilePathForTarget',
    'normalizeRunnerCoordinationState',
  ];
  const common = createRequire(import.meta.url)('runr');
  for (const name of names) {
    assert.equal(runr[name].name, name);
    assert.equal(common[name], runr[name]);
  }
  assert.equal(runr.RUNNER_COORDINATION_SCHEMA_VERSION, 2);
  assert.deepEqual(runr.RUNNER_COORDINATION_SUPPORTED_SCHEMA_VERSIONS, [1, 2]);
  const words = new Set(Object.values(runr.RUNNER_OWNERSHIP_ERROR));
  const conflicts = ['run_id_required', 'active_run_exists', 'ownership_missing', 'ownership_lost'];
  for (const word of [...conflicts, 'exit_signal_recorded']) assert.ok(words.has(word), word);
});

test('a PR may be whatever becomes a number, and nothing else', async (t) => {
  const cwd = freshDirectory(t);
  for (const pr of [17, '17', ' 0x11 ', 17n, [17], ['17'], '1.7e1', new Number(17)]) {
    const answer = await claimRunnerOwnership({ ...place(cwd), pr, runId: 'run-1' });
    assert.deepEqual([answer.ok, answer.pr], [true, 17]);
  }
  const circular = {};
  circular.self = circular;
  const wrong = [undefined, null, NaN, Infinity, -0, 0, -17, 1.5, '', '17n', '1_7', 'x', {}, [], [1, 2]];
  const odd = [Symbol('17'), () => 17, circular, new Date(NaN), [[], 1n], 0n];
  for (const pr of [...wrong, ...odd]) {
    const refused = claimRunnerOwnership({ ...place(cwd), pr, runId: 'run-1' });
    await assert.rejects(refused, { name: 'InvalidInput', code: 'E_TARGET_INVALID' }, typeof pr);
  }
  for (const options of [undefined, null, 17, 'x', {}, { repo: 5, pr: 17 }, { repo: 'a', pr: 17 }]) {
    await assert.rejects(claimRunnerOwnership(options), { code: 'E_TARGET_INVALID' });
    assert.throws(() => runr.claimRunnerOwnershipSync(options), { code: 'E_TARGET_INVALID' });
    assert.throws(() => runr.createRunnerCoordinationState(options), { code: 'E_TARGET_INVALID' });
    const path = () => runr.defaultRunnerCoordinationFilePathForTarget(options, cwd);
    assert.throws(path, { code: 'E_TARGET_INVALID' });
  }
});

test('what is no run id is none, and a conflict is an answer', async (t) => {
  const cwd = freshDirectory(t);
  for (const runId of [undefined, null, '', ' \ufeff ', 5, true, 5n, {}, ['run-1'], Symbol('s'), () => 1]) {
    const answer = await claimRunnerOwnership({ ...place(cwd), runId });
    assert.deepEqual([answer.ok, answer.error, answer.runId], [false, 'run_id_required', null]);
  }
  const lone = 'run-\ud83d';
  const answer = await claimRunnerOwnership({ ...place(cwd), runId: lone, now: 'yesterday' });
  assert.equal(answer.activeRun.runId, lone);
  assert.equal(answer.activeRun.updatedAt, 'yesterday');
  assert.equal((await runr.assertRunnerOwnership({ ...place(cwd), runId: lone })).ok, true);
  const second = await claimRunnerOwnership({ ...place(cwd), runId: 'run-2', singleHost: null });
  assert.deepEqual([second.ok, second.error], [false, 'active_run_exists']);
  assert.equal('token' in answer || 'token' in second, false);
});

test('options that are no booleans count as a script would count them', async (t) => {
  const cwd = freshDirectory(t);
  const given = { ...place(cwd), runId: 'run-1' };
  await claimRunnerOwnership(given);
  await runr.releaseRunnerOwnership(given);
  const record = (requireActiveOwner) =>
    runr.recordExitSignalForRunner({ ...given, requireActiveOwner }).then(({ ok }) => ok);
  assert.deepEqual(await Promise.all([0, '', false].map(record)), [true, true, true]);
  assert.deepEqual(await Promise.all([1, 'no', true, undefined, null].map(record)), Array(5).fill(false));
});

test('times may be dates', async (t) => {
  const cwd = freshDirectory(t);
  const now = new Date('2026-01-10T12:00:00.000Z');
  const { activeRun } = await claimRunnerOwnership({ ...place(cwd), runId: 'run-1', now });
  assert.equal(activeRun.claimedAt, '2026-01-10T12:00:00.000Z');
  const later = new Date(now.getTime() + 31 * 60_000);
  for (const then of [later, later.getTime()]) {
    const found = await runr.detectStaleRunner({ ...place(cwd), pr: ' 17', now: then, env: {} });
    assert.deepEqual([found.ok, found.error, found.pr], [false, 'stale_runner', ' 17']);
    assert.equal(found.staleRunner.updatedAgeMs, 31 * 60_000);
  }
  const env = { DEVLOOPS_STALE_RUNNER_MAX_AGE_MS: '3600000' };
  assert.equal((await runr.detectStaleRunner({ ...place(cwd), now: later, env })).ok, true);
  const created = runr.createRunnerCoordinationState({ ...place(cwd), runId: 'run-1', now });
  assert.equal(created.activeRun.updatedAt, activeRun.claimedAt);
});

test('the environment names the run: a given one, else that of the program', async (t) => {
  const cwd = freshDirectory(t);
  const none = await ensureAsyncRunnerOwnership(place(cwd));
  assert.deepEqual([none.ok, none.status], [true, 'skipped_no_async_run_id']);
  process.env.PI_SUBAGENT_RUN_ID = 'run-1';
  try {
    assert.equal((await ensureAsyncRunnerOwnership(place(cwd))).status, 'claimed_new');
    const env = { RUNR_RUN_ID: 'run-2', OTHER: undefined, NUMBER: 5 };
    assert.equal((await ensureAsyncRunnerOwnership({ ...place(cwd), env })).error, 'ownership_lost');
    // The variables of a worker are its own.
    const text = `
      const { workerData, parentPort } = require('node:worker_threads');
      const { runr, options } = workerData;
      require(runr).ensureAsyncRunnerOwnership(options).then((it) => parentPort.postMessage(it.runId));`;
    const workerData = { runr: createRequire(import.meta.url).resolve('runr'), options: place(cwd) };
    const worker = new Worker(text, { eval: true, env: { DEVLOOPS_RUN_ID: 'of-worker' }, workerData });
    const [runId] = await new Promise((resolve, reject) => {
      worker.once('message', (...message) => resolve(message));
      worker.once('error', reject);
    });
    assert.equal(runId, 'of-worker');
  } finally {
    delete process.env.PI_SUBAGENT_RUN_ID;
  }
});

test('worktrees share the records of their checkout unless they are told not to', async (t) => {
  const folder = freshDirectory(t);
  const main = path.join(folder, 'main');
  mkdirSync(main);
  const git = (...args) => execFileSync('git', args, { cwd: main, stdio: 'ignore' });
  git('init', '--quiet');
  git('-c', 'user.name=t', '-c', 'user.email=t@t', 'commit', '--allow-empty', '-qm', 'start');
  git('worktree', 'add', '-q', '../tree');
  const tree = path.join(folder, 'tree');
  const where = runr.defaultRunnerCoordinationFilePathForTarget;
  assert.equal(where({ repo: 'Acme/Shop', pr: '17' }, tree), path.join(main, RECORD));
  assert.equal(where({ repo: 'acme/shop', pr: 17 }, tree, 'cwd'), path.join(tree, RECORD));
  const shared = await claimRunnerOwnership({ ...place(tree), runId: 'run-1' });
  assert.equal(shared.filePath, path.join(main, RECORD));
  assert.equal((await claimRunnerOwnership({ ...place(main), runId: 'run-2' })).ok, false);
  const own = await claimRunnerOwnership({ ...place(tree), runId: 'run-2', root: 'cwd' });
  assert.equal(own.filePath, path.join(tree, RECORD));
  const filePath = path.join(folder, 'a', 'record.json');
  const named = await claimRunnerOwnership({ ...place(tree), runId: 'run-3', filePath });
  assert.deepEqual([named.ok, named.filePath], [true, filePath]);
});

test('a state of another program gets its normal form', () => {
  const target = { repo: 'acme/shop', pr: 17 };
  const raw = { target, schemaVersion: 1, activeRun: { runId: ' run-1 ', x: 1 }, history: 5, y: 2 };
  assert.deepEqual(runr.normalizeRunnerCoordinationState(raw, target), {
    schemaVersion: 2,
    target,
    activeRun: { runId: 'run-1', claimedAt: null, updatedAt: null },
    previousRun: null,
    history: [],
    exitSignals: [],
  });
  const normal = (state, other = target) => () => runr.normalizeRunnerCoordinationState(state, other);
  assert.throws(normal({ ...raw, schemaVersion: 3 }), { code: 'E_RECORD_SCHEMA' });
  assert.throws(normal(raw, { repo: 'acme/shop', pr: 18 }), { code: 'E_RECORD_TARGET_MISMATCH' });
  const circular = {};
  circular.self = circular;
  assert.throws(normal(circular), { code: 'E_USAGE' });
  const numbers = { ...raw, schemaVersion: 2, history: [2 ** 60, { 2: 1, b: -0 }] };
  assert.deepEqual(normal(numbers)().history, [2 ** 60, { 2: 1, b: 0 }]);
  assert.equal(normal(undefined)(), null);
  assert.throws(normal('text'), { code: 'E_STORE_CORRUPT' });
  assert.throws(normal(raw, null), { code: 'E_TARGET_INVALID' });
});
