'use strict';

const wire = require('./wire.cjs');
const { options } = require('./options.cjs');
const { usage } = require('./errors.cjs');
const byFunction = require('./update.cjs');

/**
 * The methods that touch the disk: the operation behind each, and how arguments become its own.
 * Each returns a promise and has a blocking twin with the suffix `Sync`.
 */
const METHODS = {
  create: [
    'store_create',
    (fields = {}, settings) => ({ fields, ...options(settings, ['worktree_check']) }),
  ],
  read: ['store_read', (runId) => ({ run_id: runId })],
  list: ['store_list', () => ({})],
  resolve: [
    'store_resolve',
    (ref, settings) => ({ ref, ...options(settings, ['current_repo']) }),
  ],
  paths: ['store_paths', (runId) => ({ run_id: runId })],
  touchRepository: ['store_touch_repository', (settings) => options(settings, ['repo_root'])],
  appendEvent: ['store_append_event', (runId, name, data) => ({ run_id: runId, name, data })],
  events: ['store_events', (runId, since) => ({ run_id: runId, since })],
  repair: ['store_repair', (settings) => options(settings, ['fix'])],
};

/** The arguments of an update by values. */
function values(runId, given) {
  return { run_id: runId, ...options(given, ['set', 'unset']) };
}

/** A directory of run directories. */
class RunStore {
  #place;

  constructor(place) {
    this.#place = place;
    this.root = place.root;
    Object.freeze(this);
  }

  /** The store with this runs root; touches nothing. */
  static open(root) {
    if (typeof root !== 'string') throw usage('the root of a store must be a string');
    return new RunStore({ root });
  }

  /** The store of a repository in the data directory; without `repoId` of all of them. */
  static data(settings) {
    return new RunStore({ data_store: options(settings, ['data_dir', 'repo_id']) });
  }

  /** Changes the document of a run by a function, or by values; the document as it is then. */
  async update(runId, change) {
    byFunction.check(this.#place, runId);
    if (typeof change === 'function') return byFunction.update(this.#place, runId, change);
    return wire.call('store_update', { ...this.#place, ...values(runId, change) });
  }

  /** The same, blocking. */
  updateSync(runId, change) {
    byFunction.check(this.#place, runId);
    if (typeof change === 'function') return byFunction.updateSync(this.#place, runId, change);
    return wire.callSync('store_update', { ...this.#place, ...values(runId, change) });
  }

  /** The directory of the runs. */
  runsDir() {
    return this.pathsSync().runs_dir;
  }

  /** The directory of a run. */
  runDir(runId) {
    return this.pathsSync(runId).run_dir;
  }

  /** The document of a run. */
  runMetaPath(runId) {
    return this.pathsSync(runId).meta_path;
  }

  /** The log files of a run. */
  runLogsDir(runId) {
    return this.pathsSync(runId).logs_dir;
  }

  static {
    for (const [name, [operation, args]] of Object.entries(METHODS)) {
      const define = (called, body) => {
        Object.defineProperty(body, 'name', { value: called });
        const property = { value: body, writable: true, configurable: true };
        Object.defineProperty(RunStore.prototype, called, property);
      };
      define(name, async function method(...given) {
        return wire.call(operation, { ...this.#place, ...args(...given) });
      });
      define(`${name}Sync`, function method(...given) {
        return wire.callSync(operation, { ...this.#place, ...args(...given) });
      });
    }
  }
}

module.exports = { RunStore };
