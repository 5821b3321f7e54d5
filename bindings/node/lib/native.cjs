'use strict';

// Loads the addon, or says in one sentence what is missing.

const { classes } = require('./errors.cjs');

function load() {
  try {
    return require('../native.js');
  } catch (cause) {
    const where = `${process.platform}-${process.arch}, node ${process.version}`;
    throw new classes.RunrError(`runr has no native module for this platform (${where})`, {
      code: 'E_INTERNAL',
      operation: 'load',
      hint: 'install a version of runr built for this platform, or build it: npm run build',
      cause,
    });
  }
}

module.exports = load();
