"""The state of the mind: what a step starts from and what it leaves behind."""

from typing import Final

import msgspec

from cognitive_api.governance import GovernanceSettings, MemorySettings

from . import emergency, moral_filter, rhythm
from .checks import parse_time
from .drift import DriftAlarm, DriftState
from .emergency import EmergencyState
from .memory import levels
from .memory.levels import Levels
from .memory.pelm import Pelm
from .moral_filter import MoralState
from .rhythm import RhythmState

DIGEST_BYTES: Final = 16


class Rules(msgspec.Struct, frozen=True, eq=False):
    """The settings a state lives by."""

    governance: GovernanceSettings
    memory: MemorySettings


class Counts(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What happened since the start.

    Every judged request is a step, and accepted or rejected; one turned away in an emergency is
    only `halted`. A consolidation is one pass that had anything to move. `emergencies` counts
    entries, in the order of `EmergencyReason`; `erased` counts memories; `drifts` counts alarms, in
    the order of `DriftAlarm`; `rises` counts events that moved something from L1 to L2, and from L2
    to L3.
    """

    steps: int = 0
    accepted: int = 0
    rejected: int = 0
    consolidations: int = 0
    halted: int = 0
    erased: int = 0
    emergencies: tuple[int, ...] = (0,) * len(emergency.EmergencyReason)
    drifts: tuple[int, ...] = (0,) * len(DriftAlarm)
    rises: tuple[int, int] = (0, 0)


class State(msgspec.Struct, frozen=True, eq=False):
    """All of the mind, at one place in the log.

    `pending` lists (memory id, scope) of what sleep has yet to consolidate. `sequence` is the
    number of the last record. Everything is immutable but the bank, which the next step changes in
    place: its only owner passes each state on once.
    """

    rules: Rules
    moral: MoralState
    rhythm: RhythmState
    levels: Levels
    pelm: Pelm
    counts: Counts = Counts()
    emergency: EmergencyState = emergency.CALM
    drift: DriftState = DriftState()
    pending: tuple[tuple[int, str], ...] = ()
    sequence: int = 0
    digest: bytes = bytes(DIGEST_BYTES)


def initial(rules: Rules, now: float) -> State:
    """A new mind: awake, calm and empty. Allocates the bank.

    Raises:
        InvalidTime: `now` is no date.
    """
    return State(
        rules=rules,
        moral=moral_filter.initial(rules.governance.moral),
        rhythm=rhythm.initial(rules.governance.rhythm, parse_time(now)),
        levels=levels.initial(rules.memory.dimension),
        pelm=Pelm(rules.memory.dimension, rules.memory.capacity, rules.memory.recall),
    )


def rhythm_at(state: State, now: float) -> RhythmState:
    """The rhythm in force at `now`: what a step taken now would start from."""
    return rhythm.settle(state.rhythm, state.rules.governance.rhythm, now)


def emergency_at(state: State, now: float) -> EmergencyState:
    """The emergency in force at `now`: over once its cool-down is, though nobody came to end it."""
    found = emergency.admit(state.emergency, now)
    return found.state if found.admitted else state.emergency
