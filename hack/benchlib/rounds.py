"""Candidates side by side: shuffled rounds, medians, and a refusal when the machine is restless.

Every round visits every candidate once, in an order of its own. A visit is a warming lap and a few
timed ones; its figure is their median. What the machine does to a round it does to all of them, so
ratios hold where milliseconds do not.
"""

import gc
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Literal, Protocol, TypeVar

from . import machine
from .errors import BenchError, NoisyMachine
from .progress import say

ROUNDS_MIN = 5
LAPS = 3
VISIT_SECONDS = 0.04
MOVEMENT_MAX = 0.30


Clock = Literal["cpu", "wall"]
Clocks = tuple[Callable[[], int], Callable[[], int]]
"""Nanoseconds of CPU time of this process, and of the wall."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How many rounds, and how many seconds to wait for calm before one is repeated."""

    rounds: int
    patience: float


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to do the work. A lap does `units` units of it and returns its answers.

    `prepare` runs before each lap and `judge` gets its answers after it; neither is timed. The
    run is refused when a `baseline` moves between rounds.
    """

    name: str
    units: int
    lap: Callable[[], Any]
    prepare: Callable[[], None] | None = None
    judge: Callable[[Any], None] | None = None
    baseline: bool = False


@dataclass(slots=True)
class Series:
    """Seconds per unit, one figure a round."""

    cpu: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)

    def of(self, clock: Clock) -> list[float]:
        """The figures of one clock."""
        return self.cpu if clock == "cpu" else self.wall

    def seconds(self, clock: Clock = "cpu") -> float:
        """The median over all rounds."""
        return median(self.of(clock))


@dataclass(frozen=True, slots=True)
class Ratio:
    """How many times: from the medians, and the least and most of any one round."""

    value: float
    low: float
    high: float


class Results:
    """What the rounds of one comparison gave."""

    def __init__(self, series: Mapping[str, Series]) -> None:
        self._series = series

    def __getitem__(self, name: str) -> Series:
        return self._series[name]

    def __contains__(self, name: str) -> bool:
        return name in self._series

    def ratio(self, over: str, under: str, clock: Clock = "cpu") -> Ratio:
        """Time of `over` divided by time of `under`."""
        above, below = self[over], self[under]
        rounds = [a / b for a, b in zip(above.of(clock), below.of(clock), strict=True)]
        value = above.seconds(clock) / below.seconds(clock)
        return Ratio(value, min(rounds), max(rounds))


def compare(
    title: str,
    candidates: Sequence[Candidate],
    *,
    effort: Effort,
    laps: int = LAPS,
    warm: bool = True,
    visit_seconds: float = VISIT_SECONDS,
    seed: int = 0,
    clocks: Clocks = (time.process_time_ns, time.perf_counter_ns),
    settle: Callable[[float], None] = machine.settle,
) -> Results:
    """Time the laps of all candidates, round by round; refuses what `interleave` refuses."""
    visit = _Visit(laps, warm, round(visit_seconds * 1e9), clocks)
    return interleave(title, candidates, visit, effort=effort, seed=seed, settle=settle)


class Visited(Protocol):
    """What is visited once a round."""

    @property
    def name(self) -> str:
        """Its name in the results."""

    @property
    def baseline(self) -> bool:
        """Whether the run is refused when it moves between rounds."""


V = TypeVar("V", bound=Visited)


def interleave(
    title: str,
    candidates: Sequence[V],
    visit: Callable[[V], tuple[float, float]],
    *,
    effort: Effort,
    seed: int = 0,
    settle: Callable[[float], None] = machine.settle,
) -> Results:
    """Visit all candidates, round by round; `visit` tells CPU and wall seconds per unit.

    Raises:
        NoisyMachine: a baseline was off its median in a round, and again when that was repeated.
        BenchError: fewer rounds than a median needs.
    """
    rounds = effort.rounds
    if rounds < ROUNDS_MIN:
        raise BenchError(f"{rounds} rounds give no median to trust", hint=f"{ROUNDS_MIN} or more")
    dice = random.Random(seed)  # noqa: S311
    figures = []
    for number in range(1, rounds + 1):
        say(f"{title}, round {number} of {rounds}")
        figures.append(_round(candidates, dice, visit))
    for index in _restless(candidates, figures):
        say(f"{title}, round {index + 1} again: the machine was busy with something else")
        settle(effort.patience)
        figures[index] = _round(candidates, dice, visit)
    again = _restless(candidates, figures)
    if again:
        raise NoisyMachine(
            f"{title}: {_worst(candidates, figures)}, also when repeated",
            hint="stop what else runs on this machine, or wait, and run the bench again",
        )
    return Results(
        {
            candidate.name: Series(
                [figure[candidate.name][0] for figure in figures],
                [figure[candidate.name][1] for figure in figures],
            )
            for candidate in candidates
        }
    )


Round = dict[str, tuple[float, float]]


@dataclass(frozen=True, slots=True)
class _Visit:
    """How a candidate is timed once: at least `laps` laps, and as many as fill `nanoseconds`."""

    laps: int
    warm: bool
    nanoseconds: int
    clocks: Clocks

    def __call__(self, candidate: Candidate) -> tuple[float, float]:
        """CPU and wall seconds per unit."""
        if self.warm:
            self._lap(candidate)
        cpus: list[int] = []
        walls: list[int] = []
        while len(walls) < self.laps or sum(walls) < self.nanoseconds:
            cpu, wall = self._lap(candidate)
            if cpu <= 0 or wall <= 0:
                raise BenchError(f"{candidate.name}: too short a lap for the clock")
            cpus.append(cpu)
            walls.append(wall)
        nanoseconds = 1e9 * candidate.units
        return median(cpus) / nanoseconds, median(walls) / nanoseconds

    def _lap(self, candidate: Candidate) -> tuple[int, int]:
        cpu_clock, wall_clock = self.clocks
        if candidate.prepare is not None:
            candidate.prepare()
        collecting = gc.isenabled()
        gc.disable()
        try:
            wall, cpu = wall_clock(), cpu_clock()
            answers = candidate.lap()
            cpu, wall = cpu_clock() - cpu, wall_clock() - wall
        finally:
            if collecting:
                gc.enable()
        if candidate.judge is not None:
            candidate.judge(answers)
        return cpu, wall


def _round(
    candidates: Sequence[V], dice: random.Random, visit: Callable[[V], tuple[float, float]]
) -> Round:
    order = list(candidates)
    dice.shuffle(order)
    return {candidate.name: visit(candidate) for candidate in order}


def _baselines(candidates: Sequence[Visited], figures: list[Round]) -> dict[str, list[float]]:
    names = [candidate.name for candidate in candidates if candidate.baseline]
    return {name: [figure[name][0] for figure in figures] for name in names}


def _restless(candidates: Sequence[Visited], figures: list[Round]) -> list[int]:
    """The rounds in which a baseline was too far from its median."""
    off: set[int] = set()
    for values in _baselines(candidates, figures).values():
        middle = median(values)
        off |= {i for i, v in enumerate(values) if abs(v / middle - 1.0) > MOVEMENT_MAX}
    return sorted(off)


def _worst(candidates: Sequence[Visited], figures: list[Round]) -> str:
    def movement(values: list[float]) -> float:
        return max(abs(value / median(values) - 1.0) for value in values)

    moved = _baselines(candidates, figures)
    name = max(moved, key=lambda key: movement(moved[key]))
    return f"{name!r} moved {movement(moved[name]):.0%} between rounds"
