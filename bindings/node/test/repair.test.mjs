// Runs that cannot be used: what is wrong, and the repair.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';

import { RunStore } from 'runr';

const ID = '20260110120000-a3f2';
const TORN = '{"schema_version": "1.0", "title": "to';

/** A store with one run, in a directory that goes away with the test. */
function fresh(t) {
  const directory = mkdtempSync(path.join(tmpdir(), 'runr-repair-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const store = RunStore.open(path.join(directory, 'runs'));
  store.createSync({ run_id: ID, title: 'Improve search' }, { worktreeCheck: false });
  return { directory, store };
}

test('nothing is changed unless it is asked for', async (t) => {
  const { store } = fresh(t);
  assert.deepEqual(await store.repair({ fix: true }), []);
  writeFileSync(store.runMetaPath(ID), TORN);
  for (const found of [await store.repair(), store.repairSync({ fix: false })]) {
    const shown = found.map(({ run_id, diagnosis, remedy, done }) => [run_id, diagnosis, remedy, done]);
    assert.deepEqual(shown, [[ID, 'meta_broken', 'rebuild', false]]);
  }
  assert.equal(readFileSync(store.runMetaPath(ID), 'utf8'), TORN);
});

test('a broken run can be read again and its old document is kept', async (t) => {
  for (const repair of ['repair', 'repairSync']) {
    const { store } = fresh(t);
    store.appendEventSync(ID, 'named', { title: 'Improve search' });
    writeFileSync(store.runMetaPath(ID), TORN);
    const [finding] = await store[repair]({ fix: true });
    assert.ok(finding.done && finding.error === null);
    assert.equal(readFileSync(finding.kept, 'utf8'), TORN);
    assert.equal(store.readSync(ID).title, 'Improve search');
    assert.deepEqual(store.repairSync(), []);
  }
});

test('what could not be done has its error and throws nothing', (t) => {
  const { directory, store } = fresh(t);
  const broken = path.join(directory, 'runs', 'gh-17');
  mkdirSync(broken);
  writeFileSync(path.join(broken, 'meta.json'), '{');
  writeFileSync(path.join(directory, 'quarantine'), 'in the way');
  const [finding] = store.repairSync({ fix: true });
  assert.deepEqual([finding.remedy, finding.done, finding.error.code], ['quarantine', false, 'E_IO']);
  assert.equal(readFileSync(path.join(broken, 'meta.json'), 'utf8'), '{');
});

test('all repositories of a data directory are looked at', (t) => {
  const { directory } = fresh(t);
  const runs = path.join(directory, 'repos', '1111111111111111', 'runs', ID);
  mkdirSync(path.join(runs, 'logs'), { recursive: true });
  const [finding] = RunStore.data({ dataDir: directory }).repairSync({ fix: true });
  assert.deepEqual([finding.repo_id, finding.diagnosis], ['1111111111111111', 'abandoned']);
  assert.ok(finding.done && !existsSync(runs));
});

test('an unknown setting is refused', () => {
  assert.throws(() => RunStore.open('runs').repairSync({ fx: true }), { code: 'E_USAGE' });
});
