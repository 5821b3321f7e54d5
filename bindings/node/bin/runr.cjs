#!/usr/bin/env node
'use strict';

const { installed } = require('../lib/command.cjs');

installed(process.argv.slice(2)).then((status) => {
  process.exitCode = status;
});
