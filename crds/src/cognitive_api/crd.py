"""Turns the pydantic models into a CustomResourceDefinition (structural schema, OpenAPI 3.0).

Pure: models in, plain dict out. Pydantic writes JSON Schema 2020-12, the API server reads a
narrower dialect: no `$ref`, no null branches, boolean exclusive bounds, and objects closed by
pruning rather than by `additionalProperties: false`.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from . import cognitive_engine, engine_config, governance, identity, keyed

Schema = dict[str, Any]

_COLUMNS = (
    ("Ready", "string", '.status.conditions[?(@.type=="Ready")].status', 0, "Whether it serves."),
    ("Reason", "string", '.status.conditions[?(@.type=="Ready")].reason', 0, "Why, or why not."),
    ("Replicas", "integer", ".status.readyReplicas", 0, "Pods that may serve."),
    ("Revision", "string", ".status.revision", 0, "Pod template that is wanted."),
    ("Age", "date", ".metadata.creationTimestamp", 0, "Time since creation."),
    ("Image", "string", ".status.image", 1, "Engine image that is wanted."),
    ("Endpoint", "string", ".status.endpoint", 1, "Address of the API inside the cluster."),
)

_NAME_RULE = (
    "self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
    "metadata.name must start with a letter and hold only lower-case letters, digits and '-', "
    "because a Service of that name is made",
)


def _rules_by_model() -> dict[str, tuple[tuple[str, str], ...]]:
    found = {}
    for module in (governance, engine_config, keyed, cognitive_engine):
        for name, item in vars(module).items():
            if isinstance(item, type) and issubclass(item, BaseModel) and hasattr(item, "cel"):
                found[name] = item.cel
    return found


def _convert(node: Mapping[str, Any], defs: Mapping[str, Any]) -> Schema:
    """One JSON Schema node as a structural one."""
    merged, model_name = _resolve(node, defs)
    out: Schema = {}
    if "description" in merged:
        out["description"] = " ".join(str(merged["description"]).split())
    int_or_string = merged.get("x-kubernetes-int-or-string", False)
    kind = merged.get("type")
    if int_or_string:
        out["x-kubernetes-int-or-string"] = True
        # Structural schemas allow exactly these two branches; bounds of either kind stand beside.
        for branch in merged.pop("anyOf"):
            merged.update({k: v for k, v in branch.items() if k != "type"})
        out["anyOf"] = [{"type": "integer"}, {"type": "string"}]
    elif kind:
        out["type"] = kind
    for key in (
        "enum",
        "pattern",
        "minLength",
        "maxLength",
        "minItems",
        "maxItems",
        "maxProperties",
        "minimum",
        "maximum",
        "format",
        "x-kubernetes-list-type",
        "x-kubernetes-list-map-keys",
    ):
        if key in merged:
            out[key] = merged[key]
    for key, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if key in merged:
            out[bound], out[key] = merged[key], True
    _convert_members(merged, out, defs)
    if merged.get("default") is not None:
        # Whole, although inner fields bring their own: rules judge a default as it stands here.
        out["default"] = _without_nulls(merged["default"])
    rules = _rules_by_model().get(model_name or "", ())
    if rules:
        out["x-kubernetes-validations"] = [{"rule": r, "message": m} for r, m in rules]
    if kind == "object" and merged.get("required"):
        out["required"] = list(merged["required"])
    return out


def _convert_members(merged: Mapping[str, Any], out: Schema, defs: Mapping[str, Any]) -> None:
    if "properties" in merged:
        out["properties"] = {
            name: _convert(child, defs) for name, child in merged["properties"].items()
        }
    elif isinstance(merged.get("additionalProperties"), Mapping):
        out["additionalProperties"] = _convert(merged["additionalProperties"], defs)
    if "items" in merged:
        out["items"] = _convert(merged["items"], defs)


def _without_nulls(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _without_nulls(v) for k, v in value.items() if v is not None}
    return value


def _resolve(node: Mapping[str, Any], defs: Mapping[str, Any]) -> tuple[Schema, str | None]:
    """Follow `$ref`, drop the null branch; a field's own description outranks its type's."""
    merged = dict(node)
    model_name = None
    branches = [b for b in merged.get("anyOf", []) if b.get("type") != "null"]
    if "anyOf" in merged and len(branches) == 1:
        del merged["anyOf"]
        merged = {**branches[0], **merged}
    if "$ref" in merged:
        model_name = merged.pop("$ref").rsplit("/", 1)[1]
        merged = {**defs[model_name], **merged}
    return merged, model_name


def model_schema(model: type[BaseModel]) -> Schema:
    """Return the structural schema of a model, without references."""
    raw = model.model_json_schema(by_alias=True)
    schema = _convert(raw, raw.get("$defs", {}))
    schema.pop("default", None)
    rules = getattr(model, "cel", ())
    if rules:
        schema["x-kubernetes-validations"] = [{"rule": r, "message": m} for r, m in rules]
    return schema


def build_schema() -> Schema:
    """Return the OpenAPI schema of one CognitiveEngine object."""
    spec = model_schema(cognitive_engine.CognitiveEngineSpec)
    status = model_schema(cognitive_engine.CognitiveEngineStatus)
    # "Not seen yet" must never look healthy, so it is there from the first moment.
    status["default"] = {"observedGeneration": -1}
    return {
        "type": "object",
        "description": "A governed LLM memory service: pods, their Service and all around them.",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": spec,
            "status": status,
        },
        "x-kubernetes-validations": [{"rule": _NAME_RULE[0], "message": _NAME_RULE[1]}],
    }


def build_crd() -> Schema:
    """Return the whole CustomResourceDefinition."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{identity.PLURAL}.{identity.GROUP}"},
        "spec": {
            "group": identity.GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": identity.KIND,
                "listKind": f"{identity.KIND}List",
                "plural": identity.PLURAL,
                "singular": identity.SINGULAR,
                "shortNames": list(identity.SHORT_NAMES),
                "categories": list(identity.CATEGORIES),
            },
            "versions": [
                {
                    "name": identity.VERSION,
                    "served": True,
                    "storage": True,
                    "additionalPrinterColumns": [
                        {
                            "name": name,
                            "type": kind,
                            "jsonPath": path,
                            "priority": priority,
                            "description": text,
                        }
                        for name, kind, path, priority, text in _COLUMNS
                    ],
                    "subresources": {
                        "status": {},
                        "scale": {
                            "specReplicasPath": ".spec.replicas",
                            "statusReplicasPath": ".status.replicas",
                            "labelSelectorPath": ".status.selector",
                        },
                    },
                    "schema": {"openAPIV3Schema": build_schema()},
                }
            ],
        },
    }
