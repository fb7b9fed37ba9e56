"""Emergency: while it lasts, every request is turned away; it always ends.

    calm ────enter────▶ active ────enter────▶ active, cooling down anew
    active ──admit────▶ active, one more refused     cooling down, or held
    active ──admit────▶ calm, this request passes    cooled down and not held
    active ──relieve──▶ active, no longer held
    any ─────reset────▶ calm

The cool-down is over after so many refusals or so many seconds, whichever comes first. Both double
with each entry, up to a bound, and a run of good steps brings them back to the first. Memory that
is still short holds the emergency beyond its cool-down.
"""

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, NamedTuple

from . import limits


class EmergencyReason(StrEnum):
    """Why the engine turns requests away."""

    MEMORY = "process_memory_exceeded"
    MANUAL = "manual"


@dataclass(frozen=True, slots=True)
class EmergencyState:
    """Whether an emergency is on, and what the next one will cost.

    `reason` and `since` (seconds) are those of the newest entry. `entries` counts up to
    `EMERGENCY_ENTRIES_MAX` and starts over after enough `calm_steps`. `refused` counts the requests
    turned away in this emergency. `held`: memory is still short.
    """

    active: bool = False
    reason: EmergencyReason | None = None
    since: float = 0.0
    entries: int = 0
    refused: int = 0
    calm_steps: int = 0
    held: bool = False


class Admission(NamedTuple):
    """Whether a request may pass; if not, whole seconds after which to try again (else 0)."""

    state: EmergencyState
    admitted: bool
    retry_after_seconds: int


CALM: Final = EmergencyState()


def enter(state: EmergencyState, reason: EmergencyReason, now: float) -> EmergencyState:
    """The state after an alarm at `now`. One that is on already starts its cool-down again."""
    entries = state.entries if state.active else state.entries + 1
    return EmergencyState(
        active=True,
        reason=reason,
        since=now,
        entries=min(entries, limits.EMERGENCY_ENTRIES_MAX),
        held=state.held or reason is EmergencyReason.MEMORY,
    )


def relieve(state: EmergencyState) -> EmergencyState:
    """The state once memory is no longer short; the cool-down goes on."""
    return replace(state, held=False) if state.held else state


def admit(state: EmergencyState, now: float) -> Admission:
    """Judge a request that comes at `now`: it ends the emergency if it may, or it is refused."""
    if not state.active:
        return Admission(state, True, 0)
    # A clock set back must not lengthen the wait.
    since = min(state.since, now)
    doubled = 2 ** (state.entries - 1)
    left = limits.EMERGENCY_SECONDS_FIRST * doubled - (now - since)
    cooled = left <= 0.0 or state.refused >= limits.EMERGENCY_REFUSALS_FIRST * doubled
    if cooled and not state.held:
        return Admission(EmergencyState(entries=state.entries), True, 0)
    soonest = limits.BUSY_RETRY_SECONDS if state.held else 1
    refused = replace(state, since=since, refused=state.refused + 1)
    return Admission(refused, False, max(soonest, math.ceil(left)))


def calm(state: EmergencyState) -> EmergencyState:
    """The state after a step that went well. Enough of them in a row forgive all entries."""
    if state.active or state.entries == 0:
        return state
    if state.calm_steps + 1 >= limits.EMERGENCY_FORGIVEN_STEPS:
        return CALM
    return replace(state, calm_steps=state.calm_steps + 1)


def reset(state: EmergencyState) -> EmergencyState:
    """The state after a reset by hand: calm, with nothing to forgive, even if it was held."""
    return CALM
