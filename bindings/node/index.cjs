'use strict';

// The public face of the package: a table of contents. ES modules re-export this very object, so
// both module systems share one `RunrError`.

const errors = require('./lib/errors.cjs');
const { pure, disk } = require('./lib/operations.cjs');
const { own, Ownership } = require('./lib/own.cjs');
const ownership = require('./lib/ownership.cjs');
const { Run, WorkerCall } = require('./lib/run.cjs');
const { RunStore } = require('./lib/store.cjs');
const { main, runCommand } = require('./lib/command.cjs');
const native = require('./lib/native.cjs');

module.exports = {
  ...errors.classes,
  ...pure,
  ...disk,
  ...ownership.functions,
  ...ownership.constants,
  own,
  Ownership,
  Run,
  RunStore,
  WorkerCall,
  main,
  runCommand,
  version: native.version(),
};
