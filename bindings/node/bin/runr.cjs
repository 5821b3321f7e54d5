#!/usr/bin/env node
'use strict';

const { main } = require('../index.cjs');

main(process.argv.slice(2)).then((status) => {
  process.exitCode = status;
});
