'use strict';

/** What went wrong, where, and what to do next. */
class RunrError extends Error {
  constructor(message, fields = {}) {
    const { code, path, operation, hint, retryable, context, cause } = fields;
    super(message, cause === undefined ? undefined : { cause });
    this.code = code ?? 'E_INTERNAL';
    this.path = path ?? null;
    this.operation = operation ?? null;
    this.hint = hint ?? null;
    this.retryable = retryable ?? false;
    this.context = context ?? {};
  }

  // On the prototype, so that `name` is the class and does not show among the fields.
  get name() {
    return this.constructor.name;
  }
}

class InvalidInput extends RunrError {}
class NotFound extends RunrError {}
class Refused extends RunrError {}
class Untrusted extends RunrError {}
class OwnershipLost extends RunrError {}
class LockTimeout extends RunrError {}
class StoreError extends RunrError {}

const classes = {
  RunrError,
  InvalidInput,
  NotFound,
  Refused,
  Untrusted,
  OwnershipLost,
  LockTimeout,
  StoreError,
};

/** The error for the class name and the JSON form that the core gives. */
function fromCore(className, document) {
  const { error: _name, code, message, path, operation, hint, retryable, ...context } = document;
  const Class = classes[className] ?? RunrError;
  return new Class(message, { code, path, operation, hint, retryable, context });
}

/** The error for an argument the front itself refuses. */
function usage(message, hint) {
  return new InvalidInput(message, { code: 'E_USAGE', hint });
}

module.exports = { classes, fromCore, usage };
