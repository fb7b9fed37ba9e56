"""How a trace goes on in a backend that is called: by a header, while the call is under way."""

from collections.abc import Mapping
from contextvars import ContextVar

_calling: ContextVar[str | None] = ContextVar("calling", default=None)


def outgoing_headers() -> Mapping[str, str]:
    """Headers that continue the trace in a backend; none outside of a traced call."""
    parent = _calling.get()
    return {} if parent is None else {"traceparent": parent}


def enter_call(parent: str | None) -> None:
    """The span that a backend's own spans belong under, from here on; None for none."""
    _calling.set(parent)
