'use strict';

// Values to JSON text and back: the only place that converts.

const { fromCore, usage } = require('./errors.cjs');
const native = require('./native.cjs');

/** JSON text; refuses what JSON would bend in silence. `undefined` members are absent. */
function encode(value) {
  return stringify(value, function exactly(key, member) {
    if (Number.isInteger(member) && !Number.isSafeInteger(member)) {
      throw usage(`${key || 'the value'} is ${member}, which is not exact; pass text`);
    }
    return refuse.call(this, key, member);
  });
}

/** The same for a document that came from the core, whose large integers are rounded here. */
function encodeRounded(value) {
  return stringify(value, refuse);
}

function stringify(value, replacer) {
  try {
    return JSON.stringify(value, replacer);
  } catch (why) {
    if (typeof why.code === 'string') throw why;
    throw usage(`the value has no JSON form: ${why.message}`);
  }
}

function refuse(key, value) {
  // A date has become text by now; only the holder still knows it.
  const original = this[key];
  if (original instanceof Date && Number.isNaN(original.getTime())) {
    throw usage(`${key || 'the value'} is an invalid date`);
  }
  if (typeof value === 'number' && !Number.isFinite(value)) {
    throw usage(`${key || 'the value'} is ${value}, which JSON cannot hold`);
  }
  if (typeof value === 'function' || typeof value === 'symbol') {
    throw usage(`${key || 'the value'} is a ${typeof value}, which JSON cannot hold`);
  }
  return value;
}

/**
 * The same for programs that were written for a more forgiving function: what JSON cannot hold
 * becomes null, member by member, and the core says what is wrong with it.
 */
function encodeForgiving(members) {
  const texts = Object.entries(members).map(([name, value]) => `${JSON.stringify(name)}:${text(value)}`);
  return `{${texts.join(',')}}`;
}

/** The JSON of one value, `null` where there is none. */
function text(value) {
  try {
    return JSON.stringify(value) ?? 'null';
  } catch {
    return 'null';
  }
}

/** The value in an envelope of the native half; throws the error if it holds one. */
function open(envelope) {
  const answer = JSON.parse(envelope);
  if (answer.error !== undefined) throw fromCore(answer.class, answer.error);
  return answer.value;
}

/** Runs an operation and blocks. */
function callSync(name, args) {
  return open(native.call(name, encode(args)));
}

/** Runs an operation off the event loop. */
async function call(name, args) {
  return open(await native.callAsync(name, encode(args)));
}

/**
 * Runs an operation that may take minutes. When the signal is aborted, the operation is ended and
 * its end awaited; `stopped` says of a result whether that came of it. Then the reason of the signal
 * is the error. What was done before the operation could be ended is a result all the same.
 */
async function callUntil(signal, name, args, stopped) {
  const request = encode(args);
  signal?.throwIfAborted();
  const cancellation = new native.Cancellation();
  const cancel = () => cancellation.cancel();
  signal?.addEventListener('abort', cancel, { once: true });
  try {
    const result = open(await native.callUntil(name, request, cancellation));
    if (stopped(result)) signal?.throwIfAborted();
    return result;
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  } finally {
    signal?.removeEventListener('abort', cancel);
  }
}

/** As `callSync`, with numbers the core itself decides about. */
function callRoundedSync(name, args) {
  return open(native.call(name, encodeRounded(args)));
}

/** As `call`, with numbers the core itself decides about. */
async function callRounded(name, args) {
  return open(await native.callAsync(name, encodeRounded(args)));
}

module.exports = { call, callRounded, callRoundedSync, callSync, callUntil, encode, encodeForgiving, open };
