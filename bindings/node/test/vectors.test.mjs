// The recorded behaviour of the pure rules, replayed through the public functions.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import * as runr from 'runr';

const read = (name) =>
  readFileSync(new URL(`../../../tests/vectors/${name}`, import.meta.url), 'utf8');
const load = (name) => JSON.parse(read(name));

/** The cases that a rule excludes, by name. */
const excepted = (file) =>
  [...read('exceptions.toml').matchAll(/^file = "(.*)"\ncase = "(.*)"$/gm)]
    .filter(([, named]) => named === file)
    .map(([, , name]) => name);

for (const row of load('phase-globs.json').patterns) {
  const left = excepted('phase-globs.json').includes(`feature ${row.feature}`);
  const skip = left && `feature ${row.feature} is named in exceptions.toml`;
  test(`glob ${row.pattern}`, { skip }, () => {
    for (const path of row.matches) assert.ok(runr.globMatch(row.pattern, path), path);
    for (const path of row.non_matches) assert.ok(!runr.globMatch(row.pattern, path), path);
  });
}

test('every recorded change is judged as recorded', () => {
  const { cases } = load('phase-scope-guard.json');
  assert.equal(cases.length, 260);
  for (const { id, scope, expect, ...given } of cases) {
    const result = runr.checkScope(
      given.changed_files,
      scope.allowlist,
      scope.denylist,
      scope.lockfiles,
      given.allow_deps,
      scope.env_allowlist,
      scope.presets,
    );
    const { implement_ok: ok, preflight_reasons: reasons, ...lists } = expect;
    assert.deepEqual(result, { ok, ...lists }, id);
    assert.deepEqual(runr.preflightReasons(result, given.allow_dirty), reasons, id);
  }
});

test('owned paths, overlaps and collisions are judged as recorded', () => {
  const recorded = load('phase-ownership.json');
  for (const { raw, normalized } of recorded.normalize) {
    assert.deepEqual(runr.normalizeOwns([raw]), normalized === null ? [] : [normalized], raw);
  }
  for (const { changed_files: changed, owns, env_allowlist: noise, expect } of recorded.cases) {
    assert.equal(noise, 'default');
    assert.deepEqual(runr.checkOwnedPaths(changed, owns), expect);
  }
  for (const { a, b, overlap } of recorded.overlap) {
    assert.equal(runr.globsOverlap(a, b), overlap, `${a} ${b}`);
    assert.equal(runr.globsOverlap(b, a), overlap, `${b} ${a}`);
  }
  for (const { files_expected: files, active_runs: active, collisions } of recorded.collisions) {
    assert.deepEqual(runr.fileCollisions(files, active), collisions);
  }
});

test('the registry of stop reasons is the recorded one', () => {
  const registry = new Map(runr.stopReasons().map((row) => [row.stop_reason, row]));
  const ids = { run_id: '20260101000000', other_run: '20260102000000' };
  for (const row of load('phase-stop-reasons.json').rows) {
    const known = registry.get(row.stop_reason);
    for (const [key, value] of Object.entries(known ? row : {})) {
      if (row.stop_reason === 'parallel_file_collision' && key === 'suggested_command') continue;
      assert.deepEqual(known[key], value, `${row.stop_reason} ${key}`);
    }
    const step = runr.nextAction(row.stop_reason, ids.run_id, ids.other_run);
    const command = row.suggested_command?.replace(/\{(\w+)\}/g, (_match, name) => ids[name]) ?? null;
    assert.equal(step.next_action, row.next_action, row.stop_reason);
    assert.equal(step.suggested_command, command, row.stop_reason);
  }
});

test('phases follow each other as recorded', () => {
  const recorded = load('phase-transitions.json');
  const phases = Object.keys(recorded.legal);
  for (const [from, targets] of Object.entries(recorded.legal)) {
    for (const to of phases) {
      assert.equal(runr.legalTransition(from, to), targets.includes(to), `${from} ${to}`);
    }
  }
  for (const row of recorded.resume_target) {
    const target = runr.resumeTarget(row.phase, row.last_successful_phase);
    assert.equal(target, row.expect_resume_phase);
  }
  for (const { phase, phase_attempt: attempt, to, expect } of recorded.update) {
    const entered = runr.enterPhase({ phase, phase_attempt: attempt }, to);
    for (const [key, value] of Object.entries(expect)) assert.equal(entered[key], value, key);
  }
});

test('tiers, evidence, replies and fingerprints are judged as recorded', () => {
  for (const row of load('phase-verify-tiers.json').cases) {
    const chosen = runr.selectTiers(
      row.risk_triggers,
      row.changed_files,
      row.risk_level,
      row.last_milestone,
    );
    assert.deepEqual(chosen, { tiers: row.expect.tiers, reasons: row.expect.reasons }, row.id);
  }
  for (const { evidence, allowlist, expect } of load('phase-no-changes-evidence.json').cases) {
    const verdict = runr.checkNoChangesEvidence(evidence, allowlist);
    assert.equal(verdict.ok, expect.ok);
    assert.equal(verdict.satisfied_by, expect.satisfied_by);
  }
  const replies = load('phase-worker-replies.json');
  for (const row of replies.unwrap) {
    assert.equal(runr.unwrapOutput(row.output_mode, row.stdout), row.expect_text);
  }
  for (const { stage, output, expect } of replies.replies) {
    const parsed = runr.parseReply(stage, output);
    assert.equal(parsed.ok, expect.ok, output);
    if (parsed.ok) assert.deepEqual(parsed.value, expect.value);
  }
  for (const row of load('phase-fingerprint.json').cases) {
    assert.deepEqual(runr.compareFingerprints(row.original, row.current), row.expect);
  }
  for (const row of load('phase-review-fingerprint.json').cases) {
    assert.equal(runr.reviewFingerprint(row.changes), row.fingerprint);
  }
});

test('task files are read as recorded', () => {
  for (const { text, expect } of load('phase-task-files.json').cases) {
    if (!expect.ok) {
      assert.throws(() => runr.parseTask(text), { code: 'E_TASK_INVALID' });
      continue;
    }
    const task = runr.parseTask(text);
    for (const [key, value] of Object.entries(expect)) assert.deepEqual(task[key], value, key);
  }
});

const written = JSON.parse(read('../cases/scope.json'));

/** What is found of one path: is it outside, a lockfile, noise? */
function judged(family, path) {
  const result = runr.checkScope(
    [path],
    family.allowlist ?? [],
    family.denylist ?? [],
    family.lockfiles,
    family.allow_deps ?? false,
    family.env_allowlist,
    family.presets ?? [],
  );
  const lists = [result.scope_violations, result.lockfile_violations, result.env_touched];
  return lists.map((list) => list.length > 0);
}

test('every written path is judged as it is written', () => {
  const fine = [false, false, false];
  const outside = [true, false, false];
  const bare = { lockfiles: [], env_allowlist: [] };
  const all = (family, paths, policy, expected) => {
    for (const path of paths) assert.deepEqual(judged(policy, path), expected, `${family}: ${path}`);
  };
  for (const { pattern, in: inside, out } of written.allow) {
    all(pattern, inside, { ...bare, allowlist: [pattern] }, fine);
    all(pattern, out, { ...bare, allowlist: [pattern] }, outside);
  }
  for (const { pattern, in: inside, out } of written.deny) {
    all(pattern, inside, { ...bare, denylist: [pattern] }, outside);
    all(pattern, out, { ...bare, denylist: [pattern] }, fine);
  }
  for (const family of written.scope) {
    all(family.about, family.fine, family, fine);
    all(family.about, family.outside, family, outside);
    all(family.about, family.lockfile, family, [false, true, false]);
    all(family.about, family.noise, family, [false, false, true]);
  }
});

test('every written path is owned as it is written', () => {
  for (const { owns, inside, outside, noise } of written.owns) {
    for (const path of [...inside, ...outside, ...noise]) {
      assert.equal(runr.checkOwnedPaths([path], owns).ok, !outside.includes(path), `${owns}: ${path}`);
    }
  }
});
