"""What may be asked of the mind, and what can come of it.

Commands travel inside records, so their names and fields are the log's format: a new field goes to
the end and has a default, and nothing is renamed. Outcomes are for the caller and are never stored.

Vectors are float32 of shape (dimension,); scores, bars and confidences lie in [0, 1]. A command may
hold anything until `checks.parse_command` has seen it.
"""

from enum import StrEnum

import msgspec

from .emergency import EmergencyReason
from .memory.provenance import Origin
from .memory.vectors import Vector
from .rhythm import Phase

USER_INPUT = Origin()


class Verdict(StrEnum):
    """The answer to a judged command, as it was given."""

    ADMITTED = "admitted"
    REFUSED = "refused"
    ASLEEP = "asleep"
    HALTED = "halted"


class _Command(msgspec.Struct, frozen=True, array_like=True, tag=True, eq=False, gc=False):
    """Base of what goes into a record."""


class Memory(msgspec.Struct, frozen=True, array_like=True, eq=False, gc=False):
    """One thing to keep; below the least confidence it is passed over."""

    scope: str
    vector: Vector
    text: str | None
    confidence: float = 1.0
    origin: Origin = USER_INPUT


class Decide(_Command, frozen=True):
    """Judge a request.

    `max_tokens` as asked, or None. `bar` is the request's own threshold, on top of the filter's.
    `blocked`: turned away before it could be judged; it counts, and the filter learns nothing.
    """

    scope: str
    score: float
    max_tokens: int | None = None
    bar: float | None = None
    blocked: bool = False


class Remember(_Command, frozen=True):
    """Keep one memory or many: all of them, or none and an error."""

    memories: tuple[Memory, ...]


class Observe(_Command, frozen=True):
    """An event: judged like a request, and kept at once when it is admitted."""

    scope: str
    score: float
    vector: Vector
    text: str | None = None
    bar: float | None = None
    origin: Origin = USER_INPUT


class Consolidate(_Command, frozen=True):
    """Make what was learned awake reachable asleep, now."""


class Emergency(_Command, frozen=True):
    """Turn everybody away until the emergency is over."""

    reason: EmergencyReason


class Relieve(_Command, frozen=True):
    """Memory is no longer short; the emergency may end when its cool-down does."""


class Reset(_Command, frozen=True):
    """End an emergency by hand, and forgive the earlier ones."""


class Override(_Command, frozen=True):
    """Hold the moral threshold at a value, whatever the filter learns; None lets it move again."""

    threshold: float | None = None


class Erase(_Command, frozen=True):
    """Forget all memories of a scope. What faded into the levels stays there: it is no content."""

    scope: str


Command = Decide | Remember | Observe | Consolidate | Emergency | Relieve | Reset | Override | Erase
Judged = Decide | Observe


class _Outcome(msgspec.Struct, frozen=True, gc=False):
    """Base of what comes out."""


class _Answered(_Outcome, frozen=True):
    """`step` and `threshold` after the command, `phase` too."""

    step: int
    phase: Phase
    threshold: float


class Admitted(_Answered, frozen=True):
    """Accepted. `admitted_in` is the phase that serves the request."""

    admitted_in: Phase
    max_tokens: int


class Observed(_Answered, frozen=True):
    """Accepted and kept."""

    admitted_in: Phase
    memory_id: int


class Refused(_Answered, frozen=True):
    """The score did not pass, or the request was blocked."""


class Asleep(_Answered, frozen=True):
    """Turned away because the engine sleeps; the score was not judged."""

    retry_after_seconds: int


class Halted(_Answered, frozen=True):
    """Turned away because of an emergency: nothing was judged, and nothing moved."""

    retry_after_seconds: int


class Remembered(_Outcome, frozen=True):
    """Ids in the order of the memories, never used twice; None for one that was passed over."""

    memory_ids: tuple[int | None, ...]


class Consolidated(_Outcome, frozen=True):
    """Number of memories that became reachable asleep."""

    moved: int


class Alerted(_Outcome, frozen=True):
    """Whether an emergency is on after the command."""

    active: bool


class Adjusted(_Outcome, frozen=True):
    """The moral threshold after the command, and whether it is held there."""

    threshold: float
    held: bool


class Erased(_Outcome, frozen=True):
    """Number of memories erased."""

    count: int


Outcome = (
    Admitted
    | Observed
    | Refused
    | Asleep
    | Halted
    | Remembered
    | Consolidated
    | Alerted
    | Adjusted
    | Erased
)
