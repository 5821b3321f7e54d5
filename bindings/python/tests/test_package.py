"""The package: version, import, arguments, the command."""

from __future__ import annotations

import doctest
import importlib
import importlib.metadata
import inspect
import os
import pathlib
import pkgutil
import signal
import subprocess
import sys
import threading
import time

import pytest

import runr
from runr import _wire


def test_the_version_is_the_version_of_the_installed_package() -> None:
    assert runr.__version__ == importlib.metadata.version("runr")


def test_importing_starts_no_thread_and_loads_nothing_large() -> None:
    probe = (
        "import sys, threading, runr\n"
        "large = {'asyncio', 'logging', 'socket', 'subprocess'} & set(sys.modules)\n"
        "print(threading.active_count(), sorted(large))\n"
    )
    printed = subprocess.check_output([sys.executable, "-S", "-c", _with_path(probe)], text=True)
    assert printed == "1 []\n"


def _with_path(program: str) -> str:
    # Without `site`, whose path files load modules of their own.
    return f"import sys; sys.path[:0] = {sys.path[1:]!r}\n{program}"


def test_every_public_name_has_a_docstring() -> None:
    for name in runr.__all__:
        # A constant is documented where it stands.
        if name != "__version__" and not name.isupper():
            assert inspect.getdoc(getattr(runr, name)), name


def test_no_public_argument_is_in_camel_case() -> None:
    for name in runr.__all__:
        value = getattr(runr, name)
        if inspect.isfunction(value):
            for argument in inspect.signature(value).parameters:
                assert argument == argument.lower(), (name, argument)


def test_the_examples_in_the_docstrings_are_true() -> None:
    tried = 0
    for module in [runr, *(importlib.import_module(m.name) for m in _modules())]:
        result = doctest.testmod(module)
        assert result.failed == 0, module
        tried += result.attempted
    assert tried > 0


def _modules() -> list[pkgutil.ModuleInfo]:
    found = pkgutil.iter_modules(runr.__path__, "runr.")
    return [module for module in found if module.name not in ("runr._native", "runr.__main__")]


def test_paths_are_text_or_path_objects_but_never_bytes(tmp_path: pathlib.Path) -> None:
    assert runr.RunStore.open(tmp_path) == runr.RunStore.open(str(tmp_path))
    for function in (runr.RunStore.open, runr.runs, runr.trust):
        with pytest.raises(TypeError, match="bytes"):
            function(os.fsencode(tmp_path))
    with pytest.raises(TypeError, match="bytes"):
        runr.Run.start(b"task.md")  # type: ignore[arg-type]


def test_an_unknown_option_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(runr.InvalidInput) as caught:
        runr.Run.start("task.md", worktre=True)  # type: ignore[call-arg]
    assert (caught.value.code, caught.value.message) == ("E_USAGE", "unknown option worktre")
    assert caught.value.hint == "did you mean worktree?"
    with pytest.raises(runr.InvalidInput) as caught:
        runr.status("latest", rot=".")  # type: ignore[call-arg]
    assert caught.value.hint == "did you mean root?"
    with pytest.raises(TypeError):
        runr.Run.start("task.md", True)  # type: ignore[misc]


def test_json_keeps_what_it_can_hold_and_refuses_the_rest() -> None:
    assert _wire.encode({"b": True, "n": 2**63, "t": ("é", None)}) == (
        '{"b":true,"n":9223372036854775808,"t":["\\u00e9",null]}'
    )
    for wrong in (object(), {1, 2}, b"x"):
        with pytest.raises(TypeError):
            _wire.encode({"value": wrong})
    with pytest.raises(runr.InvalidInput):
        _wire.encode({"value": float("inf")})


def test_argv_is_a_list_of_words() -> None:
    with pytest.raises(TypeError):
        runr.main("--version")


@pytest.mark.parametrize("command", [[sys.executable, "-m", "runr"], ["runr"]])
def test_the_command_prints_the_same_version(command: list[str]) -> None:
    beside = pathlib.Path(sys.executable).parent
    if command == ["runr"]:
        command = [str(beside / "runr")]
    printed = subprocess.check_output([*command, "--version"], text=True)
    assert printed.split() == ["runr", runr.__version__]


def test_main_runs_in_process(capfd: pytest.CaptureFixture[str]) -> None:
    assert runr.main(["--version"]) == 0
    assert capfd.readouterr().out.split() == ["runr", runr.__version__]


def test_other_threads_run_while_a_command_waits() -> None:
    # `call` reads standard input, which gives nothing until the other thread writes to it.
    reading, writing = os.pipe()
    program = (
        "import runr, threading, sys, os\n"
        "beat = []\n"
        "t = threading.Thread(target=lambda: (beat.append(1), os.write(int(sys.argv[1]), b'{\"from\":\"PLAN\",\"to\":\"STOPPED\"}'), os.close(int(sys.argv[1]))))\n"
        "threading.Timer(0.2, t.start).start()\n"
        "sys.exit(runr.main(['call', 'legal_transition']) if True else 9)\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", program, str(writing)],
        stdin=reading,
        stdout=subprocess.PIPE,
        pass_fds=[writing],
        text=True,
    )
    os.close(reading)
    os.close(writing)
    printed, _ = child.communicate(timeout=30)
    assert (child.returncode, printed.strip()) == (0, "true")


def test_ctrl_c_ends_a_waiting_command_at_the_second_signal() -> None:
    program = (
        "import runr\n"
        "print('ready', flush=True)\n"
        "try:\n"
        "    runr.main(['call', 'legal_transition'])\n"
        "except KeyboardInterrupt:\n"
        "    print('interrupted', flush=True)\n"
        "    import os; os._exit(7)\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None and child.stdin is not None
    assert child.stdout.readline() == "ready\n"
    watchdog = threading.Timer(30, child.kill)
    watchdog.start()
    while child.poll() is None:
        time.sleep(0.2)
        child.send_signal(signal.SIGINT)
    watchdog.cancel()
    assert (child.stdout.read(), child.returncode) == ("interrupted\n", 7)
    child.stdin.close()
    child.stdout.close()
