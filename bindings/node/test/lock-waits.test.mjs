// While another process holds the lock of a run, everybody else goes on.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';

import { RunStore } from 'runr';

const RUN_ID = '20260110120000-a3f2';
const IN_WORKER = fileURLToPath(new URL('store-in-worker.mjs', import.meta.url));

/** Takes a lock as any process may, says so, and keeps it until its input ends. */
const HOLD = `
import fcntl, sys
file = open(sys.argv[1], "a")
fcntl.flock(file, fcntl.LOCK_EX)
sys.stdout.write("held")
sys.stdout.flush()
sys.stdin.read()
`;
const found = spawnSync('python3', ['-c', 'import fcntl']);
const skip = found.status !== 0 && 'no python3 with fcntl to hold a lock';
if (skip) console.error(`skipped: waits for a lock: ${skip}`);

/** A store with one run. */
function place(t) {
  const folder = mkdtempSync(path.join(tmpdir(), 'runr-waits-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const store = RunStore.open(path.join(folder, 'runs'));
  store.createSync({ run_id: RUN_ID, title: 't' }, { worktreeCheck: false });
  store.appendEventSync(RUN_ID, 'first');
  return store;
}

/** Another process holds the lock of the run; the answer releases it. */
async function hold(t, store) {
  const lock = path.join(store.runDir(RUN_ID), '.lock');
  const child = spawn('python3', ['-c', HOLD, lock], { stdio: ['pipe', 'pipe', 'inherit'] });
  t.after(() => child.kill('SIGKILL'));
  assert.equal(String(await once(child.stdout, 'data')), 'held');
  return async () => {
    child.stdin.end();
    await once(child, 'exit');
  };
}

/** The promises, and whether any of them has settled. */
function watched(promises) {
  const watch = { settled: false, all: Promise.all(promises) };
  for (const promise of promises) {
    promise.then(() => { watch.settled = true; }, () => { watch.settled = true; });
  }
  return watch;
}

test('the event loop and its files go on while writes wait for the lock', { skip }, async (t) => {
  const store = place(t);
  const release = await hold(t, store);
  // More than the threads that the runtime shares among all file calls.
  const writes = watched([
    ...Array.from({ length: 8 }, (_, n) => store.update(RUN_ID, { set: { [`/by_${n}`]: n } })),
    ...Array.from({ length: 4 }, () => store.update(RUN_ID, (document) => document)),
    store.appendEvent(RUN_ID, 'stop'),
  ]);
  for (let tick = 0; tick < 20; tick += 1) await sleep(5);
  assert.match(await readFile(IN_WORKER, 'utf8'), /RunStore/);
  assert.equal((await store.read(RUN_ID)).title, 't');
  assert.deepEqual((await store.list()).map((row) => row.run_id), [RUN_ID]);
  assert.equal((await store.resolve('latest')).run_id, RUN_ID);
  assert.deepEqual((await store.events(RUN_ID)).map((it) => it.event), ['first']);
  assert.equal(writes.settled, false, 'a write did not wait');
  await release();
  await writes.all;
  const document = await store.read(RUN_ID);
  for (let n = 0; n < 8; n += 1) assert.equal(document[`by_${n}`], n);
  assert.deepEqual((await store.events(RUN_ID)).map((it) => it.event), ['first', 'stop']);
});

test('many writes at once are all done, whatever the number of threads', { timeout: 60_000 }, async (t) => {
  const store = place(t);
  const numbers = Array.from({ length: 200 }, (_, n) => n);
  await Promise.all(numbers.map((n) => store.appendEvent(RUN_ID, 'tick', { n })));
  const events = (await store.events(RUN_ID)).slice(1);
  const seen = events.map((event) => event.data.n).sort((a, b) => a - b);
  assert.deepEqual(seen, numbers);
});

test('an update by function waits for the lock too, and its file stays as it is', { skip }, async (t) => {
  const store = place(t);
  const release = await hold(t, store);
  const update = store.update(RUN_ID, (document) => ({ ...document, total: 1 }));
  const writes = watched([update]);
  for (let tick = 0; tick < 20; tick += 1) await sleep(5);
  assert.equal(writes.settled, false);
  assert.equal((await store.read(RUN_ID)).total, undefined);
  await release();
  assert.equal((await update).total, 1);
});

test('workers of one process share a run', async (t) => {
  const store = place(t);
  const workers = Array.from({ length: 4 }, () => new Worker(IN_WORKER, { argv: [store.root, RUN_ID, 20] }));
  const exits = await Promise.all(workers.map((worker) => once(worker, 'exit')));
  assert.deepEqual(exits, [[0], [0], [0], [0]]);
  assert.equal(store.readSync(RUN_ID).total, 80);
});

test('a worker that is ended while it waits takes nothing with it', { skip }, async (t) => {
  const store = place(t);
  const release = await hold(t, store);
  const worker = new Worker(IN_WORKER, { argv: [store.root, RUN_ID, 1] });
  await once(worker, 'message');
  await sleep(50);
  await worker.terminate();
  await release();
  const after = await store.update(RUN_ID, { set: { '/after': true } });
  assert.equal(after.after, true);
});
