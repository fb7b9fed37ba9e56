"""`cognitive-engine` that looks where it is, by signals: USR1 begins; USR2 ends, and writes FILE.

sampled.py FILE ARGUMENT...: the arguments are those of `cognitive-engine`.

A timer of the CPU time that is spent rings as often as the kernel's clock allows, and the stack is
noted. So nothing is slowed down, and a busy machine changes nothing; what is done in C counts for
the function that called it, or for the one that the event loop calls next.
"""

import json
import signal
import sys
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any

from cognitive_engine.__main__ import main

PAUSE_SECONDS = 0.001

Place = tuple[str, int, str]


class Sampler:
    """Counts the functions in which the process was found, and those that had called them."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self._own: Counter[Place] = Counter()
        self._whole: Counter[Place] = Counter()

    def begin(self, *_: Any) -> None:
        """Start from nothing."""
        self._own.clear()
        self._whole.clear()
        signal.setitimer(signal.ITIMER_PROF, PAUSE_SECONDS, PAUSE_SECONDS)

    def look(self, _: int, frame: FrameType | None) -> None:
        """Count where it is."""
        stack = []
        while frame is not None:
            code = frame.f_code
            stack.append((code.co_filename, code.co_firstlineno, code.co_qualname))
            frame = frame.f_back
        self._own.update(stack[:1])
        self._whole.update(set(stack))

    def end(self, *_: Any) -> None:
        """Write what was found; the file is there only when it is complete."""
        signal.setitimer(signal.ITIMER_PROF, 0)
        whole = self._out.with_suffix(".part")
        found = [[*place, self._own[place], times] for place, times in self._whole.items()]
        whole.write_text(json.dumps(found))
        whole.rename(self._out)


def run(out: Path, arguments: list[str]) -> int:
    """Run until the engine ends; its exit code."""
    sampler = Sampler(out)
    signal.signal(signal.SIGPROF, sampler.look)
    signal.signal(signal.SIGUSR1, sampler.begin)
    signal.signal(signal.SIGUSR2, sampler.end)
    return main(arguments)


if __name__ == "__main__":
    sys.exit(run(Path(sys.argv[1]), sys.argv[2:]))
