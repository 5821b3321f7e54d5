// The run store: updates, events, paths, and the runs of several repositories in one directory.
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';

import { InvalidInput, NotFound, RunStore, RunrError, StoreError } from 'runr';

import { addOnes } from './add-ones.mjs';

const RUN_ID = '20260110120000-a3f2';
const UNCHECKED = { worktreeCheck: false };

/** A folder of its own. */
function folder(t) {
  const made = mkdtempSync(path.join(tmpdir(), 'runr-store-'));
  t.after(() => rmSync(made, { recursive: true }));
  return made;
}

/** A store with one run, and the text of its document. */
function one(t) {
  const store = RunStore.open(path.join(folder(t), 'runs'));
  store.createSync({ run_id: RUN_ID, title: 't' }, UNCHECKED);
  return { store, text: () => readFileSync(store.runMetaPath(RUN_ID), 'utf8') };
}

/** Two repositories, with an id and a name that stand in both of them. */
async function two(t) {
  const dataDir = folder(t);
  const every = RunStore.data({ dataDir });
  for (const [number, repo] of ['r1', 'r2'].entries()) {
    for (const id of ['same-1', `main-${repo}`]) {
      const created_at = `2026-01-0${number + 1}T00:00:00Z`;
      await every.create({ run_id: id, repo_id: repo, created_at }, UNCHECKED);
    }
    await every.update(`main-${repo}`, { set: { '/name': 'both' } });
  }
  return { every, dataDir };
}

/** Both twins of a method refuse alike; what the error carries besides. */
async function refused(Class, code, store, method, ...args) {
  const answers = [async () => store[method](...args), async () => store[`${method}Sync`](...args)];
  let context;
  for (const answer of answers) {
    await assert.rejects(answer, (error) => {
      assert.ok(error instanceof Class, error.stack);
      assert.deepEqual([error.code, error.name], [code, Class.name]);
      context = error.context;
      return true;
    });
  }
  return context;
}

test('fields are set and removed by their paths, all or none', async (t) => {
  const { store, text } = one(t);
  const set = { '/flags/needs_attention': true, '/note/a~1b': [1], '/seen': new Date(0) };
  const after = await store.update(RUN_ID, { set });
  assert.deepEqual(after.note, { 'a/b': [1] });
  assert.deepEqual(after, await store.read(RUN_ID));
  assert.equal(after.seen, '1970-01-01T00:00:00.000Z');
  assert.equal('note' in (await store.update(RUN_ID, { unset: ['/note'] })), false);
  const before = text();
  for (const wrong of [
    { set: { '/x': 1, '/run_id': 'other' } },
    { set: { '/x': 1, '/pr_number': 1.5 } },
    { set: { x: 1 } },
    { sett: {} },
    'x',
  ]) {
    await refused(InvalidInput, 'E_USAGE', store, 'update', RUN_ID, wrong);
  }
  await refused(InvalidInput, 'E_USAGE', store, 'update', RUN_ID, { set: { '/x': 2 ** 60 } });
  assert.equal(text(), before);
});

test('a function makes the new document of the present one', async (t) => {
  const { store, text } = one(t);
  const seen = [];
  const change = (document) => {
    seen.push(document.run_id);
    return { ...document, pr_number: (document.pr_number ?? 0) + 1, note: { by: 'me' } };
  };
  assert.equal((await store.update(RUN_ID, change)).pr_number, 1);
  assert.deepEqual(store.updateSync(RUN_ID, change), store.readSync(RUN_ID));
  assert.deepEqual(seen, [RUN_ID, RUN_ID]);
  const before = text();
  const fail = () => {
    throw new RangeError('mine');
  };
  await refused(RangeError, undefined, store, 'update', RUN_ID, fail);
  for (const wrong of [() => null, () => [], () => 'x', () => undefined, async (it) => it]) {
    await refused(InvalidInput, 'E_USAGE', store, 'update', RUN_ID, wrong);
  }
  const other = (document) => ({ ...document, run_id: 'other' });
  await refused(InvalidInput, 'E_USAGE', store, 'update', RUN_ID, other);
  assert.equal(text(), before);
});

test('updates at once in one process lose none', async (t) => {
  const { store } = one(t);
  await Promise.all(Array.from({ length: 8 }, () => addOnes(store, RUN_ID, 5)));
  assert.equal((await store.read(RUN_ID)).total, 40);
});

test('the events of a run can be asked for from any number on', async (t) => {
  const { store } = one(t);
  assert.deepEqual(await store.events(RUN_ID), []);
  for (const name of ['a', 'b', 'c']) await store.appendEvent(RUN_ID, name, { of: name });
  for (let since = 0; since < 5; since += 1) {
    const names = (await store.events(RUN_ID, since)).map((event) => event.event);
    assert.deepEqual(names, ['a', 'b', 'c'].slice(since));
  }
  await refused(InvalidInput, 'E_USAGE', store, 'events', RUN_ID, -1);
  await refused(NotFound, 'E_RUN_NOT_FOUND', store, 'appendEvent', 'other', 'a');
  const file = store.pathsSync(RUN_ID).events_path;
  const damaged = `${readFileSync(file, 'utf8')}damage\n`;
  writeFileSync(file, damaged);
  await refused(StoreError, 'E_STORE_CORRUPT', store, 'events', RUN_ID);
  await refused(StoreError, 'E_STORE_CORRUPT', store, 'appendEvent', RUN_ID, 'd');
  assert.equal(readFileSync(file, 'utf8'), damaged);
});

test('paths are computed and looked for nowhere', async (t) => {
  const root = path.join(folder(t), 'runs');
  const store = RunStore.open(root);
  assert.equal(store.runsDir(), root);
  assert.equal(store.runDir('r-1'), path.join(root, 'r-1'));
  assert.equal(store.runMetaPath('r-1'), path.join(root, 'r-1', 'meta.json'));
  assert.equal(store.runLogsDir('r-1'), path.join(root, 'r-1', 'logs'));
  assert.equal(existsSync(root), false);
  for (const wrong of ['..', 'a/b', '', '.a', 'con', 'a'.repeat(129)]) {
    await refused(InvalidInput, 'E_INVALID_ID', store, 'paths', wrong);
  }
});

test('a worktree that is missing is seen before anything is made', async (t) => {
  const root = path.join(folder(t), 'runs');
  const missing = path.join(root, 'missing');
  const fields = { title: 't', worktree_path: missing };
  const context = await refused(RunrError, 'E_INTERNAL', RunStore.open(root), 'create', fields);
  assert.equal(context.worktree_path, missing);
  assert.equal(existsSync(root), false);
});

test('a store cannot be changed, and its options are checked', () => {
  const store = RunStore.open('runs');
  for (const name of ['root', 'other']) {
    assert.throws(() => {
      store[name] = 'x';
    }, TypeError);
  }
  assert.equal(store.root, 'runs');
  assert.throws(() => RunStore.open(Buffer.from('runs')), { name: 'InvalidInput', code: 'E_USAGE' });
  assert.throws(() => RunStore.data({ datadir: 'x' }), { hint: 'did you mean dataDir?' });
  assert.throws(() => RunStore.data({ dataDir: 5 }).listSync(), { code: 'E_USAGE' });
});

test('the list has the runs of all repositories, the newest first', async (t) => {
  const { every, dataDir } = await two(t);
  const rows = (await every.list()).map((row) => `${row.repo_id} ${row.run_id}`);
  assert.deepEqual(rows, ['r2 main-r2', 'r2 same-1', 'r1 main-r1', 'r1 same-1']);
  assert.equal((await every.resolve('latest')).repo_id, 'r2');
  const first = RunStore.data({ dataDir, repoId: 'r1' });
  assert.deepEqual(new Set((await first.list()).map((row) => row.repo_id)), new Set(['r1']));
  assert.equal((await first.resolve('both')).run_id, 'main-r1');
  await refused(NotFound, 'E_RUN_NOT_FOUND', first, 'resolve', 'main-r2');
});

test('what stands in two repositories means none, unless one is the present one', async (t) => {
  const { every } = await two(t);
  const both = ['r1', 'r2'].map((repo) => ({ repo_id: repo, run_id: 'same-1' }));
  for (const method of ['resolve', 'read', 'paths', 'events']) {
    const context = await refused(InvalidInput, 'E_RUN_ID_AMBIGUOUS', every, method, 'same-1');
    assert.deepEqual(context.candidates, both, method);
  }
  const context = await refused(InvalidInput, 'E_RUN_REF_AMBIGUOUS', every, 'resolve', 'both');
  assert.deepEqual(context.candidates.map((run) => run.run_id), ['main-r1', 'main-r2']);
  assert.equal((await every.resolve('both', { currentRepo: 'r2' })).run_id, 'main-r2');
  await every.update('main-r1', { set: { '/archive/archived_at': '2026-01-03T00:00:00Z' } });
  assert.equal((await every.resolve('both')).run_id, 'main-r2');
});

test('what a reference may not be', async (t) => {
  const { every, dataDir } = await two(t);
  await refused(InvalidInput, 'E_USAGE', every, 'resolve', '  ');
  await refused(InvalidInput, 'E_RUN_ID_AMBIGUOUS', every, 'resolve', 'main');
  await refused(NotFound, 'E_RUN_NOT_FOUND', every, 'resolve', 'mai');
  assert.equal((await every.resolve(' main-r1 ')).run_id, 'main-r1');
  const nothing = path.join(dataDir, 'nothing');
  await refused(NotFound, 'E_NO_RUNS', RunStore.data({ dataDir: nothing }), 'resolve', 'latest');
  assert.equal(existsSync(nothing), false);
  const outside = RunStore.data({ dataDir, repoId: '../r1' });
  await refused(InvalidInput, 'E_INVALID_ID', outside, 'list');
});

test('a broken run is found by its id and never by its name', async (t) => {
  const { every } = await two(t);
  const file = every.runMetaPath('main-r1');
  writeFileSync(file, '{');
  assert.equal((await every.resolve('main-r1')).broken, true);
  assert.equal((await every.resolve('both')).run_id, 'main-r2');
  const last = (await every.list()).at(-1);
  assert.deepEqual([last.run_id, last.title, last.broken], ['main-r1', '<broken>', true]);
  await refused(StoreError, 'E_STORE_CORRUPT', every, 'update', 'main-r1', { set: { '/x': 1 } });
  assert.equal(readFileSync(file, 'utf8'), '{');
});

test('the default is the data directory of the user', async (t) => {
  const { every, dataDir } = await two(t);
  t.after(() => {
    delete process.env.RUNR_DATA_DIR;
    delete process.env.AGENCY_DATA_DIR;
  });
  process.env.AGENCY_DATA_DIR = dataDir;
  assert.deepEqual(await RunStore.data().list(), await every.list());
  process.env.RUNR_DATA_DIR = path.join(dataDir, 'other');
  assert.deepEqual(await RunStore.data().list(), []);
  process.env.RUNR_DATA_DIR = 'relative';
  await refused(InvalidInput, 'E_USAGE', RunStore.data(), 'list');
});
