"""Bad bodies: each is refused with its code, echoes nothing, and moves nothing."""

import base64
import json

import numpy as np
import pytest

from cognitive_engine.domain import limits

pytestmark = pytest.mark.asyncio

MARK = "a-secret-word"
GOOD = {"prompt": f"hello {MARK}", "moral_value": 0.9}


def body(**changes):
    return json.dumps(GOOD | changes)


def without(name):
    return json.dumps({key: value for key, value in GOOD.items() if key != name})


def raw(moral_value):
    return '{"prompt": "%s", "moral_value": %s}' % (MARK, moral_value)  # noqa: UP031


BODIES = {
    "nothing": ("", 400, "E109"),
    "blanks": ("  ", 400, "E109"),
    "half an object": ('{"prompt": "x"', 400, "E109"),
    "two documents": (body() + body(), 400, "E109"),
    "a trailing comma": ('{"prompt": "x",}', 400, "E109"),
    "not UTF-8": (b'{"prompt": "\xff", "moral_value": 1}', 400, "E109"),
    "UTF-16": (body().encode("utf-16"), 400, "E109"),
    "a byte order mark": (b"\xef\xbb\xbf" + body().encode(), 400, "E109"),
    "NaN": (raw("NaN"), 400, "E109"),
    "Infinity": (raw("Infinity"), 400, "E109"),
    "-Infinity": (raw("-Infinity"), 400, "E109"),
    "a name twice": ('{"prompt": "x", "moral_value": 0.1, "moral_value": 0.9}', 400, "E109"),
    "deep lists": ("[" * 33 + "]" * 33, 400, "E109"),
    "very deep lists": ("[" * 60_000, 400, "E109"),
    "very deep objects": ('{"a":' * 10_000, 400, "E109"),
    "an endless number": (raw("9" * 20_000), 400, "E109"),
    "quotes without end": ('"' + '\\"' * 30_000, 400, "E109"),
    "a list": ("[]", 422, "E100"),
    "a string": ('"x"', 422, "E100"),
    "a number": ("5", 422, "E100"),
    "null": ("null", 422, "E100"),
    "no prompt": (without("prompt"), 422, "E103"),
    "prompt null": (body(prompt=None), 422, "E103"),
    "prompt number": (body(prompt=5), 422, "E103"),
    "prompt list": (body(prompt=[MARK]), 422, "E103"),
    "prompt half a surrogate": ('{"prompt": "\\ud800", "moral_value": 1}', 422, "E103"),
    "prompt empty": (body(prompt=""), 422, "E107"),
    "prompt blank": (body(prompt=" \t\n\u00a0"), 422, "E107"),
    "prompt too long": (body(prompt="x" * 10_001), 422, "E108"),
    "no moral value": (without("moral_value"), 422, "E102"),
    "moral value null": (body(moral_value=None), 422, "E102"),
    "moral value text": (body(moral_value="0.9"), 422, "E102"),
    "moral value true": (body(moral_value=True), 422, "E102"),
    "moral value list": (body(moral_value=[0.9]), 422, "E102"),
    "moral value below": (body(moral_value=-0.0001), 422, "E102"),
    "moral value above": (body(moral_value=1.0001), 422, "E102"),
    "moral value overflows": (raw("1e999"), 422, "E102"),
    "max_tokens zero": (body(max_tokens=0), 422, "E104"),
    "max_tokens above": (body(max_tokens=4097), 422, "E104"),
    "max_tokens fraction": (body(max_tokens=1.5), 422, "E104"),
    "max_tokens float": (body(max_tokens=5.0), 422, "E104"),
    "max_tokens true": (body(max_tokens=True), 422, "E104"),
    "max_tokens text": (body(max_tokens="5"), 422, "E104"),
    "top_k below": (body(context_top_k=-1), 422, "E100"),
    "top_k above": (body(context_top_k=21), 422, "E100"),
    "an unknown field": (body(**{MARK: 1}), 422, "E100"),
    "a body too large": (" " * 65_537, 413, "E108"),
}


@pytest.mark.parametrize(("content", "status", "code"), BODIES.values(), ids=BODIES)
async def test_a_bad_body_is_refused_and_moves_nothing(edge, content, status, code):
    engine = edge.build(edge.config(), {})
    async with edge.client(engine.api) as client:
        await client.post("/v1/generate", json=GOOD)
        before = (await client.get("/v1/state")).json()
        answer = await client.post(
            "/v1/generate", content=content, headers={"Content-Type": "application/json"}
        )
        after = (await client.get("/v1/state")).json()
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert MARK not in answer.text
    assert len(answer.content) < 2_000
    assert after == before


@pytest.mark.parametrize("pointer", ["prompt", "moral_value", "max_tokens", "context_top_k"])
async def test_the_place_of_a_fault_is_named(edge, pointer):
    engine = edge.build(edge.config(), {})
    async with edge.client(engine.api) as client:
        answer = await client.post("/v1/generate", json=GOOD | {pointer: [MARK]})
    assert [fault["pointer"] for fault in answer.json()["errors"]] == [f"/{pointer}"]


async def test_many_faults_make_a_short_answer(edge):
    engine = edge.build(edge.config(), {})
    async with edge.client(engine.api) as client:
        answer = await client.post("/v1/generate", json={f"{MARK}{i}": i for i in range(2000)})
    assert answer.status_code == 422
    assert len(answer.json()["errors"]) <= 3
    assert MARK not in answer.text


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", ""])
async def test_another_media_type_is_refused(edge, media_type):
    engine = edge.build(edge.config(), {})
    async with edge.client(engine.api) as client:
        answer = await client.post(
            "/v1/generate", content=body(), headers={"Content-Type": media_type}
        )
    assert (answer.status_code, answer.json()["code"]) == (415, "E904")


async def test_a_body_without_a_length_is_bounded_too(edge):
    sent = 0

    async def chunks():
        nonlocal sent
        for _ in range(1000):
            sent += 1
            yield b" " * 1024

    engine = edge.build(edge.config(), {})
    async with edge.client(engine.api) as client:
        answer = await client.post(
            "/v1/generate", content=chunks(), headers={"Content-Type": "application/json"}
        )
    assert (answer.status_code, answer.json()["code"]) == (413, "E108")
    assert answer.headers["connection"] == "close"
    assert sent <= limits.BODY_BYTES_MAX // 1024 + 2


GOOD_BODIES = {
    "the longest prompt": body(prompt="x" * 10_000),
    "the longest prompt, escaped": body(prompt="\u20ac" * 10_000),
    "brackets in a string": body(prompt="[{" * 500),
    "escaped quotes": body(prompt='"\\' * 500),
    "whole numbers as score": body(moral_value=1),
    "negative zero": body(moral_value=-0.0),
    "all fields": body(max_tokens=4096, context_top_k=20),
    "absent by null": body(max_tokens=None, context_top_k=None),
    "nul and emoji": body(prompt="\0\U0001f600"),
}


@pytest.mark.parametrize("content", GOOD_BODIES.values(), ids=GOOD_BODIES)
async def test_a_good_body_at_the_bounds_is_served(edge, content):
    engine = edge.build(edge.config(), {})
    async with edge.client(engine.api) as client:
        answer = await client.post(
            "/v1/generate",
            content=content,
            headers={"Content-Type": "application/json; charset=utf-8"},
        )
    assert answer.status_code == 200
    assert "-0.0" not in answer.text


PATHS = ("/generate", "/infer", "/event", "/v1/process_event", "/v1/process_event/")
VECTOR = [0.5] * 64
EVENT = {"event_vector": VECTOR, "moral_value": 0.9}
NAN = "AADAfw=="


def event(**changes):
    return json.dumps({key: value for key, value in (EVENT | changes).items() if value != "gone"})


def in_base64(values):
    return event(event_vector="gone", event_vector_b64=values)


EVERYWHERE = {
    name: BODIES[name]
    for name in (
        *("nothing", "half an object", "two documents", "not UTF-8", "NaN", "a name twice"),
        *("deep lists", "very deep objects", "an endless number", "a list", "null"),
        *("an unknown field", "a body too large"),
    )
}
PROMPTS = {
    name: BODIES[name]
    for name in (
        *("no prompt", "prompt half a surrogate", "prompt blank", "prompt too long"),
        *("moral value text", "moral value above", "max_tokens zero", "max_tokens true"),
    )
} | {
    "a user without a name": (body(user_id=""), 422, "E100"),
    "a user with a long name": (body(user_id="x" * 257), 422, "E100"),
    "a user that nobody may name": (body(user_id="x"), 403, "E203"),
}
INFERS = {
    "secure by text": (body(secure_mode="yes"), 422, "E100"),
    "aphasia by number": (body(aphasia_mode=1), 422, "E100"),
    "recall null": (body(rag_enabled=None), 422, "E100"),
    "recall none": (body(context_top_k=0), 422, "E100"),
    "recall too many": (body(context_top_k=101), 422, "E100"),
    "a long intent": (body(user_intent="x" * 257), 422, "E100"),
}
EVENTS = {
    "no vector": (event(event_vector="gone"), 422, "E101"),
    "two vectors": (event(event_vector_b64="AAAA"), 422, "E101"),
    "an empty vector": (event(event_vector=[]), 422, "E101"),
    "a short vector": (event(event_vector=VECTOR[:-1]), 422, "E101"),
    "a long vector": (event(event_vector=[*VECTOR, 0.5]), 422, "E101"),
    "a zero vector": (event(event_vector=[0.0] * 64), 422, "E101"),
    "a vector of text": (event(event_vector=[MARK] * 64), 422, "E101"),
    "a vector of lists": (event(event_vector=[[0.5]] * 64), 422, "E101"),
    "a vector of truth": (event(event_vector=[True] * 64), 422, "E101"),
    "a vector too large": (event(event_vector=[1e7] * 64), 422, "E101"),
    "a vector that overflows": (event(event_vector=[1e39] * 64), 422, "E101"),
    "a vector of nothing": (event(event_vector=[None] * 64), 422, "E101"),
    "no Base64": (in_base64("a secret word"), 422, "E101"),
    "half a number": (in_base64("AAA="), 422, "E101"),
    "a short one in Base64": (in_base64("AACAPw=="), 422, "E101"),
    "NaN in Base64": (in_base64(NAN), 422, "E101"),
    "a vector and NaN": (
        in_base64(base64.b64encode(np.full(64, np.nan, "<f4").tobytes()).decode()),
        422,
        "E101",
    ),
    "infinity in Base64": (
        in_base64(base64.b64encode(np.full(64, np.inf, "<f4").tobytes()).decode()),
        422,
        "E101",
    ),
    "no score": (event(moral_value="gone"), 422, "E102"),
    "a score above": (event(moral_value=1.5), 422, "E102"),
    "a user that nobody may name": (event(user_id="x"), 403, "E203"),
}
CASES = [
    *((path, name, *case) for path in PATHS for name, case in EVERYWHERE.items()),
    *((path, name, *case) for path in PATHS[:2] for name, case in PROMPTS.items()),
    *(("/infer", name, *case) for name, case in INFERS.items()),
    *((path, name, *case) for path in PATHS[2:] for name, case in EVENTS.items()),
]


@pytest.mark.parametrize(("path", "name", "content", "status", "code"), CASES)
async def test_a_bad_body_moves_nothing_on_any_path(edge, path, name, content, status, code):
    engine = edge.build(edge.config(), {})
    async with edge.client(engine.api) as client:
        await client.post("/v1/generate", json=GOOD)
        before = (await client.get("/v1/state")).json()
        answer = await client.post(
            path, content=content, headers={"Content-Type": "application/json"}
        )
        after = (await client.get("/v1/state")).json()
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert MARK not in answer.text
    assert after == before


GOOD_EVENTS = {
    "negative zeros": event(event_vector=[-0.0, *VECTOR[1:]], moral_value=-0.0),
    "whole numbers": event(event_vector=[1] * 64, moral_value=1),
    "tiny numbers": event(event_vector=[1e-40, *VECTOR[1:]]),
    "null for the other": event(event_vector_b64=None, user_id=None),
}


@pytest.mark.parametrize("content", GOOD_EVENTS.values(), ids=GOOD_EVENTS)
async def test_a_good_event_at_the_bounds_is_judged(edge, content):
    engine = edge.build(edge.config(), {})
    async with edge.client(engine.api) as client:
        answer = await client.post(
            "/event", content=content, headers={"Content-Type": "application/json"}
        )
    assert answer.status_code == 200
    assert "-0.0" not in answer.text
