"""Any body at all: an answer with a known status, no echo, and no change unless it is served."""

import asyncio
import json

import httpx2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cognitive_api.engine_config import EngineConfig
from cognitive_engine.domain import limits
from cognitive_engine.edge.app import build_engine
from cognitive_engine.edge.bodies import parse_json
from cognitive_engine.edge.problems import Problem

CONFIG = EngineConfig.model_validate(
    {
        "authMode": "None",
        "rateLimit": {"enabled": False},
        "memory": {"dimension": 16, "capacity": 32},
    }
)
ENGINE = build_engine(CONFIG, {})

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.text(min_size=1, max_size=5).map(lambda text: text * 3000),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)
fields = st.sampled_from(
    [
        *("prompt", "moral_value", "max_tokens", "context_top_k", "other"),
        *("event_vector", "event_vector_b64", "secure_mode", "rag_enabled", "user_id"),
    ]
)
paths = st.sampled_from(["/v1/generate", "/generate", "/infer", "/event", "/v1/process_event"])
bodies = st.one_of(
    st.binary(max_size=200),
    values.map(lambda value: json.dumps(value).encode()),
    st.dictionaries(fields, values).map(lambda value: json.dumps(value).encode()),
    st.fixed_dictionaries(
        {"prompt": st.text(max_size=30), "moral_value": st.floats(0, 1)},
        optional={"max_tokens": st.integers(-5, 5000), "context_top_k": st.integers(-2, 25)},
    ).map(lambda value: json.dumps(value).encode()),
    st.fixed_dictionaries(
        {
            "event_vector": st.lists(st.floats(), min_size=15, max_size=17),
            "moral_value": st.floats(0, 1),
        }
    ).map(lambda value: json.dumps(value).encode()),
)


def post(path, content):
    async def send():
        transport = httpx2.ASGITransport(app=ENGINE.api)
        async with httpx2.AsyncClient(transport=transport, base_url="http://engine") as client:
            headers = {"Content-Type": "application/json"}
            return await client.post(path, content=content, headers=headers)

    return asyncio.run(send())


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(paths, bodies)
def test_any_body_gets_an_answer_and_only_a_good_one_moves_the_state(path, content):
    before = ENGINE.service.snapshot().state
    answer = post(path, content)
    after = ENGINE.service.snapshot().state
    assert answer.status_code in (200, 400, 403, 413, 422)
    assert (after.digest != before.digest) == (answer.status_code == 200)
    assert (after.counts.steps - before.counts.steps) == (answer.status_code == 200)
    if answer.status_code != 200:
        assert answer.headers["content-type"] == "application/problem+json"
        assert after is before


@settings(max_examples=300)
@given(values)
def test_json_without_doubt_is_read_as_it_was_written(value):
    body = json.dumps(value).encode()
    try:
        document = parse_json(body)
    except Problem:
        # Only what is not JSON is refused here: the strategy makes NaN and Infinity too, and a
        # dictionary cannot hold a name twice.
        assert b"NaN" in body or b"Infinity" in body
    else:
        assert document == value


@given(st.integers(0, 80), st.sampled_from(["[]", "{}"]), st.text('[]{}"\\a', max_size=30))
def test_the_bound_of_nesting_is_exact_and_strings_do_not_count(depth, pair, text):
    inner = json.dumps(text)
    opening = "[" if pair == "[]" else '{"a":'
    body = (opening * depth + inner + pair[1] * depth).encode()
    try:
        parse_json(body)
    except Problem:
        assert depth > limits.JSON_DEPTH_MAX
    else:
        assert depth <= limits.JSON_DEPTH_MAX
