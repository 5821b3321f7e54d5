// The front of a run: iteration, answers, signals, leaving.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { InvalidInput, Run } from 'runr';

import { question, scripted } from './scripted.mjs';

test('a loop answers every call in order and closes the run at its end', async () => {
  const { run, session } = scripted(question({ id: 'c1' }), question({ id: 'c2' }));
  for await (const call of run) await call.reply({ for: call.id });
  assert.deepEqual(session.replies(), [{ reply: { for: 'c1' } }, { reply: { for: 'c2' } }]);
  assert.deepEqual(session.leaving(), [['close']]);
  assert.equal(run.outcome.phase, 'STOPPED');
  assert.equal(run.runId, '20260101000000');
  assert.equal(await run.nextCall(), null);
});

test('each answer has the shape of its stage', async () => {
  const { run, session } = scripted(question());
  const call = await run.nextCall();
  await call.reply('free text');
  await call.plan([{ goal: 'g', done_checks: ['d'], risk_level: 'low' }]);
  await call.ok('memo');
  await call.blocked('why');
  await call.noChanges({ files_checked: ['a'] });
  await call.approve();
  await call.requestChanges(['x']);
  assert.deepEqual(
    session.replies().map((message) => message.reply),
    [
      'free text',
      { milestones: [{ goal: 'g', done_checks: ['d'], risk_level: 'low' }] },
      { status: 'ok', handoff_memo: 'memo' },
      { status: 'blocked', handoff_memo: 'why' },
      {
        status: 'no_changes_needed',
        handoff_memo: 'no changes needed',
        evidence: { files_checked: ['a'] },
      },
      { status: 'approve', changes: [] },
      { status: 'request_changes', changes: ['x'] },
    ],
  );
});

test('a failure of the agent carries its time', async () => {
  const { run, session } = scripted(question());
  const call = await run.nextCall();
  await call.fail('rate_limit', 'later', { retryAt: new Date(0) });
  await call.fail('crash', 'boom');
  await assert.rejects(call.fail('crash', 'x', { retryAt: new Date(NaN) }), InvalidInput);
  assert.deepEqual(session.replies(), [
    { fail: { kind: 'rate_limit', message: 'later', retry_at: '1970-01-01T00:00:00.000Z' } },
    { fail: { kind: 'crash', message: 'boom', retry_at: null } },
  ]);
});

test('a reply that JSON would bend is refused, and nothing is sent', async () => {
  const { run, session } = scripted(question());
  const call = await run.nextCall();
  for (const wrong of [1, null, undefined, ['list'], { a: NaN }, { a: 2 ** 60 }, { a: 1n }]) {
    await assert.rejects(call.reply(wrong), { name: 'InvalidInput', code: 'E_USAGE' });
  }
  assert.deepEqual(session.replies(), []);
});

test('a call is frozen', async () => {
  const { run } = scripted(question());
  const call = await run.nextCall();
  assert.throws(() => {
    'use strict';
    call.prompt = 'other';
  }, TypeError);
});

test('the signal of a call is aborted at its deadline', async () => {
  const deadline = new Date(Date.now() + 30).toISOString();
  const { run } = scripted(question({ deadline }));
  const call = await run.nextCall();
  assert.equal(call.signal.aborted, false);
  // The timer of a deadline keeps no program alive, so this one must.
  const alive = setTimeout(() => {}, 5000);
  await new Promise((resolve) => call.signal.addEventListener('abort', resolve));
  clearTimeout(alive);
});

test('the signal of a call is aborted when the run is stopped', async () => {
  const { run, session } = scripted(question());
  const call = await run.nextCall();
  await run.stop();
  assert.equal(call.signal.aborted, true);
  assert.deepEqual(session.leaving(), [['stop', 'stop_request']]);
});

test('leaving the loop early closes the run', async () => {
  const { run, session } = scripted(question(), question());
  for await (const _call of run) break;
  assert.deepEqual(session.leaving(), [['close']]);
});

test('an exception in the loop closes the run and is never hidden', async () => {
  const { run, session } = scripted(question());
  const loop = async () => {
    for await (const _call of run) throw new RangeError('mine');
  };
  await assert.rejects(loop, RangeError);
  assert.deepEqual(session.leaving(), [['close']]);
});

test('a failed next call closes the run and rejects', async () => {
  const { run, session } = scripted();
  session.failure = { class: 'InvalidInput', error: { code: 'E_USAGE', message: 'unanswered' } };
  const loop = async () => {
    for await (const _call of run);
  };
  await assert.rejects(loop, { name: 'InvalidInput', message: 'unanswered' });
  assert.deepEqual(session.leaving(), [['close']]);
});

test('a run can be disposed of where the runtime knows how', { skip: !Symbol.asyncDispose }, async () => {
  const { run, session } = scripted();
  await run[Symbol.asyncDispose]();
  assert.deepEqual(session.leaving(), [['close']]);
});

test('misuse rejects the promise, names the option and hints at the nearest one', async () => {
  const promise = Run.start({ task: 'login.md', worktre: true });
  await assert.rejects(promise, {
    name: 'InvalidInput',
    code: 'E_USAGE',
    message: 'unknown option worktre',
    hint: 'did you mean worktree?',
  });
  await assert.rejects(Run.start({ task: 'x', zzzzzzzz: 1 }), { hint: null });
  await assert.rejects(Run.start('login.md'), InvalidInput);
  await assert.rejects(Run.resume({ run_id: 'x' }), { hint: 'did you mean runId?' });
});
