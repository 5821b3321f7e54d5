// The hostile and the odd documents of `tests/hostile`, under a run that Node looks at.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';

import * as runr from 'runr';

const load = (name) =>
  JSON.parse(readFileSync(new URL(`../../../tests/hostile/${name}.json`, import.meta.url), 'utf8'));
const RUN = 'gh-17';
const folder = realpathSync(mkdtempSync(path.join(tmpdir(), 'runr-hostile-')));
after(() => rmSync(folder, { recursive: true }));

/** The bytes of a row, and where the damage begins; 0 if it is the whole. */
function content({ parts }) {
  let here = 0;
  const bytes = [];
  for (const part of parts) {
    if (part === null) here = Buffer.concat(bytes).length;
    else if (typeof part === 'string') bytes.push(Buffer.from(part));
    else if ('hex' in part) bytes.push(Buffer.from(part.hex, 'hex'));
    else bytes.push(Buffer.from(part.repeat.repeat(part.times)));
  }
  return { text: Buffer.concat(bytes), here };
}

function storeIn(name) {
  const store = runr.RunStore.data({ dataDir: path.join(folder, name), repoId: 'abcd1234ef567890' });
  store.createSync({ run_id: RUN, title: 't' }, { worktreeCheck: false });
  return store;
}

async function isCorrupt(name, answer, offset) {
  await assert.rejects(answer, (error) => {
    assert.ok(error instanceof runr.StoreError, `${name}: ${error.stack}`);
    assert.equal(error.code, 'E_STORE_CORRUPT', name);
    if (offset > 0) assert.equal(error.context.offset, offset, name);
    return true;
  });
}

test('a hostile document is refused and stays as it is', async () => {
  const store = storeIn('refused');
  const file = store.runMetaPath(RUN);
  for (const row of load('documents').refused) {
    const { text, here } = content(row);
    writeFileSync(file, text);
    await isCorrupt(row.name, store.read(RUN), here);
    await isCorrupt(row.name, store.update(RUN, { set: { '/pr_number': 5 } }), here);
    await isCorrupt(row.name, store.update(RUN, (seen) => seen), here);
    assert.deepEqual(store.listSync().map((run) => run.broken), [true]);
    assert.equal(store.resolveSync(RUN).broken, true);
    assert.ok(readFileSync(file).equals(text), row.name);
  }
});

test('an odd document is kept in its spelling', async () => {
  const store = storeIn('kept');
  const file = store.runMetaPath(RUN);
  for (const row of load('documents').kept) {
    const { text } = content(row);
    writeFileSync(file, text);
    const seen = await store.read(RUN);
    assert.equal(Object.getPrototypeOf(seen), Object.prototype, row.name);
    assert.ok(readFileSync(file).equals(text), row.name);
    assert.equal((await store.update(RUN, { set: { '/pr_number': 5 } })).pr_number, 5);
    assert.ok(readFileSync(file, 'utf8').includes(row.keeps), row.name);
  }
});

test('hostile events are refused and stay as they are', async () => {
  const store = storeIn('events');
  const file = path.join(store.runDir(RUN), 'events.jsonl');
  const { refused, kept } = load('events');
  for (const row of refused) {
    const text = Buffer.concat([content(row).text, Buffer.from('\n')]);
    writeFileSync(file, text);
    await isCorrupt(row.name, store.events(RUN));
    await isCorrupt(row.name, store.appendEvent(RUN, 'stop'));
    assert.ok(readFileSync(file).equals(text), row.name);
  }
  for (const row of kept) {
    writeFileSync(file, Buffer.concat([content(row).text, Buffer.from('\n')]));
    assert.equal((await store.appendEvent(RUN, 'stop')).seq, 2, row.name);
    assert.deepEqual((await store.events(RUN)).map(({ seq }) => seq), [1, 2], row.name);
  }
});
