// A process that records exit signals: `exit-signals.mjs CWD RUN_ID HOW_MANY`.
// Says `ready`, begins with the first line of its input. The twin of `exit_signals.py`.
import { once } from 'node:events';

import { recordExitSignalForRunner } from 'runr';

const [cwd, runId, howMany] = process.argv.slice(2);
console.log('ready');
await once(process.stdin, 'data');
process.stdin.destroy();
for (let count = 1; count <= Number(howMany); count += 1) {
  const signal = { runId, reason: `${runId} ${count}`, requireActiveOwner: false };
  const answer = await recordExitSignalForRunner({ repo: 'acme/shop', pr: 17, cwd, ...signal });
  if (!answer.ok) throw new Error(answer.message);
}
