"""The engine's address inside the cluster, and the account its pods run as."""

from cognitive_api import identity

from .. import labels, names
from ..kinds import SERVICE, SERVICE_ACCOUNT
from ..observed import Engine, Manifest
from .base import manifest

SERVICE_PORT = 80
AFFINITY_SECONDS = 10800


def build_service(engine: Engine) -> Manifest:
    """Return the Service.

    Each pod has a memory of its own, so a client has to meet the same pod again.
    """
    return manifest(
        engine,
        SERVICE,
        names.child(engine.name),
        {
            "spec": {
                "type": "ClusterIP",
                "selector": labels.selector(engine.name),
                "sessionAffinity": "ClientIP",
                "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": AFFINITY_SECONDS}},
                "ports": [
                    {
                        "name": identity.PORT_NAME_HTTP,
                        "port": SERVICE_PORT,
                        "targetPort": identity.PORT_NAME_HTTP,
                        "protocol": "TCP",
                    },
                    {
                        "name": identity.PORT_NAME_METRICS,
                        "port": identity.PORT_METRICS,
                        "targetPort": identity.PORT_NAME_METRICS,
                        "protocol": "TCP",
                    },
                ],
            }
        },
    )


def build_service_account(engine: Engine) -> Manifest:
    """Return the ServiceAccount; engines never talk to the API server, so no token is mounted."""
    return manifest(
        engine,
        SERVICE_ACCOUNT,
        names.child(engine.name),
        {"automountServiceAccountToken": False},
    )


def endpoint(engine: Engine) -> str:
    """Return the address of the API inside the cluster."""
    return f"http://{names.child(engine.name)}.{engine.namespace}.svc:{SERVICE_PORT}"
