// Work items: the recorded cases on real files, and documents that keep every byte.
import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import * as runr from 'runr';

const CHECKOUT = fileURLToPath(new URL('../../..', import.meta.url));
const vectors = path.join(CHECKOUT, 'tests/vectors/identity-cases.json');
const { cases } = JSON.parse(fs.readFileSync(vectors, 'utf8'));
/** Recordings of real repositories, which are not ours to copy into this one. */
const REAL =
  process.env.RUNR_REAL_RUNS || path.join(CHECKOUT, '..', 'shared/vectors/real-runs');
const NOW = '2026-02-03T04:05:06Z';

const places = [];
after(() => places.forEach((place) => fs.rmSync(place, { recursive: true })));

function newPlace() {
  const place = fs.realpathSync(fs.mkdtempSync(path.join(tmpdir(), 'runr-items-')));
  places.push(place);
  return place;
}

function setUp({ real, dirs, files }, root) {
  const made = [...dirs];
  if (real !== null) {
    fs.cpSync(path.join(REAL, real, '.runs'), path.join(root, '.runs'), { recursive: true });
    made.push(...JSON.parse(fs.readFileSync(path.join(REAL, real, 'layout.json'), 'utf8')).dirs);
  }
  for (const name of made) fs.mkdirSync(path.join(root, name), { recursive: true });
  for (const [name, { text, json }] of Object.entries(files)) {
    fs.mkdirSync(path.dirname(path.join(root, name)), { recursive: true });
    fs.writeFileSync(path.join(root, name), text ?? `${JSON.stringify(json, null, 2)}\n`);
  }
}

/** Every file and its text, every directory, without lock files. */
function contents(root) {
  const names = fs.readdirSync(root, { recursive: true }).sort();
  const read = (name) => {
    const file = path.join(root, name);
    return fs.statSync(file).isFile() ? fs.readFileSync(file, 'latin1') : null;
  };
  const kept = names.filter((name) => path.basename(name) !== '.lock');
  return Object.fromEntries(kept.map((name) => [name, read(name)]));
}

/** Of an object only what is asked for; absent is null. */
const part = (whole, asked) =>
  Object.fromEntries(Object.keys(asked).map((key) => [key, whole[key] ?? null]));
const parse = (text) => JSON.parse(Buffer.from(text, 'latin1').toString('utf8'));
const entry = (index, id) => index.runs.find((row) => row.run_id === id) ?? {};
const index = (tree) => parse(tree['.runs/index.json']);
const outside = (tree) =>
  Object.fromEntries(Object.entries(tree).filter(([name]) => !name.startsWith('.runs')));

/** How an expectation is checked; any other is a field of the result. */
const CHECKS = {
  rid: ({ report }, expected) => assert.equal(report.run_id, expected),
  rid_one_of: ({ report }, expected) => assert.ok(expected.includes(report.run_id)),
  rid_matches: ({ report }, expected) => assert.match(report.run_id, new RegExp(expected)),
  status_not: ({ report }, expected) => assert.notEqual(report.status, expected),
  missing_required_nonempty: ({ report }, expected) =>
    assert.equal(report.missing_required.length > 0, expected),
  meta: ({ meta }, expected) => assert.deepEqual(part(meta(), expected), expected),
  aliases: ({ meta }, expected) => assert.deepEqual(meta().aliases, expected),
  aliases_include: ({ meta }, expected) => {
    for (const alias of expected) assert.ok(meta().aliases.includes(alias), alias);
  },
  meta_unchanged_except: ({ meta, metaPath, before }, expected) => {
    const [old, now] = [parse(before[metaPath]), meta()];
    for (const key of Object.keys(old)) {
      if (!expected.includes(key)) assert.deepEqual(now[key], old[key], key);
    }
    assert.deepEqual(
      Object.keys(now).filter((key) => key in old),
      Object.keys(old),
    );
  },
  meta_key_order: ({ meta }, expected) =>
    assert.deepEqual(
      Object.keys(meta()).filter((key) => expected.includes(key)),
      expected,
    ),
  number_literals: ({ metaPath, now }, expected) => {
    for (const [at, literal] of Object.entries(expected)) {
      const written = `"${at.split('/').at(-1)}": ${literal}`;
      assert.ok([',', '\n', '}'].some((end) => now[metaPath].includes(written + end)), at);
    }
  },
  index_order: ({ now }, expected) =>
    assert.deepEqual(
      index(now).runs.map((row) => row.run_id),
      expected,
    ),
  index_entry: ({ now, report }, expected) =>
    assert.deepEqual(part(entry(index(now), report.run_id), expected), expected),
  index_entries_unchanged: ({ now, before }, expected) => {
    for (const id of expected) {
      assert.deepEqual(entry(index(now), id), entry(index(before), id));
      assert.equal(entry(index(now), id).run_id, id);
    }
  },
  index_top: ({ now }, expected) => assert.deepEqual(part(index(now), expected), expected),
  dirs_exist: ({ now }, expected) => {
    for (const name of expected) assert.equal(now[name], null, name);
  },
  files_unchanged: ({ now, before }, expected) => {
    for (const name of expected) {
      assert.equal(typeof before[name], 'string', name);
      assert.equal(now[name], before[name], name);
    }
  },
  bytes_preserved: ({ now, before }, expected) => {
    for (const name of expected) assert.ok(Object.values(now).includes(before[name]), name);
  },
  no_paths_outside: ({ now, before }) => assert.deepEqual(outside(now), outside(before)),
};

function options({ request, git, now }, root) {
  const { run_id: runId, base_ref: baseRef, ...same } = request;
  const named = { state: 'named', name: git.branch, upstream: git.upstream };
  const branch = git.state === 'branch' ? named : { state: git.state };
  return { root, ...same, runId, baseRef, branch, now };
}

async function check(given, prepare) {
  const root = newPlace();
  setUp(given.fs, root);
  let checked = 0;
  for (const step of given.steps) {
    const before = contents(root);
    const report = await prepare(options(step, root));
    const now = contents(root);
    const metaPath = `.runs/${report.run_id}/run_meta.json`;
    const seen = { report, before, now, metaPath, meta: () => parse(now[metaPath]) };
    for (const [key, expected] of Object.entries(step.expect)) {
      if (key in CHECKS) CHECKS[key](seen, expected);
      else assert.deepEqual(report[key], expected, key);
      checked += 1;
    }
  }
  return checked;
}

let checked = 0;
let left = 0;
for (const given of cases) {
  const { id, title, fs: state, steps } = given;
  const missing = state.real !== null && !fs.existsSync(path.join(REAL, state.real));
  const skip =
    missing && `the real tree ${state.real} is not on this machine (RUNR_REAL_RUNS)`;
  if (missing) for (const { expect } of steps) left += Object.keys(expect).length;
  test(`${id}: ${title}`, { skip }, async () => {
    checked += await check(given, runr.prep);
    await check(given, runr.prepSync);
  });
}

test('no case and no expectation is missing', () => {
  assert.equal(cases.length, 62);
  assert.equal(checked + left, 256);
});

const ODD = {
  numbers: (more) => `{"a": 12345678901234567890123, "b": 1e3, "c": 1.50${more}}`,
  escapes: (more) => `{"a": "\\ud800", "b": "\\u00e4\\/ä€"${more}}`,
  'CRLF and tabs': (more) => `{\r\n\t"a": 1,\r\n\r\n\t"b": [1,2]${more}\r\n}\r\n`,
  'byte order mark': (more) => `\ufeff{\n "a": {} ${more}\n}`,
};

for (const [name, odd] of Object.entries(ODD)) {
  test(`metadata keep every byte that a merge does not concern: ${name}`, () => {
    const before = odd(
      ', "run_id": "w", "iterations": 4, "flows_started": ["plan"], "aliases": ["w"],' +
        ' "updated_at": "2025-01-01T00:00:00Z"',
    );
    const patch = { run_id: 'w', flow: 'plan', now: new Date(NOW) };
    const first = runr.mergeRunMeta(before, patch);
    assert.equal(first.changed, true);
    const expected = before
      .replace('"iterations": 4', '"iterations": 5')
      .replace('2025-01-01T00:00:00Z', NOW);
    // All that is new stands in one block before the brace; in front of it nothing moved.
    const end = expected.lastIndexOf(`"${NOW}"`) + NOW.length + 2;
    assert.ok(first.text.startsWith(expected.slice(0, end)), first.text);
    assert.ok(first.text.endsWith(expected.slice(end).trimStart()), first.text);
    assert.equal(first.text.includes('\r\n'), before.includes('\r\n'));
    const second = runr.mergeRunMeta(first.text, patch).text;
    assert.equal(second, first.text.replace('"iterations": 5', '"iterations": 6'));
  });

  test(`an index keeps every byte that an upsert does not concern: ${name}`, () => {
    const before = odd(
      ', "runs": [{"run_id": "a", "x": 1.50}, {"run_id": "b", "y": 1e3, "updated_at": "old",' +
        ' "status": "VERIFIED", "last_flow": "plan"}], "version": 1',
    );
    const row = { run_id: 'b', updated_at: NOW, last_flow: 'gate' };
    const text = before.replace('"old"', `"${NOW}"`).replace('"plan"', '"gate"');
    assert.deepEqual(runr.upsertIndex(before, row), { text, changed: true, notes: [] });
    assert.deepEqual(runr.upsertIndex(text, row), { text, changed: false, notes: [] });
  });
}

test('bytes on disk survive a preparation', async () => {
  const root = newPlace();
  const file = path.join(root, '.runs/w/run_meta.json');
  fs.mkdirSync(path.dirname(file), { recursive: true });
  const odd =
    '\ufeff{\r\n  "n": 12345678901234567890123,\r\n  "half": "\\ud800",\r\n  "e": 1e3';
  fs.writeFileSync(file, `${odd}\r\n}\r\n`);
  await runr.prep({ root, flow: 'plan', runId: 'w', now: NOW });
  const text = fs.readFileSync(file, 'utf8');
  assert.ok(text.startsWith(`${odd},\r\n  "run_id": "w",\r\n`), text);
  assert.ok(text.endsWith('\r\n}\r\n'), text);
  assert.equal(text.split('\n').length, text.split('\r\n').length);
});

test('a run is linked once', async () => {
  const root = newPlace();
  await runr.prep({ root, flow: 'build', refs: ['#17'] });
  const link = { root, runId: 'gh-17', harnessRunId: '20260101000000' };
  assert.deepEqual(await runr.linkRun(link), { changed: true });
  assert.deepEqual(runr.linkRunSync(link), { changed: false });
  await assert.rejects(runr.linkRun({ ...link, runId: 'gh-18' }), { code: 'E_RUN_NOT_FOUND' });
});
