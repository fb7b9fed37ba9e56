"""The `kind` provider, for machines with Docker: the same verbs, spoken to kind.

Metrics and gateway are left to the caller here: their images come from registries.
"""

import shutil
from pathlib import Path
from typing import Any

from .components import render
from .paths import MANIFESTS, SOURCES, cache_root, check_name
from .progress import ClusterError, Progress
from .shell import run, write_atomically

CREATE_TIMEOUT_SECONDS = 600.0


def available() -> bool:
    """Whether Docker answers and kind is there."""
    if not shutil.which("kind") or not shutil.which("docker"):
        return False
    return run(["docker", "info"], check=False, timeout=30).returncode == 0


def _state(name: str) -> Path:
    return cache_root() / "kind" / check_name(name)


def _exists(name: str) -> bool:
    return name in run(["kind", "get", "clusters"], check=False).stdout.split()


def kubeconfig(name: str) -> Path | None:
    """The administrator's kubeconfig, if the cluster exists."""
    path = _state(name) / "kubeconfig"
    return path if path.exists() else None


def up(name: str, progress: Progress) -> None:
    """Create the cluster, or refresh its kubeconfig if it exists."""
    state = _state(name)
    if _exists(name):
        run(["kind", "export", "kubeconfig", "--name", name, "--kubeconfig", state / "kubeconfig"])
    else:
        for folder in ("policy", "audit"):
            (state / folder).mkdir(parents=True, exist_ok=True)
        shutil.copy(MANIFESTS / "audit-policy.yaml", state / "policy")
        config = render(SOURCES / "kind.yaml", {"STATE": str(state)})
        write_atomically(state / "kind.yaml", config)
        with progress.stage("creating the cluster with kind"):
            run(
                [
                    "kind",
                    "create",
                    "cluster",
                    "--name",
                    name,
                    "--config",
                    state / "kind.yaml",
                    "--kubeconfig",
                    state / "kubeconfig",
                    "--wait",
                    "180s",
                ],
                timeout=CREATE_TIMEOUT_SECONDS,
            )
    progress.say(f"cluster {name} is ready: export KUBECONFIG={state / 'kubeconfig'}")


def down(name: str, progress: Progress) -> None:
    """Delete the cluster."""
    with progress.stage(f"taking {name} down"):
        run(["kind", "delete", "cluster", "--name", name])
        shutil.rmtree(_state(name), ignore_errors=True)


def load(name: str, names: list[str], progress: Progress) -> None:
    """Copy images from Docker into the cluster."""
    for image in names:
        with progress.stage(f"loading {image}"):
            run(["kind", "load", "docker-image", image, "--name", name], timeout=600)


def status(name: str) -> dict[str, Any]:
    """The same keys as the native provider's, as far as they exist here."""
    state = _state(name)
    running = _exists(name)
    ready = (
        running
        and run(
            [
                "docker",
                "exec",
                f"{name}-control-plane",
                "kubectl",
                "--kubeconfig=/etc/kubernetes/admin.conf",
                "get",
                "--raw=/readyz",
            ],
            check=False,
        ).returncode
        == 0
    )
    return {
        "provider": "kind",
        "name": name,
        "running": running,
        "healthy": ready,
        "kubeconfig": str(state / "kubeconfig"),
        "auditLog": str(state / "audit" / "audit.log"),
        "state": str(state),
        "components": {"kube-apiserver": {"state": "healthy" if ready else "unhealthy"}}
        if running
        else {},
    }


def unsupported(verb: str) -> ClusterError:
    """What to say when asked for something only the native provider has."""
    return ClusterError(
        f"`{verb}` works with the native provider only",
        hint="CLUSTER_PROVIDER=native; with kind, use `docker exec` on the node",
    )
