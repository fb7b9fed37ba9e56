"""Spans on their way to the collector.

A thread of its own sends them, many at once. Whoever ends a span never waits: when too many are
waiting already, the new one is dropped and counted.
"""

import threading
from collections import deque
from collections.abc import Mapping

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from cognitive_engine.domain import limits

from .traces import DROPPED, FAILED, SENT


class SpanQueue(SpanProcessor):
    """Passes sampled spans on to `exporter`, whose calls are bounded in time by themselves."""

    def __init__(
        self,
        exporter: SpanExporter,
        *,
        most: int = limits.TRACE_SPANS_WAITING_MAX,
        at_once: int = limits.TRACE_SPANS_SENT_AT_ONCE,
        pause_seconds: float = limits.TRACE_SEND_PAUSE_SECONDS,
        close_seconds: float = limits.TRACE_CLOSE_SECONDS_MAX,
    ) -> None:
        self._exporter = exporter
        self._most, self._at_once = most, at_once
        self._pause_seconds, self._close_seconds = pause_seconds, close_seconds
        self._waiting: deque[ReadableSpan] = deque()
        # Each is written by one thread only: dropped by the one that ends spans.
        self._sent = self._failed = self._dropped = 0
        self._wake = threading.Event()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="spans", daemon=True)
        self._thread.start()

    @property
    def counts(self) -> Mapping[str, int]:
        """Spans by what became of them."""
        return {SENT: self._sent, FAILED: self._failed, DROPPED: self._dropped}

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Nothing: a span counts when it ends."""

    def on_end(self, span: ReadableSpan) -> None:
        """Take in a span that has ended."""
        if span.context is None or not span.context.trace_flags.sampled:
            return
        if self._closing or len(self._waiting) >= self._most:
            self._dropped += 1
            return
        self._waiting.append(span)
        if len(self._waiting) >= self._at_once:
            self._wake.set()

    def shutdown(self) -> None:
        """Send what waits, for a bounded time; what is left then is dropped."""
        self._closing = True
        self._wake.set()
        self._thread.join(self._close_seconds)
        # Ends a call that is still under way, and with it the thread.
        self._exporter.shutdown()
        self._dropped += len(self._waiting)
        self._waiting.clear()

    def _run(self) -> None:
        while not self._closing:
            self._wake.wait(self._pause_seconds)
            self._wake.clear()
            self._send_all()
        self._send_all()

    def _send_all(self) -> None:
        while self._waiting:
            count = min(len(self._waiting), self._at_once)
            try:
                batch = [self._waiting.popleft() for _ in range(count)]
            except IndexError:
                return  # cleared meanwhile: it was too late for them
            try:
                sent = self._exporter.export(batch) is SpanExportResult.SUCCESS
            except Exception:
                sent = False
            if sent:
                self._sent += count
            else:
                self._failed += count
