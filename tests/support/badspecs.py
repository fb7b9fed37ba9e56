"""Bad CognitiveEngines, derived from the CRD's own schema: every bound, type, name and rule.

A case changes one place of a good spec. Whoever adds a field gets its cases for nothing; whoever
adds a rule has to say here how it is broken.
"""

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cognitive_api.crd import build_schema

Json = dict[str, Any]
UNKNOWN = "notAField"

# Good, and with every optional part present that a running engine can do without help from
# outside, so that each place can be reached.
GOOD: Json = {
    "disruptionBudget": {},
    "api": {
        "auth": {"apiKeySecretRef": {"name": "keys"}},
        "corsOrigins": ["https://pages.example"],
        "rateLimit": {},
    },
    "resources": {"requests": {"cpu": "20m", "memory": "64Mi"}, "limits": {}},
    "governance": {"moral": {"policy": "homeostatic"}, "rhythm": {}, "speech": {}},
    "memory": {"levels": {}},
    "llm": {"breaker": {}, "bulkhead": {}},
    "embeddings": {},
    "logging": {},
    "monitoring": {"serviceMonitor": {"labels": {}}},
    "podTemplate": {
        "annotations": {},
        "labels": {},
        "nodeSelector": {},
        "tolerations": [{"key": "gpu", "effect": "NoExecute"}],
    },
}

# Good as well, and taken in where a case is about them.
_ELSEWHERE: Json = {
    "autoscaling": {"behavior": {"scaleUp": {}, "scaleDown": {}}},
    "llm": {
        "backend": "OpenAI",
        "model": "a-model",
        "baseURL": "https://models.example/v1",
        "apiKeySecretRef": {"name": "keys"},
        "breaker": {},
        "bulkhead": {},
    },
    "embeddings": {
        "provider": "OpenAICompatible",
        "model": "a-model",
        "baseURL": "https://models.example/v1",
        "apiKeySecretRef": {"name": "keys"},
    },
    "api": {
        "auth": {
            "mode": "Any",
            "apiKeySecretRef": {"name": "keys"},
            "scopeSecretRef": {"name": "keys"},
            "oidc": {
                "issuer": "https://login.example/",
                "audience": "mind",
                "jwksURI": "https://login.example/keys",
                "algorithms": ["RS256"],
            },
        },
        "corsOrigins": ["https://pages.example"],
        "rateLimit": {},
    },
}


@dataclass(frozen=True)
class BadSpec:
    """A spec that must be refused, and what the refusal must name."""

    name: str
    spec: Json
    named: str
    rule: str = ""


def bad_specs() -> list[BadSpec]:
    """Return every case."""
    schema = build_schema()["properties"]["spec"]
    return [*_walk(schema, ()), *_broken_rules()]


def rules() -> set[str]:
    """Return the message of every rule of the spec's schema."""
    found: set[str] = set()

    def visit(node: Mapping[str, Any]) -> None:
        found.update(rule["message"] for rule in node.get("x-kubernetes-validations", ()))
        for child in node.get("properties", {}).values():
            visit(child)
        for key in ("items", "additionalProperties"):
            if isinstance(node.get(key), Mapping):
                visit(node[key])

    visit(build_schema()["properties"]["spec"])
    return found


Place = tuple[str | int, ...]


def _walk(node: Mapping[str, Any], place: Place) -> Iterator[BadSpec]:
    for what, value in _bad_values(node):
        yield _case(place, what, value)
    if "properties" in node:
        yield _case((*place, UNKNOWN), "unknown field", 1)
        for name in node.get("required", ()):
            yield _case((*place, name), "missing", None)
        for name, child in node["properties"].items():
            yield from _walk(child, (*place, name))
    if isinstance(node.get("additionalProperties"), Mapping):
        for what, value in _bad_values(node["additionalProperties"]):
            yield _case((*place, "some-key"), what, value)
    if isinstance(node.get("items"), Mapping):
        yield from _walk(node["items"], (*place, 0))


def _bad_values(node: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    if node.get("x-kubernetes-int-or-string"):
        yield from (("negative", -1), ("no quantity", "lots"), ("a boolean", True))
        return
    kind = node.get("type")
    wrong = {"integer": "many", "number": "much", "boolean": "yes", "string": 7, "object": [1]}
    yield "wrong type", wrong.get(str(kind), {"a": 1})
    if kind in {"integer", "number"}:
        yield from _out_of_bounds(node, 1 if kind == "integer" else 0.001)
    if kind == "integer":
        yield "a fraction", 2.5
    if "enum" in node:
        yield "unknown word", "Sometimes"
    if "pattern" in node:
        yield "wrong form", "not fit!"
    if "minLength" in node:
        yield "too short", "x" * (node["minLength"] - 1)
    if "maxLength" in node:
        yield "too long", "x" * (node["maxLength"] + 1)
    if "maxItems" in node:
        yield "too many", [_good_item(node["items"])] * (node["maxItems"] + 1)
    if node.get("minItems"):
        yield "too few", []
    if "maxProperties" in node:
        yield "too many", {f"key-{i}": "x" for i in range(node["maxProperties"] + 1)}


def _good_item(node: Mapping[str, Any]) -> Any:
    if node["type"] == "object":
        return {"operator": "Exists"}
    return node["enum"][0] if "enum" in node else "https://pages.example"


def _out_of_bounds(node: Mapping[str, Any], step: float) -> Iterator[tuple[str, Any]]:
    if "minimum" in node:
        edge = node["minimum"]
        yield "below", edge if node.get("exclusiveMinimum") else edge - step
    if "maximum" in node:
        edge = node["maximum"]
        yield "above", edge if node.get("exclusiveMaximum") else edge + step


def _case(place: Place, what: str, value: Any) -> BadSpec:
    spec = copy.deepcopy(GOOD)
    if place and place[0] in _ELSEWHERE:
        spec[place[0]] = copy.deepcopy(_ELSEWHERE[str(place[0])])
    dotted = _dotted(place)
    if not place:
        return BadSpec(f"spec: {what}", value, "spec")
    holder: Any = spec
    for step in place[:-1]:
        holder = holder[step]
    if what == "missing":
        holder.pop(place[-1], None)
    else:
        holder[place[-1]] = value
    return BadSpec(f"{dotted}: {what}", spec, dotted)


def _dotted(place: Place) -> str:
    """Write a place as the API server does."""
    text = "spec"
    for step in place:
        text += f"[{step}]" if isinstance(step, int) else f".{step}"
    return text


def _toleration(**fields: Any) -> Callable[[Json], Any]:
    return lambda spec: spec["podTemplate"].update(tolerations=[fields])


# How each rule is broken, found by a part of its message.
_BREAKERS: list[tuple[str, Callable[[Json], Any]]] = [
    (
        "minThreshold must be below",
        lambda s: s["governance"]["moral"].update(
            minThreshold=0.6, maxThreshold=0.6, initialThreshold=0.6
        ),
    ),
    (
        "requestsPerSecond must be at least",
        lambda s: s["api"]["rateLimit"].update(requestsPerSecond=0),
    ),
    (
        "initialThreshold must lie between",
        lambda s: s["governance"]["moral"].update(initialThreshold=0.95),
    ),
    (
        "targetAcceptRate is only used",
        lambda s: s["governance"]["moral"].update(policy="evidence", targetAcceptRate=0.5),
    ),
    ("lambdaL3 <= lambdaL2", lambda s: s["memory"]["levels"].update(lambdaL3=0.9)),
    (
        "minReplicas must not exceed",
        lambda s: s.update(autoscaling={"minReplicas": 5, "maxReplicas": 4}),
    ),
    (
        "disruptionBudget.minAvailable and",
        lambda s: s.update(disruptionBudget={"minAvailable": 1, "maxUnavailable": 1}),
    ),
    ("requests.cpu must not", lambda s: s["resources"].update(requests={"cpu": 2})),
    ("requests.memory must not", lambda s: s["resources"].update(requests={"memory": "3Gi"})),
    ("api.auth.apiKeySecretRef is req", lambda s: s["api"]["auth"].pop("apiKeySecretRef")),
    ("api.auth.apiKeySecretRef has no effect", lambda s: s["api"]["auth"].update(mode="OIDC")),
    ("api.auth.oidc is required", lambda s: s["api"]["auth"].pop("oidc")),
    ("api.auth.oidc has no effect", lambda s: s["api"]["auth"].update(mode="APIKey")),
    (
        "issuer must start with https",
        lambda s: s["api"]["auth"]["oidc"].update(issuer="http://login.example"),
    ),
    (
        "jwksURI must start with https",
        lambda s: s["api"]["auth"]["oidc"].update(jwksURI="http://login.example/keys"),
    ),
    ("llm.baseURL and llm.model are", lambda s: s.update(llm={"backend": "OpenAICompatible"})),
    ("llm.temperature must not", lambda s: s["llm"].update(backend="Anthropic", temperature=1.1)),
    ("llm.apiKeySecretRef is required", lambda s: s["llm"].pop("apiKeySecretRef")),
    ("llm.apiKeySecretRef have no effect", lambda s: s["llm"].update(backend="LocalStub")),
    ("embeddings.model is required", lambda s: s.update(embeddings={"provider": "Model2Vec"})),
    ("embeddings.baseURL and embeddings.model", lambda s: s["embeddings"].pop("baseURL")),
    (
        "have an effect only when",
        lambda s: s["embeddings"].update(provider="Model2Vec"),
    ),
    (
        "embeddings.model has no effect",
        lambda s: s.update(embeddings={"provider": "Hashing", "model": "a-model"}),
    ),
    ("key may be left out", _toleration(operator="Equal", value="x")),
    ("value has no meaning", _toleration(operator="Exists", value="x")),
    ("tolerationSeconds needs", _toleration(key="gpu", tolerationSeconds=5)),
    ("podTemplate.labels", lambda s: s["podTemplate"].update(labels={"mlsdm.io/track": "x"})),
    (
        "podTemplate.annotations",
        lambda s: s["podTemplate"].update(annotations={"mlsdm.io/applied-hash": "x"}),
    ),
    (
        "replicas and autoscaling exclude",
        lambda s: s.update(replicas=3, autoscaling={"minReplicas": 1}),
    ),
    ("api.auth is required", lambda s: s.pop("api")),
]


def _broken_rules() -> Iterator[BadSpec]:
    for message in sorted(rules()):
        breakers = [change for part, change in _BREAKERS if part in message]
        assert len(breakers) == 1, f"say in badspecs.py how this rule is broken: {message}"
        spec = copy.deepcopy(GOOD)
        for name in ("llm", "embeddings", "api"):
            spec[name] = copy.deepcopy(_ELSEWHERE[name])
        breakers[0](spec)
        yield BadSpec(f"rule: {message}", spec, message, rule=message)
