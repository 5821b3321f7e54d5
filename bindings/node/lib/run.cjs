'use strict';

// Driving a run: the machine asks, the host program answers.

const native = require('./native.cjs');
const { encode, open } = require('./wire.cjs');
const { options } = require('./options.cjs');
const { Ownership } = require('./own.cjs');
const { fromCore, usage } = require('./errors.cjs');
const { WorkerCall } = require('./worker-call.cjs');

const START = [
  'task',
  'task_text',
  'root',
  'worktree',
  'fast',
  'allow',
  'deny',
  'verify',
  'config',
  'allow_deps',
  'allow_dirty',
  'allow_unverified',
  'worker',
  'force_parallel',
  'no_branch',
  'time_minutes',
  'max_ticks',
  'max_cost',
  'approve_plan',
  'auto_resume',
  'skip_doctor',
  'flow',
  'refs',
  'own',
];
const RESUME = [
  'run_id',
  'root',
  'config',
  'allow_deps',
  'time_minutes',
  'max_ticks',
  'max_cost',
  'auto_resume',
  'force',
  'force_branch',
  'auto_stash',
  'own',
];

/** The JSON of the options; of a guard the claim that the run uses. */
function asked(given, known) {
  const found = options(given, known);
  if (found.own instanceof Ownership) {
    const { target, runId, token } = found.own;
    found.own = { target, run_id: runId, token, shared: true };
  }
  return encode(found);
}

/** One run, driven by this program. Made by `Run.start` or `Run.resume`. */
class Run {
  #session;
  #ended = false;
  // Aborted when the run stops, or has lost its claim; every call's own signal follows it.
  #stopped = new AbortController();

  constructor(session, runId) {
    if (runId === undefined) throw usage('a run is made by Run.start or Run.resume');
    this.#session = session;
    // The native half keeps this callback, so it must not keep the run.
    const stopped = this.#stopped;
    session.onClaimEnd((envelope) => {
      const { class: name, error } = JSON.parse(envelope);
      stopped.abort(fromCore(name, error));
    });
    Object.defineProperty(this, 'runId', { value: runId, enumerable: true });
  }

  /** Starts a run of a task. */
  static async start(given) {
    const session = new native.Session();
    return new Run(session, open(await session.start(asked(given, START))));
  }

  /** Goes on with a stopped run. */
  static async resume(given) {
    const session = new native.Session();
    return new Run(session, open(await session.resume(asked(given, RESUME))));
  }

  /** Where the run stands, and what to do next. */
  get outcome() {
    return open(this.#session.outcome());
  }

  /** The next call to answer, or null at the end of the run. */
  async nextCall() {
    if (this.#ended) return null;
    const fields = open(await this.#session.nextCall());
    if (fields !== null) return new WorkerCall(this.#session, fields, this.#stopped.signal);
    this.#ended = true;
    await this.close();
    return null;
  }

  /** Stops the run as asked for; it can be resumed. */
  async stop() {
    this.#stopped.abort();
    open(await this.#session.stop('stop_request'));
  }

  /** Leaves the run; one that has not ended is stopped as interrupted. */
  async close() {
    this.#stopped.abort();
    this.#session.cancel();
    open(await this.#session.close());
  }

  /** The calls to answer. Leaving the loop early, or by an exception, closes the run. */
  [Symbol.asyncIterator]() {
    return {
      next: async () => {
        try {
          const value = await this.nextCall();
          return value === null ? { value: undefined, done: true } : { value, done: false };
        } catch (error) {
          // A loop does not call `return` after a failed `next`; the locks must go all the same.
          await this.close().catch(() => {});
          throw error;
        }
      },
      return: async () => {
        await this.close();
        return { value: undefined, done: true };
      },
    };
  }
}

// `await using run = await Run.start(..)`, where the runtime has it.
if (Symbol.asyncDispose) {
  Object.defineProperty(Run.prototype, Symbol.asyncDispose, { value: Run.prototype.close });
}

module.exports = { Run, WorkerCall };
