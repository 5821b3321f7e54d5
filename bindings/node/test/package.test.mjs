// The package: module systems, errors, version, the command.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import * as runr from 'runr';

const require = createRequire(import.meta.url);
const HERE = path.dirname(fileURLToPath(import.meta.url));
const ROOT = path.join(HERE, '..');

test('ES modules and CommonJS share every name and every object', () => {
  const common = require('runr');
  assert.deepEqual(Object.keys(runr).sort(), Object.keys(common).sort());
  for (const name of Object.keys(common)) assert.equal(runr[name], common[name], name);
});

test('the declared names are the exported names', () => {
  const declared = readFileSync(path.join(ROOT, 'index.d.ts'), 'utf8');
  const names = [...declared.matchAll(/^export (?:class|function|const) (\w+)/gm)].map((m) => m[1]);
  assert.deepEqual([...new Set(names)].sort(), Object.keys(runr).sort());
  assert.doesNotMatch(declared, /\bany\b(?! text| directory)/i);
});

test('the version is the version of the package', () => {
  assert.equal(runr.version, require('runr/package.json').version);
});

test('an error of the core has its class, its code and its fields', () => {
  const native = require('../native.js');
  const { open } = require('../lib/wire.cjs');
  const answer = native.call('no_such_operation', '{}');
  assert.throws(
    () => open(answer),
    (error) => {
      assert.ok(error instanceof runr.InvalidInput && error instanceof runr.RunrError);
      assert.equal(error.code, 'E_USAGE');
      assert.equal(error.name, 'InvalidInput');
      assert.equal(error.retryable, false);
      assert.match(error.stack, /InvalidInput: /);
      return true;
    },
  );
  const document = { code: 'E_IO', message: 'm', path: '/x', retryable: true, errno: 13 };
  const envelope = JSON.stringify({ class: 'StoreError', error: document });
  assert.throws(() => open(envelope), {
    name: 'StoreError',
    code: 'E_IO',
    path: '/x',
    retryable: true,
    context: { errno: 13 },
  });
});

test('functions that touch the disk reject or throw alike', async () => {
  await assert.rejects(runr.status({ runid: 'x' }), { code: 'E_USAGE', hint: 'did you mean runId?' });
  assert.throws(() => runr.statusSync({ runid: 'x' }), { code: 'E_USAGE' });
  assert.throws(() => runr.RunStore.open(Buffer.from('x')), { code: 'E_USAGE' });
});

test('the command runs in process, in a script and by its name', async () => {
  const expected = `runr ${runr.version}\n`;
  const bin = path.join(ROOT, 'bin', 'runr.cjs');
  assert.equal(execFileSync(process.execPath, [bin, '--version'], { encoding: 'utf8' }), expected);
  const inProcess = "require('runr').main(['--version']).then((code) => { process.exitCode = code; })";
  assert.equal(
    execFileSync(process.execPath, ['-e', inProcess], { encoding: 'utf8', cwd: HERE }),
    expected,
  );
  await assert.rejects(runr.main('--version'), { code: 'E_USAGE' });
});

test('a failed command passes its exit status through', () => {
  const bin = path.join(ROOT, 'bin', 'runr.cjs');
  const done = spawnSync(process.execPath, [bin, 'call', 'no_such_operation'], { input: '{}' });
  assert.equal(done.status, 2);
});

test('the package works in worker threads and keeps no program alive', () => {
  const program = `
    const { Worker, isMainThread } = require('node:worker_threads');
    const runr = require('runr');
    if (isMainThread) new Worker(process.argv[1], { env: process.env });
    console.log(runr.legalTransition('PLAN', 'IMPLEMENT'));
    runr.status({ runId: '20260101000000', root: '/' }).catch((error) => console.log(error.code));
  `;
  const file = path.join(HERE, 'worker-program.tmp.cjs');
  require('node:fs').writeFileSync(file, program);
  try {
    const printed = execFileSync(process.execPath, [file], { encoding: 'utf8', timeout: 20000 });
    assert.equal(printed.match(/true/g).length, 2);
    assert.equal(printed.match(/E_/g).length, 2);
  } finally {
    rmSync(file);
  }
});

test('without a binary for the platform the message says what to do', () => {
  const copy = mkdtempSync(path.join(tmpdir(), 'runr-'));
  try {
    for (const part of ['index.cjs', 'native.js', 'package.json', 'lib']) {
      cpSync(path.join(ROOT, part), path.join(copy, part), { recursive: true });
    }
    assert.throws(() => require(copy), /no native module for this platform/);
  } finally {
    rmSync(copy, { recursive: true });
  }
});

test('the event loop turns while a command waits', () => {
  // `call` waits on standard input, which ends only after the timer of that process has turned.
  const program = `
    const { spawn } = require('node:child_process');
    const waiting = spawn(process.execPath, ['-e', \`
      let turns = 0;
      const timer = setInterval(() => {
        turns += 1;
        if (turns === 10) process.send('it turns');
      }, 5);
      require('runr').main(['call', 'legal_transition']).then((code) => {
        clearInterval(timer);
        process.disconnect();
        process.exitCode = code;
      });
    \`], { stdio: ['pipe', 'inherit', 'inherit', 'ipc'] });
    waiting.on('message', () => waiting.stdin.end('{"from":"PLAN","to":"STOPPED"}'));
    waiting.on('exit', (code) => { process.exitCode = code; });
  `;
  const settings = { cwd: HERE, encoding: 'utf8', timeout: 60_000 };
  const done = spawnSync(process.execPath, ['-e', program], settings);
  assert.deepEqual([done.stdout, done.status], ['true\n', 0]);
});
