'use strict';

// A guard: the right to act on a target, kept alive while the program does.

const native = require('./native.cjs');
const { fromCore, usage } = require('./errors.cjs');
const { options } = require('./options.cjs');
const { encode, open } = require('./wire.cjs');

const OPTIONS = [
  'target',
  'run_id',
  'ttl',
  'takeover',
  'expect',
  'only_if_expired',
  'root',
  'single_host',
];

/** The right to act on a target. Made by `own`; ends with `release`, or when it is lost. */
class Ownership {
  #guard;
  #loss = new AbortController();

  constructor(guard, claim) {
    if (claim === undefined) throw usage('a guard is made by own');
    this.#guard = guard;
    const { target, run_id: runId, token } = claim;
    Object.assign(this, { target: Object.freeze(target), runId, token });
    Object.freeze(this);
    // The native half keeps this callback, and so a guard that its program has forgotten.
    guard.onLoss((envelope) => {
      const { class: name, error } = JSON.parse(envelope);
      this.#loss.abort(fromCore(name, error));
    });
  }

  /** Aborted when the target is lost, with an `OwnershipLost`. */
  get signal() {
    return this.#loss.signal;
  }

  /** Whether the target is known to be lost. */
  get lost() {
    return this.#loss.signal.aborted || this.#guard.isLost();
  }

  /** Rejects with `OwnershipLost` unless this guard holds its target at this moment. */
  async check() {
    open(await this.#guard.check());
  }

  /**
   * Runs a short synchronous function while nobody can take the target over, and resolves to its
   * value. The lock is waited for on another thread.
   */
  async act(fn) {
    if (typeof fn !== 'function') throw usage('act takes a function');
    let done;
    const run = () => {
      try {
        done = { value: synchronous(fn()) };
      } catch (error) {
        done = { error };
      }
    };
    open(await this.#guard.act(run));
    if ('error' in done) throw done.error;
    return done.value;
  }

  /** Gives the target up; with a reason, an exit signal is recorded first. */
  async release(reason = null) {
    if (reason !== null && typeof reason !== 'string') {
      throw usage('the reason of a release is a string');
    }
    return open(await this.#guard.release(encode(reason)));
  }
}

// `await using owner = await own(..)`, where the runtime has it.
if (Symbol.asyncDispose) {
  Object.defineProperty(Ownership.prototype, Symbol.asyncDispose, {
    value: async function dispose() {
      await this.release();
    },
  });
}

/** Why a program failed, in one text. */
function described(error) {
  try {
    return String(error);
  } catch {
    return 'a value without text was thrown';
  }
}

/** A value that is there already: what comes later would come after the lock is gone. */
function synchronous(value) {
  if (typeof value?.then !== 'function') return value;
  // It is refused here; its own failure, if any, has nobody left to go to.
  Promise.resolve(value).catch(() => {});
  throw usage('the function of act must be synchronous', 'await first, then act');
}

/**
 * Claims a target and keeps the claim alive. With a function: it gets the guard, and its value is
 * the value of all; the target is released after it, and its failure recorded. Without one the
 * guard itself, which must be released.
 */
async function own(given, work) {
  if (work !== undefined && typeof work !== 'function') throw usage('own takes options and a function');
  const guard = new native.Guard();
  const owner = new Ownership(guard, open(await guard.acquire(encode(options(given, OPTIONS)))));
  if (work === undefined) return owner;
  let value;
  try {
    value = await work(owner);
  } catch (error) {
    // That failure is what the caller must see; the claim expires by itself.
    await owner.release(described(error)).catch(() => {});
    throw error;
  }
  await owner.release();
  return value;
}

module.exports = { own, Ownership };
