"""Objects a fresh cluster gets: custom resource definitions, services, gateway, storage."""

import hashlib
import json
from datetime import datetime
from pathlib import Path

from .paths import Cluster
from .shell import run, wait_until

READY_TIMEOUT_SECONDS = 90.0


class Api:
    """The cluster's API through the pinned kubectl."""

    def __init__(self, cluster: Cluster, kubectl: Path) -> None:
        self._cluster = cluster
        self._command: list[str | Path] = [kubectl, f"--kubeconfig={cluster.kubeconfig}"]

    def kubectl(self, *arguments: str | Path, timeout: float = 60, check: bool = True) -> str:
        """Run kubectl and return what it prints."""
        return run([*self._command, *arguments], timeout=timeout, check=check).stdout

    def apply(self, *paths: Path) -> None:
        """Apply files on the server's side: some definitions are too large for annotations."""
        files = [word for path in paths for word in ("-f", str(path))]
        self.kubectl(
            "apply",
            "--server-side",
            "--force-conflicts",
            "--field-manager=hack-cluster",
            *files,
            timeout=120,
        )

    def condition(self, resource: str, namespace: str, wanted: str, since: int) -> bool:
        """Whether a condition of an object is True, and said so after a moment."""
        where = ["-n", namespace] if namespace else []
        answer = self.kubectl("get", resource, *where, "-o", "json", check=False)
        for condition in json.loads(answer or "{}").get("status", {}).get("conditions", []):
            if condition["type"] == wanted:
                beat = condition.get("lastHeartbeatTime")
                fresh = beat is None or datetime.fromisoformat(beat).timestamp() >= since
                return bool(condition["status"] == "True" and fresh)
        return False


def objects_digest(cluster: Cluster, crds: Path) -> str:
    """Changes when anything that is applied changes."""
    digest = hashlib.sha256()
    for path in [
        *sorted(crds.glob("*.yaml")),
        cluster.config / "objects.yaml",
        cluster.config / "volumes.yaml",
    ]:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def apply(cluster: Cluster, api: Api, crds: Path) -> bool:
    """Apply everything unless this cluster has it already; says whether it wrote."""
    marker = cluster.state / "objects.sha256"
    digest = objects_digest(cluster, crds)
    if marker.exists() and marker.read_text() == digest:
        return False
    api.apply(crds)
    api.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s", timeout=70)
    api.apply(cluster.config / "objects.yaml", cluster.config / "volumes.yaml")
    _accept_gateway_class(api)
    marker.write_text(digest)
    return True


def _accept_gateway_class(api: Api) -> None:
    # Contour bound to one gateway by its configuration leaves the class without a verdict.
    condition = {
        "type": "Accepted",
        "status": "True",
        "reason": "Accepted",
        "message": "Served by the gateway projectcontour/contour",
        "lastTransitionTime": "2024-01-01T00:00:00Z",
        "observedGeneration": 1,
    }
    api.kubectl(
        "patch",
        "gatewayclass",
        "contour",
        "--subresource=status",
        "--type=merge",
        "-p",
        json.dumps({"status": {"conditions": [condition]}}),
    )


def wait_settled(cluster: Cluster, api: Api, since: int) -> None:
    """Wait until the node takes pods, the metrics API answers and the gateway routes.

    What the node said before `since` does not count.
    """
    for resource, namespace, log, wanted in (
        (f"node/{cluster.node_name}", "", "kubelet", "Ready"),
        ("apiservice/v1beta1.metrics.k8s.io", "", "metrics-server", "Available"),
        ("gateway.gateway.networking.k8s.io/contour", "projectcontour", "contour", "Programmed"),
    ):
        wait_until(
            lambda resource=resource, namespace=namespace, wanted=wanted: (  # type: ignore[misc]
                api.condition(resource, namespace, wanted, since)
            ),
            f"{resource} is {wanted}",
            timeout=READY_TIMEOUT_SECONDS,
            interval=0.3,
            log=cluster.logs / f"{log}.log",
            hint=f"kubectl --kubeconfig {cluster.kubeconfig} describe {resource}",
        )
