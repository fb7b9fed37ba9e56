"""The engine's pods."""

from typing import Any

from cognitive_api import identity
from cognitive_api.cognitive_engine import CognitiveEngineSpec

from .. import labels, names
from ..hashing import content_hash
from ..kinds import DEPLOYMENT
from ..limits import PROGRESS_DEADLINE_SECONDS
from ..observed import Engine, Manifest
from ..secrets import mounted_secrets
from .base import manifest
from .scaling import fixed_replicas

CONTAINER = "engine"
# Endpoints forget a pod some seconds after it was told to end; until then it goes on serving.
PRE_STOP_SECONDS = 5


def revision(engine: Engine, image: str, config_name: str) -> str:
    """Return the identity of the pod template."""
    return content_hash(_pod_body(engine, image, config_name, ""))


def build_deployment(engine: Engine, image: str, config_name: str) -> Manifest:
    """Return the Deployment. Under an autoscaler it holds no number of pods at all."""
    pods = fixed_replicas(engine)
    return manifest(
        engine,
        DEPLOYMENT,
        names.child(engine.name),
        {
            "spec": {
                **({} if pods is None else {"replicas": pods}),
                "revisionHistoryLimit": 3,
                "progressDeadlineSeconds": PROGRESS_DEADLINE_SECONDS,
                "selector": {"matchLabels": labels.selector(engine.name)},
                "strategy": {
                    "type": "RollingUpdate",
                    "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0},
                },
                "template": _pod_body(
                    engine, image, config_name, revision(engine, image, config_name)
                ),
            }
        },
    )


def _pod_body(engine: Engine, image: str, config_name: str, revision_hash: str) -> dict[str, Any]:
    spec = engine.spec
    extra = spec.pod_template
    return {
        "metadata": {
            "labels": {
                **extra.labels,
                **labels.common(engine.name),
                identity.LABEL_TRACK: identity.TRACK_STABLE,
                identity.LABEL_REVISION: revision_hash,
            },
            **({"annotations": dict(extra.annotations)} if extra.annotations else {}),
        },
        "spec": {
            "serviceAccountName": names.child(engine.name),
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": extra.termination_grace_period_seconds,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": identity.RUN_AS_USER,
                "runAsGroup": identity.RUN_AS_USER,
                "fsGroup": identity.RUN_AS_USER,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "topologySpreadConstraints": [
                {
                    "topologyKey": "kubernetes.io/hostname",
                    "maxSkew": 1,
                    "whenUnsatisfiable": "ScheduleAnyway",
                    "labelSelector": {"matchLabels": labels.selector(engine.name)},
                }
            ],
            **({"nodeSelector": dict(extra.node_selector)} if extra.node_selector else {}),
            **(
                {
                    "tolerations": [
                        item.model_dump(mode="json", by_alias=True, exclude_none=True)
                        for item in extra.tolerations
                    ]
                }
                if extra.tolerations
                else {}
            ),
            "containers": [_container(spec, image, revision_hash)],
            "volumes": _volumes(spec, config_name),
        },
    }


def _container(spec: CognitiveEngineSpec, image: str, revision_hash: str) -> dict[str, Any]:
    env = {
        identity.ENV_CONFIG_PATH: f"{identity.CONFIG_DIR}/{identity.CONFIG_FILE_NAME}",
        identity.ENV_TRACK: identity.TRACK_STABLE,
        identity.ENV_REVISION: revision_hash,
    }
    mounts = [{"name": "config", "mountPath": identity.CONFIG_DIR, "readOnly": True}]
    for item in mounted_secrets(spec):
        env[item.variable] = item.path
        mounts.append({"name": item.volume, "mountPath": item.directory, "readOnly": True})
    return {
        "name": CONTAINER,
        "image": image,
        "imagePullPolicy": spec.image_pull_policy.value,
        "env": [{"name": name, "value": value} for name, value in env.items()],
        "ports": [
            {"name": identity.PORT_NAME_HTTP, "containerPort": identity.PORT_HTTP},
            {"name": identity.PORT_NAME_METRICS, "containerPort": identity.PORT_METRICS},
        ],
        "resources": {
            "requests": spec.resources.requests.model_dump(mode="json"),
            "limits": spec.resources.limits.model_dump(mode="json"),
        },
        "volumeMounts": mounts,
        **_probes(),
        "lifecycle": {"preStop": {"sleep": {"seconds": PRE_STOP_SECONDS}}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }


def _probes() -> dict[str, Any]:
    def get(path: str) -> dict[str, Any]:
        return {"httpGet": {"path": path, "port": identity.PORT_NAME_HTTP}, "timeoutSeconds": 3}

    return {
        # A slow node may take its time to start, without a slack liveness probe ever after.
        "startupProbe": {
            **get(identity.PATH_LIVENESS),
            "periodSeconds": 2,
            "failureThreshold": 60,
        },
        "livenessProbe": {
            **get(identity.PATH_LIVENESS),
            "periodSeconds": 10,
            "failureThreshold": 3,
        },
        "readinessProbe": {
            **get(identity.PATH_READINESS),
            "periodSeconds": 5,
            "failureThreshold": 2,
        },
    }


def _volumes(spec: CognitiveEngineSpec, config_name: str) -> list[dict[str, Any]]:
    secrets = [
        {
            "name": item.volume,
            "secret": {
                "secretName": item.secret,
                # Readable by the pod's group (fsGroup) and by nobody else.
                "defaultMode": 0o440,
                "items": [{"key": item.key, "path": item.file}],
            },
        }
        for item in mounted_secrets(spec)
    ]
    return [{"name": "config", "configMap": {"name": config_name}}, *secrets]
