"""Conditions as values: made by the judge, dated by the clock, kept when unchanged."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cognitive_api.conditions import ABNORMAL_TRUE, TABLE, ConditionType, Reason

from ..limits import MESSAGE_MAX


@dataclass(frozen=True)
class Judgement:
    """One condition before it has a date."""

    type: ConditionType
    holds: bool
    reason: Reason
    message: str = ""

    @property
    def text(self) -> str:
        """Return the message; without one of its own, what the table says of the reason."""
        entry = TABLE[self.reason]
        standing = f"{entry.meaning} {entry.next_act}".strip()
        return (self.message or standing)[:MESSAGE_MAX]


def dated(
    judgements: Iterable[Judgement],
    previous: Iterable[Mapping[str, Any]],
    generation: int,
    now: str,
) -> list[dict[str, Any]]:
    """Return the list for the status, in order of type.

    A condition keeps its transition time while its status stays. Abnormal-true conditions are
    left out while they do not hold: server-side apply then removes them.
    """
    before = {item["type"]: item for item in previous}
    out = []
    for judgement in sorted(judgements, key=lambda item: item.type.value):
        if judgement.type in ABNORMAL_TRUE and not judgement.holds:
            continue
        status = "True" if judgement.holds else "False"
        old = before.get(judgement.type.value)
        same = old is not None and old.get("status") == status
        out.append(
            {
                "type": judgement.type.value,
                "status": status,
                "reason": judgement.reason.value,
                "message": judgement.text,
                "lastTransitionTime": old["lastTransitionTime"] if old and same else now,
                "observedGeneration": generation,
            }
        )
    return out
