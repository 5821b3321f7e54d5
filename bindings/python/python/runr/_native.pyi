"""
The functions the package `runr` is built on; not for direct use.
"""

from _typeshed import SupportsGetItem
from typing import Final, final

__all__ = ["__version__", "Guard", "Session", "call", "call_interruptible", "entry", "main", "operations", "run_command", "update_run"]

__version__: Final[str]

@final
class Guard:
    """
    One guard of one claim.
    """
    @staticmethod
    def acquire(options: str) -> Guard:
        """
        Claims a target by the JSON of its options, and keeps the claim alive.
        """
    def act(self, /, function: object) -> object:
        """
        Calls a function while nobody can take the target over, and returns what it returns.
        """
    def check(self, /) -> None:
        """
        Raises `OwnershipLost` unless the guard holds its target at this moment.
        """
    def claim(self, /) -> str:
        """
        The target, the run id and the token, as JSON.
        """
    def is_lost(self, /) -> bool:
        """
        Whether the target is known to be lost.
        """
    def release(self, /, reason: str) -> str:
        """
        Gives the target up, for a reason (JSON); the outcome as JSON.
        """

@final
class Session:
    """
    One driver of one run.
    """
    def cancel(self, /) -> None:
        """
        Asks a waiting `next_call` to return soon.
        """
    def close(self, /) -> None:
        """
        Leaves the run; one that has not ended is stopped.
        """
    def let_go(self, /) -> None:
        """
        Closes what a forked copy of the process has of the run's locks.
        """
    def next_call(self, /) -> str | None:
        """
        The next call as JSON, or nothing at the end of the run; may wait for minutes.
        """
    def outcome(self, /) -> str:
        """
        Where the run stands, as JSON.
        """
    def reply(self, /, call_id: str, reply: str) -> None:
        """
        Answers a call; checks that the answer claims may run for minutes.
        """
    @staticmethod
    def resume(options: str) -> Session:
        """
        Goes on with a run.
        """
    def run_id(self, /) -> str:
        """
        The id of the run.
        """
    @staticmethod
    def start(options: str) -> Session:
        """
        Starts a run from the JSON of its options.
        """
    def stop(self, /, cause: str) -> None:
        """
        Stops the run for a cause: `signal` or `stop_request`.
        """

def call(name: str, args: str) -> str:
    """
    Runs one operation: the JSON of its arguments in, the JSON of its result out.
    """

def call_interruptible(name: str, args: str) -> str:
    """
    Runs one operation that may take minutes; it is ended before the exception of a signal goes on.
    """

def entry(argv: SupportsGetItem[int, str], self_command: SupportsGetItem[int, str]) -> int:
    """
    The installed command: takes the signals of this process and returns its exit status.
    """

def main(argv: SupportsGetItem[int, str], self_command: SupportsGetItem[int, str]) -> int:
    """
    Runs a command line in this process and returns its exit status.
    """

def operations() -> list[str]:
    """
    The names of all operations.
    """

def run_command(argv: SupportsGetItem[int, str], self_command: SupportsGetItem[int, str]) -> str:
    """
    Runs a command line and returns the JSON of its exit status, result and messages.
    """

def update_run(place: str, run_id: str, function: object) -> str:
    """
    Changes the document of a run by a function from JSON to JSON, under the lock of the run.
    What the function raises leaves the file as it was, and is raised here.
    """
