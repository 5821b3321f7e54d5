// How late a Node program is while a check runs: driven by runr, and as a plain child process.
//
// Usage: event_loop.mjs PACKAGE ROUNDS REPOSITORY CHECK. Prints {"runr": [..], "plain": [..]}, the
// greatest lag of each round in microseconds.
import { spawn } from 'node:child_process';
import { appendFile } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';

const [packageFolder, rounds, root, check] = process.argv.slice(2);
const { Run } = await import(pathToFileURL(`${packageFolder}/index.mjs`));
const TICK = 1;

/** Waits for a millisecond again and again, and notes by how much it woke too late. */
function ticker(counts) {
  let worst = 0;
  let timer;
  const arm = () => {
    const began = performance.now();
    const counted = counts();
    timer = setTimeout(() => {
      if (counted && counts()) worst = Math.max(worst, performance.now() - began - TICK);
      arm();
    }, TICK);
  };
  arm();
  return () => {
    clearTimeout(timer);
    return worst * 1e3;
  };
}

async function answer(call) {
  if (call.stage !== 'implement') return { status: 'approve', changes: [] };
  await appendFile(`${call.cwd}/src/part.txt`, 'a part\n');
  return { status: 'ok', handoff_memo: 'written' };
}

async function withRunr() {
  const options = { allow: ['src/**'], verify: [check], worktree: true, fast: true };
  const run = await Run.start({ taskText: '# Event loop', root, ...options });
  const stop = ticker(() => run.outcome.phase === 'VERIFY');
  for await (const call of run) await call.reply(await answer(call));
  if (run.outcome.stop_reason !== 'complete') throw new Error(JSON.stringify(run.outcome));
  return stop();
}

async function plain() {
  const stop = ticker(() => true);
  const child = spawn('/bin/sh', ['-c', check], { cwd: root, stdio: 'ignore' });
  await new Promise((done, failed) => {
    child.on('exit', (code) => (code === 0 ? done() : failed(new Error(`exit ${code}`))));
  });
  return stop();
}

const lags = { runr: [], plain: [] };
for (let round = 0; round < Number(rounds); round += 1) {
  lags.runr.push(await withRunr());
  lags.plain.push(await plain());
}
console.log(JSON.stringify(lags));
