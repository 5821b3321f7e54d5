// The quick-start of the README, run as its reader would run it.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const here = path.dirname(fileURLToPath(import.meta.url));
const packageRoot = path.dirname(here);
const examples = path.resolve(here, '../../../examples');

/** A program of a reader's, with the package installed beside it, and a prepared repository. */
function place(t) {
  const folder = mkdtempSync(path.join(tmpdir(), 'runr-example-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const env = {
    ...process.env,
    RUNR_CONFIG_DIR: path.join(folder, 'settings'),
    AGENT: `python3 '${path.join(examples, 'stand_in.py')}'`,
  };
  mkdirSync(path.join(folder, 'node_modules'));
  symlinkSync(packageRoot, path.join(folder, 'node_modules/runr'));
  cpSync(path.join(examples, 'quickstart.mjs'), path.join(folder, 'quickstart.mjs'));
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
