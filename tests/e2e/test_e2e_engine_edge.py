"""Given an engine in its pod, when poison arrives, then it is refused and nothing is remembered."""

import json
import time
from collections.abc import Iterator

import pytest

from enginehttp import EngineClient
from world import KEY, World, keyed_spec

NAME = "edge"
LIMITED = "limited"
BODY_BYTES_MAX = 64 * 1024


def _body(**change: object) -> bytes:
    return json.dumps({"prompt": "hello", "moral_value": 0.9, **change}).encode()


def _raw(moral_value: str) -> bytes:
    return b'{"prompt": "hello", "moral_value": ' + moral_value.encode() + b"}"


POISON: dict[str, tuple[bytes, int]] = {
    "empty prompt": (_body(prompt=""), 422),
    "blank prompt": (_body(prompt=" \t\n "), 422),
    "10 001 characters": (_body(prompt="x" * 10_001), 422),
    "invalid UTF-8": (b'{"prompt": "\xff\xfe", "moral_value": 0.9}', 400),
    "lone surrogate": (b'{"prompt": "\\ud800", "moral_value": 0.9}', 422),
    "NaN": (_raw("NaN"), 400),
    "infinite": (_raw("Infinity"), 400),
    "too large to be finite": (_raw("1e999"), 422),
    "5 000 digits": (_raw("1" * 5_000), 400),
    "below zero": (_raw("-0.01"), 422),
    "above one": (_raw("1.01"), 422),
    "score as text": (_raw('"0.9"'), 422),
    "score as boolean": (_raw("true"), 422),
    "prompt as number": (_body(prompt=7), 422),
    "prompt as list": (_body(prompt=["hello"]), 422),
    "no score": (b'{"prompt": "hello"}', 422),
    "unknown field": (_body(admin=True), 422),
    "field named twice": (b'{"prompt": "a", "prompt": "b", "moral_value": 0.9}', 400),
    "nested 10 000 levels": (b"[" * 10_000 + b"]" * 10_000, 400),
    "nested 10 000 levels in a field": (
        b'{"prompt": "a", "moral_value": 0.9, "x": ' + b'{"x":' * 10_000 + b"1" + b"}" * 10_001,
        400,
    ),
    "larger than the limit": (_body(prompt="x" * (BODY_BYTES_MAX + 1)), 413),
    "no JSON": (b"prompt=hello", 400),
    "nothing": (b"", 400),
    "a list": (b"[1, 2]", 422),
    "null": (b"null", 422),
    "tokens as a fraction": (_body(max_tokens=1.5), 422),
    "too many tokens": (_body(max_tokens=4097), 422),
    "too many memories": (_body(context_top_k=21), 422),
}


@pytest.fixture(scope="module")
def edge(world: World) -> World:
    """Given an engine that limits nobody and one that limits everybody."""
    world.secret("keys")
    world.create(NAME, keyed_spec("keys", replicas=1))
    limit = {"enabled": True, "requestsPerSecond": 1, "burst": 3}
    spec = keyed_spec("keys", replicas=1)
    world.create(LIMITED, {**spec, "api": {**spec["api"], "rateLimit": limit}})
    world.wait_ready(NAME)
    world.wait_ready(LIMITED)
    return world


@pytest.fixture(scope="module")
def client(edge: World) -> Iterator[EngineClient]:
    with edge.client(NAME, KEY) as client:
        client.generate("something to remember")
        yield client


@pytest.mark.parametrize("case", POISON)
def test_when_a_poisonous_body_arrives_then_a_problem_answers_and_state_stays(
    client: EngineClient, case: str
) -> None:
    body, status = POISON[case]
    before = client.state()

    answer = client.post_bytes("/v1/generate", body)

    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert {"type", "title", "detail", "code", "request_id"} <= problem.keys()
    after = client.state()
    assert after["state_digest"] == before["state_digest"]
    assert after["step"] == before["step"]
    assert after["pelm_stats"] == before["pelm_stats"]


def test_when_a_good_body_arrives_then_the_digest_does_change(client: EngineClient) -> None:
    before = client.state()["state_digest"]
    assert client.generate("hello")["accepted"]
    assert client.state()["state_digest"] != before


def test_when_an_unannounced_body_grows_too_large_then_it_is_cut_off(client: EngineClient) -> None:
    before = client.state()["state_digest"]

    def chunks() -> Iterator[bytes]:
        yield b'{"moral_value": 0.9, "prompt": "'
        for _ in range(2 * BODY_BYTES_MAX // 1024):
            yield b"x" * 1024
        yield b'"}'

    answer = client.post_chunks("/v1/generate", chunks())
    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"
    assert client.state()["state_digest"] == before


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/v1/generate", 405), ("GET", "/nowhere", 404), ("POST", "/v1/state", 405)],
)
def test_when_the_path_or_method_is_wrong_then_a_problem_answers(
    client: EngineClient, method: str, path: str, status: int
) -> None:
    answer = client.get(path) if method == "GET" else client.post_bytes(path, b"{}")
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


def test_when_one_caller_asks_too_often_then_429_says_when_to_come_back(edge: World) -> None:
    with edge.client(LIMITED, KEY) as client:
        answers = [client.get("/v1/state") for _ in range(8)]
        refused = [answer for answer in answers if answer.status_code == 429]
        assert [answer.status_code for answer in answers[:3]] == [200] * 3, "the burst passes"
        assert refused, "the limit of one a second was never met"
        for answer in refused:
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["code"] == "E901"
            assert 1 <= int(answer.headers["retry-after"]) <= 5
        assert client.get("/health/readiness").status_code == 200, "probes are never limited"

        promised = int(refused[-1].headers["retry-after"])
        started = time.monotonic()
        edge.eventually(lambda: client.get("/v1/state").status_code == 200, "it may come back", 10)
        assert time.monotonic() - started <= promised + 1
