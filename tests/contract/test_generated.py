"""Generated files are fresh, whole, and of the dialect their readers understand."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from cognitive_api import identity
from cognitive_api.cognitive_engine import CognitiveEngineSpec
from cognitive_api.conditions import TABLE, ConditionType, Reason

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))

Schema = dict[str, Any]


def schema() -> Schema:
    crd = yaml.safe_load((ROOT / "crds" / "cognitiveengines.yaml").read_text())
    (version,) = crd["spec"]["versions"]
    root: Schema = version["schema"]["openAPIV3Schema"]
    return root


def nodes(node: Schema, path: str = "") -> Iterator[tuple[str, Schema]]:
    yield path, node
    for name, child in node.get("properties", {}).items():
        yield from nodes(child, f"{path}.{name}".lstrip("."))
    for key, mark in (("items", "[]"), ("additionalProperties", "{}")):
        if isinstance(node.get(key), dict):
            yield from nodes(node[key], path + mark)


def test_generated_files_are_fresh() -> None:
    answer = subprocess.run(
        [str(ROOT / "hack" / "generate"), "--check"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_every_field_has_a_description() -> None:
    bare = [
        path
        for path, node in nodes(schema())
        if path.startswith(("spec", "status"))
        and path not in {"spec", "status"}
        and not path.endswith(("[]", "{}"))
        and not node.get("description")
    ]
    assert bare == []


def test_schema_is_structural() -> None:
    refused = {"$ref", "$defs", "definitions", "oneOf", "allOf", "not", "const", "title"}
    for path, node in nodes(schema()):
        assert not refused & node.keys(), path
        if node.get("x-kubernetes-int-or-string"):
            assert "type" not in node, path
            assert node["anyOf"] == [{"type": "integer"}, {"type": "string"}], path
        else:
            assert isinstance(node.get("type"), str), path
            assert "anyOf" not in node, path
        # The API server prunes; closed objects would be refused together with `properties`.
        assert node.get("additionalProperties") is not False, path
        assert not isinstance(node.get("exclusiveMinimum", True), float), path


def test_lists_and_maps_are_bounded() -> None:
    """CEL's cost estimate and etcd's limit both depend on it."""
    unbounded = [
        path
        for path, node in nodes(schema())
        if ("items" in node and "maxItems" not in node)
        or (isinstance(node.get("additionalProperties"), dict) and "maxProperties" not in node)
    ]
    assert unbounded == []


def test_every_rule_has_a_sentence() -> None:
    for path, node in nodes(schema()):
        for rule in node.get("x-kubernetes-validations", ()):
            assert len(rule["message"].split()) >= 4, (path, rule)


def test_reference_names_every_field_rule_and_reason() -> None:
    engine = (ROOT / "docs" / "reference" / "cognitiveengine.md").read_text()
    for path, node in nodes(schema()):
        if path.startswith(("spec.", "status.")) and not path.endswith(("[]", "{}")):
            assert f"| `{path}` |" in engine, path
        for rule in node.get("x-kubernetes-validations", ()):
            assert rule["message"] in engine, path
    conditions = (ROOT / "docs" / "reference" / "conditions.md").read_text()
    for word in (*ConditionType, *Reason):
        assert f"| `{word}` |" in conditions, word
    assert set(TABLE) == set(Reason)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_fit_the_model(path: Path) -> None:
    document = yaml.safe_load(path.read_text())
    assert document["apiVersion"] == identity.API_VERSION
    assert document["kind"] == identity.KIND
    CognitiveEngineSpec.model_validate(document["spec"])
