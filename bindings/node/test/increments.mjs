// A process that adds ones to a field of a run: `increments.mjs RUNS RUN_ID HOW_MANY`.
// Says `ready`, begins with the first line of its input, says how often it had to begin anew.
import { once } from 'node:events';

import { RunStore } from 'runr';

const [runs, runId, howMany] = process.argv.slice(2);
const store = RunStore.open(runs);
console.log('ready');
await once(process.stdin, 'data');
process.stdin.destroy();

let anew = 0;
for (let done = 0; done < Number(howMany); ) {
  try {
    await store.update(runId, (document) => ({ ...document, total: (document.total ?? 0) + 1 }));
    done += 1;
  } catch (error) {
    // No function runs under the lock, so others may come between again and again.
    if (error.code !== 'E_LOCK_TIMEOUT' || !error.retryable) throw error;
    anew += 1;
  }
}
console.log(`anew ${anew}`);
