"""Secrets: named by the spec, mounted as files, never in a child, waited for when missing."""

import json
from typing import Any

import pytest

import gen
from cognitive_api import identity
from cognitive_api.conditions import Reason
from cognitive_api.engine_config import EngineConfig
from cognitive_operator.domain import limits
from cognitive_operator.domain.observed import Observed
from cognitive_operator.domain.plan import desired_children, plan, secret_names
from cognitive_operator.domain.status.report import build_status

OIDC = {"issuer": "https://login.example/realm", "audience": "mind"}
RICH: dict[str, Any] = {
    "api": {
        "auth": {
            "mode": "Any",
            "apiKeySecretRef": {"name": "callers", "key": "accepted"},
            "scopeSecretRef": {"name": "scopes"},
            "oidc": OIDC,
        },
        "corsOrigins": ["https://pages.example"],
        "requestTimeoutSeconds": 60,
    },
    "llm": {
        "backend": "OpenAI",
        "model": "a-model",
        "apiKeySecretRef": {"name": "vendor", "key": "openai"},
    },
    "embeddings": {
        "provider": "OpenAICompatible",
        "model": "embedder",
        "baseURL": "http://embedder.team.svc/v1",
        "apiKeySecretRef": {"name": "vendor", "key": "embeddings"},
    },
}
EMPTY = Observed(default_image=gen.IMAGE)


def child(kind: str, **spec: Any) -> dict[str, Any]:
    found = desired_children(gen.engine(**spec), EMPTY)
    return next(item for item in found if item["kind"] == kind)


def pod(**spec: Any) -> dict[str, Any]:
    return dict(child("Deployment", **spec)["spec"]["template"]["spec"])


def config(**spec: Any) -> dict[str, Any]:
    return dict(json.loads(child("ConfigMap", **spec)["data"][identity.CONFIG_FILE_NAME]))


def test_each_secret_is_a_read_only_file_of_its_own() -> None:
    body = pod(**RICH)
    assert body["volumes"][1:] == [
        {
            "name": name,
            "secret": {
                "secretName": secret,
                "defaultMode": 0o440,
                "items": [{"key": key, "path": path}],
            },
        }
        for name, secret, key, path in (
            ("api-keys", "callers", "accepted", "api-keys"),
            ("scope-secret", "scopes", "scope-secret", "scope-secret"),
            ("llm-key", "vendor", "openai", "llm-key"),
            ("embeddings-key", "vendor", "embeddings", "embeddings-key"),
        )
    ]
    (container,) = body["containers"]
    assert container["volumeMounts"][1:] == [
        {"name": "api-keys", "mountPath": "/etc/cognitive-engine-keys", "readOnly": True},
        {"name": "scope-secret", "mountPath": "/etc/cognitive-engine-scope", "readOnly": True},
        {"name": "llm-key", "mountPath": "/etc/cognitive-engine-llm", "readOnly": True},
        {
            "name": "embeddings-key",
            "mountPath": "/etc/cognitive-engine-embeddings",
            "readOnly": True,
        },
    ]
    assert {item["name"]: item["value"] for item in container["env"]}.items() >= {
        "API_KEYS_FILE": "/etc/cognitive-engine-keys/api-keys",
        "SCOPE_SECRET_FILE": "/etc/cognitive-engine-scope/scope-secret",
        "LLM_API_KEY_FILE": "/etc/cognitive-engine-llm/llm-key",
        "EMBEDDINGS_API_KEY_FILE": "/etc/cognitive-engine-embeddings/embeddings-key",
    }.items()
    assert all(item.keys() == {"name", "value"} for item in container["env"])


def test_no_secret_no_volume() -> None:
    body = pod()
    assert [volume["name"] for volume in body["volumes"]] == ["config"]
    names = {item["name"] for item in body["containers"][0]["env"]}
    assert names == {"CONFIG_PATH", "MLSDM_TRACK", "MLSDM_REVISION"}


def test_the_config_has_every_setting_and_no_reference() -> None:
    content = config(**RICH)
    assert "SecretRef" not in json.dumps(content)
    parsed = EngineConfig.model_validate(content)
    assert parsed.llm.model_name == "a-model"
    assert parsed.embeddings.base_url == "http://embedder.team.svc/v1"
    assert parsed.api.cors_origins == ["https://pages.example"]
    assert parsed.api.request_timeout_seconds == 60
    assert parsed.auth.mode == "Any"
    assert parsed.auth.oidc is not None
    assert parsed.auth.oidc.audience == "mind"


def test_the_config_of_a_plain_engine_is_the_engines_own_default() -> None:
    keyed = EngineConfig.model_validate(config(**gen.KEYED))
    assert keyed == EngineConfig()


@pytest.mark.parametrize(
    "change",
    [
        {"llm": {**RICH["llm"], "apiKeySecretRef": {"name": "other", "key": "openai"}}},
        {"llm": {**RICH["llm"], "apiKeySecretRef": {"name": "vendor", "key": "other"}}},
        {"llm": {**RICH["llm"], "model": "another"}},
        {"embeddings": {**RICH["embeddings"], "timeoutSeconds": 9}},
        {"api": {**RICH["api"], "corsOrigins": []}},
    ],
)
def test_a_changed_reference_or_setting_rolls_out(change: dict[str, Any]) -> None:
    assert (
        plan(gen.engine(**RICH), EMPTY).revision
        != plan(gen.engine(**{**RICH, **change}), EMPTY).revision
    )


def test_the_same_spec_gives_the_same_revision_however_written() -> None:
    spelled = {**RICH, "llm": {**RICH["llm"], "temperature": 0.7, "breaker": {"failures": 5}}}
    assert plan(gen.engine(**RICH), EMPTY).revision == plan(gen.engine(**spelled), EMPTY).revision


def test_each_secret_is_looked_up_once() -> None:
    assert secret_names(gen.engine(**RICH)) == ("callers", "scopes", "vendor")
    assert secret_names(gen.engine()) == ()


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        (
            {"scopes"},
            "Secret scopes, which api.auth.scopeSecretRef names, does not exist in this namespace. "
            "Create it; until then the pods stay as they are.",
        ),
        (
            {"vendor", "callers"},
            "Secret callers, which api.auth.apiKeySecretRef names, Secret vendor, which "
            "llm.apiKeySecretRef and embeddings.apiKeySecretRef name, do not exist in this "
            "namespace. Create them; until then the pods stay as they are.",
        ),
    ],
)
def test_a_missing_secret_is_named_with_its_field_and_keeps_the_pods(
    missing: set[str], message: str
) -> None:
    engine = gen.engine(**RICH)
    world = Observed(missing_secrets=frozenset(missing), default_image=gen.IMAGE)
    decided = plan(engine, world)
    assert {write.key.kind for write in decided.writes}.isdisjoint({"Deployment", "ConfigMap"})
    assert decided.requeue_after == limits.MISSING_POLL_SECONDS
    status = build_status(engine, decided, world, None, {}, "2026-01-01T00:00:00Z")
    (ready,) = [item for item in status["conditions"] if item["type"] == "Ready"]
    assert (ready["reason"], ready["message"]) == (Reason.SECRET_NOT_FOUND.value, message)
