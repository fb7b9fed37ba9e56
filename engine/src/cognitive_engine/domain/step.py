"""The engine as a state machine: `step(state, command, now) → (state, record, outcome)`.

A step is a judgement and what follows from it. `judge` reads the state, checks everything and
writes down a record: the command, the time and the answer that is given. `fold` takes a record into
the state. A log of records can so be folded elsewhere, by other rules too: what was answered and
remembered are facts and are taken from the record; threshold, averages, rhythm and emergency are
worked out anew. By the same rules, `replay` arrives at the same state, bit for bit.

A request is two commands. `Decide` is the moment it is judged: it counts the step, tests the
score, adapts the threshold and advances the rhythm, whatever the answer. `Remember` follows when
an answer exists. Between them the generator may take its time, fail or be cancelled: the rhythm
has moved already, so nothing can hold it up, and nothing is remembered that was not answered.
`Observe` is both at once, for an event that nobody has to write an answer to.

The caller is the only writer and passes each state on once. Everything in a state is immutable;
the bank alone is changed in place, after all checks, because copying it would cost more than all
the rest.
"""

from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from typing import Any, Final, NamedTuple

import numpy as np
from msgspec.structs import replace

from cognitive_api.governance import SleepPolicy

from . import digest, drift, emergency, limits, moral_filter, records, rhythm
from .checks import parse_command, parse_time
from .commands import (
    Adjusted,
    Admitted,
    Alerted,
    Asleep,
    Command,
    Consolidate,
    Consolidated,
    Decide,
    Emergency,
    Erase,
    Erased,
    Halted,
    Judged,
    Memory,
    Observed,
    Outcome,
    Override,
    Refused,
    Relieve,
    Remember,
    Remembered,
    Reset,
    Verdict,
)
from .drift import DriftAlarm
from .emergency import EmergencyReason, EmergencyState
from .errors import DamagedRecord, InvalidInput, MisplacedRecord
from .memory import levels
from .memory.pelm import Entry
from .records import Record
from .rhythm import PHASE_VALUE, Phase, RhythmState
from .state import Counts, Rules, State, emergency_at, initial, rhythm_at

_REASONS: Final = tuple(EmergencyReason)
_AWAKE: Final = PHASE_VALUE[Phase.WAKE]
_ASLEEP: Final = PHASE_VALUE[Phase.SLEEP]
_APART: Final = abs(np.float32(_AWAKE) - np.float32(_ASLEEP))


def step(state: State, command: Command, now: float) -> tuple[State, Record, Outcome]:
    """The state after `command` at `now` (seconds), the record of it, and what came out.

    Raises:
        InvalidInput: the command or the time is not acceptable; the state is as it was.
    """
    record, seen = _judge(state, command, now)
    after, outcome = _fold(state, record, record.command, seen)
    return after, record, outcome


def judge(state: State, command: Command, now: float) -> Record:
    """The record of `command` at `now` (seconds), with the answer to it; changes nothing.

    Raises:
        InvalidInput: the command or the time is not acceptable.
    """
    record, _ = _judge(state, command, now)
    return record


def fold(state: State, record: Record) -> tuple[State, Outcome]:
    """The state after `record`, judged here or elsewhere, and what came of it.

    Raises:
        MisplacedRecord: it does not come next.
        DamagedRecord: no judge can have made it, or not for a memory of this dimension.
    """
    if record.sequence != state.sequence + 1:
        raise MisplacedRecord(f"record {record.sequence} does not follow record {state.sequence}")
    try:
        parse_time(record.now)
        wish = parse_command(record.command, state.rules.memory)
    except InvalidInput as error:
        raise DamagedRecord(f"record {record.sequence}: {error}") from error
    if isinstance(wish, Judged) != isinstance(record.verdict, Verdict):
        raise DamagedRecord(f"record {record.sequence}: a verdict is missing, or one too many")
    seen = _assess(state, wish, record.now) if isinstance(wish, Judged) else None
    return _fold(state, record, wish, seen)


def replay(rules: Rules, log: Iterable[Record], now: float) -> State:
    """The state that `log` leads to, from a new mind born at `now` (seconds).

    Raises:
        RecordError: the log is at fault.
    """
    state = initial(rules, now)
    for record in log:
        state, _ = fold(state, record)
    return state


class _Assessment(NamedTuple):
    """What the rules in force say of a judged command.

    `rhythm` is the one it meets. `passes`: whether the filter lets the score pass by itself; None
    when it was not asked. `wait` is in seconds, for one turned away.
    """

    verdict: Verdict
    emergency: EmergencyState
    rhythm: RhythmState
    passes: bool | None
    wait: int


def _assess(state: State, wish: Judged, now: float) -> _Assessment:
    governance = state.rules.governance
    alarm, admitted, wait = emergency.admit(state.emergency, now)
    met = rhythm_at(state, now)
    if not admitted:
        return _Assessment(Verdict.HALTED, alarm, met, None, wait)
    if met.phase is Phase.SLEEP and governance.rhythm.sleep_policy is SleepPolicy.REJECT:
        # Not judged: booking it as an acceptance would drive the threshold without a decision.
        return _Assessment(Verdict.ASLEEP, alarm, met, None, 0)
    if isinstance(wish, Decide) and wish.blocked:
        return _Assessment(Verdict.REFUSED, alarm, met, None, 0)
    # The filter learns from its own judgement: one caller's bar must not move it for all.
    passes = moral_filter.evaluate(state.moral, wish.score, governance.moral)
    held = passes and (wish.bar is None or wish.score >= wish.bar)
    return _Assessment(Verdict.ADMITTED if held else Verdict.REFUSED, alarm, met, passes, 0)


def _judge(state: State, command: Command, now: float) -> tuple[Record, _Assessment | None]:
    now = parse_time(now)
    wish = parse_command(command, state.rules.memory)
    seen = _assess(state, wish, now) if isinstance(wish, Judged) else None
    return Record(state.sequence + 1, now, wish, seen.verdict if seen else None), seen


def _fold(
    state: State, record: Record, wish: Command, seen: _Assessment | None
) -> tuple[State, Outcome]:
    # The bytes come first: nothing may fail once the bank has changed.
    data = records.encode(record)
    if isinstance(wish, Judged):
        assert seen is not None
        after, outcome = _answer(state, wish, record, seen)
    else:
        after, outcome = _FOLDS[type(wish)](state, wish, record.now)
    link = digest.link(state.digest, data, after)
    return replace(after, sequence=record.sequence, digest=link), outcome


def _answer(state: State, wish: Judged, record: Record, seen: _Assessment) -> tuple[State, Outcome]:
    after = _decided(state, wish, record, seen)
    if record.verdict is not Verdict.ADMITTED:
        return after, _turned_away(after, seen, record)
    met = seen.rhythm.phase
    if isinstance(wish, Decide):
        place = (after.counts.steps, after.rhythm.phase, after.moral.threshold)
        return after, Admitted(*place, met, _tokens(wish.max_tokens, met))
    event = Memory(wish.scope, wish.vector, wish.text, origin=wish.origin)
    after, (memory_id,) = _kept(after, (event,), record.now)
    assert memory_id is not None, "an event is kept with full confidence"
    place = (after.counts.steps, after.rhythm.phase, after.moral.threshold)
    return after, Observed(*place, met, memory_id)


def _decided(state: State, wish: Judged, record: Record, seen: _Assessment) -> State:
    """The state once the request is judged; what it brings is not yet kept."""
    governance = state.rules.governance
    alarm, turned, moral, drifted = seen.emergency, state.rhythm, state.moral, state.drift
    counts = _counted(state.counts, record.verdict)
    if seen.verdict is not Verdict.HALTED:
        alarm = emergency.calm(alarm)
        turned = rhythm.advance(seen.rhythm, governance.rhythm, record.now)
    if seen.passes is not None:
        moral = moral_filter.adapt(moral, wish.score, seen.passes, governance.moral)
        moved = (state.moral.threshold, moral.threshold)
        drifted = drift.observe(drifted, *moved)
        if alarms := drift.detect(drifted, *moved):
            counts = replace(counts, drifts=_added(counts.drifts, DriftAlarm, alarms))
    after = replace(
        state,
        moral=moral,
        rhythm=turned,
        emergency=alarm,
        drift=drifted,
        counts=counts,
    )
    if seen.rhythm.phase is Phase.WAKE and turned.phase is Phase.SLEEP:
        after, _ = _consolidated(after)
    return after


def _counted(counts: Counts, verdict: Verdict | None) -> Counts:
    if verdict is Verdict.HALTED:
        return replace(counts, halted=counts.halted + 1)
    if verdict is Verdict.ADMITTED:
        return replace(counts, steps=counts.steps + 1, accepted=counts.accepted + 1)
    return replace(counts, steps=counts.steps + 1, rejected=counts.rejected + 1)


def _added(
    counts: tuple[int, ...], kinds: type[StrEnum], found: Sequence[StrEnum]
) -> tuple[int, ...]:
    """`counts`, one a member of `kinds` in order, with what was found added."""
    return tuple(count + (kind in found) for kind, count in zip(kinds, counts, strict=True))


def _turned_away(state: State, seen: _Assessment, record: Record) -> Refused | Asleep | Halted:
    place = (state.counts.steps, state.rhythm.phase, state.moral.threshold)
    if record.verdict is Verdict.REFUSED:
        return Refused(*place)
    if record.verdict is Verdict.HALTED:
        return Halted(*place, max(1, seen.wait))
    settings = state.rules.governance.rhythm
    return Asleep(*place, rhythm.seconds_to_wake(state.rhythm, settings, record.now))


def _remember(state: State, wish: Remember, now: float) -> tuple[State, Outcome]:
    after, memory_ids = _kept(state, wish.memories, now)
    return after, Remembered(memory_ids)


def _kept(
    state: State, memories: tuple[Memory, ...], now: float
) -> tuple[State, tuple[int | None, ...]]:
    entries = [
        Entry(one.vector, _AWAKE, now, one.text, one.scope, one.confidence, one.origin)
        for one in memories
    ]
    # One alone needs no check before all others: the bank makes it while it writes.
    one_alone = len(entries) == 1
    stored = [state.pelm.store(entries[0])] if one_alone else state.pelm.store_many(entries)
    faded, pending, (to_l2, to_l3) = state.levels, list(state.pending), state.counts.rises
    for one, memory_id in zip(memories, stored, strict=True):
        if memory_id is not None:
            faded, rose_to_l2, rose_to_l3 = levels.absorb(
                faded, one.vector, state.rules.memory.levels
            )
            to_l2, to_l3 = to_l2 + rose_to_l2, to_l3 + rose_to_l3
            pending.append((memory_id, one.scope))
    met = rhythm_at(state, now)
    counts = replace(state.counts, rises=(to_l2, to_l3))
    after = replace(state, rhythm=met, levels=faded, pending=tuple(pending), counts=counts)
    # What is learned asleep is filed for both phases at once, and so is an overlong list.
    if met.phase is Phase.SLEEP or len(pending) >= limits.PENDING_CONSOLIDATIONS_MAX:
        after, _ = _consolidated(after)
    return after, tuple(stored)


def _consolidate(state: State, _: Consolidate, __: float) -> tuple[State, Outcome]:
    after, moved = _consolidated(state)
    return after, Consolidated(moved)


def _consolidated(state: State) -> tuple[State, int]:
    """Make what is pending reachable asleep, by a copy at the phase of sleep; how many got one."""
    if not state.pending:
        return state, 0
    moved = 0
    # A tolerance as wide as the whole axis reaches the originals: copies would answer twice.
    if np.float32(state.rules.memory.phase_tolerance) < _APART:
        copy = state.pelm.copy_to_phase
        moved = sum(copy(memory_id, _ASLEEP) is not None for memory_id, _ in state.pending)
    counts = replace(state.counts, consolidations=state.counts.consolidations + 1)
    return replace(state, counts=counts, pending=()), moved


def _emergency(state: State, wish: Emergency, now: float) -> tuple[State, Outcome]:
    before = emergency_at(state, now)
    counts = state.counts
    if not before.active:
        entries = _added(counts.emergencies, EmergencyReason, (wish.reason,))
        counts = replace(counts, emergencies=entries)
    alarm = emergency.enter(before, wish.reason, now)
    return replace(state, emergency=alarm, counts=counts), Alerted(alarm.active)


def _relieve(state: State, _: Relieve, __: float) -> tuple[State, Outcome]:
    alarm = emergency.relieve(state.emergency)
    return replace(state, emergency=alarm), Alerted(alarm.active)


def _reset(state: State, _: Reset, __: float) -> tuple[State, Outcome]:
    alarm = emergency.reset(state.emergency)
    return replace(state, emergency=alarm), Alerted(alarm.active)


def _override(state: State, wish: Override, _: float) -> tuple[State, Outcome]:
    # By hand is no drift: what the filter does by itself is what there is to watch.
    moral = moral_filter.hold(state.moral, wish.threshold, state.rules.governance.moral)
    return replace(state, moral=moral), Adjusted(moral.threshold, moral.held)


def _erase(state: State, wish: Erase, _: float) -> tuple[State, Outcome]:
    count = state.pelm.erase(wish.scope)
    pending = tuple(each for each in state.pending if each[1] != wish.scope)
    counts = replace(state.counts, erased=state.counts.erased + count)
    return replace(state, pending=pending, counts=counts), Erased(count)


def _tokens(asked: int | None, phase: Phase) -> int:
    if phase is Phase.SLEEP:
        return min(asked or limits.TOKENS_ASLEEP_MAX, limits.TOKENS_ASLEEP_MAX)
    return asked or limits.TOKENS_AWAKE_DEFAULT


_FOLDS: Final[dict[type, Callable[[State, Any, float], tuple[State, Outcome]]]] = {
    Remember: _remember,
    Consolidate: _consolidate,
    Emergency: _emergency,
    Relieve: _relieve,
    Reset: _reset,
    Override: _override,
    Erase: _erase,
}
