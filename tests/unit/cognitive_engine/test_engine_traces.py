"""Traces: the promised spans in their order, no content, and no request that waits for them."""

import asyncio
import builtins
import json
import socket
import subprocess
import sys
import threading
from typing import NamedTuple

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from cognitive_api.engine_config import EngineConfig
from cognitive_engine.adapters.embedders.hashing import HashingEmbedder
from cognitive_engine.domain.commands import Asleep, Decide
from cognitive_engine.domain.rhythm import Phase
from cognitive_engine.domain.speech.governors import speech_pipeline
from cognitive_engine.domain.state import Rules, initial
from cognitive_engine.domain.step import step
from cognitive_engine.ports import Draft, GenerationFailed
from cognitive_engine.telemetry import spans
from cognitive_engine.telemetry.propagation import outgoing_headers
from cognitive_engine.telemetry.spans import OtelTracing
from cognitive_engine.telemetry.traces import TraceSettings, TracingUnusable, build_tracing
from cognitive_engine.turn import Apply, Embed, Look, Recall, Request, Write, turn

MARK = "a-secret-word"
TRACE, SPAN, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", "00f067aa0ba902b7"
NOW = 1_700_000_000.0


class Ids(NamedTuple):
    """Where a request belongs."""

    trace_id: str = TRACE
    span_id: str = SPAN
    flags: str = "00"
    parent_id: str | None = None


def settings(**given):
    """Settings of a collector that nobody asks."""
    values = {
        "endpoint": "http://127.0.0.1:9",
        "service_name": "mind",
        "service_version": "1.2.3",
        "deployment": "testing",
    }
    return TraceSettings(**values | given)


class Traced:
    """A tracing whose spans stay here."""

    def __init__(self, **given):
        self.exporter = InMemorySpanExporter()
        self.tracing = OtelTracing(settings(**given), self.exporter)

    def spans(self):
        """All spans by name, once everything is sent."""
        self.tracing.close()
        return {span.name: span for span in self.exporter.get_finished_spans()}


class Mind:
    """What a turn needs, without a service."""

    def __init__(self, scorer="caller", fails=False):
        config = EngineConfig.model_validate(
            {
                "memory": {"dimension": 8, "capacity": 100},
                "governance": {"moral": {"scorer": scorer}},
            }
        )
        self.rules = Rules(config.governance, config.memory)
        self.state = initial(self.rules, NOW)
        self.speech = speech_pipeline(config.governance.speech)
        self.embedder = HashingEmbedder(8)
        self.fails = fails
        self.heard = []

    def perform(self, effect):
        if isinstance(effect, Look):
            return self.state.moral.threshold
        if isinstance(effect, Embed):
            return self.embedder.embed(effect.text)
        if isinstance(effect, Apply):
            self.state, _, outcome = step(self.state, effect.command, NOW)
            return outcome
        if isinstance(effect, Recall):
            return self.state.pelm.recall(effect.query)
        assert isinstance(effect, Write)
        self.heard.append(outgoing_headers())
        if self.fails:
            raise GenerationFailed(MARK)
        return "It is a good answer with enough words in it, and it says what there is to say."

    def serve(self, traced):
        """One turn, driven as the service drives it."""
        trace, outcome = traced.turn("engine.generate"), None
        running = turn(Request("scope", MARK, 0.9), self.rules, self.speech, NOW)
        try:
            effect = next(running)
            while True:
                with trace.effect(effect):
                    result = self.perform(effect)
                effect = running.send(result)
        except StopIteration as end:
            outcome = end.value
            return outcome
        finally:
            trace.end(outcome)


def ids_of(span):
    """Trace, span and parent in hexadecimal."""
    parent = f"{span.parent.span_id:016x}" if span.parent else None
    return f"{span.context.trace_id:032x}", f"{span.context.span_id:016x}", parent


def test_a_request_leaves_the_promised_spans():
    traced, mind = Traced(), Mind("lexicon")
    request = traced.tracing.request(Ids())
    mind.serve(request)
    request.end("POST", "/v1/generate", 200, {"accepted": True, "step": 1, "prompt": MARK})
    found = traced.spans()
    assert list(found) == [
        "engine.moral_precheck",
        "llm_wrapper.embedding",
        "llm_wrapper.moral_filter",
        "llm_wrapper.memory_retrieval",
        "llm_wrapper.llm_call",
        "engine.post_moral_check",
        "llm_wrapper.memory_update",
        "engine.generate",
        "api.generate",
    ]
    root, turned = found["api.generate"], found["engine.generate"]
    assert ids_of(root) == (TRACE, SPAN, None)
    assert ids_of(turned)[2] == SPAN
    assert root.kind is SpanKind.SERVER
    assert found["llm_wrapper.llm_call"].kind is SpanKind.CLIENT
    steps = [span for name, span in found.items() if not name.endswith(".generate")]
    assert {ids_of(span)[2] for span in steps} == {ids_of(turned)[1]}
    assert {ids_of(span)[0] for span in found.values()} == {TRACE}
    for one in steps:
        assert root.start_time <= turned.start_time <= one.start_time <= one.end_time
        assert one.end_time <= turned.end_time <= root.end_time
    assert root.attributes == {
        "http.request.method": "POST",
        "http.route": "/v1/generate",
        "http.response.status_code": 200,
        "mlsdm.accepted": True,
        "mlsdm.step": 1,
    }
    assert turned.attributes["mlsdm.accepted"] is True
    assert turned.attributes["mlsdm.phase"] == "wake"
    assert turned.attributes["mlsdm.response_length"] > 0
    resource = root.resource.attributes
    assert resource["service.name"] == "mind"
    assert resource["service.version"] == "1.2.3"
    assert resource["deployment.environment"] == "testing"


def test_no_content_is_in_any_span():
    traced, mind = Traced(), Mind("lexicon")
    for status, fails in ((200, False), (502, True)):
        mind.fails = fails
        request = traced.tracing.request(Ids())
        try:
            mind.serve(request)
        except GenerationFailed:
            assert fails
        fields = {"prompt": MARK, "key": MARK, "error_code": "E600", "phase": "wake"}
        request.end("POST", "/v1/generate", status, fields)
    traced.tracing.close()
    text = "".join(span.to_json() for span in traced.exporter.get_finished_spans())
    assert "E600" in text
    assert MARK not in text
    assert "good answer" not in text


def test_what_fails_is_marked_by_its_kind():
    traced, mind = Traced(), Mind(fails=True)
    request = traced.tracing.request(Ids())
    with pytest.raises(GenerationFailed):
        mind.serve(request)
    request.end("POST", "/infer", 502, {})
    found = traced.spans()
    call = found["llm_wrapper.llm_call"]
    assert call.attributes["error.type"] == "GenerationFailed"
    assert call.status.status_code is StatusCode.ERROR
    assert call.status.description is None
    assert call.events == ()
    assert found["engine.generate"].status.status_code is StatusCode.ERROR
    assert found["api.infer"].status.status_code is StatusCode.ERROR


def test_a_cancelled_call_ends_its_span():
    traced = Traced()
    request = traced.tracing.request(Ids())
    spans_of_turn = request.turn("engine.generate")

    async def hangs():
        with spans_of_turn.effect(Write(Draft(MARK, (), 10))):
            await asyncio.sleep(3600)

    async def gives_up():
        task = asyncio.create_task(hangs())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(gives_up())
    spans_of_turn.end(None)
    request.end("POST", "/v1/generate", 504, {"error_code": "E902"})
    call = traced.spans()["llm_wrapper.llm_call"]
    assert call.attributes["error.type"] == "CancelledError"


def test_a_turn_away_says_why():
    traced = Traced()
    request = traced.tracing.request(Ids())
    spans_of_turn = request.turn("engine.generate")
    with spans_of_turn.effect(Apply(Decide("scope", 0.9))):
        pass
    spans_of_turn.end(Asleep(3, Phase.SLEEP, 0.5, 30))
    request.end("POST", "/v1/generate", 503, {})
    told = traced.spans()["engine.generate"].attributes
    assert told["mlsdm.accepted"] is False
    assert told["mlsdm.rejected_reason"] == "sleep_phase"


@pytest.mark.parametrize("flags", ["01", "03"])
def test_a_callers_trace_is_continued(flags):
    traced = Traced(sample_ratio=0.0)
    request = traced.tracing.request(Ids(flags=flags, parent_id=CALLER))
    Mind().serve(request)
    request.end("POST", "/v1/generate", 200, {})
    root = traced.spans()["api.generate"]
    assert ids_of(root) == (TRACE, SPAN, CALLER)
    assert root.parent.is_remote


def test_a_caller_who_keeps_no_spans_is_followed():
    traced = Traced(sample_ratio=1.0)
    assert traced.tracing.request(Ids(flags="00", parent_id=CALLER)) is None


def test_a_backend_is_told_where_it_belongs():
    traced, mind = Traced(), Mind()
    request = traced.tracing.request(Ids())
    mind.serve(request)
    request.end("POST", "/v1/generate", 200, {})
    _, call, _ = ids_of(traced.spans()["llm_wrapper.llm_call"])
    assert mind.heard == [{"traceparent": f"00-{TRACE}-{call}-01"}]
    assert outgoing_headers() == {}


def test_the_sampled_share_is_the_settings():
    traced = Traced(sample_ratio=0.25)
    # Ids spread evenly, as random ones do.
    ids = [Ids(trace_id=f"{number * (2**64 // 2001):032x}") for number in range(1, 2001)]
    kept = [each for each in ids if traced.tracing.request(each) is not None]
    assert 480 <= len(kept) <= 520
    assert Traced(sample_ratio=0.0).tracing.request(Ids()) is None
    assert Traced(sample_ratio=1.0).tracing.request(Ids(trace_id="f" * 32)) is not None


def test_probes_leave_no_spans_and_other_routes_their_template():
    traced = Traced()
    for route in ("/health/liveness", "/health/metrics", "/metrics"):
        traced.tracing.request(Ids()).end("GET", route, 200, {})
    traced.tracing.request(Ids()).end("POST", "/v1/process_event/", 200, {})
    traced.tracing.request(Ids()).end("GET", "unmatched", 404, {})
    assert list(traced.spans()) == ["api.process_event", "GET unmatched"]


def test_a_real_exporter_sends_to_the_collectors_path():
    bodies, lines = [], []

    def serve(listener):
        connection, _ = listener.accept()
        with connection, connection.makefile("rb") as stream:
            lines.append(stream.readline())
            length = 0
            while (line := stream.readline().strip()) != b"":
                name, _, value = line.partition(b":")
                if name.lower() == b"content-length":
                    length = int(value)
            bodies.append(stream.read(length))
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        collector = threading.Thread(target=serve, args=(listener,), daemon=True)
        collector.start()
        tracing = build_tracing(settings(endpoint=f"http://127.0.0.1:{listener.getsockname()[1]}"))
        request = tracing.request(Ids())
        Mind().serve(request)
        request.end("POST", "/v1/generate", 200, {"accepted": True})
        tracing.close()
        collector.join(10)
    assert lines == [b"POST /v1/traces HTTP/1.1\r\n"]
    assert b"api.generate" in bodies[0]
    assert bytes.fromhex(TRACE) in bodies[0]
    assert MARK.encode() not in bodies[0]
    assert tracing.counts["sent"] == 8
    assert tracing.counts["failed"] == tracing.counts["dropped"] == 0


def test_without_the_libraries_one_sentence_says_what_to_do(monkeypatch):
    monkeypatch.delitem(sys.modules, spans.__name__)
    monkeypatch.delattr("cognitive_engine.telemetry.spans")
    real = builtins.__import__

    def importing(name, *rest, **named):
        if name.startswith("opentelemetry"):
            raise ImportError(name)
        return real(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", importing)
    with pytest.raises(TracingUnusable, match=r"install the extra `tracing`"):
        build_tracing(settings())


def test_traces_that_are_off_load_nothing():
    code = (
        "import sys, json, cognitive_engine.telemetry.traces, cognitive_engine.telemetry.metrics;"
        "print(json.dumps(sorted(name for name in sys.modules if 'opentelemetry' in name)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, timeout=60)
    assert json.loads(done.stdout) == []
