// A program that knows nothing of runr, and processes of Python and Node, write one record at once:
// no update is lost. `RUNR_TEST_LONG=1` runs the full counts.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { claimRunnerOwnershipSync, own } from 'runr';

import { PYTHON, pythonIsMissing as skip } from './owner-process.mjs';

if (skip) console.error(`skipped: a program of the format beside runr: ${skip}`);

const at = (name) => fileURLToPath(new URL(name, import.meta.url));
const [HOW_MANY, EACH] = process.env.RUNR_TEST_LONG ? [60, 4] : [25, 2];
const TARGET = { repo: 'acme/shop', pr: 17 };

/** The programs that write, by the first letters of their run ids. */
const KINDS = {
  legacy: (cwd, record) => [process.execPath, at('legacy-writer.mjs'), record],
  node: (cwd) => [process.execPath, at('exit-signals.mjs'), cwd],
  python: (cwd) => [PYTHON, at('../../python/tests/exit_signals.py'), cwd],
};

/** A process that is ready to write so often; it begins when it is told to. */
async function writer([program, ...args], runId) {
  const child = spawn(program, [...args, runId, String(HOW_MANY)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const exit = new Promise((resolve) => child.on('exit', (...how) => resolve(how)));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  assert.deepEqual(await lines.next(), { value: 'ready', done: false });
  return async () => {
    child.stdin.end('go\n');
    assert.deepEqual(await exit, [0, null], runId);
  };
}

/** The reasons of a run that were recorded, in order. */
const reasons = (state, runId) =>
  state.exitSignals.filter((signal) => signal.runId === runId).map((signal) => signal.reason);

async function contend(t, names) {
  const cwd = mkdtempSync(path.join(tmpdir(), 'runr-mixed-'));
  t.after(() => rmSync(cwd, { recursive: true }));
  const { filePath: record } = claimRunnerOwnershipSync({ ...TARGET, runId: 'run-1', cwd });
  const runIds = names.flatMap((name) => Array.from({ length: EACH }, (_, n) => `${name}-${n}`));
  const begin = await Promise.all(
    runIds.map((runId) => writer(KINDS[runId.split('-')[0]](cwd, record), runId)),
  );
  // A guard beats and acts in the middle of it all, and keeps its claim.
  const guarded = own({ target: TARGET, runId: 'run-1', ttl: 30, root: cwd }, async (owner) => {
    let acted = 0;
    const all = Promise.all(begin.map((go) => go())).then(() => 'done');
    while ((await Promise.race([all, owner.act(() => 'acted')])) !== 'done') acted += 1;
    await owner.check();
    return acted;
  });
  t.diagnostic(`${await guarded} actions beside ${runIds.length * HOW_MANY} signals`);

  const state = JSON.parse(readFileSync(record, 'utf8'));
  assert.equal(state.exitSignals.length, runIds.length * HOW_MANY);
  for (const runId of runIds) {
    const expected = Array.from({ length: HOW_MANY }, (_, n) => `${runId} ${n + 1}`);
    assert.deepEqual(reasons(state, runId), expected);
  }
  const left = readdirSync(path.dirname(record)).filter((name) => /tmp|\.lock$/.test(name));
  assert.deepEqual(left, []);
  assert.ok(!existsSync(`${record}.lock`));
}

test('nobody loses a signal beside a program of the format', { skip, timeout: 600_000 }, (t) =>
  contend(t, ['legacy', 'node', 'python']));
