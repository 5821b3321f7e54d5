// The installed command: signals, and children in the background.
import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { runCommand, status } from 'runr';

import { FILE, STEP, TASK, repository } from './greeter.mjs';

const HERE = path.dirname(fileURLToPath(import.meta.url));
const BIN = path.join(HERE, '..', 'bin', 'runr.cjs');
const RUN = ['run', '--worktree', '--json', '--task-text', TASK];

/** A repository with a configuration, and a worker that takes its time to implement. */
function ready(t, sleepMs) {
  const root = repository(t);
  execFileSync(process.execPath, [BIN, 'init', '--quiet', '--verify', `test -f ${FILE}`], { cwd: root });
  const implement = {
    sleep_ms: sleepMs,
    files: { [FILE]: 'hello\n' },
    reply: { status: 'ok', handoff_memo: 'written' },
  };
  const script = {
    plan: [{ reply: { milestones: [STEP] } }],
    implement: [implement],
    review: [{ reply: { status: 'approve', changes: [] } }],
  };
  process.env.RUNR_WORKER_SCRIPT = path.join(root, '..', 'worker.json');
  writeFileSync(process.env.RUNR_WORKER_SCRIPT, JSON.stringify(script));
  return root;
}

async function until(root, condition) {
  const deadline = Date.now() + 30_000;
  for (;;) {
    const found = await status({ runId: 'latest', root }).catch(() => ({}));
    if (condition(found)) return found;
    assert.ok(Date.now() < deadline, `it never happened: ${JSON.stringify(found)}`);
    await sleep(20);
  }
}

for (const [signal, exitStatus] of [['SIGINT', 130], ['SIGTERM', 143]]) {
  test(`${signal} records the run as interrupted`, async (t) => {
    const root = ready(t, 60_000);
    const child = spawn(process.execPath, [BIN, ...RUN], { cwd: root, stdio: 'ignore' });
    await until(root, (found) => found.phase === 'IMPLEMENT');
    child.kill(signal);
    assert.deepEqual(await once(child, 'exit'), [exitStatus, null]);
    const found = await status({ runId: 'latest', root });
    assert.deepEqual([found.stop_reason, found.liveness], ['interrupted', 'stopped']);
  });
}

test('a detached child finishes the run', async (t) => {
  const root = ready(t, 1500);
  const done = spawnSync(process.execPath, [BIN, ...RUN, '--detach'], { cwd: root, encoding: 'utf8' });
  assert.equal(done.status, 0, done.stderr);
  const line = JSON.parse(done.stdout);
  assert.equal(line.status, 'started');
  // The caller is back before the run has ended.
  assert.equal((await status({ runId: 'latest', root })).liveness, 'running');
  const found = await until(root, ({ liveness }) => liveness === 'stopped');
  assert.deepEqual([found.run_id, found.stop_reason], [line.run_id, 'complete']);
});

test('a library call detaches too', async (t) => {
  const root = ready(t, 0);
  const { exit, json, stderr } = await runCommand([...RUN, '--root', root, '--detach']);
  assert.deepEqual([exit, json?.status], [0, 'started'], stderr);
  await until(root, (found) => found.stop_reason === 'complete');
});

test('a library call installs no handler', { skip: process.platform !== 'linux' }, async (t) => {
  const root = ready(t, 0);
  const program = `
    const caught = () => /SigCgt:\\s*(\\w+)/.exec(require('node:fs').readFileSync('/proc/self/status', 'utf8'))[1];
    // SIGHUP, SIGINT, SIGTERM and SIGXFSZ.
    const watched = 1n | 1n << 1n | 1n << 14n | 1n << 24n;
    const before = BigInt('0x' + caught()) & watched;
    require('runr').main(process.argv.slice(1)).then((code) => {
      process.exitCode = (BigInt('0x' + caught()) & watched) === before ? code : 99;
    });
  `;
  const argv = ['-e', program, '--', ...RUN, '--root', root];
  const done = spawnSync(process.execPath, argv, { cwd: HERE, encoding: 'utf8' });
  assert.equal(done.status, 0, done.stdout + done.stderr);
});

test('the second signal ends the command at once', async (t) => {
  // The command waits for its standard input, which never ends.
  const child = spawn(process.execPath, [BIN, 'call', 'runs'], { stdio: ['pipe', 'ignore', 'ignore'] });
  const ended = once(child, 'exit');
  const caught = () => /SigCgt:\s*(\w+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))[1];
  if (process.platform !== 'linux') return t.skip('reads /proc');
  // SIGXFSZ is caught once the command listens.
  while ((BigInt(`0x${caught()}`) & (1n << 24n)) === 0n) await sleep(10);
  child.kill('SIGINT');
  await sleep(200);
  assert.equal(child.exitCode, null);
  child.kill('SIGINT');
  assert.deepEqual(await ended, [130, null]);
  child.stdin.destroy();
});
