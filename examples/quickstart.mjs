// Drives a task with an agent of your own: quickstart.mjs REPOSITORY TASK CHECK
import { exec } from 'node:child_process';

import { Run } from 'runr';

/** Any program that reads a prompt, works in its directory and prints an answer. */
function agent(prompt, { cwd, signal }) {
  const command = process.env.AGENT ?? 'claude -p --permission-mode acceptEdits';
  return new Promise((resolve, reject) => {
    const options = { cwd, signal, maxBuffer: 64 << 20 };
    const child = exec(command, options, (error, stdout) => (error ? reject(error) : resolve(stdout)));
    child.stdin.end(prompt);
  });
}

const [root, task, check] = process.argv.slice(2);
const run = await Run.start({ task, root, worktree: true, allow: ['src/**'], verify: [check] });
for await (const call of run) {
  await call.reply(await agent(call.prompt, { cwd: call.cwd, signal: call.signal }));
}
console.log(run.outcome.stop_reason, run.outcome.suggested_command);
process.exitCode = run.outcome.stop_reason === 'complete' ? 0 : 1;
