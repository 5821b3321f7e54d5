// Processes of the command line, Python and Node change one run at once: no update is lost, no
// reader sees half a file, everybody is served. `RUNR_TEST_LONG=1` runs the full counts.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { RunStore } from 'runr';

const here = path.dirname(fileURLToPath(import.meta.url));
const root = path.resolve(here, '../../..');
const windows = process.platform === 'win32';
const PYTHON = path.join(root, '.venv', ...(windows ? ['Scripts', 'python.exe'] : ['bin', 'python']));
const RUNR =
  process.env.RUNR_TEST_BINARY ?? path.join(root, 'target/debug', windows ? 'runr.exe' : 'runr');
const RUN_ID = '20260110120000-a3f2';

/** What is not built, and the task that builds it. */
const missing = [[PYTHON, 'cargo xtask dev'], [RUNR, 'cargo build']].find(([it]) => !existsSync(it));
const skip = missing !== undefined && `${missing[0]} is missing: ${missing[1]}`;
if (skip) console.error(`skipped: processes of three languages at once: ${skip}`);

/** A process that adds ones; it begins, all of them at once, when it is told to. */
async function adder(program, script, runs, howMany) {
  const child = spawn(program, [script, runs, RUN_ID, String(howMany)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const exit = new Promise((resolve) => child.on('exit', (...how) => resolve(how)));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  assert.deepEqual(await lines.next(), { value: 'ready', done: false });
  return async () => {
    child.stdin.end('go\n');
    const { value: said } = await lines.next();
    assert.deepEqual(await exit, [0, null], script);
    return said;
  };
}

/** The command line, again and again. */
const commands = (args) => (runs, howMany, name) => async () => {
  for (let count = 1; count <= howMany; count += 1) {
    await promisify(execFile)(RUNR, ['store', '--runs', runs, ...args(name, count)]);
  }
};

const KINDS = {
  python: (runs, howMany) =>
    adder(PYTHON, path.join(root, 'bindings/python/tests/increments.py'), runs, howMany),
  node: (runs, howMany) =>
    adder(process.execPath, path.join(here, 'increments.mjs'), runs, howMany),
  set: commands((name, count) => ['set', RUN_ID, `${name}=${count}`]),
  events: commands((name, count) => {
    const data = JSON.stringify({ name, count });
    return ['events', RUN_ID, '--append', 'tick', '--data', data];
  }),
};

/** Reads the document until told to stop; every text is a whole one, and none is older. */
function reader(store) {
  let stopped = false;
  const seen = new Set();
  const reading = (async () => {
    let newest = 0;
    while (!stopped) {
      const document = JSON.parse(await readFile(store.runMetaPath(RUN_ID), 'utf8'));
      assert.equal(document.run_id, RUN_ID);
      assert.ok((document.total ?? 0) >= newest, `${document.total} after ${newest}`);
      newest = document.total ?? 0;
      seen.add(newest);
    }
  })();
  // Awaited at the end; until then a failure must not end the test program.
  reading.catch(() => {});
  return async () => {
    stopped = true;
    await reading;
    return seen.size;
  };
}

/** The changes of all processes are there, each once and in its own order. */
function check(store, names, howMany) {
  const of = (kind) => names.filter((name) => name.startsWith(kind));
  const document = store.readSync(RUN_ID);
  assert.equal(document.total ?? 0, (of('python').length + of('node').length) * howMany);
  for (const name of of('set')) assert.equal(document[name], howMany, name);
  const events = store.eventsSync(RUN_ID);
  const numbers = events.map((event) => event.seq);
  assert.deepEqual(numbers, Array.from(numbers, (_, index) => index + 1));
  for (const name of of('events')) {
    const counts = events.filter((it) => it.data.name === name).map((it) => it.data.count);
    assert.deepEqual(counts, Array.from({ length: howMany }, (_, index) => index + 1), name);
  }
  assert.equal(events.length, of('events').length * howMany);
  const known = ['.lock', 'events.jsonl', 'logs', 'meta.json'];
  const left = readdirSync(store.runDir(RUN_ID)).filter((name) => !known.includes(name));
  assert.deepEqual(left, []);
}

/** So many processes, the kinds in turn, each with so many changes. */
async function contend(t, processes, howMany) {
  const folder = mkdtempSync(path.join(tmpdir(), 'runr-contention-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const runs = path.join(folder, 'runs');
  const store = RunStore.open(runs);
  store.createSync({ run_id: RUN_ID, title: 't' }, { worktreeCheck: false });

  const kinds = Object.keys(KINDS);
  const names = Array.from({ length: processes }, (_, n) => `${kinds[n % kinds.length]}_${n}`);
  const start = (name) => KINDS[name.split('_')[0]](runs, howMany, name);
  const begin = await Promise.all(names.map(start));
  const stop = reader(store);
  const said = await Promise.all(begin.map((go) => go()));
  const versions = await stop();
  check(store, names, howMany);
  const anew = said.filter(Boolean).join(', ');
  t.diagnostic(`${processes} processes: ${versions} versions read; Node ${anew || '-'}`);
  if (processes > 1) assert.ok(versions > 1, 'the reader saw no change');
}

const rounds = process.env.RUNR_TEST_LONG
  ? [1, 2, 4, 8, 16, 32, 64].map((processes) => [processes, 640 / processes])
  : [[12, 20]];
for (const [processes, howMany] of rounds) {
  test(`${processes} processes of ${howMany} changes lose none`, { skip }, (t) =>
    contend(t, processes, howMany));
}
