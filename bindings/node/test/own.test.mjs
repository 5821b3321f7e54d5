// Guards: held, lost, released, and in the way of nobody else.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';

import { InvalidInput, loadRunnerCoordinationState, own, Ownership, OwnershipLost } from 'runr';

import { ownerProcess, pythonIsMissing as skip } from './owner-process.mjs';

const PR = 'acme/shop#17';
/** Short, but not so short that a busy machine loses a claim: it beats every two seconds. */
const TTL = 6;
const ROOT = fileURLToPath(new URL('..', import.meta.url));
if (skip) console.error(`skipped: claims of two languages at once: ${skip}`);
for (const name of ['RUNR_RUN_ID', 'RUNR_TOKEN', 'DEVLOOPS_RUN_ID', 'PI_SUBAGENT_RUN_ID']) {
  delete process.env[name];
}

function freshDirectory(t) {
  const folder = mkdtempSync(path.join(tmpdir(), 'runr-own-'));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

const state = async (root) =>
  (await loadRunnerCoordinationState({ repo: 'acme/shop', pr: 17, cwd: root })).state;

async function until(what) {
  const deadline = Date.now() + 30_000;
  while (!(await what())) {
    assert.ok(Date.now() < deadline, 'it never happened');
    await sleep(10);
  }
}

test('own with a function owns while it runs, and resolves to its value', async (t) => {
  const root = freshDirectory(t);
  let token;
  const value = await own({ target: 'Acme/Shop#17', runId: ' run-1 ', ttl: 60, root }, async (owner) => {
    assert.ok(owner instanceof Ownership);
    assert.deepEqual([owner.runId, owner.target], ['run-1', { repo: 'acme/shop', pr: 17 }]);
    assert.deepEqual([owner.lost, owner.signal.aborted], [false, false]);
    await owner.check();
    assert.equal((await state(root)).activeRun.runId, 'run-1');
    ({ token } = owner);
    return 'value';
  });
  assert.equal(value, 'value');
  const { activeRun, history, exitSignals } = await state(root);
  assert.deepEqual([activeRun, exitSignals], [null, []]);
  assert.deepEqual(history.map((event) => event.type), ['claim', 'release']);
  await own({ target: PR, runId: 'run-1', root }, (again) => assert.ok(again.token > token));
});

test('a failure of the function is recorded, and is the failure of all', async (t) => {
  const root = freshDirectory(t);
  const broken = new RangeError('it broke \udc80');
  const failing = own({ target: PR, runId: 'run-1', root }, () => Promise.reject(broken));
  await assert.rejects(failing, (error) => error === broken);
  const { activeRun, exitSignals } = await state(root);
  assert.equal(activeRun, null);
  assert.deepEqual(exitSignals.map((it) => [it.runId, it.reason]), [
    ['run-1', 'RangeError: it broke \ufffd'],
  ]);
  await assert.rejects(own({ target: PR, runId: 'run-1', root }, () => { throw Symbol('s'); }), (it) => typeof it === 'symbol');
  assert.equal((await state(root)).exitSignals[1].reason, 'Symbol(s)');
});

test('own without a function gives the guard, which is released alike every time', async (t) => {
  const root = freshDirectory(t);
  const owner = await own({ target: PR, runId: 'run-1', root });
  const answer = await owner.release('the work is done');
  assert.deepEqual([answer.ok, answer.status, answer.activeRun], [true, 'released', null]);
  assert.ok(answer.token > owner.token);
  assert.deepEqual(await owner.release(), answer);
  assert.deepEqual([owner.lost, owner.signal.aborted], [false, false]);
  await assert.rejects(owner.check(), OwnershipLost);
  assert.deepEqual((await state(root)).exitSignals.map((it) => it.reason), ['the work is done']);
});

test('a guard can be disposed of', { skip: !Symbol.asyncDispose }, async (t) => {
  const root = freshDirectory(t);
  const owner = await own({ target: PR, runId: 'run-1', root });
  assert.equal(await owner[Symbol.asyncDispose](), undefined);
  assert.equal((await state(root)).activeRun, null);
});

test('issues and branches are targets too', async (t) => {
  const root = freshDirectory(t);
  for (const target of [
    { kind: 'issue', repo: 'acme/shop', issue: 17 },
    { kind: 'branch', repo: 'acme/shop', branch: 'fix/a#1' },
  ]) {
    const owner = await own({ target, runId: 'run-1', root });
    assert.deepEqual(owner.target, target);
    await assert.rejects(own({ target: owner.target, runId: 'run-2', root }), OwnershipLost);
    await owner.release();
  }
  await own({ target: 'acme/shop@fix/a#1', runId: 'run-2', root }, () => {});
});

test('a takeover aborts the signal of the guard it replaces', async (t) => {
  const root = freshDirectory(t);
  const owner = await own({ target: PR, runId: 'run-1', ttl: TTL, root });
  await assert.rejects(own({ target: PR, runId: 'run-2', root }), (error) => {
    assert.ok(error instanceof OwnershipLost);
    assert.equal(error.code, 'E_OWNERSHIP_LOST');
    assert.match(error.message, /run-1/);
    return true;
  });
  let heard;
  owner.signal.addEventListener('abort', () => { heard = owner.signal.reason; });
  const second = await own({ target: PR, runId: 'run-2', takeover: true, root });
  assert.ok(second.token > owner.token);
  // Nobody asks it: the heartbeat finds out.
  await until(() => heard);
  assert.ok(heard instanceof OwnershipLost);
  assert.equal(heard.context.owner, 'run-2');
  assert.equal(owner.lost, true);
  let acted = false;
  await assert.rejects(owner.act(() => { acted = true; }), OwnershipLost);
  assert.equal(acted, false);
  await assert.rejects(owner.check(), OwnershipLost);
  const answer = await owner.release();
  assert.deepEqual([answer.ok, answer.error], [false, 'ownership_lost']);
  await second.check();
  await second.release();
});

test('a takeover may be conditional', async (t) => {
  const root = freshDirectory(t);
  const owner = await own({ target: PR, runId: 'run-1', root });
  const others = { target: PR, takeover: true, root };
  for (const condition of [{ expect: 'run-9' }, { expect: owner.token - 1 }, { onlyIfExpired: true }]) {
    await assert.rejects(own({ ...others, runId: 'run-2', ...condition }), OwnershipLost);
  }
  await owner.check();
  const second = await own({ ...others, runId: 'run-2', expect: 'run-1' });
  const third = await own({ ...others, runId: 'run-3', expect: second.token });
  await third.release();
  for (const one of [owner, second]) assert.equal((await one.release()).ok, false);
});

test('heartbeats keep a claim fresh', async (t) => {
  const root = freshDirectory(t);
  await own({ target: PR, runId: 'run-1', ttl: TTL, root }, async (owner) => {
    const { activeRun: first } = await state(root);
    await until(async () => (await state(root)).activeRun.updatedAt > first.updatedAt);
    await owner.check();
  });
});

// --- act ---

test('an action runs while nobody can take over, and the event loop never waits', async (t) => {
  const root = freshDirectory(t);
  const owner = await own({ target: PR, runId: 'run-1', root });
  const order = [];
  let rescue;
  const value = await owner.act(() => {
    rescue = own({ target: PR, runId: 'run-2', takeover: true, root }).then((it) => {
      order.push('taken over');
      return it;
    });
    // Time for it to come first, if it could.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
    order.push('acted');
    return 'value';
  });
  assert.equal(value, 'value');
  const second = await rescue;
  assert.deepEqual(order, ['acted', 'taken over']);
  await second.release();
});

test('while an action waits for the lock the event loop goes on', async (t) => {
  const root = freshDirectory(t);
  const owner = await own({ target: PR, runId: 'run-1', root });
  const lock = path.join(root, '.pi/runner-coordination/acme/shop/pr-17.json.lock');
  mkdirSync(lock);
  writeFileSync(path.join(lock, 'owner.json'), JSON.stringify({ pid: process.pid, acquiredAt: 'now' }));
  let acted = false;
  const acting = owner.act(() => { acted = true; });
  const releasing = own({ target: { repo: 'acme/shop', pr: 18 }, runId: 'run-1', root }, () => {});
  for (let tick = 0; tick < 20; tick += 1) await sleep(5);
  await releasing;
  assert.equal(acted, false);
  rmSync(lock, { recursive: true });
  await acting;
  assert.equal(acted, true);
  await owner.release();
});

test('an action fails with its own error, and must be synchronous', async (t) => {
  const root = freshDirectory(t);
  await own({ target: PR, runId: 'run-1', root }, async (owner) => {
    const broken = new Error('it broke');
    await assert.rejects(owner.act(() => { throw broken; }), (error) => error === broken);
    await assert.rejects(owner.act(() => { throw undefined; }), (error) => error === undefined);
    await assert.rejects(owner.act(async () => { throw broken; }), { code: 'E_USAGE' });
    await assert.rejects(owner.act('no function'), { code: 'E_USAGE' });
    const inside = await owner.act(() => [owner.check(), owner.act(() => 2)]);
    assert.deepEqual(await Promise.all(inside), [undefined, 2]);
  });
  assert.deepEqual((await state(root)).exitSignals, []);
});

test('processes that share a claim act one at a time', { skip }, async (t) => {
  const root = freshDirectory(t);
  const file = path.join(root, 'number');
  writeFileSync(file, '0');
  await own({ target: PR, runId: 'run-1', root }, async (owner) => {
    const env = { RUNR_TOKEN: String(owner.token) };
    const others = await Promise.all(
      ['node', 'python'].map((kind) => ownerProcess(t, kind, root, PR, 'run-1', env)),
    );
    assert.deepEqual(others.map((other) => other.token), [owner.token, owner.token]);
    const adding = others.map(async (other) => {
      for (let count = 0; count < 20; count += 1) await other.ask(`act ${file}`);
    });
    for (let count = 0; count < 20; count += 1) {
      await owner.act(() => writeFileSync(file, String(Number(readFileSync(file, 'utf8')) + 1)));
    }
    await Promise.all(adding);
    assert.equal(readFileSync(file, 'utf8'), '60');
    assert.equal(await others[0].ask('release'), 'release_noop');
    await owner.check();
  });
});

test('a takeover from another language fences both ways', { skip }, async (t) => {
  const root = freshDirectory(t);
  const file = path.join(root, 'number');
  writeFileSync(file, '0');
  const python = await ownerProcess(t, 'python', root, PR, 'run-1');
  assert.equal(await python.ask(`act ${file}`), '1');
  const owner = await own({ target: PR, runId: 'run-2', takeover: true, expect: python.token, root });
  assert.equal(await python.ask(`act ${file}`), 'E_OWNERSHIP_LOST');
  assert.equal(await python.ask('lost'), 'True');
  const node = await ownerProcess(t, 'node', root, PR, 'run-3', {}, 'takeover');
  await assert.rejects(owner.check(), OwnershipLost);
  assert.equal(await node.ask(`act ${file}`), '2');
  // A process that is killed holds nothing.
  await node.kill();
  const last = await own({ target: PR, runId: 'run-4', onlyIfExpired: true, root });
  await last.release();
});

// --- The end ---

/** Runs a program that owns a target; `own` and `root` are there. */
function program(root, text) {
  const head = "const { own } = require('runr'); const root = process.argv[1];";
  const body = `(async () => { ${text} })();`;
  const settings = { cwd: ROOT, encoding: 'utf8', timeout: 60_000 };
  const done = spawnSync(process.execPath, ['--expose-gc', '-e', head + body, root], settings);
  assert.deepEqual([done.stdout, done.stderr], ['', '']);
  return done.status;
}

const OWNED = `const owner = await own({ target: '${PR}', runId: 'run-1', root });`;
for (const [name, text] of Object.entries({
  forgotten: OWNED,
  garbage: `await (async () => { ${OWNED} })(); gc(); await new Promise(setImmediate); gc();`,
  ended: `${OWNED} process.exit(0);`,
  released: `${OWNED} owner.signal.addEventListener('abort', () => {}); await owner.release();`,
})) {
  test(`a guard that is ${name} keeps no program alive`, async (t) => {
    const root = freshDirectory(t);
    assert.equal(program(root, text), 0);
    // Whether it was given back or not, it counts no more.
    const owner = await own({ target: PR, runId: 'run-2', onlyIfExpired: true, root });
    await owner.release();
  });
}

test('a guard that the program has forgotten still holds, and still tells its loss', (t) => {
  const root = freshDirectory(t);
  const status = program(root, `
    const signal = await (async () => {
      const { signal } = await own({ target: '${PR}', runId: 'run-1', ttl: ${TTL}, root });
      return signal;
    })();
    for (let n = 0; n < 5; n += 1) { gc(); await new Promise((r) => setTimeout(r, 50)); }
    const refused = await own({ target: '${PR}', runId: 'run-2', root }).catch((error) => error.code);
    const heard = new Promise((resolve) => signal.addEventListener('abort', resolve));
    const alive = setInterval(() => {}, 1000);
    await own({ target: '${PR}', runId: 'run-2', takeover: true, root }, () => heard);
    clearInterval(alive);
    process.exitCode = refused === 'E_OWNERSHIP_LOST' ? 0 : 1;
  `);
  assert.equal(status, 0);
});

test('a worker that ends leaves no claim behind', async (t) => {
  const root = freshDirectory(t);
  const text = `
    const { workerData, parentPort } = require('node:worker_threads');
    require(workerData.runr).own({ target: '${PR}', runId: 'run-1', root: workerData.root }).then((owner) => {
      parentPort.postMessage('owned');
      setInterval(() => {}, 1000);
    });`;
  const worker = new Worker(text, { eval: true, workerData: { root, runr: path.join(ROOT, 'index.cjs') } });
  await new Promise((resolve) => worker.once('message', resolve));
  await worker.terminate();
  await until(async () => (await state(root)).activeRun === null);
});

test('a worker that ends in the middle of an action frees the lock', async (t) => {
  const root = freshDirectory(t);
  const text = `
    const { workerData, parentPort } = require('node:worker_threads');
    require(workerData.runr).own({ target: '${PR}', runId: 'run-1', root: workerData.root }).then((owner) => {
      owner.act(() => {});
      parentPort.postMessage('acting');
      for (;;); // The lock is taken, but the action never gets its turn.
    });`;
  const worker = new Worker(text, { eval: true, workerData: { root, runr: path.join(ROOT, 'index.cjs') } });
  await new Promise((resolve) => worker.once('message', resolve));
  const file = path.join(root, '.pi/runner-coordination/acme/shop/pr-17.json.lock/owner.json');
  await until(() => existsSync(file));
  await worker.terminate();
  const owner = await own({ target: PR, runId: 'run-2', takeover: true, root });
  await owner.release();
});

test('unusable options are refused before anything is made', async (t) => {
  const root = freshDirectory(t);
  for (const [options, code] of [
    [{ target: 'acme/shop' }, 'E_TARGET_INVALID'],
    [{ target: { kind: 'tree', repo: 'acme/shop' } }, 'E_TARGET_INVALID'],
    [{ target: 17 }, 'E_TARGET_INVALID'],
    [{ runId: ' ' }, 'E_USAGE'],
    [{ runId: 17 }, 'E_USAGE'],
    [{ ttl: -1 }, 'E_USAGE'],
    [{ ttl: 0 }, 'E_USAGE'],
    [{ ttl: NaN }, 'E_USAGE'],
    [{ expect: 1.5 }, 'E_USAGE'],
    [{ takeOver: true }, 'E_USAGE'],
  ]) {
    const given = { target: PR, runId: 'run-1', root, ...options };
    await assert.rejects(own(given, () => assert.fail()), (error) => {
      assert.ok(error instanceof InvalidInput);
      assert.equal(error.code, code, JSON.stringify(options));
      return true;
    });
  }
  await assert.rejects(own({ target: PR, runId: 'run-1', root }, 'no function'), { code: 'E_USAGE' });
  assert.throws(() => new Ownership(), { code: 'E_USAGE' });
  assert.deepEqual(readdirSync(root), []);
});
