"""Every operation of the API, fed with what its own description allows and forbids.

Requests are generated from the OpenAPI document that the engine serves, by a fixed seed. Each
answer has a status, a media type, headers and a body that the document names; a bad body is
refused; nothing is answered without a key; nothing fails on the engine's side.
"""

import base64
import binascii
import json
from collections import Counter

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.core.failures import Failure

from cognitive_api.engine_config import EngineConfig
from cognitive_engine.domain import limits
from cognitive_engine.domain.commands import Emergency, Reset
from cognitive_engine.domain.emergency import EmergencyReason
from cognitive_engine.edge.app import build_engine

KEY = "an-administrators-key-of-the-tests"
DIMENSION = 2  # as in the document's examples
SEED = 20_000
FEW, MANY = 10, 700
FEW_WALKS, MANY_WALKS = 10, 300
STEPS_MAX = 12

CONFIG = EngineConfig.model_validate(
    {"rateLimit": {"enabled": False}, "memory": {"dimension": DIMENSION, "capacity": 100}}
)
ENGINE = build_engine(CONFIG, {"ADMIN_API_KEY": KEY})


def calm_down():
    """End an emergency, and let the threshold move again."""
    ENGINE.service.apply(Reset())


def described(examples):
    """The API as the engine describes it; so many requests are made up for each operation."""
    checks = {
        # In an emergency 503 is right; `check_failures` asks whether there is one.
        "not_a_server_error": {"expected-statuses": ["2xx", "4xx", "503"]},
        "negative_data_rejection": {
            "expected-statuses": ["400", "401", "405", "413", "415", "422", "431"]
        },
        # `check_refusals` asks for more: not every rule can be said in a schema.
        "positive_data_acceptance": {"enabled": False},
    }
    generation = {"deterministic": True, "max-examples": examples, "database": "none"}
    config = {"seed": SEED, "generation": generation, "checks": checks}
    return schemathesis.openapi.from_asgi(
        "/openapi.json", ENGINE.api, config=schemathesis.Config.from_dict(config)
    )


SOME, ALL = described(FEW), described(MANY)


def check_failures(_, response, case):
    """The engine fails in an emergency only, and that one was asked for by a test."""
    if response.status_code < 500:
        return
    code = json.loads(response.content)["code"]
    halted = ENGINE.service.snapshot().emergency.active
    if (response.status_code, code, halted) != (503, "E701", True):
        raise Failure(
            operation=case.operation.label,
            title="Failed",
            message=f"{response.status_code} {code}, emergency: {halted}",
        )


def check_refusals(_, response, case):
    """A body that fits the schema is refused only for a rule that no schema can say."""
    positive = case.meta is None or case.meta.generation.mode is GenerationMode.POSITIVE
    if positive and response.status_code not in (200, 405, 503) and fits(case.body):
        raise Failure(
            operation=case.operation.label,
            title="Refused",
            message=f"{response.status_code} for a good request",
        )


def fits(body):
    """Whether a body that fits its schema keeps all other rules too."""
    if not isinstance(body, dict):
        return True
    # To a schema 5.0 is an integer. The engine takes no fractions where it counts.
    if any(isinstance(body.get(name), float) for name in ("max_tokens", "context_top_k")):
        return False
    if "prompt" in body:
        return bool(body["prompt"].strip())
    if "moral_value" in body:
        return is_vector(body.get("event_vector"), body.get("event_vector_b64"))
    if "threshold" in body:
        return True
    return (body.get("scope") is None) is not (body.get("user_id") is None)


def is_vector(numbers, text):
    if (numbers is None) is (text is None):
        return False
    if numbers is None:
        try:
            data = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            return False
        # What the bytes say is the engine's to judge; the document's own example must do.
        return len(data) == 4 * DIMENSION and text == "zczMPc3MTD4="
    largest = max(map(abs, numbers), default=0.0)
    return len(numbers) == DIMENSION and 1e-30 < largest <= limits.VECTOR_COMPONENT_MAX


def ask(case: Case, tally: Counter):
    answer = case.call(headers={"X-API-Key": KEY})
    tally[case.operation.label] += 1
    tally[str(answer.status_code)] += 1
    case.validate_response(
        answer,
        headers={"X-API-Key": KEY},
        additional_checks=[check_failures, check_refusals],
        transport_kwargs={"headers": {"X-API-Key": KEY}},
    )


@SOME.parametrize()
def test_an_operation_keeps_to_its_description(case, tally):
    ask(case, tally)


@pytest.mark.long
@pytest.mark.timeout(900)
@ALL.parametrize()
def test_an_operation_keeps_to_its_description_at_length(case, tally):
    ask(case, tally)


def anything(schema):
    """Requests for any operation, good and bad."""
    return schema.as_strategy(generation_mode=GenerationMode.POSITIVE) | schema.as_strategy(
        generation_mode=GenerationMode.NEGATIVE
    )


def walks(schema, count):
    """Requests one after the other, whatever the ones before have done to the engine."""

    def wrap(test):
        cases = st.lists(anything(schema), min_size=2, max_size=STEPS_MAX)
        taken = given(halted=st.booleans(), cases=cases)(test)
        return settings(
            max_examples=count,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )(taken)

    return wrap


def walk(halted, cases, tally):
    calm_down()
    if halted:
        ENGINE.service.apply(Emergency(EmergencyReason.MANUAL))
    for case in cases:
        ask(case, tally)


@walks(SOME, FEW_WALKS)
def test_operations_keep_to_their_descriptions_in_any_order(tally, halted, cases):
    walk(halted, cases, tally)


@pytest.mark.long
@pytest.mark.timeout(900)
@walks(ALL, MANY_WALKS)
def test_operations_keep_to_their_descriptions_in_any_order_at_length(tally, halted, cases):
    walk(halted, cases, tally)


OPEN_PATHS = {
    "/public",
    "/status",
    "/health",
    "/health/live",
    "/health/liveness",
    "/health/ready",
    "/health/readiness",
    "/health/metrics",
}
OPERATIONS = [found.ok() for found in SOME.get_all_operations()]
GUARDED = [each for each in OPERATIONS if each.path not in OPEN_PATHS]
STRANGERS = {
    "nothing": {},
    "an empty key": {"X-API-Key": ""},
    "another key": {"X-API-Key": "another-key-of-the-tests"},
    "the key and more": {"X-API-Key": f"{KEY}x"},
    "the beginning of the key": {"X-API-Key": KEY[:-1]},
    "a bearer's other key": {"Authorization": "Bearer another-key-of-the-tests"},
    "a bearer's nothing": {"Authorization": "Bearer "},
    "no bearer": {"Authorization": f"Basic {KEY}"},
    "an unsigned token": {"Authorization": "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0."},
    "64 KiB": {"X-API-Key": "k" * 65_536},
    "no ASCII": {"X-API-Key": "kl\u00fcger"},
    "NUL": {"X-API-Key": f"{KEY}\0"},
}


def usual(operation):
    """The operation with the example of its description."""
    described_body = operation.definition.raw.get("requestBody")
    if described_body is None:
        return operation.Case()
    (media_type, content), *_ = described_body["content"].items()
    return operation.Case(body=content["examples"]["usual"]["value"], media_type=media_type)


def test_with_the_key_every_example_is_served():
    for operation in OPERATIONS:
        calm_down()
        answer = usual(operation).call(headers={"X-API-Key": KEY})
        assert answer.status_code == 200, (operation.label, answer.content)


def test_only_these_operations_are_open():
    unguarded = {each.path for each in OPERATIONS if not each.definition.raw["security"]}
    assert unguarded == OPEN_PATHS


@pytest.mark.parametrize("who", STRANGERS)
@pytest.mark.parametrize("operation", GUARDED, ids=[each.label for each in GUARDED])
def test_a_stranger_gets_nothing_and_moves_nothing(operation, who):
    before = ENGINE.service.snapshot().state.digest
    answer = usual(operation).call(headers=STRANGERS[who])
    assert answer.status_code == 401
    assert answer.headers["content-type"] == ["application/problem+json"]
    assert answer.headers["www-authenticate"]
    assert ENGINE.service.snapshot().state.digest == before


@pytest.mark.long
def test_ten_thousand_requests_were_made(tally):
    """Stands last in the file: the promise is on the number too."""
    made = sum(count for name, count in tally.items() if " " in name)
    assert made >= 10_000
    assert not {name for name in tally if name.startswith("5")} - {"503"}
