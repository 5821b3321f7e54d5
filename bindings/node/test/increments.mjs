// A process that adds ones to a field of a run: `increments.mjs RUNS RUN_ID HOW_MANY`.
// Says `ready`, begins with the first line of its input, says how often it had to begin anew.
import { once } from 'node:events';

import { RunStore } from 'runr';

import { addOnes } from './add-ones.mjs';

const [runs, runId, howMany] = process.argv.slice(2);
console.log('ready');
await once(process.stdin, 'data');
process.stdin.destroy();
console.log(`anew ${await addOnes(RunStore.open(runs), runId, Number(howMany))}`);
