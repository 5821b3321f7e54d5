// A real run in a real repository, with this program as the agent.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';

import { Run, reportRun, runs, status } from 'runr';

function repository(t) {
  const root = mkdtempSync(path.join(tmpdir(), 'runr-drive-'));
  t.after(() => rmSync(root, { recursive: true }));
  for (const args of [
    ['init', '--quiet', '--initial-branch=main'],
    ['config', 'user.name', 'A Tester'],
    ['config', 'user.email', 'tester@localhost'],
    ['commit', '--quiet', '--allow-empty', '--message', 'start'],
  ]) {
    execFileSync('git', args, { cwd: root });
  }
  return root;
}

const options = (root) => ({
  taskText: '# Greet\n\n## Goal\nWrite src/hello.txt.\n',
  root,
  worktree: true,
  allow: ['src/**'],
  verify: ['test -f src/hello.txt'],
});

/** What a good agent would answer, the file included. */
async function work(call) {
  if (call.stage === 'plan') {
    const done_checks = ['it is there'];
    return call.plan([
      { goal: 'greet', files_expected: ['src/hello.txt'], done_checks, risk_level: 'low' },
    ]);
  }
  if (call.stage === 'review') return call.approve();
  mkdirSync(path.join(call.cwd, 'src'), { recursive: true });
  writeFileSync(path.join(call.cwd, 'src/hello.txt'), 'hello\n');
  return call.ok('written');
}

test('a program drives a run to its end', async (t) => {
  const root = repository(t);
  const run = await Run.start(options(root));
  const stages = [];
  for await (const call of run) {
    stages.push(call.stage);
    await work(call);
  }
  assert.deepEqual(stages, ['plan', 'implement', 'review']);
  assert.deepEqual(run.outcome, {
    run_id: run.runId,
    phase: 'STOPPED',
    stop_reason: 'complete',
    milestones_completed: 1,
    next_action: 'none',
    suggested_command: null,
  });
  assert.equal((await status({ runId: run.runId, root })).run_id, run.runId);
  assert.deepEqual((await runs({ root })).map((row) => row.run_id), [run.runId]);
  assert.equal((await reportRun({ runId: 'latest', root })).outcome, 'complete');
});

test('an exception leaves a run that can be resumed', async (t) => {
  const root = repository(t);
  const run = await Run.start(options(root));
  const loop = async () => {
    for await (const call of run) {
      if (call.stage === 'implement') throw new RangeError('mine');
      await work(call);
    }
  };
  await assert.rejects(loop, RangeError);
  assert.equal(run.outcome.stop_reason, 'interrupted');
  const again = await Run.resume({ runId: run.runId, root });
  for await (const call of again) await work(call);
  assert.equal(again.outcome.stop_reason, 'complete');
});

test('the next call is refused while one is unanswered', async (t) => {
  const run = await Run.start(options(repository(t)));
  await run.nextCall();
  await assert.rejects(run.nextCall(), { name: 'InvalidInput', code: 'E_USAGE' });
  await run.close();
});

test('a reply after the stop is too late', async (t) => {
  const run = await Run.start(options(repository(t)));
  const call = await run.nextCall();
  await run.stop();
  assert.equal(call.signal.aborted, true);
  await assert.rejects(call.approve(), { name: 'Refused', code: 'E_CALL_LATE' });
  assert.equal(run.outcome.stop_reason, 'interrupted');
  await run.close();
});
