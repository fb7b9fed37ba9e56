"""Bad bodies: each is refused with its code, echoes nothing, and moves nothing."""

import json

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
