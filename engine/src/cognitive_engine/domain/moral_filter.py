"""The moral filter: does a score pass, and how does the threshold move?

Two policies share the test (`evaluate`) and differ in how the threshold adapts:

- `homeostatic` steers the share of accepted requests towards a target. The order of its float
  operations is part of the rule: one acceptance from the start moves the threshold only because
  0.55 − 0.5 is a little more than 0.05 in double precision.
- `evidence` follows the harm that it sees: a moving average of scores below the initial
  threshold decides how far above the initial threshold to stand.

Both averages are kept under both policies, so that a report never lacks one.
"""

from dataclasses import dataclass
from typing import Final

from cognitive_api.governance import MoralPolicy, MoralSettings

ACCEPT_EMA_START: Final = 0.5
TARGET_ACCEPT_RATE_DEFAULT: Final = 0.5
# Share of harmful requests at which `evidence` stands at its maximum.
HARM_SATURATION: Final = 0.8


@dataclass(frozen=True, slots=True)
class MoralState:
    """Threshold in force and the two moving averages, all in [0, 1].

    `held`: somebody has set the threshold, and it stays there until they let go.
    """

    threshold: float
    accept_ema: float
    harm_ema: float
    held: bool = False


def initial(settings: MoralSettings) -> MoralState:
    """Start state: the initial threshold, clamped to the bounds."""
    threshold = _clamp(settings.initial_threshold, settings)
    return MoralState(threshold, ACCEPT_EMA_START, 0.0)


def evaluate(
    state: MoralState, score: float, settings: MoralSettings, bar: float | None = None
) -> bool:
    """Whether `score` passes. NaN fails every comparison and so is refused.

    `bar` is a request's own threshold, judged on top of the filter's: it can only refuse more.
    What the filter learns from (`adapt`) should be its own verdict, given without the bar, or one
    caller's bar would move everybody's threshold.
    """
    if bar is not None and not score >= bar:
        return False
    if score >= settings.max_threshold:
        return True
    if score < settings.min_threshold:
        return False
    return score >= state.threshold


def adapt(state: MoralState, score: float, accepted: bool, settings: MoralSettings) -> MoralState:
    """The state after a decision."""
    alpha = settings.ema_alpha
    keep = 1.0 - alpha
    accept_ema = alpha * (1.0 if accepted else 0.0) + keep * state.accept_ema
    harmful = not score >= settings.initial_threshold
    harm_ema = alpha * (1.0 if harmful else 0.0) + keep * state.harm_ema
    if state.held:
        return MoralState(state.threshold, accept_ema, harm_ema, held=True)
    if settings.policy is MoralPolicy.HOMEOSTATIC:
        threshold = _homeostatic(state.threshold, accept_ema, settings)
    else:
        threshold = _evidence(state.threshold, harm_ema, settings)
    return MoralState(threshold, accept_ema, harm_ema)


def hold(state: MoralState, threshold: float | None, settings: MoralSettings) -> MoralState:
    """The state with its threshold set by hand, within the bounds; None lets it move again.

    The averages go on meanwhile. Let go, the threshold moves on from where it stands.
    """
    if threshold is None:
        return MoralState(state.threshold, state.accept_ema, state.harm_ema)
    held = _clamp(threshold, settings)
    return MoralState(held, state.accept_ema, state.harm_ema, held=True)


def _homeostatic(threshold: float, accept_ema: float, settings: MoralSettings) -> float:
    target = settings.target_accept_rate
    error = accept_ema - (TARGET_ACCEPT_RATE_DEFAULT if target is None else target)
    if error > settings.dead_band:
        return min(threshold + settings.step, settings.max_threshold)
    if error < -settings.dead_band:
        return max(threshold - settings.step, settings.min_threshold)
    return threshold


def _evidence(threshold: float, harm_ema: float, settings: MoralSettings) -> float:
    low, high = settings.initial_threshold, settings.max_threshold
    target = low + (high - low) * _excess(harm_ema, settings.dead_band)
    gap = target - threshold
    # Landing on the target itself, not near it, makes the return to the initial value exact.
    if abs(gap) <= settings.step:
        return _clamp(target, settings)
    return _clamp(threshold + (settings.step if gap > 0 else -settings.step), settings)


def _excess(harm_ema: float, dead_band: float) -> float:
    """Share of the way from dead band to saturation, in [0, 1]."""
    if dead_band >= HARM_SATURATION:
        return 1.0 if harm_ema > dead_band else 0.0
    return min(max((harm_ema - dead_band) / (HARM_SATURATION - dead_band), 0.0), 1.0)


def _clamp(threshold: float, settings: MoralSettings) -> float:
    return min(max(threshold, settings.min_threshold), settings.max_threshold)
