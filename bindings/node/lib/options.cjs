'use strict';

// Options objects: names in camelCase here, in snake_case in the core.

const { usage } = require('./errors.cjs');

/** Options of the command line that a program has no use for, and what to do instead. */
const ELSEWHERE = {
  detach:
    "the agent of this run is this program; runCommand(['run', '--detach', ..]) and " +
    '`runr run --detach` start one that the configured workers answer',
};

/** `lastSuccessfulPhase` of `last_successful_phase`. */
function camelCase(name) {
  return name.replace(/_([a-z])/g, (_match, letter) => letter.toUpperCase());
}

/** The options under their names in the core; unknown ones are refused with the nearest known. */
function options(given, known) {
  if (given === undefined) return {};
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw usage('the options must be an object');
  }
  const names = new Map(known.map((name) => [camelCase(name), name]));
  const out = {};
  for (const [key, value] of Object.entries(given)) {
    const name = names.get(key);
    if (name === undefined) {
      const near = nearest(key, [...names.keys()]);
      const hint = ELSEWHERE[key] ?? (near && `did you mean ${near}?`);
      throw usage(`unknown option ${key}`, hint);
    }
    if (value !== undefined) out[name] = value;
  }
  return out;
}

/** The candidate that differs least, if it differs by little. */
function nearest(word, candidates) {
  let best;
  let least = Math.max(2, Math.floor(word.length / 3)) + 1;
  for (const candidate of candidates) {
    const steps = distance(word.toLowerCase(), candidate.toLowerCase());
    if (steps < least) [best, least] = [candidate, steps];
  }
  return best;
}

/** How many letters must be inserted, removed or replaced. */
function distance(a, b) {
  let row = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let i = 0; i < a.length; i += 1) {
    const next = [i + 1];
    for (let j = 0; j < b.length; j += 1) {
      next.push(Math.min(row[j] + (a[i] === b[j] ? 0 : 1), row[j + 1] + 1, next[j] + 1));
    }
    row = next;
  }
  return row[b.length];
}

module.exports = { camelCase, options };
