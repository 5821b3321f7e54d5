// A process that owns a target: `owner.mjs ROOT TARGET RUN_ID [takeover]`.
//
// Says its token, then does what each line of its input asks for, and says how it went: `check`,
// `act FILE` (adds one to the number in a file), `lost`, `release`. The twin of `owner.py`.
import { readFileSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

import { own } from 'runr';

function oneMore(file) {
  const number = Number(readFileSync(file, 'utf8')) + 1;
  writeFileSync(file, String(number));
  return number;
}

async function act(owner, [word, file]) {
  switch (word) {
    case 'check':
      return owner.check();
    case 'act':
      return owner.act(() => oneMore(file));
    case 'lost':
      return owner.lost;
    case 'release': {
      const answer = await owner.release();
      return answer.ok ? answer.status : answer.error;
    }
    default:
      throw new Error(`what is ${word}?`);
  }
}

const [root, target, runId, how] = process.argv.slice(2);
const owner = await own({ target, runId, root, takeover: how === 'takeover' });
console.log(owner.token);
for await (const line of createInterface({ input: process.stdin })) {
  try {
    console.log(await act(owner, line.split(' ')));
  } catch (error) {
    console.log(error.code ?? error.message);
  }
}
process.exit(0);
