// A program that shares the record of a PR and knows nothing of runr: it takes the lock by making a
// directory, and writes the whole record anew. `legacy-writer.mjs RECORD RUN_ID HOW_MANY` appends so
// many exit signals. Says `ready`, begins with the first line of its input.
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { once } from 'node:events';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const [record, runId, howMany] = process.argv.slice(2);
const lock = `${record}.lock`;
const print = (value) => `${JSON.stringify(value, null, 2)}\n`;

async function locked(work) {
  await mkdir(path.dirname(record), { recursive: true });
  // As long as it takes: a real one gives up after five seconds, which is not what is tested.
  for (;;) {
    try {
      await mkdir(lock);
      break;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
      await sleep(50);
    }
  }
  try {
    const owner = { pid: process.pid, acquiredAt: new Date().toISOString() };
    await writeFile(path.join(lock, 'owner.json'), print(owner));
    await work();
  } finally {
    await rm(lock, { recursive: true, force: true });
  }
}

async function appendExitSignal(reason) {
  await locked(async () => {
    const state = JSON.parse(await readFile(record, 'utf8'));
    state.exitSignals.push({ runId, at: new Date().toISOString(), reason });
    const temporary = `${record}.tmp-${process.pid}-${Date.now()}`;
    await writeFile(temporary, print(state));
    await rename(temporary, record);
  });
}

console.log('ready');
await once(process.stdin, 'data');
process.stdin.destroy();
for (let count = 1; count <= Number(howMany); count += 1) await appendExitSignal(`${runId} ${count}`);
