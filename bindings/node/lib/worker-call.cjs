'use strict';

const { encode, open } = require('./wire.cjs');
const { usage } = require('./errors.cjs');

/** The longest time a timer of the runtime can wait; a longer one would fire at once. */
const LONGEST_TIMER = 2 ** 31 - 1;

/** What a call consumed, if the program says so. */
function told({ usage }) {
  return usage === undefined ? {} : { usage };
}

/** A question of the machine to an agent; answer it once, with one of the methods. */
class WorkerCall {
  #session;
  #abort = new AbortController();
  #timer;

  constructor(session, fields, stopped) {
    this.#session = session;
    Object.assign(this, fields);
    const abort = () => this.#abort.abort(stopped.reason);
    if (stopped.aborted) abort();
    else stopped.addEventListener('abort', abort, { once: true, signal: this.#abort.signal });
    this.#arm();
    Object.freeze(this);
  }

  /** Aborted at the deadline, when the run stops, or when it has lost its claim. */
  get signal() {
    return this.#abort.signal;
  }

  /** Answers with a text or with the object the schema asks for. */
  async reply(answer, settings = {}) {
    const isObject = typeof answer === 'object' && answer !== null && !Array.isArray(answer);
    if (typeof answer !== 'string' && !isObject) throw usage('a reply is a string or an object');
    await this.#send({ reply: answer, ...told(settings) });
  }

  /** Answers a plan call with the milestones. */
  async plan(milestones) {
    await this.reply({ milestones });
  }

  /** Answers an implement call: done; the memo goes to the next reader. */
  async ok(memo) {
    await this.reply({ status: 'ok', handoff_memo: memo });
  }

  /** Answers an implement call: cannot be done, and why. */
  async blocked(reason) {
    await this.reply({ status: 'blocked', handoff_memo: reason });
  }

  /** Answers an implement call: nothing has to be changed, and the proof. */
  async noChanges(evidence) {
    const memo = 'no changes needed';
    await this.reply({ status: 'no_changes_needed', handoff_memo: memo, evidence });
  }

  /** Answers a review call: the milestone is good. */
  async approve() {
    await this.reply({ status: 'approve', changes: [] });
  }

  /** Answers a review call: these changes are needed; they go to the implementer verbatim. */
  async requestChanges(changes) {
    await this.reply({ status: 'request_changes', changes });
  }

  /** Says that the agent itself failed; treated like a failed worker process. */
  async fail(kind, message, settings = {}) {
    const retryAt = settings.retryAt ?? null;
    await this.#send({ fail: { kind, message, retry_at: retryAt }, ...told(settings) });
  }

  async #send(message) {
    open(await this.#session.reply(this.id, encode(message)));
    clearTimeout(this.#timer);
  }

  #arm() {
    if (typeof this.deadline !== 'string') return;
    const left = Date.parse(this.deadline) - Date.now();
    if (Number.isNaN(left) || left > LONGEST_TIMER) return;
    this.#timer = setTimeout(() => this.#abort.abort(), Math.max(0, left));
    // A deadline must not keep a finished program alive.
    this.#timer.unref();
  }
}

module.exports = { WorkerCall };
