"""Where things are, and which addresses a cluster owns.

Every cluster has an index; its three networks follow from it, so two clusters
never meet. Paths stay short because unix sockets live below them.
"""

import ipaddress
import json
import os
import re
import shutil
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from .progress import ClusterError
from .shell import lock, run, write_atomically

STATE_ROOT = Path("/var/lib/cognitive-cluster")
# Lock files stay: whoever removes one may let two processes hold "the" lock.
LOCKS = Path("/run/lock/cognitive-cluster")
SOURCES = Path(__file__).resolve().parent
MANIFESTS = SOURCES / "manifests"
DEFAULT_NAME = "cognitive"
CLUSTERS_MAX = 32


def cache_root() -> Path:
    """The folder of everything worth keeping between clusters and checkouts."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "cognitive-engine-operator"


@dataclass(frozen=True)
class Cluster:
    """One native cluster: a name, an index, and all that follows from them."""

    name: str
    index: int

    @property
    def state(self) -> Path:
        """The folder of this cluster."""
        return STATE_ROOT / self.name

    @property
    def logs(self) -> Path:
        """One log file per component."""
        return self.state / "logs"

    @property
    def pki(self) -> Path:
        """Certificates and keys."""
        return self.state / "pki"

    @property
    def config(self) -> Path:
        """Configuration files and kubeconfigs of the components."""
        return self.state / "config"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.state / "kubeconfig"

    @property
    def audit_log(self) -> Path:
        """Every write to the API, one JSON object a line."""
        return self.state / "audit.log"

    @property
    def containerd_socket(self) -> Path:
        """Where kubelet and `ctr` meet containerd."""
        return self.state / "containerd.sock"

    @property
    def node_name(self) -> str:
        """The name of the only node."""
        return f"{self.name}-node"

    @property
    def interface(self) -> str:
        """The host's end of the link to the node."""
        return f"cogn{self.index}"

    @property
    def host_address(self) -> str:
        """The host as the node sees it."""
        return f"10.200.{self.index}.1"

    @property
    def node_address(self) -> str:
        """The node as host and pods see it."""
        return f"10.200.{self.index}.2"

    @property
    def link_network(self) -> str:
        """The network between host and node."""
        return f"10.200.{self.index}.0/30"

    @property
    def pod_network(self) -> str:
        """Addresses of pods."""
        return f"10.244.{self.index}.0/24"

    @property
    def service_network(self) -> str:
        """Addresses of services."""
        return f"10.{96 + self.index}.0.0/16"

    def service_address(self, last: int) -> str:
        """A fixed address of the service network."""
        return f"10.{96 + self.index}.0.{last}"

    @property
    def api_url(self) -> str:
        """The API server."""
        return f"https://{self.node_address}:6443"

    @property
    def cgroup(self) -> str:
        """The control group above all pods."""
        return f"cognitive-{self.name}"


def cluster_lock(name: str) -> AbstractContextManager[None]:
    """Held by whoever changes a cluster."""
    return lock(LOCKS / f"cluster-{name}")


def check_name(name: str) -> str:
    """A name that is fit for paths, hosts and control groups."""
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,18}[a-z0-9]|[a-z]", name):
        raise ClusterError(
            f"{name!r} is no cluster name",
            hint="use at most 20 lower-case letters, digits and inner dashes",
        )
    return name


def _indices() -> dict[str, int]:
    try:
        return {str(k): int(v) for k, v in json.loads(_index_file().read_text()).items()}
    except FileNotFoundError:
        return {}


def _index_file() -> Path:
    return STATE_ROOT / "index.json"


def find(name: str) -> Cluster | None:
    """The cluster of that name, if one was ever brought up and not down."""
    index = _indices().get(check_name(name))
    return None if index is None else Cluster(name, index)


def allocate(name: str) -> Cluster:
    """The cluster of that name, with the first index whose networks are free."""
    with lock(LOCKS / "index"):
        indices = _indices()
        if name not in indices:
            taken = set(indices.values())
            routes = _host_routes()
            for index in range(CLUSTERS_MAX):
                cluster = Cluster(name, index)
                if index not in taken and not _overlaps(cluster, routes):
                    break
            else:
                raise ClusterError(
                    f"all {CLUSTERS_MAX} places for clusters are taken",
                    hint="take a cluster down: hack/cluster down --name NAME",
                )
            indices[name] = index
            write_atomically(_index_file(), json.dumps(indices))
        return Cluster(name, indices[name])


def release(name: str) -> None:
    """Give the index back."""
    with lock(LOCKS / "index"):
        indices = _indices()
        if indices.pop(name, None) is not None:
            write_atomically(_index_file(), json.dumps(indices))
        if not indices:
            shutil.rmtree(STATE_ROOT, ignore_errors=True)


def _host_routes() -> list[tuple[str, ipaddress.IPv4Network]]:
    routes = json.loads(run(["ip", "-4", "-j", "route"]).stdout or "[]")
    return [
        (str(route.get("dev", "")), ipaddress.IPv4Network(route["dst"], strict=False))
        for route in routes
        if route["dst"] != "default"
    ]


def _overlaps(cluster: Cluster, routes: list[tuple[str, ipaddress.IPv4Network]]) -> bool:
    ours = [
        ipaddress.IPv4Network(network)
        for network in (cluster.link_network, cluster.pod_network, cluster.service_network)
    ]
    return any(
        device != cluster.interface and network.overlaps(mine)
        for device, network in routes
        for mine in ours
    )
