"""Traces: what a request spent its time on, told to a collector. Off unless the settings ask.

    api.generate                 one for each request, but for probes
    └── engine.generate          its turn
        ├── engine.moral_precheck        the words of the prompt
        ├── llm_wrapper.embedding
        ├── llm_wrapper.moral_filter
        ├── llm_wrapper.memory_retrieval
        ├── llm_wrapper.llm_call
        ├── engine.post_moral_check      speech, quality and the words of the answer
        └── llm_wrapper.memory_update

Spans hold numbers and words of small sets, no content. They are sent from a thread of their own: a
collector that is slow, or gone, costs spans, which are counted, and nothing else.

Whoever traces a request asks `is not None` once; with traces off that is all there is to pay, and
the libraries are not even loaded.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final, Protocol

from cognitive_engine.turn import Effect, Outcome

SENT: Final = "sent"
FAILED: Final = "failed"
DROPPED: Final = "dropped"
NO_SPANS: Final[Mapping[str, int]] = {SENT: 0, FAILED: 0, DROPPED: 0}


class TracingUnusable(Exception):
    """Traces are asked for and cannot be had; the text is one sentence that says what to do."""


@dataclass(frozen=True, slots=True)
class TraceSettings:
    """Where spans go and whose they are. `endpoint` is the collector's base address.

    `sample_ratio` in [0, 1] is the share of requests that begin a trace; one that continues a
    trace does as its caller did.
    """

    endpoint: str
    service_name: str
    service_version: str
    deployment: str
    sample_ratio: float = 1.0


class TraceIds(Protocol):
    """Where a request belongs: ids and flags in hexadecimal, as in W3C trace context.

    `span_id` is the request's own; `parent_id` its caller's span, None when it begins a trace.
    """

    @property
    def trace_id(self) -> str:
        """32 digits."""

    @property
    def span_id(self) -> str:
        """16 digits."""

    @property
    def parent_id(self) -> str | None:
        """16 digits."""

    @property
    def flags(self) -> str:
        """2 digits; the caller's when there is one."""


class TurnTrace(Protocol):
    """The span of a turn."""

    def effect(self, effect: Effect) -> AbstractContextManager[None]:
        """A span around what is done for `effect`."""

    def end(self, outcome: Outcome | None) -> None:
        """The turn is over; None when it failed."""


class RequestTrace(Protocol):
    """The span of a request."""

    def turn(self, name: str) -> TurnTrace:
        """Begin the span of a turn."""

    def end(self, method: str, route: str, status: int, fields: Mapping[str, object]) -> None:
        """The request is over. Of `fields` those are kept that traces know."""


class Tracing(Protocol):
    """Makes spans and sends them."""

    @property
    def counts(self) -> Mapping[str, int]:
        """Spans that were sent, failed to be, or were dropped."""

    def request(self, ids: TraceIds) -> RequestTrace | None:
        """A request that arrives now; None when it is not among those that are traced."""

    def close(self) -> None:
        """Send what waits, for a few seconds at most; blocks."""


def build_tracing(settings: TraceSettings) -> Tracing:
    """What `settings` describe; it sends from now on.

    Raises:
        TracingUnusable: the libraries are not installed.
    """
    try:
        from . import spans  # noqa: PLC0415 - an extra that most engines do without
    except ImportError as error:
        raise TracingUnusable(
            "tracing.enabled needs OpenTelemetry: install the extra `tracing`, or turn it off"
        ) from error
    return spans.exporting(settings)
