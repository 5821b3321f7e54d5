// The recorded behaviour of the store, replayed through the public functions and on real files.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';

import { applyMetaOps, branchName, newRunMeta, repoId, repoKey, RunStore, StoreError } from 'runr';

const read = (name) =>
  readFileSync(new URL(`../../../tests/vectors/${name}`, import.meta.url), 'utf8');
const { cases } = JSON.parse(read('store-meta.json'));
const excepted = [
  ...read('exceptions.toml').matchAll(/^file = "store-meta.json"\ncase = "(.*)"$/gm),
].map(([, name]) => name);
const COUNTS = { new: 8, update: 7, read: 5, repo_id: 4, branch: 3, resolve: 4 };

/** A method that has a blocking twin, called both ways. */
const TWINS = ['', 'Sync'];
const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');

/** The document of a run, as another program left it. */
function runFile(store, runId, text) {
  const file = store.runMetaPath(runId);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, text);
  return file;
}

/** The bytes of a file are the recorded ones. */
function assertBytes(file, { expected_text: text, expected_sha256: sum }) {
  const bytes = readFileSync(file);
  assert.equal(bytes.toString(), text);
  assert.equal(sha256(bytes), sum);
}

/** What a program does in its function to get what the changes say. */
function applied(document, ops) {
  for (const { op, path: names, value } of ops) {
    const parents = names.slice(1).split('/');
    const name = parents.pop();
    let place = document;
    for (const parent of parents) place = place[parent] ??= {};
    if (op === 'set') place[name] = value;
    else delete place[name];
  }
  return document;
}

const REPLAY = {
  async new(found, data) {
    const { created_at: createdAt, ...input } = found.input;
    const { run_id: runId, repo_id: repo } = input;
    const texts = ['title', 'runner', 'runner_cmd', 'parent_branch', 'branch', 'worktree_path'];
    const given = [runId, repo, ...texts.map((name) => input[name])];
    const document = JSON.parse(found.expected_text);
    for (const time of [createdAt, new Date(createdAt)]) {
      assert.equal(newRunMeta(...given, time), found.expected_text);
    }
    const places = {
      fields: found.input,
      time: { ...input, created_at: new Date(createdAt) },
      document,
    };
    for (const [place, fields] of Object.entries(places)) {
      for (const twin of TWINS) {
        const dataDir = path.join(data, `${place}${twin}`);
        const store = RunStore.data({ dataDir, repoId: repo });
        const created = await store[`create${twin}`](fields, { worktreeCheck: false });
        assertBytes(created.meta_path, found);
        assert.deepEqual(await store[`read${twin}`](runId), document);
      }
    }
  },

  async update(found, data) {
    const { start_text: start, ops, expected_text: expected } = found;
    assert.equal(applyMetaOps(start, ops), expected);
    const { run_id: runId, repo_id: repo } = JSON.parse(start);
    const store = RunStore.data({ dataDir: data, repoId: repo });
    const values = {
      set: Object.fromEntries(ops.filter((op) => op.op === 'set').map((op) => [op.path, op.value])),
      unset: ops.filter((op) => op.op === 'unset').map((op) => op.path),
    };
    const change = (document) => applied(document, ops);
    for (const twin of TWINS) {
      for (const how of [values, change]) {
        const file = runFile(store, runId, start);
        assert.deepEqual(await store[`update${twin}`](runId, how), JSON.parse(expected));
        assertBytes(file, found);
      }
    }
  },

  async read({ dir_run_id: runId, dir_repo_id: repo, text, expected }, data) {
    const store = RunStore.data({ dataDir: data, repoId: repo });
    const file = runFile(store, runId, text);
    const broken = expected.error !== undefined;
    for (const twin of TWINS) {
      const answer = async () => store[`read${twin}`](runId);
      if (broken) {
        await assert.rejects(answer, (error) => {
          assert.ok(error instanceof StoreError);
          assert.equal(error.code, expected.error);
          return true;
        });
      } else {
        assert.deepEqual(await answer(), expected.value);
      }
      const rows = await store[`list${twin}`]();
      assert.deepEqual(rows.map((row) => row.broken), [broken]);
      assert.equal((await store[`resolve${twin}`](runId)).broken, broken);
    }
    assert.equal(readFileSync(file, 'utf8'), text);
  },

  async repo_id({ input: { origin_url: origin, repo_root: root }, expected }) {
    const key = repoKey(origin, root);
    const found = { repo_key: key, repo_id: repoId(origin, root), github: key.startsWith('github:') };
    assert.deepEqual(found, expected);
  },

  async branch({ input: { title, run_id: runId, prefix }, expected }) {
    // The recorded prefix ends with the slash that ours goes without.
    const branch = branchName(title, runId, prefix.replace(/\/$/, ''));
    assert.equal(branch, expected.branch);
    assert.equal(branch, `${prefix}${expected.slug}-${expected.short_id}`);
  },

  async resolve({ refs, input, expected }, data) {
    const every = RunStore.data({ dataDir: data });
    for (const [repo, runId, name, active] of refs) {
      await every.create({ repo_id: repo, run_id: runId }, { worktreeCheck: false });
      const archived = active ? {} : { '/archive/archived_at': '2026-01-12T00:00:00Z' };
      await every.update(runId, { set: { '/name': name, ...archived } });
    }
    for (const twin of TWINS) {
      const answer = async () => every[`resolve${twin}`](input);
      if (expected.ok !== undefined) {
        const found = await answer();
        assert.deepEqual([found.repo_id, found.run_id], expected.ok);
        continue;
      }
      await assert.rejects(answer, ({ code, context }) => {
        const pairs = context.candidates?.map((run) => [run.repo_id, run.run_id]);
        assert.deepEqual([code, pairs], [expected.error, expected.candidates]);
        return true;
      });
    }
  },
};

for (const found of cases) {
  const skip = excepted.includes(found.id) && `${found.id} is named in exceptions.toml`;
  test(`${found.id}: ${found.why ?? found.kind}`, { skip }, async (t) => {
    const data = mkdtempSync(path.join(tmpdir(), 'runr-vectors-'));
    t.after(() => rmSync(data, { recursive: true }));
    await REPLAY[found.kind](found, data);
  });
}

test('all 31 cases are replayed', () => {
  const counts = {};
  for (const { kind } of cases) counts[kind] = (counts[kind] ?? 0) + 1;
  assert.deepEqual(counts, COUNTS);
  assert.equal(new Set(cases.map(({ id }) => id)).size, 31);
  assert.deepEqual(excepted, []);
});
