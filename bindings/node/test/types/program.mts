// Never run: what a typed host program looks like to the type checker.
import {
  Run,
  RunStore,
  RunrError,
  checkScope,
  Ownership,
  claimRunnerOwnership,
  detectStaleRunner,
  own,
  parseReply,
  status,
  submit,
  submitSync,
  version,
} from 'runr';
import type { Outcome, OwnershipDone, WorkerCall } from 'runr';

async function answer(call: WorkerCall): Promise<void> {
  switch (call.stage) {
    case 'plan':
      return call.plan([{ goal: 'g', done_checks: ['d'], risk_level: 'low' }]);
    case 'implement':
      return call.ok(call.fix === null ? 'memo' : call.fix.error_output);
    case 'review':
      return call.approve();
  }
}

export async function drive(task: string): Promise<string | null> {
  await using owner = await own({ target: 'acme/shop#17', runId: 'gh-17' });
  const run = await Run.start({ task, worktree: true, own: owner, allow: ['src/**'], verify: ['npm test'] });
  for await (const call of run) {
    await answer(call);
    await call.fail('rate_limit', 'later', { retryAt: new Date() });
    const signal: AbortSignal = call.signal;
    signal.throwIfAborted();
  }
  const outcome: Outcome = run.outcome;
  return outcome.suggested_command;
}

export async function leave(runId: string): Promise<void> {
  await using run = await Run.resume({ runId, maxTicks: 10 });
  await run.stop();
}

export async function look(): Promise<string> {
  const parsed = parseReply('plan', '{}');
  if (!parsed.ok) return parsed.error;
  try {
    const { run_id } = await RunStore.open('runs').create({ title: 't' }, { worktreeCheck: false });
    await RunStore.open('runs').update(run_id, (document) => ({ ...document, pr_number: 1 }));
    const { repo_key }: { repo_key: string } = RunStore.data().touchRepositorySync({ repoRoot: '.' });
    await status({ runId: run_id });
    const [finding] = await RunStore.open('runs').repair({ fix: true });
    if (finding?.remedy === 'quarantine') return finding.kept ?? finding.reason;
  } catch (error) {
    if (error instanceof RunrError) return error.hint ?? error.code;
  }
  const files: string[] = checkScope([], [], [], [], false, [], []).scope_violations;
  return files.join() + version;
}

export async function owned(runId: string): Promise<string> {
  const target = { kind: 'issue', repo: 'acme/shop', issue: 17 } as const;
  const length: number = await own({ target, runId, ttl: 60 }, async (owner) => {
    await owner.check();
    owner.signal.throwIfAborted();
    const number: number = await owner.act(() => 1);
    return number + owner.token;
  });
  await using owner = await own({ target: 'acme/shop#17', runId, expect: length });
  const answer = await claimRunnerOwnership({ repo: 'acme/shop', pr: '17', runId: owner.runId });
  if (!answer.ok) return answer.error + answer.message;
  const done: OwnershipDone = answer;
  const stale = await detectStaleRunner({ repo: 'acme/shop', pr: 17, env: process.env });
  return done.status + (stale.staleRunner?.updatedAgeMs ?? 0);
}

export async function submitted(runId: string): Promise<string> {
  const { outcome } = await submit({ runId, to: 'main', signal: AbortSignal.timeout(60_000) });
  return outcome;
}

// @ts-expect-error A blocking call can hear no signal.
submitSync({ runId: 'latest', to: 'main', signal: AbortSignal.timeout(60_000) });
// @ts-expect-error A guard is made by `own`.
new Ownership();
// @ts-expect-error A mode that does not exist is seen before the program runs.
await claimRunnerOwnership({ repo: 'a/b', pr: 1, mode: 'steal' });
// @ts-expect-error An unknown option is seen before the program runs.
await Run.start({ task: 'login.md', worktre: true });
// @ts-expect-error So is a word outside its closed set.
parseReply('implementation', '{}');
// @ts-expect-error A run is made by `start` or `resume`.
new Run();
