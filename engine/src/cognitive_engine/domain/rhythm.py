"""The rhythm of wake and sleep: a table of two phases, a step counter and a clock.

Every processed request is one step. Asleep for too long without any, the engine wakes by the
clock: that happens when somebody looks (`settle`), so it needs no timer of its own.
"""

import math
from enum import StrEnum
from typing import Final

import msgspec

from cognitive_api.governance import RhythmSettings


class Phase(StrEnum):
    """Where in the rhythm the engine is."""

    WAKE = "wake"
    SLEEP = "sleep"


NEXT: Final = {Phase.WAKE: Phase.SLEEP, Phase.SLEEP: Phase.WAKE}
# Where memories of a phase lie on the phase axis.
PHASE_VALUE: Final = {Phase.WAKE: 0.1, Phase.SLEEP: 0.9}


class RhythmState(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Phase, steps left in it, and when it began (seconds)."""

    phase: Phase
    counter: int
    since: float


def initial(settings: RhythmSettings, now: float) -> RhythmState:
    """Start state: awake, with a full counter."""
    return _enter(Phase.WAKE, settings, now)


def settle(state: RhythmState, settings: RhythmSettings, now: float) -> RhythmState:
    """The state in force at `now`: awake again once the longest sleep is over."""
    if state.phase is Phase.SLEEP and now - state.since >= settings.max_sleep_seconds:
        return _enter(Phase.WAKE, settings, now)
    return state


def advance(state: RhythmState, settings: RhythmSettings, now: float) -> RhythmState:
    """The state after one step."""
    counter = state.counter - 1
    if counter <= 0:
        return _enter(NEXT[state.phase], settings, now)
    return RhythmState(state.phase, counter, state.since)


def seconds_to_wake(state: RhythmState, settings: RhythmSettings, now: float) -> int:
    """Whole seconds, at least 1, after which a caller turned away may try again."""
    if state.phase is Phase.WAKE:
        return 1
    return max(1, math.ceil(settings.max_sleep_seconds - (now - state.since)))


def _enter(phase: Phase, settings: RhythmSettings, now: float) -> RhythmState:
    durations = {
        Phase.WAKE: settings.wake_duration,
        Phase.SLEEP: settings.sleep_duration,
    }
    return RhythmState(phase, durations[phase], now)
