'use strict';

// An update by a function. A callback never runs under a lock, as the lock would be held for as
// long as the event loop likes. So this is a loop: read the document with its version, let the
// function make a new one, save it if the file still has that version.

const wire = require('./wire.cjs');
const { classes, usage } = require('./errors.cjs');

/** How often another program may come first. */
const ROUNDS = 8;
/** The longest pause after the first lost round, in milliseconds; it doubles with each. */
const PAUSE = 4;

/** The runs whose functions are running at this moment. */
const thinking = new Set();
/** The last update of each run in this process: those that wait here cost each other no rounds. */
const tails = new Map();

/** Changes the document of a run; the promise of the document after. */
async function update(place, runId, fn) {
  const run = check(place, runId);
  return inTurn(run, async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const seen = await wire.call('store_read_version', { ...place, run_id: runId });
      const change = { ...place, run_id: runId, ...changed(run, fn, seen) };
      const after = await wire.callRounded('store_save_version', change);
      if (after !== null) return after;
      await new Promise((resolve) => setTimeout(resolve, pause(round)));
    }
    throw lost(runId);
  });
}

/** The same, blocking. */
function updateSync(place, runId, fn) {
  const run = check(place, runId);
  for (let round = 0; round < ROUNDS; round += 1) {
    const seen = wire.callSync('store_read_version', { ...place, run_id: runId });
    const change = { ...place, run_id: runId, ...changed(run, fn, seen) };
    const after = wire.callRoundedSync('store_save_version', change);
    if (after !== null) return after;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, pause(round));
  }
  throw lost(runId);
}

/** The name of a run in this process; a function that updates its own run would never end. */
function check(place, runId) {
  const run = wire.encode([place, runId]);
  if (thinking.has(run)) {
    throw new classes.LockTimeout(`run ${runId} is already being updated by this function`, {
      code: 'E_LOCK_TIMEOUT',
      operation: 'update',
      hint: 'do not update a run from the function that updates it',
      context: { run_id: runId, reentrant: true },
    });
  }
  return run;
}

/** What the function makes of the document, and the version it has seen. */
function changed(run, fn, { version, document }) {
  let after;
  thinking.add(run);
  try {
    after = fn(document);
  } finally {
    thinking.delete(run);
  }
  if (typeof after?.then === 'function') {
    // It is refused below; its own failure, if any, has nobody left to go to.
    Promise.resolve(after).catch(() => {});
    throw usage('the function of an update must be synchronous', 'await first, then update');
  }
  if (typeof after !== 'object' || after === null || Array.isArray(after)) {
    throw usage('the function of an update must return the document');
  }
  return { version, document: after };
}

/** Runs `work` when all earlier work on this run has ended, well or not. */
function inTurn(run, work) {
  const mine = (tails.get(run) ?? Promise.resolve()).then(work);
  const tail = mine.catch(() => {}).then(() => {
    if (tails.get(run) === tail) tails.delete(run);
  });
  tails.set(run, tail);
  return mine;
}

/** At random, so that those who lost together do not come back together. */
function pause(round) {
  return Math.random() * PAUSE * 2 ** round;
}

function lost(runId) {
  const message = `run ${runId} was changed by others ${ROUNDS} times while it was being updated`;
  return new classes.LockTimeout(message, {
    code: 'E_LOCK_TIMEOUT',
    operation: 'update',
    retryable: true,
    hint: 'nothing was changed; try again',
    context: { run_id: runId, rounds: ROUNDS },
  });
}

module.exports = { check, update, updateSync };
