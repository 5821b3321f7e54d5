// A session that follows a script: the front of a run is tested without a repository.
import { Run } from 'runr';

const value = (answer = null) => JSON.stringify({ value: answer });

/** Yields the given calls, then ends; notes everything it is told. */
export class ScriptedSession {
  told = [];

  constructor(calls) {
    this.calls = calls;
  }

  async nextCall() {
    if (this.failure) return JSON.stringify(this.failure);
    return value(this.calls.shift() ?? null);
  }

  async reply(id, message) {
    this.told.push(['reply', id, JSON.parse(message)]);
    return value();
  }

  async stop(cause) {
    this.told.push(['stop', cause]);
    return value();
  }

  async close() {
    this.told.push(['close']);
    return value();
  }

  cancel() {
    return value();
  }

  onClaimEnd() {}

  outcome() {
    return value({ run_id: '20260101000000', phase: 'STOPPED' });
  }

  replies() {
    return this.told.filter(([what]) => what === 'reply').map(([, , message]) => message);
  }

  leaving() {
    return this.told.filter(([what]) => what !== 'reply');
  }
}

export function question(fields = {}) {
  return {
    id: 'c1',
    stage: 'implement',
    prompt: 'do it',
    cwd: '/tmp',
    milestone: 0,
    attempt: 1,
    deadline: null,
    schema: { type: 'object' },
    worker: 'claude',
    fix: null,
    ...fields,
  };
}

export function scripted(...calls) {
  const session = new ScriptedSession(calls);
  return { session, run: new Run(session, '20260101000000') };
}
