'use strict';

const wire = require('./wire.cjs');
const { camelCase, options } = require('./options.cjs');
const { usage } = require('./errors.cjs');

/** A directory of run directories. */
class RunStore {
  constructor(root) {
    if (typeof root !== 'string') throw usage('the root of a store must be a string');
    this.root = root;
    Object.freeze(this);
  }

  /** The store with this runs root; touches nothing. */
  static open(root) {
    return new RunStore(root);
  }

  /** Creates a run directory with its meta.json; the fields keep their names in the file. */
  async create(fields = {}, settings) {
    return wire.call('store_create', this.#creation(fields, settings));
  }

  createSync(fields = {}, settings) {
    return wire.callSync('store_create', this.#creation(fields, settings));
  }

  /** The document of a run. */
  async read(runId) {
    return wire.call('store_read', { root: this.root, run_id: runId });
  }

  readSync(runId) {
    return wire.callSync('store_read', { root: this.root, run_id: runId });
  }

  #creation(fields, settings) {
    return { root: this.root, fields, ...options(settings, ['worktree_check']) };
  }
}

/** The arguments of the further methods, in order; each has a blocking twin. */
const METHODS = {
  compare_and_set: ['run_id', 'expected', 'document'],
  list: [],
  resolve: ['ref'],
  paths: ['run_id'],
  append_event: ['run_id', 'name', 'payload'],
  events: ['run_id', 'since'],
};

for (const [name, parameters] of Object.entries(METHODS)) {
  const args = (store, values) => {
    const named = parameters.map((parameter, at) => [parameter, values[at]]);
    return { root: store.root, ...Object.fromEntries(named) };
  };
  define(camelCase(name), async function method(...values) {
    return wire.call(`store_${name}`, args(this, values));
  });
  define(`${camelCase(name)}Sync`, function method(...values) {
    return wire.callSync(`store_${name}`, args(this, values));
  });
}

define('update', async function update(runId, changes) {
  return wire.call('store_update', updating(this, runId, changes));
});
define('updateSync', function updateSync(runId, changes) {
  return wire.callSync('store_update', updating(this, runId, changes));
});

function updating(store, runId, changes) {
  return { root: store.root, run_id: runId, ...options(changes, ['set', 'unset']) };
}

function define(name, value) {
  Object.defineProperty(value, 'name', { value: name });
  Object.defineProperty(RunStore.prototype, name, { value, writable: true, configurable: true });
}

module.exports = { RunStore };
