"""One namespace of a test: engines in it, their pods, and what to show when a proof fails."""

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import traffic
from enginehttp import EngineClient, Ways
from kube import Json, Kube, condition_of, eventually
from system import System

API_VERSION = "mlsdm.io/v1alpha1"
READY_SECONDS = 90.0
# The promise for everything that is undone, healed or noticed.
SOON_SECONDS = 15.0
CHILD_KINDS = (
    "ServiceAccount",
    "ConfigMap",
    "Service",
    "Deployment",
    "PodDisruptionBudget",
    "HorizontalPodAutoscaler",
)
KEY = "0123456789abcdef-e2e"

Spec = dict[str, Any]

# Small pods: many engines share two cores.
SMALL: Spec = {
    "resources": {"requests": {"cpu": "20m", "memory": "64Mi"}},
    "memory": {"capacity": 1000},
}


def open_spec(**more: Any) -> Spec:
    """Return a small engine that lets anybody in and limits nobody."""
    api = {"auth": {"mode": "None"}, "rateLimit": {"enabled": False}}
    return {**SMALL, "api": api, **more}


def keyed_spec(secret: str, **more: Any) -> Spec:
    """Return a small engine that asks for a key of a Secret and limits nobody."""
    api = {"auth": {"apiKeySecretRef": {"name": secret}}, "rateLimit": {"enabled": False}}
    return {**SMALL, "api": api, **more}


@dataclass
class World:
    """A namespace under restricted Pod Security."""

    kube: Kube
    system: System
    ways: Ways
    namespace: str
    figures: dict[str, str] = field(default_factory=dict)

    # Engines

    def manifest(self, name: str, spec: Spec) -> Json:
        meta = {"name": name, "namespace": self.namespace}
        return {
            "apiVersion": API_VERSION,
            "kind": "CognitiveEngine",
            "metadata": meta,
            "spec": spec,
        }

    def create(self, name: str, spec: Spec) -> None:
        self.kube.create(self.manifest(name, spec), fieldValidation="Strict")

    def change(self, name: str, **spec: Any) -> None:
        """Merge into the spec; None takes a field away."""
        self.kube.patch("CognitiveEngine", self.namespace, name, {"spec": spec})

    def engine(self, name: str) -> Json:
        return self.kube.get("CognitiveEngine", self.namespace, name)

    def secret(self, name: str, key: str = KEY) -> None:
        meta = {"name": name, "namespace": self.namespace}
        self.kube.create({"kind": "Secret", "metadata": meta, "stringData": {"api-key": key}})

    def eventually(
        self, condition: Callable[[], Any], what: str, seconds: float = SOON_SECONDS
    ) -> float:
        """Wait for a condition; return how long it took."""
        started = time.monotonic()
        eventually(condition, seconds, what, dump=self.dump)
        return time.monotonic() - started

    def wait_ready(self, name: str, seconds: float = READY_SECONDS) -> Json:
        """Wait until the newest spec of an engine is ready."""
        self.wait_condition(name, "Ready", "True", "AllReplicasReady", seconds)
        return self.engine(name)

    def wait_condition(
        self,
        name: str,
        kind: str,
        status: str,
        reason: str | None = None,
        seconds: float = SOON_SECONDS,
    ) -> Json:
        """Wait until a condition, judged on the newest generation, is this; return it."""

        def holds() -> Json | None:
            body = self.engine(name)
            found = condition_of(body, kind)
            assert found is not None, f"{name} has no condition {kind}"
            newest = found["observedGeneration"] == body["metadata"]["generation"]
            fits = newest and found["status"] == status and reason in (None, found["reason"])
            return found if fits else None

        what = f"{name} is {kind}={status} {reason or ''}"
        return eventually(holds, seconds, what, dump=self.dump)

    # What belongs to an engine

    def of(self, kind: str, name: str) -> list[Json]:
        """Return the objects of a kind that carry an engine's instance label."""
        label = f"app.kubernetes.io/instance={name}"
        return self.kube.items(kind, self.namespace, labelSelector=label)

    def child(self, kind: str, name: str) -> Json:
        """Return an engine's only child of a kind."""
        found = [item for item in self.of(kind, name) if not _ending(item)]
        assert len(found) == 1, f"{name} has {len(found)} children of kind {kind}"
        return found[0]

    def pods(self, name: str) -> list[Json]:
        """Return an engine's pods that are not about to end."""
        return [pod for pod in self.of("Pod", name) if not _ending(pod)]

    def pod_starts(self, name: str) -> dict[str, int]:
        """Return which pods run and how often their containers were started again."""
        return {
            pod["metadata"]["uid"]: sum(
                status["restartCount"] for status in pod["status"].get("containerStatuses", ())
            )
            for pod in self.pods(name)
        }

    @contextmanager
    def client(self, name: str, key: str = "") -> Iterator[EngineClient]:
        """Return the engine's API, through its Service."""
        with EngineClient(self.ways.service(self.namespace, name), key) as client:
            yield client

    # Traffic

    @contextmanager
    def traffic(self, name: str, key: str = "", **env: Any) -> Iterator["Traffic"]:
        """Send modest traffic through an engine's Service, from a pod, while the block runs."""
        pod = f"traffic-{name}-{os.urandom(3).hex()}"
        meta = {"name": pod, "namespace": self.namespace}
        source = Path(traffic.__file__).read_text()
        self.kube.create({"kind": "ConfigMap", "metadata": meta, "data": {"traffic.py": source}})
        settings = {"TARGET": f"{name}.{self.namespace}.svc", "API_KEY": key, **env}
        self.kube.create(_traffic_pod(meta, self.system.engine_image, settings))
        try:
            self.kube.kubectl(
                "-n", self.namespace, "wait", "--for=condition=Ready", f"pod/{pod}", "--timeout=60s"
            )
            url = self.ways.pod(self.kube.get("Pod", self.namespace, pod), traffic.PORT)
            with EngineClient(url) as client:
                yield Traffic(client)
        finally:
            self.kube.delete("Pod", self.namespace, pod, gracePeriodSeconds="0")
            self.kube.delete("ConfigMap", self.namespace, pod)

    # When a proof fails

    def dump(self) -> str:
        """Return what a person would look at first."""
        parts = []
        for body in self.kube.items("CognitiveEngine", self.namespace):
            meta = body["metadata"]
            parts.append(f"--- engine {meta['name']} generation {meta['generation']}")
            for item in body.get("status", {}).get("conditions", ()):
                keys = ("type", "status", "reason", "observedGeneration", "message")
                parts.append("  " + " ".join(str(item.get(key)) for key in keys))
        shown = self.kube.kubectl_result(
            "-n", self.namespace, "get", "pods,deployments,services,poddisruptionbudgets,"
            "horizontalpodautoscalers,configmaps,serviceaccounts,events", "--ignore-not-found",
        )  # fmt: skip
        return "\n".join(
            [*parts, shown.stdout + shown.stderr, self.system.describe(self.namespace)]
        )


@dataclass(frozen=True)
class Traffic:
    """Traffic under way."""

    client: EngineClient

    @staticmethod
    def summary(report: Json) -> str:
        return f"{report['failed']} of {report['sent']} failed, {report['reconnected']} reconnected"

    def report(self) -> Json:
        return dict(self.client.get("/").json())

    def stop(self) -> Json:
        """End it; return what became of every request."""
        return dict(self.client.get("/stop").json())


def _ending(body: Json) -> bool:
    return bool(body["metadata"].get("deletionTimestamp"))


def _traffic_pod(meta: Json, image: str, env: dict[str, Any]) -> Json:
    return {
        "kind": "Pod",
        "metadata": {**meta, "labels": {"e2e/role": "traffic"}},
        "spec": {
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 1,
            "restartPolicy": "Never",
            "securityContext": {
                "runAsNonRoot": True,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": "traffic",
                    "image": image,
                    "command": ["python", "/traffic/traffic.py"],
                    "env": [{"name": k, "value": str(v)} for k, v in env.items()],
                    "readinessProbe": {
                        "tcpSocket": {"port": traffic.PORT},
                        "periodSeconds": 1,
                    },
                    "resources": {
                        "limits": {"cpu": "500m", "memory": "128Mi"},
                        "requests": {"cpu": "20m", "memory": "32Mi"},
                    },
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "readOnlyRootFilesystem": True,
                        "capabilities": {"drop": ["ALL"]},
                    },
                    "volumeMounts": [{"name": "source", "mountPath": "/traffic"}],
                }
            ],
            "volumes": [{"name": "source", "configMap": {"name": meta["name"]}}],
        },
    }


def as_json(value: Any) -> str:
    """Return a value for a failure's text."""
    return json.dumps(value, indent=1, sort_keys=True)
