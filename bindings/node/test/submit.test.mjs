// A submission whose check takes long, and what ends it.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { Run, submit, submitSync } from 'runr';

import { FILE, options, repository, work } from './greeter.mjs';

/** A complete run; with `hang` its check takes long in a submission, and says which process it is. */
async function finished(t, { hang } = {}) {
  const root = repository(t);
  const pidFile = path.join(path.dirname(root), 'check.pid');
  const long = `case $(pwd) in */submit-*) sleep 30 & echo $! > '${pidFile}'; wait ;; esac`;
  const check = `test -f ${FILE}`;
  const run = await Run.start({ ...options(root), verify: [hang ? `${check}; ${long}` : check] });
  for await (const call of run) await work(call);
  assert.equal(run.outcome.stop_reason, 'complete');
  return { root, pidFile, given: { runId: run.runId, to: 'main', root } };
}

const git = (root, ...words) => execFileSync('git', words, { cwd: root, encoding: 'utf8' }).trim();

/** The branch and the checkout. */
const seen = (root) => [git(root, 'rev-parse', 'main'), git(root, 'status', '--porcelain')];

async function pidIn(file) {
  for (let round = 0; round < 2000; round += 1) {
    if (existsSync(file) && readFileSync(file, 'utf8').endsWith('\n')) {
      return Number(readFileSync(file, 'utf8'));
    }
    await sleep(10);
  }
  throw new Error('the check never began');
}

function isAlive(pid) {
  try {
    return !/^\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*(?=\) .)/s, ''));
  } catch {
    return false;
  }
}

test('an aborted signal ends the check of a submission and moves nothing', { timeout: 60_000 }, async (t) => {
  const { root, pidFile, given } = await finished(t, { hang: true });
  const before = seen(root);
  const controller = new AbortController();
  const submitting = submit({ ...given, signal: controller.signal });
  const pid = await pidIn(pidFile);
  assert.equal(isAlive(pid), true);
  const began = performance.now();
  controller.abort();
  await assert.rejects(submitting, { name: 'AbortError' });
  assert.ok(performance.now() - began < 15_000);
  assert.equal(isAlive(pid), false);
  assert.deepEqual(seen(root), before);
  assert.doesNotMatch(git(root, 'worktree', 'list'), /submit-/);
});

test('a signal that is aborted already begins nothing, and its reason is the error', async (t) => {
  const { root, given } = await finished(t);
  const before = seen(root);
  const mine = new RangeError('mine');
  await assert.rejects(submit({ ...given, signal: AbortSignal.abort(mine) }), (error) => error === mine);
  assert.deepEqual(seen(root), before);
});

test('a signal that comes when the branch has moved changes no result', { timeout: 60_000 }, async (t) => {
  const { root, given } = await finished(t);
  const remote = path.join(path.dirname(root), 'remote');
  execFileSync('git', ['init', '--quiet', '--bare', remote]);
  const hook = '#!/bin/sh\necho $$ > begun\nwhile [ ! -f go ]; do sleep 0.05; done\n';
  writeFileSync(path.join(remote, 'hooks/pre-receive'), hook, { mode: 0o755 });
  git(root, 'remote', 'add', 'origin', remote);
  const controller = new AbortController();
  const submitting = submit({ ...given, push: true, signal: controller.signal });
  await pidIn(path.join(remote, 'begun'));
  controller.abort();
  writeFileSync(path.join(remote, 'go'), '');
  const { outcome, pushed, new_sha } = await submitting;
  assert.deepEqual([outcome, pushed, new_sha], ['moved', true, git(root, 'rev-parse', 'main')]);
});

test('a refusal is the error of a submission whose signal nobody aborts', async (t) => {
  const { given } = await finished(t);
  const { signal } = new AbortController();
  await assert.rejects(submit({ ...given, to: 'no-such-branch', signal }), { code: 'E_USAGE' });
});

test('what is no signal is refused, and a blocking call takes none', async (t) => {
  const { given } = await finished(t);
  const refused = { name: 'InvalidInput', code: 'E_USAGE' };
  await assert.rejects(submit({ ...given, signal: 'stop' }), refused);
  const { signal } = new AbortController();
  assert.throws(() => submitSync({ ...given, signal }), { ...refused, message: 'unknown option signal' });
});
