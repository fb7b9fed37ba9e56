"""The `native` provider: bring a cluster up, take it down, tell how it is."""

import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

from . import addons, build, certs, components, images, install, node, paths, processes
from .paths import Cluster
from .progress import ClusterError, Progress
from .shell import run, wait_until

# Started together once the API answers; the add-ons that need objects of their own come last.
FIRST = ("containerd", "etcd")
CORE = (
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
    "kube-proxy",
    "coredns",
    "metrics-server",
)
ROUTING = ("contour", "envoy")


def _programs(progress: Progress) -> components.Programs:
    return components.Programs(
        kubernetes=build.kubernetes(progress),
        coredns=build.helper(progress, "coredns"),
        metrics_server=build.helper(progress, "metrics-server"),
        contour=build.contour(progress),
        envoy=build.envoy(progress),
    )


def up(name: str, progress: Progress) -> None:
    """Make the cluster run: all of it, or only what is missing."""
    if os.geteuid() != 0:
        raise ClusterError("the native provider needs root", hint="run it with sudo, or use kind")
    paths.check_name(name)
    install.ensure(progress)
    programs = _programs(progress)
    kubectl = build.helper(progress, "kubectl")
    pause = images.pause_archive(progress)
    with paths.cluster_lock(name):
        cluster = _prepare(name, progress)
        every = components.all_components(cluster, programs)
        keeper = node.keeper(cluster)
        # A node that was dead still looks Ready until its kubelet speaks again.
        begun = int(time.time()) if _kubelet_is_dead(cluster, keeper) else 0
        if keeper is None:
            with progress.stage("making the node"):
                node.stop(cluster)
                keeper = node.start(cluster)
        api = addons.Api(cluster, kubectl)
        _start(cluster, keeper, [every[name] for name in FIRST], progress)
        _start(cluster, keeper, [every["kube-apiserver"]], progress)
        _bootstrap_envoy(cluster, programs)
        if images.PAUSE_IMAGE not in images.ctr(cluster, "images", "ls", "-q").split():
            images.ctr(cluster, "images", "import", pause)
        _start(cluster, keeper, [every[name] for name in CORE], progress, wait=False)
        with progress.stage("applying definitions and services"):
            addons.apply(cluster, api, programs.contour / "crds")
        _start(cluster, keeper, [every[name] for name in (*CORE, *ROUTING)], progress)
        with progress.stage("waiting for node, metrics API and gateway"):
            addons.wait_settled(cluster, api, since=begun)
    progress.say(f"cluster {name} is ready: export KUBECONFIG={cluster.kubeconfig}")


def _prepare(name: str, progress: Progress) -> Cluster:
    """Address, folders, certificates and configuration of a cluster."""
    cluster = paths.find(name)
    if cluster is not None and node.keeper(cluster) is None and not node.survives(cluster):
        progress.say(f"what is left of an earlier {name} cannot be trusted: beginning anew")
        node.stop(cluster)
        shutil.rmtree(cluster.state, ignore_errors=True)
    cluster = paths.allocate(name)
    cluster.logs.mkdir(parents=True, exist_ok=True)
    cluster.state.chmod(0o755)
    certs.ensure(cluster)
    components.configure(cluster)
    return cluster


def _kubelet_is_dead(cluster: Cluster, keeper: node.Keeper | None) -> bool:
    return keeper is None or "kubelet" not in processes.find(cluster, keeper)


def _bootstrap_envoy(cluster: Cluster, programs: components.Programs) -> None:
    target = cluster.config / "envoy.json"
    if not target.exists():
        run(
            [
                programs.contour / "contour",
                "bootstrap",
                target,
                "--xds-address=127.0.0.1",
                "--xds-port=8001",
                f"--admin-address={cluster.state}/envoy.sock",
            ]
        )


def _start(
    cluster: Cluster,
    keeper: node.Keeper,
    wanted: list[components.Component],
    progress: Progress,
    *,
    wait: bool = True,
) -> None:
    """Start those that do not run, then wait until all of them are healthy."""
    running = processes.find(cluster, keeper)
    for component in wanted:
        pid = running.get(component.name)
        if pid is not None and not processes.runs_as_wanted(pid, component):
            progress.say(f"{component.name} runs with another version or other arguments")
            processes.end(cluster, keeper, component.name, gently=True)
            del running[component.name]
    absent = [component for component in wanted if component.name not in running]
    for component in absent:
        processes.start(cluster, keeper, component)
    if absent:
        progress.say(f"started {', '.join(component.name for component in absent)}")
    if not wait:
        return
    answers = components.probe_all({item.name: item.probe for item in wanted})
    for component in wanted:
        if answers[component.name]:
            with progress.stage(f"waiting for {component.name}"):
                processes.wait_healthy(cluster, keeper, component)


def down(name: str, progress: Progress) -> None:
    """Take the cluster away, with everything it left on this machine but the cache."""
    paths.check_name(name)
    with paths.cluster_lock(name):
        cluster = paths.find(name)
        if cluster is None:
            progress.say(f"there is no cluster {name}")
        else:
            with progress.stage(f"taking {name} down"):
                node.stop(cluster)
                wait_until(lambda: _removed(cluster.state), f"removing {cluster.state}", timeout=30)
                paths.release(name)


def _removed(folder: Path) -> bool:
    shutil.rmtree(folder, ignore_errors=True)
    return not folder.exists()


def _running(name: str) -> tuple[Cluster, node.Keeper]:
    cluster = paths.find(name)
    keeper = node.keeper(cluster) if cluster else None
    if cluster is None or keeper is None:
        raise ClusterError(f"cluster {name} does not run", hint=f"hack/cluster up --name {name}")
    return cluster, keeper


# For those who want a component's name and probe only: a question must not start a build.
NO_PROGRAMS = components.Programs(*[Path("/nonexistent")] * 5)


def _component(
    cluster: Cluster, name: str, programs: components.Programs = NO_PROGRAMS
) -> components.Component:
    every = components.all_components(cluster, programs)
    if name not in every:
        raise ClusterError(f"no component {name!r}", hint=f"one of: {', '.join(every)}")
    return every[name]


def kill(name: str, component: str, progress: Progress) -> None:
    """End a component as a crash would, and leave it so."""
    cluster, keeper = _running(name)
    _component(cluster, component)
    if not processes.end(cluster, keeper, component, gently=False):
        progress.say(f"{component} did not run")


def restart(name: str, component: str, progress: Progress) -> None:
    """End a component in order, start it again and wait until it is healthy."""
    cluster, keeper = _running(name)
    wanted = _component(cluster, component, _programs(progress))
    with progress.stage(f"restarting {component}"):
        processes.end(cluster, keeper, component, gently=True)
        processes.start(cluster, keeper, wanted)
        processes.wait_healthy(cluster, keeper, wanted)


def load(name: str, names: list[str], progress: Progress) -> None:
    """Copy images from buildah's store into the cluster."""
    cluster, _ = _running(name)
    images.load(cluster, progress, names)


def enter(name: str, command: list[str]) -> int:
    """Run a command in the node's namespaces, this terminal attached."""
    _, keeper = _running(name)
    return subprocess.run(node.inside(keeper, *(command or ["bash"])), check=False).returncode


def kubeconfig(name: str) -> Path | None:
    """The administrator's kubeconfig, if the cluster exists."""
    cluster = paths.find(name)
    return cluster.kubeconfig if cluster and cluster.kubeconfig.exists() else None


def status(name: str) -> dict[str, Any]:
    """Everything another program may want to know about the cluster."""
    paths.check_name(name)
    cluster = paths.find(name)
    keeper = node.keeper(cluster) if cluster else None
    report: dict[str, Any] = {
        "provider": "native",
        "name": name,
        "running": keeper is not None,
        "healthy": False,
        "components": {},
    }
    if cluster is None:
        return report
    report |= {
        "kubeconfig": str(cluster.kubeconfig),
        "server": cluster.api_url,
        "node": {"name": cluster.node_name, "address": cluster.node_address},
        "podNetwork": cluster.pod_network,
        "serviceNetwork": cluster.service_network,
        "gateway": {
            "class": "contour",
            "namespace": "projectcontour",
            "name": "contour",
            "url": f"http://{cluster.service_address(80)}",
        },
        "auditLog": str(cluster.audit_log),
        "logs": str(cluster.logs),
        "state": str(cluster.state),
    }
    if keeper is None:
        return report
    found = processes.find(cluster, keeper)
    every = components.all_components(cluster, NO_PROGRAMS)
    answers = components.probe_all({item.name: item.probe for item in every.values()})
    report["components"] = {
        item: {
            "state": "stopped" if item not in found else "unhealthy" if reason else "healthy",
            "pid": found.get(item),
            **({"reason": reason} if reason else {}),
        }
        for item, reason in answers.items()
    }
    report["healthy"] = all(c["state"] == "healthy" for c in report["components"].values())
    return report
