"""One step of the mind, full against empty, and whole turns on a full one."""

from collections.abc import Callable, Sequence
from itertools import cycle, islice

from cognitive_api.governance import GovernanceSettings, MemorySettings
from cognitive_engine.domain.commands import (
    Admitted,
    Decide,
    Memory,
    Observe,
    Observed,
    Outcome,
    Remember,
    Remembered,
)
from cognitive_engine.domain.memory.pelm import Query
from cognitive_engine.domain.state import Rules, State, initial
from cognitive_engine.domain.step import step

from . import vectors
from .errors import BenchError
from .progress import amount, say
from .report import number, table, times
from .rounds import Candidate, Effort, Results, compare
from .vectors import AWAKE, DIMENSION, TOLERANCE, TOP_K, Floats

EMPTY = "observe, empty"
FULL = "observe, full"
EVENT = "recall and observe, full"
TURN = "decide, recall and remember, full"

LAP = 256
# As many vectors take turns as stay in a cache: a served one has just arrived.
POOL = 2048
SCOPE = "bench"
SCORE = 0.9
# Simulated seconds between two commands.
PACE = 0.001


def new_mind(capacity: int) -> State:
    """An empty mind with the default rules."""
    memory = MemorySettings(dimension=DIMENSION, capacity=capacity)
    return initial(Rules(GovernanceSettings(), memory), 0.0)


class Mind:
    """A state with its clock; every lap goes on where the last one ended."""

    def __init__(self, capacity: int) -> None:
        self.state = new_mind(capacity)
        self._now = 0.0

    def step(self, command: Decide | Observe | Remember) -> Outcome:
        """Take one step, a little later than the last."""
        self._now += PACE
        self.state, _, outcome = step(self.state, command, self._now)
        return outcome

    def recall(self, vector: Floats) -> None:
        """Ask for what is near."""
        found = self.state.pelm.recall(Query(vector, float(AWAKE), TOLERANCE, TOP_K, scope=SCOPE))
        if len(found.items) < TOP_K or not found.exact:
            raise BenchError("a full mind did not answer exactly")


def measure(capacity: int, *, effort: Effort) -> Results:
    """Compare steps on an empty mind and on one whose every step evicts."""
    name = f"{amount(capacity)} rows, step"
    say(f"{name}: filling")
    source = list(vectors.make("clustered", capacity, 1, seed=4).rows)
    full = Mind(capacity)
    for vector in cycle(source):
        _kept([full.step(Observe(SCOPE, SCORE, vector))])
        if full.state.pelm.evicted:
            break
    return compare(
        name,
        [_empty(capacity, source[:POOL]), *_on_full(full, source[:POOL])],
        effort=effort,
    )


def result_table(results: Results) -> str:
    """Microseconds, rates, and how much a full mind costs more."""
    rows = []
    for name in (EMPTY, FULL, EVENT, TURN):
        seconds = results[name].seconds()
        ratio = times(results.ratio(name, EMPTY)) if name in (EMPTY, FULL) else "–"
        rows.append((name, number(seconds * 1e6), number(1 / seconds), ratio))
    return table(("", "CPU µs", "per second", "× empty"), rows)


def _empty(capacity: int, source: Sequence[Floats]) -> Candidate:
    minds: list[Mind] = []
    commands = [Observe(SCOPE, SCORE, vector) for vector in source[:LAP]]

    def prepare() -> None:
        minds[:] = [Mind(capacity)]

    def lap() -> list[Outcome]:
        (mind,) = minds
        return [mind.step(command) for command in commands]

    return Candidate(EMPTY, LAP, lap, prepare=prepare, judge=_kept, baseline=True)


def _on_full(mind: Mind, source: Sequence[Floats]) -> list[Candidate]:
    fresh = cycle(source)
    work: list[Floats] = []

    def prepare() -> None:
        work[:] = islice(fresh, LAP)

    def observe(vector: Floats) -> list[Outcome]:
        return [mind.step(Observe(SCOPE, SCORE, vector))]

    def event(vector: Floats) -> list[Outcome]:
        mind.recall(vector)
        return observe(vector)

    def turn(vector: Floats) -> list[Outcome]:
        decided = mind.step(Decide(SCOPE, SCORE))
        mind.recall(vector)
        return [decided, mind.step(Remember((Memory(SCOPE, vector, None),)))]

    def candidate(name: str, act: Callable[[Floats], list[Outcome]]) -> Candidate:
        def lap() -> list[Outcome]:
            return [outcome for vector in work for outcome in act(vector)]

        return Candidate(name, LAP, lap, prepare=prepare, judge=_kept)

    return [candidate(FULL, observe), candidate(EVENT, event), candidate(TURN, turn)]


def _kept(outcomes: Sequence[Outcome]) -> None:
    """A step that refused would be a faster one."""
    for outcome in outcomes:
        if not isinstance(outcome, Observed | Admitted | Remembered):
            raise BenchError(f"a step was not accepted: {type(outcome).__name__}")
