"""Telling people how far things are, and why they stopped.

Everything goes to stderr: stdout belongs to the answers that scripts read.
"""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HEARTBEAT_SECONDS = 20.0
LOG_TAIL_LINES = 15


class ClusterError(Exception):
    """A failure with the next thing to do, and the log that explains it if there is one."""

    def __init__(self, message: str, *, hint: str = "", log: Path | None = None) -> None:
        super().__init__(message)
        self.hint = hint
        self.log = log
        self.stage = ""


class Progress:
    """Prints each stage with the seconds since the start and the seconds it took."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def elapsed(self) -> float:
        """Seconds since the command began."""
        return time.monotonic() - self._start

    def say(self, text: str) -> None:
        """Print one line."""
        print(f"[{self.elapsed():6.1f}s] {text}", file=sys.stderr, flush=True)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Announce a stage, keep saying that it is alive, and name it in its failure."""
        begun = time.monotonic()
        done = threading.Event()

        def beat() -> None:
            while not done.wait(HEARTBEAT_SECONDS):
                self.say(f"… {name}: {time.monotonic() - begun:.0f} s so far")

        self.say(name)
        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        except ClusterError as error:
            error.stage = error.stage or name
            raise
        finally:
            done.set()
            thread.join()
        took = time.monotonic() - begun
        if took >= 0.5:
            self.say(f"  {name}: done in {took:.1f} s")


def tail(path: Path, lines: int = LOG_TAIL_LINES) -> str:
    """The last lines of a log, or nothing if it cannot be read."""
    try:
        with path.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - 64 * 1024))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


def explain(error: ClusterError) -> None:
    """Print a failure: stage, reason, the end of the log, what to do."""
    stage = f" while {error.stage}" if error.stage else ""
    print(f"failed{stage}: {error}", file=sys.stderr)
    if error.log is not None:
        end = tail(error.log)
        if end:
            print(f"--- end of {error.log}\n{end}\n---", file=sys.stderr)
    if error.hint:
        print(f"next: {error.hint}", file=sys.stderr)
