"""Traces by OpenTelemetry; see `traces`. The only module that needs its libraries."""

import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter
from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    Tracer,
    format_span_id,
    format_trace_id,
    set_span_in_context,
)
from opentelemetry.util.types import AttributeValue

from cognitive_engine.domain import limits
from cognitive_engine.domain.commands import Asleep, Decide, Remember
from cognitive_engine.turn import Answer, Apply, Effect, Embed, Look, Outcome, Recall, Write

from .propagation import enter_call
from .requests import is_probe
from .span_queue import SpanQueue
from .traces import TraceIds, TraceSettings

_LIBRARY: Final = "cognitive_engine"
_PATH: Final = "/v1/traces"
# The lower half of a trace's id is random: it decides whether the trace is kept.
_IDS: Final = 2**64
_OPERATIONS: Final = frozenset({"generate", "infer", "event", "process_event"})
_EFFECTS: Final = {
    Embed: "llm_wrapper.embedding",
    Recall: "llm_wrapper.memory_retrieval",
    Write: "llm_wrapper.llm_call",
}
_COMMANDS: Final = {
    Decide: "llm_wrapper.moral_filter",
    Remember: "llm_wrapper.memory_update",
}
# What is thought between two effects, by the effect that gave cause to it.
_THOUGHTS: Final = {Look: "engine.moral_precheck", Write: "engine.post_moral_check"}
# Log fields that are attributes too, by their names there.
_FIELDS: Final = {
    name: f"mlsdm.{name}"
    for name in (
        *("accepted", "phase", "step", "moral_value", "moral_threshold", "rejected_at"),
        *("prompt_length", "response_length", "max_tokens", "context_top_k"),
    )
} | {"context_items": "mlsdm.context_items_retrieved", "error_code": "error.type"}


def exporting(settings: TraceSettings) -> "OtelTracing":
    """Tracing that sends to the collector of `settings`, over HTTP."""
    return OtelTracing(settings, exporter_to(settings.endpoint))


def exporter_to(endpoint: str) -> SpanExporter:
    """What sends to the collector whose base address is `endpoint`."""
    address = endpoint.rstrip("/") + _PATH
    return OTLPSpanExporter(endpoint=address, timeout=limits.TRACE_SEND_SECONDS_MAX)


class OtelTracing:
    """See `traces.Tracing`. `exporter` takes the spans."""

    def __init__(
        self,
        settings: TraceSettings,
        exporter: SpanExporter,
        *,
        close_seconds: float = limits.TRACE_CLOSE_SECONDS_MAX,
    ) -> None:
        self._below = round(settings.sample_ratio * _IDS)
        self._ids = _Ids()
        self._queue = SpanQueue(exporter, close_seconds=close_seconds)
        self._provider = TracerProvider(
            sampler=ALWAYS_ON,
            resource=Resource.create(
                {
                    "service.name": settings.service_name,
                    "service.version": settings.service_version,
                    "service.instance.id": str(uuid.uuid4()),
                    "deployment.environment": settings.deployment,
                }
            ),
            id_generator=self._ids,
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(self._queue)
        self._tracer = self._provider.get_tracer(_LIBRARY, settings.service_version)

    @property
    def counts(self) -> Mapping[str, int]:
        """See `traces.Tracing`."""
        return self._queue.counts

    def request(self, ids: TraceIds) -> "_Request | None":
        """See `traces.Tracing`."""
        # Decided here and not by a sampler: spans that nobody keeps would cost a third of the rest.
        if ids.parent_id is None:
            kept = int(ids.trace_id, 16) % _IDS < self._below
        else:
            kept = int(ids.flags, 16) & TraceFlags.SAMPLED != 0
        return _Request(self._tracer, self._ids, ids) if kept else None

    def close(self) -> None:
        """See `traces.Tracing`."""
        self._provider.shutdown()


class _Ids(IdGenerator):
    """Random ids, but for the next span when it has been given some already."""

    def __init__(self) -> None:
        self._random = RandomIdGenerator()
        self._next: tuple[int, int] | None = None

    def give(self, trace_id: int, span_id: int) -> None:
        """The ids of the span that is started next."""
        self._next = (trace_id, span_id)

    def generate_trace_id(self) -> int:
        """The trace of a span without a parent."""
        return self._next[0] if self._next else self._random.generate_trace_id()

    def generate_span_id(self) -> int:
        """The id of a span."""
        given, self._next = self._next, None
        return given[1] if given else self._random.generate_span_id()


class _Request:
    """See `traces.RequestTrace`. A probe that ends without a turn leaves no span."""

    __slots__ = ("_began", "_given", "_ids", "_span", "_tracer")

    def __init__(self, tracer: Tracer, given: _Ids, ids: TraceIds) -> None:
        self._tracer, self._given, self._ids = tracer, given, ids
        self._began = time.time_ns()
        self._span: Span | None = None

    def turn(self, name: str) -> "_Turn":
        """See `traces.RequestTrace`."""
        return _Turn(self._tracer, name, set_span_in_context(self._started()))

    def end(self, method: str, route: str, status: int, fields: Mapping[str, object]) -> None:
        """See `traces.RequestTrace`."""
        if self._span is None and is_probe(route):
            return
        span = self._started()
        operation = route.rstrip("/").rpartition("/")[2]
        known = operation in _OPERATIONS
        span.update_name(f"api.{operation}" if known else f"{method} {route}")
        span.set_attributes(
            {
                "http.request.method": method,
                "http.route": route,
                "http.response.status_code": status,
                **_attributes(fields),
            }
        )
        if status >= 500:
            span.set_status(StatusCode.ERROR)
        span.end()

    def _started(self) -> Span:
        if self._span is None:
            ids = self._ids
            trace_id = int(ids.trace_id, 16)
            self._given.give(trace_id, int(ids.span_id, 16))
            self._span = self._tracer.start_span(
                "request",
                context=_caller(trace_id, ids.parent_id, ids.flags),
                kind=SpanKind.SERVER,
                start_time=self._began,
            )
        return self._span


class _Turn:
    """See `traces.TurnTrace`."""

    __slots__ = ("_context", "_thought", "_tracer", "_turn")

    def __init__(self, tracer: Tracer, name: str, parent: Context) -> None:
        self._tracer = tracer
        self._turn = tracer.start_span(name, context=parent)
        self._context = set_span_in_context(self._turn)
        self._thought: tuple[str, int] | None = None

    @contextmanager
    def effect(self, effect: Effect) -> Iterator[None]:
        """See `traces.TurnTrace`."""
        self._end_thought(before=effect)
        name = _COMMANDS.get(type(effect.command)) if isinstance(effect, Apply) else None
        name = name or _EFFECTS.get(type(effect))
        try:
            if name is None:
                yield
            else:
                kind = SpanKind.CLIENT if isinstance(effect, Write) else SpanKind.INTERNAL
                with self._step(name, kind):
                    yield
        finally:
            thought = _THOUGHTS.get(type(effect))
            if thought is not None:
                self._thought = (thought, time.time_ns())

    def end(self, outcome: Outcome | None) -> None:
        """See `traces.TurnTrace`."""
        self._end_thought(before=None)
        self._turn.set_attributes(_told(outcome))
        if outcome is None:
            self._turn.set_status(StatusCode.ERROR)
        self._turn.end()

    @contextmanager
    def _step(self, name: str, kind: SpanKind) -> Iterator[None]:
        span = self._tracer.start_span(name, context=self._context, kind=kind)
        if kind is SpanKind.CLIENT:
            enter_call(_traceparent(span.get_span_context()))
        try:
            yield
        except BaseException as error:
            # Its kind only: what it says may quote what was sent.
            span.set_attribute("error.type", type(error).__name__)
            span.set_status(StatusCode.ERROR)
            raise
        finally:
            if kind is SpanKind.CLIENT:
                enter_call(None)
            span.end()

    def _end_thought(self, before: Effect | None) -> None:
        thought, self._thought = self._thought, None
        # Between two writings lies a part of the governing of speech; the check comes after.
        if thought is not None and not isinstance(before, Write):
            name, began = thought
            self._tracer.start_span(name, context=self._context, start_time=began).end()


def _caller(trace_id: int, parent_id: str | None, flags: str) -> Context:
    if parent_id is None:
        return Context()
    caller = SpanContext(
        trace_id, int(parent_id, 16), is_remote=True, trace_flags=TraceFlags(int(flags, 16))
    )
    return set_span_in_context(NonRecordingSpan(caller), Context())


def _traceparent(span: SpanContext) -> str:
    ids = f"{format_trace_id(span.trace_id)}-{format_span_id(span.span_id)}"
    return f"00-{ids}-{span.trace_flags & TraceFlags.SAMPLED:02x}"


def _attributes(fields: Mapping[str, object]) -> dict[str, AttributeValue]:
    return {
        _FIELDS[name]: value
        for name, value in fields.items()
        if name in _FIELDS and isinstance(value, bool | int | float | str)
    }


def _told(outcome: Outcome | None) -> dict[str, AttributeValue]:
    if outcome is None:
        return {}
    told: dict[str, AttributeValue] = {
        "mlsdm.phase": outcome.phase.value,
        "mlsdm.step": outcome.step,
    }
    if isinstance(outcome, Answer):
        told |= {
            "mlsdm.accepted": outcome.accepted,
            "mlsdm.moral_threshold": outcome.moral_threshold,
            "mlsdm.moral_value": outcome.moral_value,
            "mlsdm.context_items_retrieved": len(outcome.context),
            "mlsdm.response_length": len(outcome.response),
            "mlsdm.risk_mode": outcome.report.risk.mode.value,
        }
        if outcome.rejected_at is not None:
            told["mlsdm.rejected_at"] = outcome.rejected_at.value
        return told
    asleep = isinstance(outcome, Asleep)
    reason = "sleep_phase" if asleep else "emergency_shutdown"
    return told | {"mlsdm.accepted": False, "mlsdm.rejected_reason": reason}
