// The rows of `tests/parity/operations.json`, run through the public functions of the package.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';

import * as runr from 'runr';

const require = createRequire(import.meta.url);
const table = JSON.parse(
  readFileSync(new URL('../../../tests/parity/operations.json', import.meta.url), 'utf8'),
);

const camelCase = (name) => name.replace(/_([a-z])/g, (_match, letter) => letter.toUpperCase());

function includes(whole, part) {
  if (Array.isArray(whole) && Array.isArray(part)) {
    return part.every((value) => whole.some((found) => includes(found, value)));
  }
  if (whole !== null && part !== null && typeof whole === 'object' && typeof part === 'object') {
    return Object.keys(part).every((key) => key in whole && includes(whole[key], part[key]));
  }
  return whole === part;
}

function setUp({ git, dirs = [], files = {} } = {}, directory) {
  if (git) {
    execFileSync('git', ['init', '--quiet', '--initial-branch=main'], { cwd: directory });
  }
  for (const name of dirs) mkdirSync(path.join(directory, name), { recursive: true });
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(directory, name)), { recursive: true });
    writeFileSync(path.join(directory, name), text);
  }
}

/** The arguments of the methods that take more than the id of a run. */
const STORE_ARGUMENTS = {
  store_create: ({ fields, worktree_check: worktreeCheck }) => [fields, { worktreeCheck }],
  store_update: ({ run_id: runId, set, unset }) => [runId, { set, unset }],
  store_list: () => [],
  store_resolve: ({ ref }) => [ref],
  store_touch_repository: ({ repo_root: repoRoot }) => [{ repoRoot }],
  store_append_event: ({ run_id: runId, name, data }) => [runId, name, data],
  store_events: ({ run_id: runId, since }) => [runId, since],
  store_repair: ({ fix }) => [{ fix }],
};

/** The answers of a row: two where there is a promise and a blocking twin, each in turn. */
function calls(operation, args) {
  const { kind, arguments: order } = table.operations[operation];
  const name = camelCase(operation);
  if (kind === 'pure') {
    return [async () => runr[name](...order.map((argument) => args[argument]))];
  }
  if (kind === 'store') {
    const { data_dir: dataDir, repo_id: repoId } = args.data_store ?? {};
    const store = args.root ? runr.RunStore.open(args.root) : runr.RunStore.data({ dataDir, repoId });
    const method = camelCase(operation.replace('store_', ''));
    const given = STORE_ARGUMENTS[operation]?.(args) ?? [args.run_id];
    return [() => store[method](...given), async () => store[`${method}Sync`](...given)];
  }
  const given = Object.fromEntries(Object.entries(args).map(([key, v]) => [camelCase(key), v]));
  if (kind === 'value') return [async () => runr[name](given)];
  return [() => runr[name](given), async () => runr[`${name}Sync`](given)];
}

/** Whether a function has a promise and a blocking twin. */
const hasTwin = (kind) => kind === 'disk' || kind === 'store';

async function check(row, index) {
  const directory = realpathSync(mkdtempSync(path.join(tmpdir(), 'runr-parity-')));
  try {
    const insideQuotes = JSON.stringify(directory).slice(1, -1);
    const placed = JSON.parse(JSON.stringify(row).replaceAll('{tmp}', insideQuotes));
    setUp(placed.setup, directory);
    const answer = calls(placed.operation, placed.args)[index]();
    if (placed.error !== undefined) {
      const { code, class: name } = placed.error;
      await assert.rejects(answer, (error) => {
        assert.ok(error instanceof runr.RunrError && error instanceof runr[name], error.stack);
        assert.deepEqual({ code: error.code, name: error.name }, { code, name });
        return true;
      });
      return;
    }
    const found = await answer;
    if ('result' in placed) assert.deepEqual(found, placed.result);
    else assert.ok(includes(found, placed.includes), JSON.stringify(found));
  } finally {
    rmSync(directory, { recursive: true });
  }
}

for (const row of table.rows) {
  const twins = hasTwin(table.operations[row.operation].kind) ? ['', ' (Sync)'] : [''];
  twins.forEach((suffix, index) => {
    test(`${row.operation}${suffix}: ${row.name}`, () => check(row, index));
  });
}

test('every operation has a row and a public function', () => {
  const operations = require('../native.js').operations().sort();
  assert.deepEqual(operations, Object.keys(table.operations).sort());
  assert.deepEqual(operations, [...new Set(table.rows.map((row) => row.operation))].sort());
  for (const [operation, { kind }] of Object.entries(table.operations)) {
    const [place, name] =
      kind === 'store'
        ? [runr.RunStore.prototype, camelCase(operation.replace('store_', ''))]
        : [runr, camelCase(operation)];
    assert.equal(typeof place[name], 'function', name);
    if (hasTwin(kind)) assert.equal(typeof place[`${name}Sync`], 'function', name);
  }
});
