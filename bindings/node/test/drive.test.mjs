// A real run in a real repository, with this program as the agent.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import {
  Run,
  approve,
  loadRunnerCoordinationState,
  own,
  prep,
  recordExitSignalForRunner,
  reportRun,
  runs,
  status,
  statusSync,
  submit,
  submitSync,
  trust,
} from 'runr';

import { FILE, TASK, agent, options, repository, work, write } from './greeter.mjs';

test('the quick start', async (t) => {
  const root = repository(t);
  writeFileSync(path.join(root, 'login.md'), TASK);
  const before = process.cwd();
  process.chdir(root);
  t.after(() => process.chdir(before));
  const item = await prep({ flow: 'build', refs: ['#17'] });
  const run = await own({ target: 'acme/shop#17', runId: item.run_id, ttl: 60 }, async (owner) => {
    const run = await Run.start({ task: 'login.md', worktree: true, own: owner, allow: ['src/**'], verify: [`test -f ${FILE}`] });
    for await (const call of run) await call.reply(await agent(call.prompt, { cwd: call.cwd, signal: call.signal }));
    return run;
  });
  assert.equal(run.outcome.suggested_command, null);
  assert.equal(run.outcome.stop_reason, 'complete');
  const { branch } = await status({ runId: run.runId });
  assert.equal(execFileSync('git', ['show', `${branch}:${FILE}`], { encoding: 'utf8' }), 'hello\n');
});

test('a run with a reference is linked to its work item', async (t) => {
  const root = repository(t);
  const run = await Run.start({ ...options(root), flow: 'build', refs: ['#17'] });
  for await (const call of run) await work(call);
  const seen = await status({ runId: '#17', root });
  assert.deepEqual([seen.run_id, seen.work_item], [run.runId, 'gh-17']);
  assert.ok(existsSync(path.join(root, '.runs/gh-17/build')));
  await assert.rejects(Run.start({ ...options(root), flow: 'dance' }), { code: 'E_USAGE' });
});

async function ownerOf(root) {
  const { state } = await loadRunnerCoordinationState({ repo: 'acme/shop', pr: 17, cwd: root });
  return state?.activeRun?.runId ?? null;
}

test('a run works under a guard and leaves it alone', async (t) => {
  const root = repository(t);
  const target = { kind: 'pr', repo: 'acme/shop', pr: 17 };
  const owner = await own({ target, runId: 'gh-17', root });
  t.after(() => owner.release());
  const run = await Run.start({ ...options(root), own: owner });
  for await (const call of run) await work(call);
  assert.equal(run.outcome.stop_reason, 'complete');
  await owner.check();
  const { branch, claim } = await status({ runId: run.runId, root });
  assert.deepEqual(claim, { target: 'acme/shop#17', run_id: 'gh-17', token: owner.token, shared: true });
  const trailer = ['log', '-1', '--format=%(trailers:key=Runr-Token,valueonly)', branch];
  const token = execFileSync('git', trailer, { cwd: root, encoding: 'utf8' });
  assert.equal(Number(token), owner.token);
  await owner.release();
  await assert.rejects(Run.start({ ...options(root), own: owner }), { code: 'E_OWNERSHIP_LOST' });
});

test('a run claims a target and gives it back', async (t) => {
  const root = repository(t);
  const run = await Run.start({ ...options(root), own: 'acme/shop#17' });
  assert.equal(await ownerOf(root), run.runId);
  const second = Run.start({ ...options(root), own: 'acme/shop#17' });
  await assert.rejects(second, { name: 'OwnershipLost', code: 'E_OWNERSHIP_LOST' });
  await run.close();
  assert.equal(await ownerOf(root), null);
  const again = await Run.resume({ runId: run.runId, root });
  assert.equal(await ownerOf(root), run.runId);
  for await (const call of again) await work(call);
  assert.equal(again.outcome.stop_reason, 'complete');
  await assert.rejects(Run.start({ ...options(root), own: 'acme' }), { code: 'E_TARGET_INVALID' });
});

/** The reason why a signal was aborted. */
async function abortOf(signal) {
  // Waiting for a claim keeps no program alive, so this must.
  const alive = setTimeout(() => {}, 20_000);
  if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve));
  clearTimeout(alive);
  return signal.reason;
}

for (const whose of ['the run', 'a guard']) {
  test(`a takeover of the claim of ${whose} aborts the open call`, { timeout: 60_000 }, async (t) => {
    const root = repository(t);
    const target = 'acme/shop#17';
    const guard = whose === 'a guard' ? await own({ target, runId: 'gh-17', root }) : undefined;
    const run = await Run.start({ ...options(root), own: guard ?? target });
    const call = await run.nextCall();
    assert.equal(call.signal.aborted, false);
    await own({ target, runId: 'rescuer', takeover: true, root }, async () => {
      const reason = await abortOf(call.signal);
      assert.deepEqual([reason.name, reason.code], ['OwnershipLost', 'E_OWNERSHIP_LOST']);
      assert.match(reason.message, /rescuer/);
      assert.notEqual(run.outcome.phase, 'STOPPED');
      await assert.rejects(work(call), { name: 'Refused', code: 'E_CALL_LATE' });
      assert.equal(await run.nextCall(), null);
    });
    assert.equal(run.outcome.stop_reason, 'ownership_lost');
    await guard?.release();
  });
}

test('an exit signal for the claim aborts the open call', { timeout: 60_000 }, async (t) => {
  const root = repository(t);
  const run = await Run.start({ ...options(root), own: 'acme/shop#17' });
  const call = await run.nextCall();
  const pr = { repo: 'acme/shop', pr: 17, runId: run.runId, cwd: root };
  await recordExitSignalForRunner({ ...pr, reason: 'the PR was closed' });
  const reason = await abortOf(call.signal);
  assert.deepEqual([reason.name, reason.code], ['Refused', 'E_CALL_LATE']);
  assert.match(reason.message, /the PR was closed/);
  await assert.rejects(work(call), { code: 'E_CALL_LATE' });
  assert.equal(await run.nextCall(), null);
  assert.equal(run.outcome.stop_reason, 'interrupted');
});

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

test('a program submits what a run has done', async (t) => {
  const root = repository(t);
  const run = await Run.start(options(root));
  for await (const call of run) await work(call);
  const planned = await submit({ runId: run.runId, to: 'main', dryRun: true, root });
  assert.deepEqual([planned.outcome, planned.verified, planned.dry_run], ['planned', false, true]);
  const moved = await submit({ runId: 'latest', to: 'main', root });
  assert.deepEqual([moved.outcome, moved.verified], ['moved', true]);
  const main = execFileSync('git', ['rev-parse', 'main'], { cwd: root, encoding: 'utf8' }).trim();
  assert.equal(moved.new_sha, main);
  assert.equal(submitSync({ runId: run.runId, to: 'main', root }).outcome, 'nothing_to_move');
  await assert.rejects(submit({ runId: run.runId, to: 'no-such-branch', root }), {
    hint: 'git branch no-such-branch <commit>',
  });
});

test('a run of this very process is seen running and then stopped', async (t) => {
  const root = repository(t);
  const run = await Run.start(options(root));
  for await (const call of run) {
    for (const seen of [await status({ runId: run.runId, root }), statusSync({ runId: run.runId, root })]) {
      assert.deepEqual([seen.liveness, seen.phase], ['running', call.stage.toUpperCase()]);
    }
    assert.deepEqual((await runs({ root })).map((row) => row.status), ['running']);
    await work(call);
  }
  assert.equal((await status({ runId: run.runId, root })).liveness, 'stopped');
});

test('a call says what is asked of whom and until when', async (t) => {
  const run = await Run.start({ ...options(repository(t)), worker: 'mine' });
  const call = await run.nextCall();
  assert.deepEqual([call.stage, call.milestone, call.attempt, call.worker], ['plan', 0, 1, 'mine']);
  assert.equal(call.schema.type, 'object');
  assert.ok(Date.parse(call.deadline) > Date.now());
  assert.equal(call.fix, null);
  assert.ok(call.prompt.includes(TASK.trim()));
  await run.close();
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
  assert.equal(run.outcome.suggested_command, `runr resume ${run.runId}`);
  const again = await Run.resume({ runId: run.runId, root });
  const stages = [];
  for await (const call of again) {
    stages.push(call.stage);
    await work(call);
  }
  assert.deepEqual(stages, ['implement', 'review']);
  assert.equal(again.outcome.stop_reason, 'complete');
});

test('a file outside of the scope stops the run', async (t) => {
  const root = repository(t);
  const run = await Run.start(options(root));
  for await (const call of run) {
    if (call.stage === 'implement') write(call, 'README.md');
    await work(call);
  }
  assert.equal(run.outcome.stop_reason, 'guard_violation');
  assert.equal(run.outcome.next_action, 'resolve_scope_violation');
  assert.deepEqual((await status({ runId: run.runId, root })).guard_violation_files, ['README.md']);
});

test('a failed check is the next call to fix', async (t) => {
  const check = `cat ${FILE}`;
  const run = await Run.start({ ...options(repository(t)), verify: [check] });
  const fixes = [];
  for await (const call of run) {
    if (call.stage === 'implement') fixes.push(call.fix);
    if (call.stage === 'implement' && call.fix === null) {
      write(call, 'src/other.txt');
      await call.ok('forgot the file');
    } else {
      await work(call);
    }
  }
  assert.equal(fixes.length, 2);
  const { error_output, ...fix } = fixes[1];
  assert.deepEqual(fix, { attempt: 2, failed_command: check, changed_files: ['src/other.txt'] });
  assert.ok(error_output.includes(FILE));
  assert.equal(run.outcome.stop_reason, 'complete');
});

test('what the reviewer asks for stands in the next prompt', async (t) => {
  const wish = 'Greet in French: « bonjour », not `hello`.';
  const run = await Run.start(options(repository(t)));
  const prompts = [];
  let reviews = 0;
  for await (const call of run) {
    if (call.stage === 'implement') {
      prompts.push(call.prompt);
      write(call, FILE, `version ${prompts.length}\n`);
      await call.ok('written');
    } else if (call.stage === 'review') {
      reviews += 1;
      await (reviews === 1 ? call.requestChanges([wish]) : call.approve());
    } else {
      await work(call);
    }
  }
  assert.deepEqual(prompts.map((prompt) => prompt.includes(wish)), [false, true]);
  assert.equal(run.outcome.stop_reason, 'complete');
});

test('the event loop turns while the checks run', async (t) => {
  const run = await Run.start({ ...options(repository(t)), verify: ['sleep 1'] });
  const phases = [];
  const ticker = setInterval(() => phases.push(run.outcome.phase), 10);
  for await (const call of run) await work(call);
  clearInterval(ticker);
  assert.equal(run.outcome.stop_reason, 'complete');
  // 100 on an idle machine; a blocked loop would have seen the phase once at most.
  assert.ok(phases.filter((phase) => phase === 'VERIFY').length > 20);
});

test('a stop ends the checks that run', async (t) => {
  const root = repository(t);
  const run = await Run.start({ ...options(root), verify: ['sleep 60'] });
  const loop = (async () => {
    for await (const call of run) await work(call);
  })();
  while (run.outcome.phase !== 'VERIFY') await sleep(10);
  await run.stop();
  await loop;
  assert.equal(run.outcome.stop_reason, 'interrupted');
  assert.equal((await status({ runId: run.runId, root })).liveness, 'stopped');
});

test('a run stops at its cost and goes on with a higher limit', async (t) => {
  const root = repository(t);
  const run = await Run.start({ ...options(root), maxCost: 0.5 });
  const usage = { cost_usd: 0.5, output_tokens: 7 };
  for await (const call of run) {
    const { cwd, signal } = call;
    await call.reply(await agent(call.prompt, { cwd, signal }), { usage });
  }
  assert.equal(run.outcome.stop_reason, 'cost_budget_exceeded');
  const again = await Run.resume({ runId: run.runId, root, maxCost: 9 });
  for await (const call of again) await work(call);
  assert.equal(again.outcome.stop_reason, 'complete');
  const told = (await reportRun({ runId: run.runId, root })).usage;
  assert.deepEqual([told.cost_usd, told.output_tokens, told.unknown_calls], [0.5, 7, 2]);
});

test('a plan waits for its approval', async (t) => {
  const root = repository(t);
  const run = await Run.start({ ...options(root), approvePlan: true });
  for await (const call of run) await work(call);
  assert.equal(run.outcome.stop_reason, 'approval_required');
  assert.equal((await approve({ runId: run.runId, root })).changed, true);
  const again = await Run.resume({ runId: run.runId, root });
  const stages = [];
  for await (const call of again) {
    stages.push(call.stage);
    await work(call);
  }
  assert.deepEqual(stages, ['implement', 'review']);
  assert.equal(again.outcome.stop_reason, 'complete');
});

test('an agent that failed ends the run with its reason', async (t) => {
  const root = repository(t);
  const run = await Run.start(options(root));
  const retryAt = new Date(Date.UTC(2099, 0, 1));
  for await (const call of run) await call.fail('rate_limit', 'come back later', { retryAt });
  assert.equal(run.outcome.stop_reason, 'rate_limited');
  assert.equal((await status({ runId: run.runId, root })).retry_at, '2099-01-01T00:00:00.000Z');
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

/** What the run recorded when it started. */
function started(root, run) {
  const timeline = path.join(root, '.runr/runs', run.runId, 'timeline.jsonl');
  const record = JSON.parse(readFileSync(timeline, 'utf8').split('\n')[0]);
  assert.equal(record.type, 'run_started');
  return record.payload;
}

test('every option reaches the run', async (t) => {
  const root = repository(t);
  writeFileSync(path.join(root, 'README.md'), 'not committed\n');
  const run = await Run.start({
    taskText: TASK,
    root,
    config: {
      agent: { name: 'a', version: '1' },
      scope: { denylist: ['x'] },
      verification: {},
    },
    allow: ['src/**', 'README.md'],
    deny: ['src/secret/**'],
    verify: ['true'],
    worktree: false,
    fast: true,
    allowDeps: true,
    allowDirty: true,
    allowUnverified: true,
    noBranch: true,
    forceParallel: true,
    worker: 'mine',
    timeMinutes: 7.5,
    maxTicks: 9,
    maxCost: 1.5,
    autoResume: true,
    skipDoctor: true,
    own: 'acme/shop#17',
  });
  await run.close();
  const recorded = started(root, run);
  assert.deepEqual(recorded.options, {
    worktree: false,
    fast: true,
    allow_deps: true,
    allow_dirty: true,
    allow_unverified: true,
    no_branch: true,
    force_parallel: true,
    worker: 'mine',
    time_minutes: 7.5,
    max_ticks: 9,
    max_cost: 1.5,
    approve_plan: false,
    auto_resume: true,
    skip_doctor: true,
    own: 'acme/shop#17',
  });
  assert.deepEqual(recorded.scope_lock, {
    allowlist: ['src/**', 'README.md'],
    denylist: ['src/secret/**'],
  });
  assert.equal(recorded.branch, 'main');
});

test('a config file needs trust and a config value does not', async (t) => {
  const root = repository(t);
  const config = {
    agent: { name: 'a', version: '1' },
    scope: { allowlist: ['src/**'] },
    verification: { tier0: [`test -f ${FILE}`] },
  };
  const given = { taskText: TASK, root, worktree: true };
  const first = await Run.start({ ...given, config });
  await first.close();
  assert.deepEqual(started(root, first).scope_lock.allowlist, ['src/**']);
  const other = { ...config, verification: { tier0: [`test -s ${FILE}`] } };
  writeFileSync(path.join(root, '.runr/runr.config.json'), JSON.stringify(other));
  await assert.rejects(Run.start(given), { name: 'Untrusted', code: 'E_UNTRUSTED' });
  assert.equal((await trust({ root })).approved, true);
  const run = await Run.start(given);
  for await (const call of run) await work(call);
  assert.equal(run.outcome.stop_reason, 'complete');
});

test('without a config the program must give scope and checks', async (t) => {
  const root = repository(t);
  for (const part of [{}, { allow: ['src/**'] }, { verify: ['true'] }]) {
    const promise = Run.start({ taskText: TASK, root, worktree: true, ...part });
    await assert.rejects(promise, { name: 'NotFound', code: 'E_CONFIG_NOT_FOUND' });
  }
  assert.deepEqual(await runs({ root }), []);
});

for (const name of ['detach', 'maxCosts']) {
  test(`the option ${name}, which does not exist, is refused by name`, async (t) => {
    const root = repository(t);
    const expected = { name: 'InvalidInput', code: 'E_USAGE', message: `unknown option ${name}` };
    await assert.rejects(Run.start({ ...options(root), [name]: true }), expected);
    await assert.rejects(Run.resume({ runId: 'latest', root, [name]: true }), expected);
    assert.equal(existsSync(path.join(root, '.runr')), false);
  });
}

test('a program that wants to detach learns what does', async (t) => {
  const root = repository(t);
  const hint = /runCommand\(\['run', '--detach', \.\.\]\).*`runr run --detach`/;
  await assert.rejects(Run.start({ ...options(root), detach: true }), { code: 'E_USAGE', hint });
  await assert.rejects(Run.resume({ runId: 'latest', root, detach: true }), { code: 'E_USAGE', hint });
});
