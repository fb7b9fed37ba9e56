"""The head that every child shares."""

from typing import Any

from cognitive_api import __version__, identity

from .. import labels
from ..hashing import content_hash
from ..kinds import Kind
from ..observed import Engine, Manifest


def manifest(
    engine: Engine,
    kind: Kind,
    name: str,
    body: dict[str, Any],
    extra_labels: dict[str, str] | None = None,
) -> Manifest:
    """Return a whole child: head, owner, body, and the hash of all that as an annotation.

    The owner reference makes the garbage collector remove the child with its engine.
    """
    out: Manifest = {
        "apiVersion": kind.api_version,
        "kind": kind.name,
        "metadata": {
            "name": name,
            "namespace": engine.namespace,
            "labels": {
                **(extra_labels or {}),
                **labels.common(engine.name),
                # The operator's release; not on pods, which a new release must not restart.
                identity.LABEL_VERSION: __version__,
            },
            "ownerReferences": [
                {
                    "apiVersion": identity.API_VERSION,
                    "kind": identity.KIND,
                    "name": engine.name,
                    "uid": engine.uid,
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        },
        **body,
    }
    out["metadata"]["annotations"] = {identity.ANNOTATION_APPLIED: content_hash(out)}
    return out
