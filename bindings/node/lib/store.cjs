'use strict';

const wire = require('./wire.cjs');
const { options } = require('./options.cjs');
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

module.exports = { RunStore };
