// How a program leaves a run, also where that goes wrong.
import assert from 'node:assert/strict';
import { readFileSync, renameSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { Run } from 'runr';

import { options, repository, work } from './greeter.mjs';

test('a run whose stop cannot be recorded is free all the same', async (t) => {
  const root = repository(t);
  const run = await Run.start({ ...options(root), own: 'acme/shop#17' });
  await run.nextCall();
  const timeline = path.join(root, '.runr/runs', run.runId, 'timeline.jsonl');
  renameSync(timeline, `${timeline}.aside`);
  await assert.rejects(run.close(), { code: 'E_STORE_CORRUPT' });
  renameSync(`${timeline}.aside`, timeline);
  const again = await Run.resume({ runId: run.runId, root });
  // Whoever has left does not stop what others drive.
  await run.close();
  await run.stop();
  for await (const call of again) await work(call);
  assert.equal(again.outcome.stop_reason, 'complete');
});

test('an answer after the stop is noted once', async (t) => {
  const root = repository(t);
  const run = await Run.start(options(root));
  const call = await run.nextCall();
  await run.stop();
  for (let twice = 0; twice < 2; twice += 1) {
    await assert.rejects(work(call), { code: 'E_CALL_LATE' });
  }
  const timeline = path.join(root, '.runr/runs', run.runId, 'timeline.jsonl');
  const kinds = readFileSync(timeline, 'utf8').trim().split('\n').map((line) => JSON.parse(line).type);
  assert.equal(kinds.filter((kind) => kind === 'late_worker_result_ignored').length, 1);
});
