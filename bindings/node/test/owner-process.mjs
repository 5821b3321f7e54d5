// Another process that owns a target, of either language: it does what it is asked for.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const here = path.dirname(fileURLToPath(import.meta.url));
const checkout = path.join(here, '../../..');

/** The Python of the checkout, in which the package is installed. */
export const PYTHON = path.join(checkout, '.venv', process.platform === 'win32' ? 'Scripts' : 'bin', 'python');
export const pythonIsMissing = !existsSync(PYTHON) && `${PYTHON} is missing: cargo xtask dev`;

const PROGRAMS = {
  node: [process.execPath, path.join(here, 'owner.mjs')],
  python: [PYTHON, path.join(checkout, 'bindings/python/tests/owner.py')],
};

/** Starts it, and waits until it owns. */
export async function ownerProcess(t, kind, root, target, runId, env = {}, ...how) {
  const [program, script] = PROGRAMS[kind];
  const child = spawn(program, [script, root, target, runId, ...how], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, ...env },
  });
  t.after(() => child.kill('SIGKILL'));
  const exit = new Promise((resolve) => child.on('exit', resolve));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const line = async () => {
    const { value, done } = await lines.next();
    assert.ok(!done, `${kind} has ended`);
    return value;
  };
  return {
    token: Number(await line()),
    async ask(words) {
      child.stdin.write(`${words}\n`);
      return line();
    },
    async kill() {
      child.kill('SIGKILL');
      await exit;
    },
  };
}
