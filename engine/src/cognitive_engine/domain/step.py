"""The engine as a state machine: `step(state, command, now) → (state, record, outcome)`.

A request is two commands. `Decide` is the moment it is judged: it counts the step, tests the
score, adapts the threshold and advances the rhythm, whatever the answer. `Remember` follows when
an answer exists. Between them the generator may take its time, fail or be cancelled: the rhythm
has moved already, so nothing can hold it up, and nothing is remembered that was not answered.

The caller is the only writer and passes each state on once. Everything small in a state is
immutable; the bank alone is changed in place, after all checks, because copying it would cost more
than all the rest.
"""

import math
from dataclasses import dataclass, field, replace

import numpy as np

from cognitive_api.governance import GovernanceSettings, MemorySettings, SleepPolicy

from . import digest, limits, moral_filter, rhythm
from .errors import InvalidInput, InvalidScore, InvalidTime
from .memory import levels
from .memory.pelm import Entry, Pelm
from .memory.vectors import Vector, parse_vector
from .moral_filter import MoralState
from .rhythm import PHASE_VALUE, Phase, RhythmState


@dataclass(frozen=True, slots=True)
class Rules:
    """The settings a state lives by."""

    governance: GovernanceSettings
    memory: MemorySettings


@dataclass(frozen=True, slots=True)
class Decide:
    """Judge a request. `score` is a finite number in [0, 1]; `max_tokens` as asked, or None."""

    scope: str
    score: float
    max_tokens: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Remember:
    """Keep what was said. `vector` has shape (dimension,); `text` is kept if the rules say so."""

    scope: str
    text: str
    vector: Vector


Command = Decide | Remember


@dataclass(frozen=True, slots=True)
class Admitted:
    """Accepted. `phase` is after the step; `admitted_in` is the phase that serves the request."""

    step: int
    phase: Phase
    threshold: float
    admitted_in: Phase
    max_tokens: int


@dataclass(frozen=True, slots=True)
class Refused:
    """The score did not pass."""

    step: int
    phase: Phase
    threshold: float


@dataclass(frozen=True, slots=True)
class Asleep:
    """Turned away because the engine sleeps; the score was not judged."""

    step: int
    phase: Phase
    threshold: float
    retry_after_seconds: int


@dataclass(frozen=True, slots=True)
class Remembered:
    """Kept, under an id that is never used again."""

    memory_id: int


Outcome = Admitted | Refused | Asleep | Remembered


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """One change of state: enough to make it again. `sequence` starts at 1."""

    sequence: int
    now: float
    command: Command
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Counts:
    """What happened since the start. A consolidation is one pass that moved anything."""

    steps: int = 0
    accepted: int = 0
    rejected: int = 0
    consolidations: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """All of the mind. `pending` lists (row, memory id) of what sleep has yet to consolidate."""

    rules: Rules
    moral: MoralState
    rhythm: RhythmState
    levels: levels.Levels
    pelm: Pelm
    counts: Counts = field(default=Counts())
    pending: tuple[tuple[int, int], ...] = ()
    sequence: int = 0
    digest: bytes = digest.START


def initial(rules: Rules, now: float) -> State:
    """A new mind: awake, calm and empty. Allocates the bank.

    Raises:
        InvalidTime: `now` is not finite.
    """
    _check_time(now)
    return State(
        rules=rules,
        moral=moral_filter.initial(rules.governance.moral),
        rhythm=rhythm.initial(rules.governance.rhythm, now),
        levels=levels.initial(rules.memory.dimension),
        pelm=Pelm(rules.memory.dimension, rules.memory.capacity),
    )


def step(state: State, command: Command, now: float) -> tuple[State, Record, Outcome]:
    """The state after `command` at `now` (seconds), the record of it, and what came out.

    Raises:
        InvalidInput: the command or the time is not acceptable; the state is as it was.
    """
    _check_time(now)
    outcome: Outcome
    if isinstance(command, Decide):
        after, outcome = _decide(state, command, now)
    else:
        after, outcome = _remember(state, command, now)
    record = Record(state.sequence + 1, now, command, outcome)
    link = digest.chain(state.digest, record, after.moral, after.rhythm, after.counts)
    return replace(after, sequence=record.sequence, digest=link), record, outcome


def phase_now(state: State, now: float) -> RhythmState:
    """The rhythm in force at `now`: what a step taken now would start from."""
    return rhythm.settle(state.rhythm, state.rules.governance.rhythm, now)


def _decide(state: State, command: Decide, now: float) -> tuple[State, Outcome]:
    if not 0.0 <= command.score <= 1.0:
        raise InvalidScore("a moral score is a finite number in [0, 1]")
    if command.max_tokens is not None and not 1 <= command.max_tokens <= limits.MAX_TOKENS_MAX:
        raise InvalidInput(f"max_tokens lies in [1, {limits.MAX_TOKENS_MAX}]")
    governance = state.rules.governance
    before = phase_now(state, now)
    after = rhythm.advance(before, governance.rhythm, now)
    number = state.counts.steps + 1
    asleep = before.phase is Phase.SLEEP
    outcome: Outcome
    if asleep and governance.rhythm.sleep_policy is SleepPolicy.REJECT:
        # Not judged: booking it as an acceptance would drive the threshold without a decision.
        moral = state.moral
        wait = rhythm.seconds_to_wake(after, governance.rhythm, now)
        outcome = Asleep(number, after.phase, moral.threshold, wait)
    else:
        accepted = moral_filter.evaluate(state.moral, command.score, governance.moral)
        moral = moral_filter.adapt(state.moral, command.score, accepted, governance.moral)
        outcome = (
            Admitted(
                step=number,
                phase=after.phase,
                threshold=moral.threshold,
                admitted_in=before.phase,
                max_tokens=_tokens(command.max_tokens, before.phase),
            )
            if accepted
            else Refused(number, after.phase, moral.threshold)
        )
    admitted = isinstance(outcome, Admitted)
    counts = replace(
        state.counts,
        steps=number,
        accepted=state.counts.accepted + admitted,
        rejected=state.counts.rejected + (not admitted),
    )
    state = replace(state, moral=moral, rhythm=after, counts=counts)
    falls_asleep = not asleep and after.phase is Phase.SLEEP
    return (_consolidate(state) if falls_asleep else state), outcome


def _remember(state: State, command: Remember, now: float) -> tuple[State, Outcome]:
    memory = state.rules.memory
    vector = parse_vector(command.vector, memory.dimension)
    text = command.text[: limits.MEMORY_TEXT_CHARS_MAX] if memory.store_text else None
    row = state.pelm.store(
        Entry(vector, PHASE_VALUE[Phase.WAKE], now, text=text, scope=command.scope)
    )
    assert row is not None, "a caller's words are stored with full confidence"
    memory_id = state.pelm.memory_id(row)
    state = replace(
        state,
        rhythm=phase_now(state, now),
        levels=levels.update(state.levels, vector, memory.levels),
        pending=(*state.pending, (row, memory_id)),
    )
    # What is learned asleep is filed for both phases at once, and so is an overlong list.
    crowded = len(state.pending) >= limits.PENDING_CONSOLIDATIONS_MAX
    if state.rhythm.phase is Phase.SLEEP or crowded:
        state = _consolidate(state)
    return state, Remembered(memory_id)


def _consolidate(state: State) -> State:
    """Make what is pending reachable asleep, by a copy at the phase of sleep."""
    if not state.pending:
        return state
    asleep, awake = (np.float32(PHASE_VALUE[phase]) for phase in (Phase.SLEEP, Phase.WAKE))
    # A tolerance as wide as the whole axis reaches the originals: copies would answer twice.
    if abs(awake - asleep) > np.float32(state.rules.memory.phase_tolerance):
        for row, memory_id in state.pending:
            state.pelm.copy_to_phase(row, memory_id, PHASE_VALUE[Phase.SLEEP])
    counts = replace(state.counts, consolidations=state.counts.consolidations + 1)
    return replace(state, counts=counts, pending=())


def _tokens(asked: int | None, phase: Phase) -> int:
    if phase is Phase.SLEEP:
        return min(asked or limits.TOKENS_ASLEEP_MAX, limits.TOKENS_ASLEEP_MAX)
    return asked or limits.TOKENS_AWAKE_DEFAULT


def _check_time(now: float) -> None:
    if not math.isfinite(now):
        raise InvalidTime("a time is a finite number of seconds")
