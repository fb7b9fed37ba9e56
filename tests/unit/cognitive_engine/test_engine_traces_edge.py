"""Ids and planted words through the whole edge: the same ids everywhere, the words nowhere."""

import json
import logging
import random
import re
import warnings

import pytest
import structlog
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from cognitive_engine.ports import GenerationFailed
from cognitive_engine.telemetry import logs
from cognitive_engine.telemetry.spans import OtelTracing
from cognitive_engine.telemetry.traces import TraceSettings

MARK = "canary7secret"
NASTY = f'{MARK}"\n\x1b[31m'
TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
HEX32, HEX16 = re.compile("[0-9a-f]{32}"), re.compile("[0-9a-f]{16}")


@pytest.fixture(autouse=True)
def restored():
    """Put logging back as it was."""
    root = logging.getLogger()
    before, level, show = root.handlers[:], root.level, warnings.showwarning
    yield
    logs.close()
    root.handlers[:] = before
    root.setLevel(level)
    warnings.showwarning = show
    structlog.reset_defaults()


class Observed:
    """An engine that is listened to on every side."""

    def __init__(self, edge, capfd, environment, **settings):
        config = edge.config(logging={"level": "DEBUG"}, **settings)
        logs.configure(config.logging)
        logging.getLogger("httpx2").setLevel("ERROR")
        self.exporter = InMemorySpanExporter()
        values = ("http://127.0.0.1:9", "mind", "1", "test")
        self.tracing = OtelTracing(TraceSettings(*values), self.exporter)
        self.generator = Writer()
        self.engine = edge.build(
            config, environment, generator=self.generator, tracing=self.tracing
        )
        self._capfd = capfd

    def lines(self):
        """The log."""
        logs.close()
        captured = self._capfd.readouterr()
        assert captured.err == ""
        return [json.loads(line) for line in captured.out.splitlines()]

    def spans(self):
        """The traces."""
        self.tracing.close()
        return list(self.exporter.get_finished_spans())


class Writer:
    """Answers, or fails as it is told to."""

    def __init__(self):
        self.error = None

    async def generate(self, draft):
        if self.error is not None:
            raise self.error
        return "A plain answer of enough words, which repeats nothing and says what it has to say."


@pytest.mark.asyncio
async def test_planted_words_are_found_in_no_log_metric_trace_or_error(edge, keyed, capfd):
    seen = Observed(edge, capfd, keyed, authMode="APIKey")
    answers = []
    async with edge.client(seen.engine.api) as client, edge.client(seen.engine.metrics) as scraper:
        for error in (None, GenerationFailed(MARK), RuntimeError(NASTY), ValueError(MARK)):
            seen.generator.error = error
            for key in (edge.key, MARK):
                for path, body in (
                    ("/v1/generate", {"prompt": NASTY, "moral_value": 0.9}),
                    ("/v1/generate", {"prompt": [MARK], MARK: MARK, "moral_value": MARK}),
                    ("/event", {"event_vector": [MARK], "moral_value": 0.9}),
                    (f"/{MARK}", {}),
                ):
                    answers.append(
                        await client.post(
                            f"{path}?q={MARK}",
                            json=body,
                            headers={
                                "X-API-Key": key,
                                "X-Request-ID": f"{MARK} {MARK}",
                                "traceparent": MARK,
                                "tracestate": f"a={MARK}",
                                "User-Agent": MARK,
                                "Cookie": f"a={MARK}",
                                "X-Forwarded-For": MARK,
                                "Referer": MARK,
                            },
                        )
                    )
            answers.append(
                await client.post(
                    "/v1/generate",
                    content=f'{{"prompt": "{MARK}'.encode(),
                    headers={"X-API-Key": edge.key, "Content-Type": "application/json"},
                )
            )
        answers.append(await client.request(MARK.upper(), f"/{MARK}"))
        metrics = (await scraper.get("/metrics")).text
    lines, spans = seen.lines(), seen.spans()
    statuses = {answer.status_code for answer in answers}
    assert {200, 401, 404, 422, 502} <= statuses
    assert 500 in statuses
    for answer in answers:
        if answer.status_code >= 400:
            assert MARK not in answer.text
    assert sum(line["event"] == "request" for line in lines) == len(answers) + 1
    assert len(spans) > len(answers)
    for told in (json.dumps(lines), metrics, *(span.to_json() for span in spans)):
        assert MARK not in told.lower()
        assert edge.key not in told
        assert "192.0.2.1" not in told


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("given", "continued"),
    [
        (f"00-{TRACE}-{CALLER}-01", True),
        (f"00-{TRACE}-{CALLER}-00", True),
        (None, False),
        ("", False),
        (f"00-{'0' * 32}-{CALLER}-01", False),
        (f"00-{TRACE}-{'0' * 16}-01", False),
        (f"ff-{TRACE}-{CALLER}-01", False),
        (f"00-{TRACE.upper()}-{CALLER}-01", False),
        (f"00-{TRACE}-{CALLER}-01-extra", False),
        (f"00-{TRACE}-{CALLER}-01" + "x" * 4000, False),
    ],
)
async def test_the_same_ids_are_in_log_span_and_answer(edge, capfd, given, continued):
    seen = Observed(edge, capfd, {})
    headers = {} if given is None else {"traceparent": given}
    async with edge.client(seen.engine.api) as client:
        # Not found: a problem has the ids in its body too.
        answer = await client.get("/nowhere", headers=headers | {"X-Request-ID": "request-1"})
    (line,) = (line for line in seen.lines() if line["event"] == "request")
    assert HEX32.fullmatch(line["trace_id"])
    assert HEX16.fullmatch(line["span_id"])
    assert (line["trace_id"] == TRACE) is continued
    assert line["span_id"] != CALLER
    assert line["request_id"] == "request-1" == answer.headers["X-Request-ID"]
    assert answer.json()["request_id"] == "request-1"
    spans = seen.spans()
    if given is not None and given.endswith("-00"):
        assert spans == [], "a caller who does not record is followed"
        return
    (span,) = spans
    assert f"{span.context.trace_id:032x}" == line["trace_id"]
    assert f"{span.context.span_id:016x}" == line["span_id"]
    parent = f"{span.parent.span_id:016x}" if span.parent else None
    assert parent == (CALLER if continued else None)


@pytest.mark.asyncio
async def test_a_served_prompt_is_one_tree_of_spans(edge, capfd):
    seen = Observed(edge, capfd, {})
    async with edge.client(seen.engine.api) as client:
        answer = await client.post(
            "/v1/generate",
            json={"prompt": "what is it", "moral_value": 0.9},
            headers={"traceparent": f"00-{TRACE}-{CALLER}-01"},
        )
    assert answer.status_code == 200
    named = {span.name: span for span in seen.spans()}
    assert set(named) == {
        "api.generate",
        "engine.generate",
        "llm_wrapper.embedding",
        "llm_wrapper.moral_filter",
        "llm_wrapper.memory_retrieval",
        "llm_wrapper.llm_call",
        "engine.post_moral_check",
        "llm_wrapper.memory_update",
    }
    turn = named.pop("engine.generate")
    root = named.pop("api.generate")
    assert turn.parent.span_id == root.context.span_id
    assert {span.parent.span_id for span in named.values()} == {turn.context.span_id}
    assert root.attributes["http.response.status_code"] == 200
    assert root.attributes["mlsdm.accepted"] is True


@pytest.mark.asyncio
async def test_random_paths_methods_and_keys_make_no_series(edge, keyed, capfd):
    chance = random.Random(11)
    engine = edge.build(edge.config(authMode="APIKey"), keyed)

    def word():
        return "".join(chance.choices("abcdefghij/._-%", k=12)).replace("%", "%25")

    async with edge.client(engine.api) as client, edge.client(engine.metrics) as scraper:

        async def series():
            return (await scraper.get("/metrics")).text.count("\n")

        async def ask(count):
            for _ in range(count):
                method = chance.choice(["GET", "POST", "PUT", "BREW", word().upper()[:5]])
                method = re.sub(r"[^A-Z]", "X", method)
                headers = {"X-API-Key": word(), "X-Request-ID": word(), "traceparent": word()}
                await client.request(method, f"http://engine/{word()}", headers=headers)
                await client.post(f"/v1/{word()}", headers=headers)
                await client.post("/v1/generate", headers=headers, json={})

        await ask(200)
        await series()  # counted itself once it is answered
        settled = await series()
        await ask(800)
        assert await series() == settled
