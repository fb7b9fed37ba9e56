"""Drift of the moral filter: how far its threshold has wandered, and when that is worth a word.

Only changes of the threshold are kept, so a step that moves nothing costs one comparison.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from . import limits
from .moral_filter import MoralState

# One change beyond these is significant, or critical.
SIGNIFICANT_CHANGE: Final = 0.05
CRITICAL_CHANGE: Final = 0.1
# Drift is sustained when the newest of so many thresholds lies this far from the first of them.
SUSTAINED_WINDOW: Final = 10
SUSTAINED_CHANGE: Final = 0.15
# Repeated steps of 0.05 leave a residue of some 1e-16. Without slack, it would decide whether an
# ordinary step counts as significant.
FLOAT_SLACK: Final = 1e-9

assert SIGNIFICANT_CHANGE < CRITICAL_CHANGE
assert 2 <= SUSTAINED_WINDOW <= limits.DRIFT_THRESHOLDS_MAX


class DriftAlarm(StrEnum):
    """What a change of the threshold gives cause to say."""

    SUSTAINED = "sustained"
    SIGNIFICANT = "significant"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class DriftState:
    """The newest thresholds, oldest first, each of them the result of a change."""

    thresholds: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class DriftStats:
    """What the kept changes amount to. `ema_acceptance` is the average of the moral filter.

    Fewer than two changes are no drift: none is counted, and both ends of the range are the
    threshold in force.
    """

    total_changes: int
    drift_range: float
    min_threshold: float
    max_threshold: float
    current_threshold: float
    ema_acceptance: float


def observe(drift: DriftState, old: float, new: float) -> DriftState:
    """The drift after the threshold went from `old` to `new`; the same object if it stood still."""
    if new == old:
        return drift
    return DriftState((*drift.thresholds[1 - limits.DRIFT_THRESHOLDS_MAX :], new))


def detect(drift: DriftState, old: float, new: float) -> tuple[DriftAlarm, ...]:
    """The alarms of a change from `old` to `new`; `drift` is what `observe` made of it.

    A change is significant or critical, never both. A threshold that stood still alarms nobody.
    """
    if new == old:
        return ()
    alarms = []
    window = drift.thresholds[-SUSTAINED_WINDOW:]
    if (
        len(window) == SUSTAINED_WINDOW
        and abs(window[-1] - window[0]) >= SUSTAINED_CHANGE - FLOAT_SLACK
    ):
        alarms.append(DriftAlarm.SUSTAINED)
    change = abs(new - old)
    if change > CRITICAL_CHANGE + FLOAT_SLACK:
        alarms.append(DriftAlarm.CRITICAL)
    elif change > SIGNIFICANT_CHANGE + FLOAT_SLACK:
        alarms.append(DriftAlarm.SIGNIFICANT)
    return tuple(alarms)


def stats(drift: DriftState, moral: MoralState) -> DriftStats:
    """The drift in figures, beside the filter's state of the same moment."""
    kept = drift.thresholds if len(drift.thresholds) >= 2 else ()
    lowest = min(kept, default=moral.threshold)
    highest = max(kept, default=moral.threshold)
    return DriftStats(
        total_changes=len(kept),
        drift_range=highest - lowest,
        min_threshold=lowest,
        max_threshold=highest,
        current_threshold=moral.threshold,
        ema_acceptance=moral.accept_ema,
    )
