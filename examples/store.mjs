// An orchestrator that keeps its own runs: store.mjs DATA_DIR [COMMAND...]
//
// Every command becomes a run. Runs that are not done yet are tried, those of earlier calls too, so
// whatever ends this program, the next call goes on.
import { spawnSync } from 'node:child_process';

import { RunStore, repoId } from 'runr';

const [dataDir, ...commands] = process.argv.slice(2);
const store = RunStore.data({ dataDir, repoId: repoId(null, process.cwd()) });

async function attempt(runId, command) {
  await store.appendEvent(runId, 'cmd_start', { cmd: command });
  const { status } = spawnSync(command, { shell: true, stdio: 'inherit' });
  await store.appendEvent(runId, 'cmd_end', { cmd: command, exit_code: status });
  // Called again if somebody else has changed the run meanwhile.
  return store.update(runId, (document) => ({
    ...document,
    attempts: (document.attempts ?? 0) + 1,
    done: status === 0,
    flags: status === 0 ? {} : { needs_attention: true },
  }));
}

for (const command of commands) {
  const fields = { title: command, runner: 'shell', runner_cmd: command };
  await store.create(fields, { worktreeCheck: false });
}

let done = true;
for (const row of await store.list()) {
  // A broken one is listed and left as it is; nothing is guessed about it.
  let run = row.broken ? row : await store.read(row.run_id);
  if (!row.broken && !run.done) run = await attempt(row.run_id, run.runner_cmd);
  console.log(run.done ? 'done' : 'open', run.attempts ?? 0, run.title);
  done &&= run.done === true;
}
process.exitCode = done ? 0 : 1;
