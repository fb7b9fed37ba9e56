"""Makers of test objects: `engine(replicas=2)`, `live(manifest)`."""

import copy
from typing import Any

from cognitive_api.cognitive_engine import CognitiveEngineSpec
from cognitive_operator.domain.observed import Child, ChildKey, Engine, Observed
from cognitive_operator.domain.plan import desired_children, key_of

OPEN: dict[str, Any] = {"api": {"auth": {"mode": "None"}}}
KEYED: dict[str, Any] = {"api": {"auth": {"apiKeySecretRef": {"name": "keys"}}}}
IMAGE = "example/engine:1"


def engine(name: str = "mind", generation: int = 1, **spec: Any) -> Engine:
    """Return an engine that lets anybody in, unless `spec` says otherwise."""
    return Engine(
        name,
        "team",
        f"uid-{name}",
        generation,
        CognitiveEngineSpec.model_validate({**OPEN, **spec}),
    )


def live(manifest: dict[str, Any], **status: Any) -> Child:
    """Return a manifest as the API server would hand it back."""
    body = copy.deepcopy(manifest)
    body["metadata"] |= {"uid": f"uid-{body['kind']}", "generation": 1, "resourceVersion": "1"}
    if body["kind"] == "Deployment":
        body["spec"].setdefault("replicas", 1)
        count = body["spec"]["replicas"]
        body["status"] = {
            "observedGeneration": 1,
            "replicas": count,
            "updatedReplicas": count,
            "readyReplicas": count,
            **status,
        }
    return Child(body)


def settled(of: Engine, **facts: Any) -> Observed:
    """Return a world in which everything that the engine wants is there and ready."""
    base = Observed(default_image=IMAGE, **facts)
    children: dict[ChildKey, Child] = {
        key_of(child): live(child) for child in desired_children(of, base)
    }
    return Observed(children=children, default_image=IMAGE, **facts)
