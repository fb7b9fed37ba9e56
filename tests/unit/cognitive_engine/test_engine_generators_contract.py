"""Every backend against a server that speaks its published shapes, well and badly.

Whatever happens, nothing planted (key, prompt, memory, answer) may be seen in a log or an error.
"""

import asyncio
import time

import pytest

from cognitive_api.engine_config import LLMSettings
from cognitive_engine.adapters.failures import (
    AnswerEmpty,
    AnswerInvalid,
    BackendFailed,
    BackendRateLimited,
    BackendTimedOut,
    BackendUnreachable,
)
from cognitive_engine.adapters.generators.select import build_generator
from llmclients import (
    BACKENDS,
    DRAFT,
    GENERATORS,
    KEY,
    PROMPT,
    asking,
    direct,
    failure,
    good,
    run,
    watched,
)
from llmserver import ANSWER, LLMServer, Manner, held, packed, raw, redirect, refuse, sent, well

SHORT = 0.4


@pytest.fixture
def server():
    with LLMServer(key=KEY) as running:
        yield running


@pytest.fixture(autouse=True)
def log(caplog, monkeypatch):
    direct(monkeypatch)
    with watched(caplog) as events:
        yield events


def wrong_types(document):
    for name in ("choices", "data", "content"):
        if name in document:
            document[name] = {"text": ANSWER}


def missing_fields(document):
    for name in ("choices", "data", "content"):
        document.pop(name, None)


def nothing_in_it(document):
    if "choices" in document:
        document["choices"][0]["message"]["content"] = " \n"
    elif "content" in document:
        document["content"] = []
    else:
        document["data"] = []


def too_long(document):
    if "choices" in document:
        document["choices"][0]["message"]["content"] = "x" * 140_000
    elif "content" in document:
        document["content"][0]["text"] = "x" * 140_000
    else:
        document["data"][0]["embedding"] = [1.0] * 5


def empty_of(name):
    return AnswerInvalid if name == "Embeddings" else AnswerEmpty


# Name, what the server does, what is raised, code, Retry-After told, calls made.
FAULTS = [
    ("not JSON", [raw(b"<html>planted-answer</html>")], AnswerInvalid, "E606", None, 1),
    ("bad JSON", [raw(b'{"choices": [planted')], AnswerInvalid, "E606", None, 1),
    ("bad UTF-8", [raw(b'{"choices": "\xff\xfe"}')], AnswerInvalid, "E606", None, 1),
    ("deep JSON", [raw(b"[" * 100_000)], AnswerInvalid, "E606", None, 1),
    ("not an object", [raw(b'["planted-answer"]')], AnswerInvalid, "E606", None, 1),
    ("wrong types", [well(wrong_types)], AnswerInvalid, "E606", None, 1),
    ("missing fields", [well(missing_fields)], AnswerInvalid, "E606", None, 1),
    ("nothing in it", [well(nothing_in_it)], empty_of, None, None, 1),
    ("too long", [well(too_long)], AnswerInvalid, "E606", None, 1),
    ("cut", [sent(Manner.CUT)], AnswerInvalid, "E606", None, 1),
    ("endless", [sent(Manner.ENDLESS)], AnswerInvalid, "E606", None, 1),
    ("packed", [packed()], AnswerInvalid, "E606", None, 1),
    ("redirect", [redirect("/v1/elsewhere")], AnswerInvalid, "E606", None, 1),
    ("hung up", [sent(Manner.HUNG_UP)], BackendUnreachable, "E605", None, 1),
    ("400", [refuse(400)], BackendFailed, "E600", None, 1),
    ("401", [refuse(401)], BackendFailed, "E600", None, 1),
    ("403", [refuse(403)], BackendFailed, "E600", None, 1),
    ("404", [refuse(404)], BackendFailed, "E600", None, 1),
    ("408", [refuse(408)], BackendTimedOut, "E601", None, 1),
    ("429 and a minute", [refuse(429, 60)], BackendRateLimited, "E602", 60, 1),
    ("429 and a year", [refuse(429, 10**8)], BackendRateLimited, "E602", 3600, 1),
    ("429 and nonsense", [refuse(429, "soon")], BackendRateLimited, "E602", 5, 1),
    ("429 and no word", [refuse(429)], BackendRateLimited, "E602", 5, 1),
    ("429 twice", [refuse(429, 0)] * 2, BackendRateLimited, "E602", 1, 2),
    ("500", [refuse(500)], BackendFailed, "E600", None, 1),
    ("503 and a minute", [refuse(503, 60)], BackendFailed, "E600", 60, 1),
    ("504", [refuse(504)], BackendTimedOut, "E601", None, 1),
    ("529", [refuse(529)], BackendFailed, "E600", 5, 1),
]


@pytest.mark.parametrize("name", BACKENDS)
@pytest.mark.parametrize("fault", FAULTS, ids=[fault[0] for fault in FAULTS])
def test_each_fault_has_its_failure(server, name, fault, log):
    _, replies, kind, code, retry_after, calls = fault
    server.script(*replies)

    async def scenario():
        async with asking(name, server.url) as asked:
            error = await failure(asked)
            wanted = kind if isinstance(kind, type) else kind(name)
            assert type(error) is wanted
            assert error.code == (code or wanted.code)
            assert error.retry_after == retry_after
            assert len(server.calls) == calls
            assert asked.results[0] == error.code
            # One line says what happened, and the next call finds all in order.
            said = [event for event in log if event["event"] == "backend_failed"]
            assert [event["error_code"] for event in said] == [error.code]
            assert good(await asked())

    run(scenario())


@pytest.mark.parametrize("name", BACKENDS)
@pytest.mark.parametrize("manner", [Manner.SILENT, Manner.DRIPPED], ids=["silent", "dripped"])
def test_a_call_ends_in_time(server, name, manner):
    server.script(sent(manner))

    async def scenario():
        async with asking(name, server.url, seconds=SHORT) as asked:
            began = time.monotonic()
            error = await failure(asked)
            assert type(error) is BackendTimedOut
            assert time.monotonic() - began < SHORT + 1.0
            assert good(await asked())

    run(scenario())


@pytest.mark.parametrize("name", BACKENDS)
@pytest.mark.parametrize("status", [429, 503, 529])
def test_a_call_that_was_turned_away_for_a_moment_is_made_again(server, name, status):
    server.script(refuse(status, 0), well())

    async def scenario():
        async with asking(name, server.url) as asked:
            assert good(await asked())
            assert len(server.calls) == 2
            assert asked.results[-1] == "ok"

    run(scenario())


def test_no_second_try_that_could_not_end_in_time(server):
    server.script(refuse(503, 1))

    async def scenario():
        async with asking("OpenAI", server.url, seconds=SHORT) as asked:
            assert (await failure(asked)).status == 503
            assert len(server.calls) == 1

    run(scenario())


@pytest.mark.parametrize("name", BACKENDS)
def test_nobody_there_is_tried_twice(name, log):
    with LLMServer() as gone:
        url = gone.url

    async def scenario():
        async with asking(name, url) as asked:
            error = await failure(asked)
            assert type(error) is BackendUnreachable
            assert str(error).endswith("the connection is refused")
            assert [event["event"] for event in log].count("backend_retry") == 1

    run(scenario())


def test_a_name_that_nobody_knows_is_said_so():
    async def scenario():
        async with asking("OpenAI", "http://nobody.invalid/v1") as asked:
            assert str(await failure(asked)).endswith("its name is not known")

    run(scenario())


@pytest.mark.parametrize("name", BACKENDS)
def test_connections_are_used_again_and_cookies_are_not(server, name):
    async def scenario():
        async with asking(name, server.url) as asked:
            for _ in range(5):
                if name == "Embeddings":
                    await asked.built.part.embed(f"{PROMPT} {len(server.calls)}")
                else:
                    await asked()

    run(scenario())
    assert (len(server.calls), server.connections) == (5, 1)
    assert not [call for call in server.calls if "cookie" in call.headers]
    assert {call.headers["accept-encoding"] for call in server.calls} == {"identity"}


@pytest.mark.parametrize("manner", [Manner.THEN_CLOSED, Manner.CUT], ids=["after", "within"])
def test_a_connection_that_the_server_has_closed_is_not_used_again(server, manner):
    server.script(sent(manner))

    async def scenario():
        async with asking("OpenAI", server.url) as asked:
            if manner is Manner.CUT:
                await failure(asked)
            else:
                assert await asked() == ANSWER
            await asyncio.to_thread(server.until, lambda: server.closed == 1)
            assert await asked() == ANSWER

    run(scenario())
    assert server.connections == 2


@pytest.mark.parametrize("name", GENERATORS)
def test_hung_calls_do_not_hold_up_others(server, name):
    server.script(*[held()] * 50)

    async def scenario():
        async with asking(name, server.url) as asked:
            hung = [asyncio.create_task(asked()) for _ in range(50)]
            await server.reached(50)
            async with asyncio.timeout(5):
                assert await asyncio.gather(*[asked() for _ in range(40)]) == [ANSWER] * 40
            assert not [task for task in hung if task.done()]
            assert asked.built.guard.reading().in_flight == 50
            server.open_gate()
            assert await asyncio.gather(*hung) == [ANSWER] * 50

    run(scenario())
    assert server.busiest <= 64


@pytest.mark.parametrize("name", GENERATORS)
def test_a_cancelled_call_leaves_nothing_behind(server, name):
    server.script(*[held()] * 64)

    async def scenario():
        async with asking(name, server.url) as asked:
            hung = [asyncio.create_task(asked()) for _ in range(64)]
            await server.reached(64)
            for task in hung:
                task.cancel()
            await asyncio.gather(*hung, return_exceptions=True)
            assert all(task.cancelled() for task in hung)
            # The server sees them hang up, and there is room for as many again.
            await server.idle()
            assert asked.built.guard.reading().in_flight == 0
            async with asyncio.timeout(5):
                assert await asyncio.gather(*[asked() for _ in range(64)]) == [ANSWER] * 64
            assert asked.results[:64] == ["cancelled"] * 64

    run(scenario())


class Unmetered:
    def observe_call(self, backend, result, seconds):
        pass


def test_a_key_file_is_read_again_when_it_is_replaced(server, tmp_path):
    path, now = tmp_path / "key", [100.0]
    path.write_text("an-old-key\n")
    llm = LLMSettings.model_validate(
        {"backend": "Anthropic", "model": "m-1", "baseURL": server.url}
    )

    async def scenario():
        environment = {"LLM_API_KEY_FILE": str(path), "ANTHROPIC_API_KEY": "not-this-one"}
        built = build_generator(llm, environment, meter=Unmetered(), monotonic=lambda: now[0])
        error = await failure(lambda: built.part.generate(DRAFT))
        assert error.status == 401
        fresh = tmp_path / "fresh"
        fresh.write_text(f"{KEY}\n")
        fresh.replace(path)
        now[0] += 2.0
        assert await built.part.generate(DRAFT) == ANSWER
        await built.aclose()

    run(scenario())
    assert [call.headers["x-api-key"] for call in server.calls] == ["an-old-key", KEY]
