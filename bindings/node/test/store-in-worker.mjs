// A worker thread that adds ones to a field of a run: `[RUNS, RUN_ID, HOW_MANY]`.
import { parentPort } from 'node:worker_threads';

import { RunStore } from 'runr';

import { addOnes } from './add-ones.mjs';

const [runs, runId, howMany] = process.argv.slice(2);
parentPort.postMessage('ready');
await addOnes(RunStore.open(runs), runId, Number(howMany));
