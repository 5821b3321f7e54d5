"""Exceptions: classes, fields, pickling."""

from __future__ import annotations

import copy
import json
import pickle

import pytest

import runr
from runr import errors

BUILTINS = {
    "InvalidInput": ValueError,
    "NotFound": LookupError,
    "LockTimeout": TimeoutError,
    "StoreError": OSError,
    "Refused": Exception,
    "Untrusted": Exception,
    "OwnershipLost": Exception,
    "RunrError": Exception,
}


def from_core(class_name: str) -> runr.RunrError:
    document = {
        "error": "io",
        "code": "E_IO",
        "message": "cannot read /x: denied",
        "hint": "check the mode",
        "path": "/x",
        "operation": "read",
        "retryable": True,
        "errno": 13,
        "candidates": ["a"],
    }
    return errors._from_core(class_name, json.dumps(document))


@pytest.mark.parametrize("name", sorted(BUILTINS))
def test_every_class_carries_all_fields_and_survives_pickling(name: str) -> None:
    made = from_core(name)
    for error in (made, pickle.loads(pickle.dumps(made)), copy.copy(made)):
        assert type(error) is getattr(runr, name)
        assert isinstance(error, (runr.RunrError, BUILTINS[name]))
        assert isinstance(error, BUILTINS[name])
        assert error.code == "E_IO"
        assert error.message == str(error) == "cannot read /x: denied"
        assert (error.path, error.operation, error.hint) == ("/x", "read", "check the mode")
        assert error.retryable is True
        assert error.context == {"errno": 13, "candidates": ["a"]}
        assert repr(error) == f"{name}(E_IO: 'cannot read /x: denied')"


def test_failures_of_the_file_system_are_os_errors_with_a_number_and_a_name() -> None:
    made = from_core("StoreError")
    for error in (made, pickle.loads(pickle.dumps(made))):
        assert isinstance(error, OSError)
        assert (error.errno, error.filename) == (13, "/x")


def test_the_native_module_raises_the_typed_classes() -> None:
    with pytest.raises(runr.InvalidInput) as caught:
        runr._native.call("no_such_operation", "{}")
    assert caught.value.code == "E_USAGE"
    with pytest.raises(runr.InvalidInput):
        runr._native.call("legal_transition", "not json")
