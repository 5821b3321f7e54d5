// Updates by a function: what they keep, refuse and survive.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { InvalidInput, LockTimeout, RunStore } from 'runr';

const ID = '20260110120000-a3f2';
const WRITTEN = `"big": 9007199254740993, "bigger": 123456789012345678901234567890, "price": 1.50`;
const DOCUMENT = `{"schema_version": "1.0", "run_id": "${ID}", "created_at": "2026-01-10T12:00:00Z",
  ${WRITTEN}, "list": [9007199254740993, 1]}`;

/** A store with one run, its text, and both forms of an update of it. */
function world(t) {
  const root = realpathSync(mkdtempSync(path.join(tmpdir(), 'runr-store-')));
  t.after(() => rmSync(root, { recursive: true }));
  const store = RunStore.open(root);
  const file = store.runMetaPath(ID);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, DOCUMENT);
  const updates = [
    (fn) => store.update(ID, fn),
    async (fn) => store.updateSync(ID, fn),
  ];
  return { store, root, text: () => readFileSync(file, 'utf8'), updates };
}

const flat = (text) => text.replaceAll(/\s/g, '');

test('a function changes what it changes, and large integers keep their spelling', async (t) => {
  const { updates, text } = world(t);
  for (const [index, update] of updates.entries()) {
    const after = await update((document) => {
      document.list.push(index);
      return { ...document, pr_number: index + 1 };
    });
    assert.equal(after.pr_number, index + 1);
  }
  assert.ok(flat(text()).includes(flat(WRITTEN)), text());
  assert.ok(flat(text()).includes('"list":[9007199254740993,1,0,1]'), text());
});

test('an integer that is not exact is refused', async (t) => {
  const { updates, text } = world(t);
  for (const update of updates) {
    for (const change of [{ n: 2 ** 53 }, { big: 2 ** 60 }, { n: [{ k: -(2 ** 53) }] }]) {
      const given = update((document) => ({ ...document, ...change }));
      await assert.rejects(given, { name: 'InvalidInput', code: 'E_USAGE' });
    }
  }
  assert.equal(text(), DOCUMENT);
});

test('a function that throws, waits or returns no object leaves the file as it is', async (t) => {
  const { updates, text } = world(t);
  const mine = new Error('mine');
  for (const update of updates) {
    const thrown = update((document) => {
      document.pr_number = 1;
      throw mine;
    });
    await assert.rejects(thrown, mine);
    const async = update(async () => {
      throw mine;
    });
    await assert.rejects(async, /must be synchronous/);
    for (const wrong of [undefined, null, 7, 'text', []]) {
      await assert.rejects(update(() => wrong), InvalidInput);
    }
  }
  assert.equal(text(), DOCUMENT);
});

test('a function must not update its own run, and may read it', async (t) => {
  const { store, updates, text } = world(t);
  for (const update of updates) {
    for (const inner of [(document) => document, { set: { '/x': 1 } }]) {
      let calls = 0;
      const nested = update((document) => {
        calls += 1;
        assert.equal(store.readSync(ID).run_id, document.run_id);
        store.updateSync(ID, inner);
        return document;
      });
      await assert.rejects(nested, (error) => {
        assert.ok(error instanceof LockTimeout);
        assert.equal(error.retryable, false);
        return true;
      });
      assert.equal(calls, 1);
    }
  }
  assert.equal(text(), DOCUMENT);
  await store.update(ID, { set: { '/x': 1 } });
});

test('the function runs again when another program came first, and gives up after eight rounds', async (t) => {
  const { root, updates, text } = world(t);
  // The same run under another name of its store: as good as another program.
  const other = RunStore.open(`${root}/.`);
  for (const update of updates) {
    let calls = 0;
    const after = await update((document) => {
      calls += 1;
      if (calls < 8) other.updateSync(ID, { set: { '/rounds': calls } });
      return { ...document, seen: document.rounds };
    });
    assert.deepEqual([calls, after.rounds, after.seen], [8, 7, 7]);
    calls = 0;
    const lost = update((document) => {
      calls += 1;
      other.updateSync(ID, { set: { '/rounds': 100 + calls } });
      return { ...document, seen: 'never' };
    });
    await assert.rejects(lost, (error) => {
      assert.ok(error instanceof LockTimeout);
      assert.deepEqual([error.retryable, error.context.rounds], [true, 8]);
      return true;
    });
    assert.equal(calls, 8);
    assert.ok(flat(text()).includes('"rounds":108,"seen":7'), text());
    other.updateSync(ID, { unset: ['/rounds', '/seen'] });
  }
});

test('updates at once lose none, in one process and in several', async (t) => {
  const { store, root } = world(t);
  const count = (document) => ({ ...document, count: (document.count ?? 0) + 1 });
  await Promise.all(Array.from({ length: 200 }, () => store.update(ID, count)));
  const program = `
    const { RunStore } = require('runr');
    const count = (document) => ({ ...document, count: (document.count ?? 0) + 1 });
    const store = RunStore.open(process.argv[1]);
    let done = 0;
    while (done < 20) {
      try { store.updateSync('${ID}', count); done += 1; }
      catch (error) { if (error.code !== 'E_LOCK_TIMEOUT') throw error; }
    }`;
  const processes = Array.from({ length: 3 }, () => {
    const child = spawn(process.execPath, ['-e', program, root], {
      cwd: fileURLToPath(new URL('..', import.meta.url)),
      stdio: 'inherit',
    });
    return new Promise((resolve) => child.on('exit', resolve));
  });
  assert.deepEqual(await Promise.all(processes), [0, 0, 0]);
  assert.equal((await store.read(ID)).count, 260);
});
