'use strict';

const path = require('node:path');

const native = require('./native.cjs');
const { open } = require('./wire.cjs');
const { usage } = require('./errors.cjs');

/** How child processes start runr again. */
const SELF_COMMAND = [process.execPath, path.join(__dirname, '..', 'bin', 'runr.cjs')];

/** Runs a command line, without the program name; resolves to its exit status. */
async function main(argv) {
  return open(await native.main(words(argv), SELF_COMMAND));
}

/** Runs a command line as the whole purpose of this process, which takes over its signals. */
async function installed(argv) {
  // The native half hears a signal first and passes it on. Without a listener it would reach the
  // runtime's own handler, which ends the process before the run is recorded as interrupted.
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => {});
  return open(await native.entry(words(argv), SELF_COMMAND));
}

/** Runs a command line; resolves to its exit status, its JSON result and its messages. */
async function runCommand(argv) {
  return open(await native.runCommand(words(argv), SELF_COMMAND));
}

function words(argv) {
  if (Array.isArray(argv) && argv.every((word) => typeof word === 'string')) return argv;
  throw usage('argv must be an array of strings');
}

module.exports = { installed, main, runCommand };
