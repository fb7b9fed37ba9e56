"""How risky a request is, and what that allows.

The composite is the worst of what the caller's sensors say; any security flag makes it 1.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from . import limits
from .errors import InvalidInput
from .units import parse_unit

TOKENS_AT_RISK_MAX: Final = 128
# A sensor at or above this is a reason of its own.
HIGH: Final = 0.7

COGNITION_HIGH: Final = "cognition_high_risk"
ANOMALY_HIGH: Final = "observability_anomaly"

SAFE_ANSWER: Final = (
    "This request looks risky, so it gets no worked-out answer for now. Please ask again later, or "
    "put the question in another way."
)

_FLAG: Final = re.compile(rf"[A-Za-z0-9_.:-]{{1,{limits.SECURITY_FLAG_CHARS_MAX}}}", re.ASCII)


class Mode(StrEnum):
    """How carefully a request is served, from best to worst."""

    NORMAL = "normal"
    GUARDED = "guarded"
    DEGRADED = "degraded"
    EMERGENCY = "emergency"


# Each mode begins at its composite; below all of them a request is normal.
MODE_STARTS: Final = ((0.9, Mode.EMERGENCY), (HIGH, Mode.DEGRADED), (0.4, Mode.GUARDED))


class Measure(StrEnum):
    """What a mode does to a request; reported as its degrade actions."""

    TOKEN_CAP = "token_cap"  # noqa: S105 - a number of words, not a secret
    SAFE_ANSWER = "safe_answer"
    BLOCK = "block"


MEASURES: Final = {
    Mode.NORMAL: (),
    Mode.GUARDED: (Measure.TOKEN_CAP,),
    Mode.DEGRADED: (Measure.TOKEN_CAP, Measure.SAFE_ANSWER),
    Mode.EMERGENCY: (Measure.BLOCK,),
}


@dataclass(frozen=True, slots=True)
class Risk:
    """The judgement of a request; `composite` in [0, 1], `reasons` in a fixed order."""

    mode: Mode
    composite: float
    reasons: tuple[str, ...]

    @property
    def measures(self) -> tuple[Measure, ...]:
        """What the mode does to the request."""
        return MEASURES[self.mode]

    @property
    def blocked(self) -> bool:
        """Whether the request gets no answer at all."""
        return Measure.BLOCK in self.measures

    @property
    def answer(self) -> str | None:
        """The fixed answer that stands in for a generated one, if one does."""
        return SAFE_ANSWER if Measure.SAFE_ANSWER in self.measures else None

    def cap(self, max_tokens: int) -> int:
        """The tokens left of `max_tokens`."""
        if Measure.TOKEN_CAP in self.measures:
            return min(max_tokens, TOKENS_AT_RISK_MAX)
        return max_tokens


def assess(
    cognition: float = 0.0, anomaly: float = 0.0, security_flags: Sequence[str] = ()
) -> Risk:
    """Judge a request by two scores in [0, 1] and the names of the security flags raised.

    Raises:
        InvalidInput: a score is no number in [0, 1], or a flag is no short plain name.
    """
    cognition = parse_unit("a cognition risk score", cognition)
    anomaly = parse_unit("an observability anomaly score", anomaly)
    flags = _parse_flags(security_flags)
    composite = 1.0 if flags else max(cognition, anomaly)
    mode = next((name for start, name in MODE_STARTS if composite >= start), Mode.NORMAL)
    high = ((COGNITION_HIGH, cognition), (ANOMALY_HIGH, anomaly))
    reasons = (*flags, *(name for name, score in high if score >= HIGH))
    return Risk(mode, composite, reasons)


def _parse_flags(flags: Sequence[str]) -> tuple[str, ...]:
    """Each flag once, in the order given."""
    # One name in place of a list of names would read as its letters.
    if isinstance(flags, str) or len(flags) > limits.SECURITY_FLAGS_MAX:
        raise InvalidInput(f"security flags are a list of at most {limits.SECURITY_FLAGS_MAX}")
    if not all(isinstance(flag, str) and _FLAG.fullmatch(flag) for flag in flags):
        raise InvalidInput(
            "a security flag is a name of letters, digits and _ . : -, of at most "
            f"{limits.SECURITY_FLAG_CHARS_MAX} characters"
        )
    return tuple(dict.fromkeys(flags))
