"""The models and the API server judge alike: what one accepts, the other accepts."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from cognitive_api import identity
from cognitive_api.engine_config import (
    APISettings,
    EmbeddingProvider,
    LLMBackend,
    OIDCSettings,
    RateLimitSettings,
)
from cognitive_api.governance import (
    LevelSettings,
    MemorySettings,
    MoralSettings,
    RhythmSettings,
    SpeechSettings,
)
from cognitive_api.keyed import LLM, Embeddings
from cognitive_operator.adapters.api import API, Refused

# Values on, beside and far from the bounds; the wrong type now and then.
UNITS = st.sampled_from([-0.1, 0.0, 0.05, 0.3, 0.5, 0.9, 1.0, 1.1, "0.5", True])
COUNTS = st.sampled_from([-1, 0, 1, 2, 20, 21, 100, 101, 4096, 4097, 1000000, 1000001, 1.5, "3"])
ADDRESSES = st.sampled_from(
    [
        "https://models.example/v1",
        "https://models.example",
        "http://models.example:8000/v1/",
        "http://localhost:9/v1",
        "http://127.0.0.1",
        "http://localhost.example",
        "https://user:word@models.example",
        "https://models.example/v1?key=1",
        "ftp://models.example",
        "https://",
        "",
        7,
    ]
)
NAMES = st.sampled_from(["a-model", "a/b:c", "two words", "", "x" * 256, "x" * 257, 7])
REFS = st.sampled_from([{"name": "keys"}, {"name": "keys", "key": "k"}, {"key": "k"}, {}, "keys"])

BLOCKS: dict[str, tuple[type[BaseModel], tuple[str, ...], st.SearchStrategy[Any]]] = {
    "moral": (
        MoralSettings,
        ("governance", "moral"),
        st.fixed_dictionaries(
            {},
            optional={
                "policy": st.sampled_from(["evidence", "homeostatic", "Evidence", ""]),
                "scorer": st.sampled_from(["caller", "lexicon", "nobody"]),
                "initialThreshold": UNITS,
                "minThreshold": UNITS,
                "maxThreshold": UNITS,
                "emaAlpha": UNITS,
                "targetAcceptRate": UNITS,
            },
        ),
    ),
    "rhythm": (
        RhythmSettings,
        ("governance", "rhythm"),
        st.fixed_dictionaries(
            {},
            optional={"wakeDuration": COUNTS, "sleepDuration": COUNTS, "maxSleepSeconds": COUNTS},
        ),
    ),
    "speech": (
        SpeechSettings,
        ("governance", "speech"),
        st.fixed_dictionaries(
            {},
            optional={
                "enabled": st.sampled_from([True, False, "true", 1]),
                "repair": st.booleans(),
                "minSentenceLength": st.sampled_from([-0.1, 0.0, 6.0, 6, 100.0, 100.1, "6"]),
                "minFunctionWordRatio": UNITS,
                "maxFragmentRatio": UNITS,
                "repairSeverity": UNITS,
            },
        ),
    ),
    "memory": (
        MemorySettings,
        ("memory",),
        st.fixed_dictionaries(
            {}, optional={"dimension": COUNTS, "capacity": COUNTS, "topK": COUNTS}
        ),
    ),
    "levels": (
        LevelSettings,
        ("memory", "levels"),
        st.fixed_dictionaries(
            {}, optional={"lambdaL1": UNITS, "lambdaL2": UNITS, "lambdaL3": UNITS, "thetaL1": UNITS}
        ),
    ),
    "rateLimit": (
        RateLimitSettings,
        ("api", "rateLimit"),
        st.fixed_dictionaries({}, optional={"requestsPerSecond": COUNTS, "burst": COUNTS}),
    ),
    "llm": (
        LLM,
        ("llm",),
        st.fixed_dictionaries(
            {},
            optional={
                "backend": st.sampled_from([*LLMBackend, "openai"]),
                "model": NAMES,
                "baseURL": ADDRESSES,
                "apiKeySecretRef": REFS,
                "timeoutSeconds": COUNTS,
                "temperature": st.sampled_from([-0.1, 0, 0.7, 1.5, 2.0, 2.1, "0.7"]),
                "breaker": st.fixed_dictionaries({}, optional={"probes": COUNTS}),
                "bulkhead": st.fixed_dictionaries({}, optional={"waitSeconds": COUNTS}),
            },
        ),
    ),
    "embeddings": (
        Embeddings,
        ("embeddings",),
        st.fixed_dictionaries(
            {},
            optional={
                "provider": st.sampled_from([*EmbeddingProvider, "hashing"]),
                "model": NAMES,
                "baseURL": ADDRESSES,
                "apiKeySecretRef": REFS,
            },
        ),
    ),
    "oidc": (
        OIDCSettings,
        ("api", "auth", "oidc"),
        st.fixed_dictionaries(
            {"issuer": ADDRESSES, "audience": st.sampled_from(["mind", "a b", "m" * 256, ""])},
            optional={
                "jwksURI": ADDRESSES,
                "rolesClaim": st.sampled_from(["roles", "a.b", "r" * 256, ""]),
                "algorithms": st.sampled_from([["RS256"], ["ES256", "EdDSA"], ["HS256"], []]),
            },
        ),
    ),
    "api": (
        APISettings,
        ("api",),
        st.fixed_dictionaries(
            {},
            optional={
                "corsOrigins": st.lists(
                    st.sampled_from(["*", "https://a.example", "https://a.example/", "a", ""]),
                    max_size=3,
                ),
                "maxPromptCharacters": COUNTS,
                "requestTimeoutSeconds": COUNTS,
                "maxConcurrent": COUNTS,
                "queueTimeoutSeconds": COUNTS,
            },
        ),
    ),
}


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[asyncio.Runner, API]]:
    with asyncio.Runner() as runner:
        api = runner.run(API.connect())
        yield runner, api
        runner.run(api.close())


@pytest.mark.parametrize("block", BLOCKS)
def test_judged_alike(block: str, server: tuple[asyncio.Runner, API]) -> None:
    model, path, values = BLOCKS[block]
    runner, api = server
    verdicts: set[bool] = set()

    @settings(
        max_examples=60,
        deadline=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(values)
    def judged(value: dict[str, Any]) -> None:
        mine, theirs = accepted_by_model(model, value), runner.run(accepted(api, path, value))
        assert mine == theirs, f"model accepts: {mine}, API server accepts: {theirs}"
        verdicts.add(mine)

    judged()
    assert verdicts == {True, False}, "only one verdict was ever tried"


def accepted_by_model(model: type[BaseModel], value: dict[str, Any]) -> bool:
    try:
        # The API server never turns "3" into 3.
        model.model_validate_json(_json(value), strict=True)
    except ValidationError:
        return False
    return True


async def accepted(api: API, path: tuple[str, ...], value: dict[str, Any]) -> bool:
    with_oidc = {"auth": {"mode": "OIDC"}}
    spec: dict[str, Any] = {"api": with_oidc if path[-1] == "oidc" else {"auth": {"mode": "None"}}}
    inner = spec
    for name in path[:-1]:
        inner = inner.setdefault(name, {})
    inner[path[-1]] = {**inner.get(path[-1], {}), **value}
    manifest = {
        "apiVersion": identity.API_VERSION,
        "kind": identity.KIND,
        "metadata": {"generateName": "judged-"},
        "spec": spec,
    }
    try:
        await api._request(
            "POST",
            f"/apis/{identity.API_VERSION}/namespaces/default/{identity.PLURAL}",
            manifest,
            query={"dryRun": "All", "fieldValidation": "Strict"},
        )
    except Refused:
        return False
    return True


def _json(value: dict[str, Any]) -> str:

    return json.dumps(value)
