// The recorded behaviour of claims, replayed through the public functions and on real files.
import assert from 'node:assert/strict';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';

import * as runr from 'runr';

const read = (name) =>
  readFileSync(new URL(`../../../tests/vectors/${name}`, import.meta.url), 'utf8');
const { cases, lock: locks } = JSON.parse(read('coordination.json'));
const excepted = [
  ...read('exceptions.toml').matchAll(/^file = "coordination.json"\ncase = "(.*)"$/gm),
].map(([, name]) => name);

/** What stands beside a record, and is ours alone. */
const OURS = ['.fence.json', '.history.jsonl', '.oslock'];

/** Values that the vectors spell out because JSON lacks them. */
const JS = { undefined, NaN, Infinity };
const given = (args) =>
  Object.fromEntries(
    Object.entries(args).map(([name, value]) => [name, value?.$js ? JS[value.$js] : value]),
  );

/** The functions that have a blocking twin, each with the twin. */
const TWINS = {
  claim: 'claimRunnerOwnership',
  assert: 'assertRunnerOwnership',
  release: 'releaseRunnerOwnership',
  exit_signal: 'recordExitSignalForRunner',
  ensure: 'ensureAsyncRunnerOwnership',
  load: 'loadRunnerCoordinationState',
  stale: 'detectStaleRunner',
};

/** A value of the vectors with the working directory in it. */
const placed = (text, cwd) =>
  JSON.parse(text.replaceAll('<cwd>', JSON.stringify(cwd).slice(1, -1)));

/** What an operation answers; options that the function does not know are there too. */
async function call({ op, args: recorded, clock }, cwd, suffix) {
  const args = placed(JSON.stringify(recorded), cwd);
  const options = { cwd, ...(clock && { now: clock }), ...given(args), unknown: true };
  switch (op) {
    case 'path':
      return runr.defaultRunnerCoordinationFilePathForTarget(options, cwd);
    case 'create':
      return runr.createRunnerCoordinationState(options);
    case 'write':
      return place(cwd, args.path, args.text);
    case 'remove':
      return rmSync(path.join(cwd, args.path));
    default: {
      const answer = runr[`${TWINS[op]}${suffix}`](options);
      assert.equal(answer instanceof Promise, suffix === '', op);
      return answer;
    }
  }
}

function place(cwd, name, text) {
  const file = path.join(cwd, name);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, text);
}

/** The files that the recorded program knows, with their text; none of its locks is left. */
function records(cwd) {
  const texts = {};
  for (const entry of readdirSync(cwd, { recursive: true, withFileTypes: true })) {
    assert.ok(entry.isFile() || !entry.name.endsWith('.lock'), entry.name);
    if (!entry.isFile() || OURS.some((end) => entry.name.endsWith(end))) continue;
    const file = path.join(entry.parentPath ?? entry.path, entry.name);
    texts[path.relative(cwd, file)] = readFileSync(file, 'utf8');
  }
  return texts;
}

function changes(before, after) {
  const changed = Object.entries(after).filter(([name, text]) => before[name] !== text);
  const gone = Object.keys(before).filter((name) => !(name in after));
  return Object.fromEntries([...changed, ...gone.map((name) => [name, null])]);
}

function checkResult(found, step, cwd) {
  const expected = placed(step.resultJson ?? JSON.stringify(step.result), cwd);
  if (expected?.message_facts) {
    for (const fact of expected.message_facts) assert.ok(found.message.includes(fact), found.message);
    delete expected.message_facts;
    delete found.message;
  }
  assert.deepEqual(found, expected);
  if (step.op !== 'path') assert.deepEqual(Object.keys(found), Object.keys(expected));
}

async function replay(step, cwd, suffix) {
  const before = records(cwd);
  if (step.throws !== undefined) {
    await assert.rejects(call(step, cwd, suffix), (error) => {
      assert.ok(error instanceof runr.RunrError, error.stack);
      assert.equal(error.code, step.throws.code);
      return true;
    });
  } else {
    const found = await call(step, cwd, suffix);
    if (step.op !== 'write' && step.op !== 'remove') checkResult(found, step, cwd);
  }
  assert.deepEqual(changes(before, records(cwd)), step.files ?? {});
}

/** In memory, where there is such a place: thousands of flushes are tested elsewhere. */
const PLACE = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();

function freshDirectory(t) {
  const folder = realpathSync(mkdtempSync(path.join(PLACE, 'runr-claims-')));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

for (const found of cases) {
  const skip = excepted.includes(String(found.id)) && 'named in exceptions.toml';
  for (const suffix of ['', 'Sync']) {
    test(`case ${found.id} ${suffix}`, { skip }, async (t) => {
      const cwd = freshDirectory(t);
      if (found.pre !== null) place(cwd, found.pre.path, found.pre.text);
      for (const [number, step] of found.steps.entries()) {
        const what = `step ${number}, ${step.op} ${JSON.stringify(step.args)}`;
        await replay(step, cwd, suffix).catch((wrong) => {
          throw new Error(what, { cause: wrong });
        });
      }
    });
  }
}

/** A claim while another program holds the lock, or seems to. */
async function contend(found, cwd) {
  const lock = path.join(cwd, '.pi/runner-coordination/owner/repo/pr-17.json.lock');
  if (found.lockIsFile) place(path.dirname(lock), path.basename(lock), '');
  else mkdirSync(lock, { recursive: true });
  if (found.ownerText !== null) place(lock, 'owner.json', found.ownerText);
  const options = { repo: 'owner/repo', pr: 17, runId: 'run-1', cwd };
  await assert.rejects(
    runr.claimRunnerOwnership({ ...options, singleHost: false }),
    (error) => error instanceof runr.LockTimeout && error.code === found.throws.code,
    found.name,
  );
  assert.ok(existsSync(lock), found.name);
  assert.equal(statSync(lock).isFile(), found.lockIsFile, found.name);
  assert.equal((await runr.assertRunnerOwnership(options)).status, found.assertStillWorks);
}

test('a lock that somebody may hold is waited for and left', { timeout: 60_000 }, async (t) => {
  const folder = freshDirectory(t);
  // Each waits for seconds; together they wait as long as one, and the event loop goes on.
  let turns = 0;
  const timer = setInterval(() => (turns += 1), 10);
  t.after(() => clearInterval(timer));
  await Promise.all(locks.map((found, n) => contend(found, path.join(folder, String(n)))));
  assert.ok(turns > 10, `the event loop turned ${turns} times`);
});

test('all cases are replayed', () => {
  assert.deepEqual([cases.length, locks.length, excepted.length], [300, 6, 0]);
  assert.equal(new Set(cases.map(({ id }) => id)).size, 300);
  const steps = cases.flatMap((found) => found.steps);
  assert.equal(steps.length, 1904);
  const known = [...Object.keys(TWINS), 'path', 'create', 'write', 'remove'];
  assert.deepEqual([...new Set(steps.map(({ op }) => op))].sort(), known.sort());
});
