"""Spans on their way: sent in batches, counted when they are lost, and never waited for."""

import socket
import threading
import time
from typing import NamedTuple

import pytest
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from cognitive_engine.telemetry import span_queue, spans
from cognitive_engine.telemetry.spans import OtelTracing
from cognitive_engine.telemetry.traces import TraceSettings

MARK = "a-secret-word"
SETTINGS = TraceSettings("http://127.0.0.1:9", "mind", "1.2.3", "testing")


class Ids(NamedTuple):
    """Where a request belongs."""

    trace_id: str = "0af7651916cd43dd8448eb211c80319c"
    span_id: str = "b7ad6b7169203331"
    flags: str = "00"
    parent_id: str | None = None


class Recorder(SpanExporter):
    """Takes batches as it is told to."""

    def __init__(self, answer):
        self.answer = answer
        self.batches = []
        self.down = threading.Event()

    def export(self, batch):
        self.batches.append(len(batch))
        return self.answer(self)

    def shutdown(self):
        self.down.set()


def ended(tracing, count):
    """End `count` spans; the longest time that one took."""
    worst = 0.0
    for _ in range(count):
        began = time.perf_counter()
        tracing.request(Ids()).end("GET", "/v1/state", 200, {})
        worst = max(worst, time.perf_counter() - began)
    return worst


def raising(_):
    raise ConnectionError(MARK)


@pytest.mark.parametrize("answer", [lambda _: SpanExportResult.FAILURE, raising])
def test_spans_that_cannot_be_sent_are_counted(answer):
    tracing = OtelTracing(SETTINGS, Recorder(answer))
    ended(tracing, 5)
    tracing.close()
    assert tracing.counts == {"sent": 0, "failed": 5, "dropped": 0}


def test_spans_are_sent_in_bounded_batches():
    recorder = Recorder(lambda _: SpanExportResult.SUCCESS)
    queue = span_queue.SpanQueue(recorder, most=2048, at_once=100, pause_seconds=0.01)
    kept = InMemorySpanExporter()
    tracing = OtelTracing(SETTINGS, kept)
    ended(tracing, 1000)
    tracing.close()
    for span in kept.get_finished_spans():
        queue.on_end(span)
    queue.shutdown()
    assert max(recorder.batches) <= 100
    assert sum(recorder.batches) == 1000 == queue.counts["sent"]
    queue.on_end(kept.get_finished_spans()[0])
    assert queue.counts["dropped"] == 1


def test_a_collector_that_hangs_costs_spans_and_neither_requests_nor_the_end():
    recorder = Recorder(lambda self: self.down.wait(60) and SpanExportResult.FAILURE)
    tracing = OtelTracing(SETTINGS, recorder, close_seconds=0.2)
    assert ended(tracing, 6000) < 0.5
    dropped = tracing.counts["dropped"]
    assert dropped >= 6000 - 2048 - 512
    began = time.perf_counter()
    tracing.close()
    assert time.perf_counter() - began < 5.0
    assert sum(tracing.counts.values()) >= 6000 - 512, "what was under way may be lost unseen"
    assert tracing.counts["sent"] == 0


@pytest.mark.parametrize("accepts", [False, True], ids=["dead", "silent"])
def test_a_real_exporter_gives_up_on_a_collector(accepts):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        if accepts:
            listener.listen(16)
        port = listener.getsockname()[1]
        exporter = spans.exporter_to(f"http://127.0.0.1:{port}/")
        tracing = OtelTracing(SETTINGS, exporter, close_seconds=0.2)
        assert ended(tracing, 200) < 0.5
        began = time.perf_counter()
        tracing.close()
        assert time.perf_counter() - began < 5.0
        assert tracing.counts["sent"] == 0
