"""Where a server's time goes: looked at while it works, told by area and by function."""

import json
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from .errors import BenchError
from .report import number, table
from .servers import Server

TOP = 25
SAMPLES_MIN = 100
WRITE_SECONDS = 20.0
POLL_SECONDS = 0.05
OWN, PACKAGES, GENERATED = "cognitive_engine/", "site-packages/", "<"
# Of these the next level is told too.
DEEP = ("domain", "adapters")
STANDARD = "standard library"
SHARE_MIN = 0.005


@dataclass(frozen=True, slots=True)
class Spot:
    """A function, and how often it was found at work itself, and it or what it had called."""

    file: str
    line: int
    name: str
    own: int
    whole: int

    @property
    def area(self) -> str:
        """The part of the code that it belongs to."""
        if OWN in self.file:
            parts = self.file.rpartition(OWN)[2].removesuffix(".py").split("/")
            return "/".join(parts[: 2 if parts[0] in DEEP else 1])
        if PACKAGES in self.file:
            return self.file.rpartition(PACKAGES)[2].split("/")[0].removesuffix(".py")
        return STANDARD

    @property
    def label(self) -> str:
        """Its name and where it is, short."""
        for mark in (OWN, PACKAGES):
            if mark in self.file:
                return f"{self.file.rpartition(mark)[2]}:{self.line} {self.name}"
        if self.file.startswith(GENERATED):
            return f"{self.name}, generated"
        return f"{Path(self.file).name}:{self.line} {self.name}"


@dataclass(frozen=True, slots=True)
class Profile:
    """What was found while so many answers were given for so many seconds of CPU time."""

    spots: Sequence[Spot]
    answers: int
    spent: float

    @property
    def samples(self) -> int:
        """How often was looked."""
        return sum(spot.own for spot in self.spots)

    @property
    def microseconds(self) -> float:
        """CPU time of an answer."""
        return self.spent / self.answers * 1e6

    def areas(self) -> list[tuple[str, float]]:
        """The share of each area, the greatest first."""
        found: Counter[str] = Counter()
        for spot in self.spots:
            found[spot.area] += spot.own
        return [(area, own / self.samples) for area, own in found.most_common()]


def record(server: Server, out: Path, load: Callable[[], int]) -> Profile:
    """Look at `server` while `load` runs, which tells how many answers it got.

    Raises:
        BenchError: too little was seen, or nothing was written.
    """
    server.signal(signal.SIGUSR1)
    before = server.cpu_seconds()
    answers = load()
    spent = server.cpu_seconds() - before
    server.signal(signal.SIGUSR2)
    deadline = time.monotonic() + WRITE_SECONDS
    while not out.exists():
        if time.monotonic() > deadline or server.process.poll() is not None:
            raise BenchError("the profile was not written", hint=server.last_words())
        time.sleep(POLL_SECONDS)
    found = Profile([Spot(*row) for row in json.loads(out.read_text())], answers, spent)
    out.unlink()
    if found.samples < SAMPLES_MIN:
        raise BenchError(f"a profile of {found.samples} samples says nothing")
    return found


def told(profile: Profile) -> str:
    """The tables, with what they mean."""
    return "\n\n".join(
        (
            f"{number(profile.microseconds)} µs of CPU time an answer, looked at "
            f"{profile.samples:,} times. What is done in C counts\nfor the function that called "
            "it, or for the one that the event loop calls next.",
            _area_table(profile),
            _function_table(profile),
        )
    )


def _area_table(profile: Profile) -> str:
    return table(
        ("area", "own µs", "share"),
        [
            (area, number(share * profile.microseconds), f"{share:.0%}")
            for area, share in profile.areas()
            if share >= SHARE_MIN
        ],
    )


def _function_table(profile: Profile) -> str:
    each = profile.microseconds / profile.samples
    dearest = sorted(profile.spots, key=lambda spot: (-spot.own, spot.label))[:TOP]
    return table(
        ("function", "own µs", "with callees µs"),
        [(f"`{spot.label}`", number(spot.own * each), number(spot.whole * each))
         for spot in dearest if spot.own],
    )  # fmt: skip
