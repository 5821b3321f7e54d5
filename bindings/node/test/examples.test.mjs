// The examples of the README, run as their reader would run them.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { RunStore } from 'runr';

const here = path.dirname(fileURLToPath(import.meta.url));
const packageRoot = path.dirname(here);
const examples = path.resolve(here, '../../../examples');

/** A program of a reader's, with the package installed beside it. */
function program(t, name) {
  const folder = mkdtempSync(path.join(tmpdir(), 'runr-example-'));
  t.after(() => rmSync(folder, { recursive: true }));
  mkdirSync(path.join(folder, 'node_modules'));
  symlinkSync(packageRoot, path.join(folder, 'node_modules/runr'));
  cpSync(path.join(examples, name), path.join(folder, name));
  return folder;
}

/** The quick-start and a prepared repository. */
function place(t) {
  const folder = program(t, 'quickstart.mjs');
  const env = {
    ...process.env,
    RUNR_CONFIG_DIR: path.join(folder, 'settings'),
    AGENT: `python3 '${path.join(examples, 'stand_in.py')}'`,
  };
  writeFileSync(path.join(folder, 'hello.md'), '# Say hello\n\n## Goal\nWrite src/hello.txt.\n');
  const repo = path.join(folder, 'repo');
  mkdirSync(repo);
  const run = (program, ...args) => execFileSync(program, args, { cwd: repo, env, encoding: 'utf8' });
  const git = (...args) => run('git', ...args).trim();
  git('init', '--quiet', '--initial-branch=main');
  git('config', 'user.name', 'An Example');
  git('config', 'user.email', 'example@localhost');
  run(process.execPath, path.join(packageRoot, 'bin/runr.cjs'), 'init');
  git('add', '--all');
  git('commit', '--quiet', '--message', 'base');
  return {
    commits: () => git('rev-list', '--count', '--branches=runr/*', '^main'),
    quickstart: (check) =>
      spawnSync(process.execPath, ['quickstart.mjs', repo, path.join(folder, 'hello.md'), check], {
        cwd: folder,
        env,
        encoding: 'utf8',
        timeout: 120_000,
      }),
  };
}

test('the quick-start commits what passes its check', (t) => {
  const { commits, quickstart } = place(t);
  const done = quickstart('test -f src/hello.txt');
  assert.equal(done.status, 0, done.stderr);
  assert.equal(done.stdout, 'complete null\n');
  assert.equal(commits(), '1');
});

test('the quick-start never ends with 0 on failure', (t) => {
  const { commits, quickstart } = place(t);
  const done = quickstart('false');
  assert.equal(done.status, 1, done.stderr);
  assert.match(done.stdout, /^verification_failed_max_retries runr resume /);
  assert.equal(commits(), '0');
});

/** Calls the orchestrator: its status and its lines, sorted. */
function orchestrate(folder, ...commands) {
  const args = ['store.mjs', path.join(folder, 'data'), ...commands];
  const options = { cwd: folder, encoding: 'utf8', timeout: 120_000 };
  const { status, stdout, stderr } = spawnSync(process.execPath, args, options);
  assert.equal(stderr, '');
  return [status, stdout.split('\n').filter(Boolean).sort()];
}

test('the orchestrator goes on with what is not done', (t) => {
  const folder = program(t, 'store.mjs');
  assert.deepEqual(orchestrate(folder), [0, []]);
  const later = 'test -f later';
  assert.deepEqual(orchestrate(folder, 'true', later), [1, ['done 1 true', `open 1 ${later}`]]);
  const store = RunStore.data({ dataDir: path.join(folder, 'data') });
  const open = store.listSync().find((row) => row.title === later);
  assert.equal(open.derived_status, 'needs attention');
  writeFileSync(path.join(folder, 'later'), '');
  assert.deepEqual(orchestrate(folder), [0, ['done 1 true', `done 2 ${later}`]]);
  assert.deepEqual(store.listSync().map((row) => row.derived_status), ['idle', 'idle']);
  const ends = store.eventsSync(open.run_id).filter((it) => it.event === 'cmd_end');
  assert.deepEqual(ends.map((it) => it.data), [
    { cmd: later, exit_code: 1 },
    { cmd: later, exit_code: 0 },
  ]);
});

test('the orchestrator leaves a broken run alone', (t) => {
  const folder = program(t, 'store.mjs');
  assert.equal(orchestrate(folder, 'true')[0], 0);
  const store = RunStore.data({ dataDir: path.join(folder, 'data') });
  const file = store.runMetaPath(store.listSync()[0].run_id);
  writeFileSync(file, '{');
  assert.deepEqual(orchestrate(folder, 'true'), [1, ['done 1 true', 'open 0 <broken>']]);
  assert.equal(readFileSync(file, 'utf8'), '{');
});
