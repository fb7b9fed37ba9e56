"""What the operator writes and mounts is what the engine boots with, and nothing is left over."""

from pathlib import Path
from typing import Any

import pytest
import yaml

import gen
from cognitive_api import identity
from cognitive_engine.settings import Settings, load_settings
from cognitive_operator.domain.observed import Observed
from cognitive_operator.domain.plan import desired_children

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))
SPECS: dict[str, dict[str, Any]] = {
    path.stem: yaml.safe_load(path.read_text())["spec"] for path in EXAMPLES
}
SPECS["plain"] = gen.KEYED
SPECS["tokens"] = {
    "api": {
        "auth": {
            "mode": "OIDC",
            "scopeSecretRef": {"name": "scopes"},
            "oidc": {"issuer": "https://login.example/", "audience": "mind"},
        }
    }
}
SPECS["vendor"] = gen.KEYED | {
    "llm": {"backend": "Anthropic", "temperature": 0.5, "apiKeySecretRef": {"name": "vendor"}},
    "embeddings": {"provider": "Model2Vec", "model": "/models/m"},
}
SPECS["own models"] = gen.OPEN | {
    "llm": {
        "backend": "OpenAICompatible",
        "model": "m",
        "baseURL": "http://models.team.svc:8000/v1",
        "apiKeySecretRef": {"name": "models"},
    },
    "embeddings": {
        "provider": "OpenAICompatible",
        "model": "e",
        "baseURL": "http://models.team.svc:8000/v1",
        "apiKeySecretRef": {"name": "models", "key": "embeddings"},
    },
}


def booted(spec: dict[str, Any], folder: Path) -> tuple[Settings, set[str]]:
    """Return the settings of a pod of `spec`, and the names of the secrets that it is given."""
    children = desired_children(gen.engine(**spec), Observed(default_image=gen.IMAGE))
    by_kind = {child["kind"]: child for child in children}
    path = folder / identity.CONFIG_FILE_NAME
    path.write_text(by_kind["ConfigMap"]["data"][identity.CONFIG_FILE_NAME])
    (container,) = by_kind["Deployment"]["spec"]["template"]["spec"]["containers"]
    environment = {item["name"]: item["value"] for item in container["env"]}
    assert environment[identity.ENV_CONFIG_PATH].endswith(f"/{identity.CONFIG_FILE_NAME}")
    files = {name for name in environment if name.endswith("_FILE")}
    return load_settings(str(path), environment), files


@pytest.mark.parametrize("name", SPECS)
def test_the_engine_boots_with_what_the_operator_writes(name: str, tmp_path: Path) -> None:
    settings, files = booted(SPECS[name], tmp_path)
    assert settings.secrets.faults == ()
    assert settings.warnings == settings.notes == ()
    assert {item.variable for item in settings.secrets.in_use} == files


def test_no_setting_of_the_spec_is_lost(tmp_path: Path) -> None:
    config = booted(SPECS["own models"], tmp_path)[0].config
    assert config.llm.base_url == config.embeddings.base_url == "http://models.team.svc:8000/v1"
    config = booted(SPECS["vendor"], tmp_path)[0].config
    assert (config.llm.temperature, config.embeddings.model) == (0.5, "/models/m")
    config = booted(SPECS["autoscaled"], tmp_path)[0].config
    assert (config.rate_limit.requests_per_second, config.rate_limit.burst) == (50, 100)
