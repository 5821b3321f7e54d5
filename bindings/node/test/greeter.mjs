// A small task in a repository of its own, and an agent that does it well.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

export const FILE = 'src/hello.txt';
export const TASK = '# Greet\n\n## Goal\nWrite src/hello.txt.\n';
export const STEP = {
  goal: 'greet',
  files_expected: [FILE],
  done_checks: ['it is there'],
  risk_level: 'low',
};

/** A repository of one commit; nothing of the machine's own home is read or written. */
export function repository(t) {
  const home = realpathSync(mkdtempSync(path.join(tmpdir(), 'runr-drive-')));
  t.after(() => rmSync(home, { recursive: true }));
  process.env.HOME = home;
  process.env.RUNR_CONFIG_DIR = path.join(home, 'config');
  for (const name of ['RUNR_WORKER_SCRIPT', 'RUNR_TRUST_CONFIG', 'XDG_CONFIG_HOME']) {
    delete process.env[name];
  }
  const identity = '[user]\n\tname = A Tester\n\temail = tester@localhost\n';
  writeFileSync(path.join(home, '.gitconfig'), identity);
  const root = path.join(home, 'repo');
  mkdirSync(root);
  execFileSync('git', ['init', '--quiet', '--initial-branch=main'], { cwd: root });
  const commit = ['commit', '--quiet', '--allow-empty', '--message', 'start'];
  execFileSync('git', commit, { cwd: root });
  return root;
}

export const options = (root) => ({
  taskText: TASK,
  root,
  worktree: true,
  allow: ['src/**'],
  verify: [`test -f ${FILE}`],
});

export function write(call, name, text = 'hello\n') {
  mkdirSync(path.join(call.cwd, 'src'), { recursive: true });
  writeFileSync(path.join(call.cwd, name), text);
}

/** What a good agent would answer, the file included. */
export async function work(call) {
  if (call.stage === 'plan') return call.plan([STEP]);
  if (call.stage === 'review') return call.approve();
  write(call, FILE);
  return call.ok('written');
}

/** The same agent, which sees nothing but a prompt and a directory and answers with prose. */
export async function agent(prompt, { cwd, signal }) {
  signal.throwIfAborted();
  let answer = { status: 'approve', changes: [] };
  if (prompt.startsWith('# Plan')) answer = { milestones: [STEP] };
  if (prompt.startsWith('# Implement')) {
    write({ cwd }, FILE);
    answer = { status: 'ok', handoff_memo: 'written' };
  }
  return `Here it is.\nBEGIN_JSON\n${JSON.stringify(answer)}\nEND_JSON\n`;
}
