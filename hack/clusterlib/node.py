"""The node: a set of namespaces held by one process, the keeper.

The keeper is process 1 of its process namespace, so its death takes every
process, mount, interface and packet filter rule of the node with it. Nothing
has to be undone one by one, and nothing can be left behind by a crash.
"""

import json
import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .paths import Cluster
from .progress import ClusterError
from .shell import run, wait_until, write_atomically

CGROUPS = Path("/sys/fs/cgroup")
NAMESPACES = ("--net", "--mount", "--pid", "--uts", "--ipc")
KEEPER_TIMEOUT_SECONDS = 15.0
NODE_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# Mounts come in from the host but never go out; what the host has below /run, and the folders
# whose paths are compiled into kubelet and the network plugins, are hidden by the node's own.
KEEPER_SCRIPT = """
set -e
mount --make-rshared /
mount -t tmpfs -o mode=755 node-run /run
mkdir -p /run/netns /run/lock /var/lib/cni /var/log/pods /var/log/containers
for folder in /var/lib/cni /var/log/pods /var/log/containers; do
  mkdir -p "$STATE/private$folder"
  mount --bind "$STATE/private$folder" "$folder"
done
hostname "$NODE"
echo 1 > /proc/sys/net/ipv4/ip_forward
ip link set lo up
touch "$STATE/keeper.ready"
exec tini -- sleep infinity
"""


@dataclass(frozen=True)
class Keeper:
    """The process that holds a node, told apart from a later one with the same number."""

    pid: int
    start: str
    boot: str


def boot_id() -> str:
    """Changes with every start of the machine."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def process_start(pid: int) -> str:
    """When a process began, in the kernel's ticks; empty if it is gone or a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]


def _record(cluster: Cluster) -> Path:
    return cluster.state / "keeper.json"


def recorded(cluster: Cluster) -> Keeper | None:
    """The keeper last started for this cluster, alive or not."""
    try:
        return Keeper(**json.loads(_record(cluster).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def keeper(cluster: Cluster) -> Keeper | None:
    """The keeper, if it lives."""
    found = recorded(cluster)
    if found and found.boot == boot_id() and process_start(found.pid) == found.start:
        return found
    return None


def survives(cluster: Cluster) -> bool:
    """Whether data on disk may be used again: etcd does not flush, so not after a reboot."""
    found = recorded(cluster)
    return found is not None and found.boot == boot_id()


def inside(found: Keeper, *command: str | Path) -> list[str]:
    """A command line that runs in the node. Not `ip netns exec`: that one hides control groups."""
    enter = ["nsenter", "-t", str(found.pid), "-m", "-n", "-p", "-u", "-i", "--"]
    return [*enter, *(str(word) for word in command)]


def start(cluster: Cluster) -> Keeper:
    """Make the namespaces and the link to the host."""
    ready = cluster.state / "keeper.ready"
    ready.unlink(missing_ok=True)
    log = cluster.logs / "keeper.log"
    with log.open("a") as file:
        parent = subprocess.Popen(
            [
                "unshare",
                *NAMESPACES,
                "--fork",
                "--kill-child",
                "--mount-proc",
                "--propagation",
                "slave",
                "sh",
                "-c",
                KEEPER_SCRIPT,
            ],
            env={"PATH": NODE_PATH, "STATE": str(cluster.state), "NODE": cluster.node_name},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
            cwd="/",
        )
    try:
        wait_until(
            ready.exists,
            "making the node's namespaces",
            timeout=KEEPER_TIMEOUT_SECONDS,
            interval=0.02,
            alive=lambda: parent.poll() is None,
            log=log,
        )
        pid = _child_of(parent.pid)
        found = Keeper(pid, process_start(pid), boot_id())
        write_atomically(_record(cluster), json.dumps(vars(found)))
        _connect(cluster, found)
        _make_cgroups(cluster)
    except BaseException:
        # Half a node would be taken for a whole one; `--kill-child` takes the rest along.
        parent.kill()
        raise
    return found


def _child_of(parent: int) -> int:
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == parent:
            return int(path.parent.name)
    raise ClusterError("the node's first process ended at once")


def _connect(cluster: Cluster, found: Keeper) -> None:
    """A veth pair, and routes on the host to pods and services."""
    name = cluster.interface
    run(["ip", "link", "del", name], check=False)
    host = f"""link add {name} type veth peer name eth0 netns {found.pid}
address add {cluster.host_address}/30 dev {name}
link set {name} up
route replace {cluster.pod_network} via {cluster.node_address} dev {name}
route replace {cluster.service_network} via {cluster.node_address} dev {name}
"""
    node = f"""address add {cluster.node_address}/30 dev eth0
link set eth0 up
route add default via {cluster.host_address}
"""
    run(["ip", "-batch", "-"], text_in=host)
    run(["nsenter", "-t", str(found.pid), "-n", "ip", "-batch", "-"], text_in=node)


def stop(cluster: Cluster) -> None:
    """End the keeper and wait until its namespaces, link and control groups are gone."""
    found = keeper(cluster)
    if found is not None:
        os.kill(found.pid, signal.SIGKILL)
        wait_until(
            lambda: not Path(f"/proc/{found.pid}").exists(),
            "ending the node",
            timeout=30,
            interval=0.02,
        )
    link = Path("/sys/class/net") / cluster.interface
    if link.exists():
        # The kernel tears a network namespace down in its own time; this does not wait for it.
        run(["ip", "link", "del", cluster.interface], check=False)
        wait_until(lambda: not link.exists(), "removing the link", timeout=30, interval=0.02)
    remove_cgroups(cluster)


def unified_cgroups() -> bool:
    """Whether the machine has cgroup v2 only."""
    return (CGROUPS / "cgroup.controllers").exists()


def cgroup_folders(cluster: Cluster) -> list[Path]:
    """This cluster's folder in every hierarchy."""
    if unified_cgroups():
        return [CGROUPS / cluster.cgroup]
    # Controllers that share a hierarchy are links to one folder.
    roots = {path.resolve() for path in CGROUPS.iterdir() if path.is_dir()}
    return sorted(root / cluster.cgroup for root in roots if (root / "cgroup.procs").exists())


def _make_cgroups(cluster: Cluster) -> None:
    if unified_cgroups():
        wanted = {"cpu", "cpuset", "io", "memory", "pids", "hugetlb"}
        present = (CGROUPS / "cgroup.controllers").read_text().split()
        for controller in sorted(wanted.intersection(present)):
            (CGROUPS / "cgroup.subtree_control").write_text(f"+{controller}")
    for folder in cgroup_folders(cluster):
        folder.mkdir(exist_ok=True)
        # A new cpuset is empty in cgroup v1 and then takes no process.
        for file in ("cpuset.cpus", "cpuset.mems"):
            if not unified_cgroups() and (folder / file).exists():
                (folder / file).write_text((folder.parent / file).read_text())


def remove_cgroups(cluster: Cluster) -> None:
    """Remove the emptied control groups, deepest first."""

    def remove_all() -> bool:
        gone = True
        for top in cgroup_folders(cluster):
            for folder, _, _ in os.walk(top, topdown=False):
                try:
                    os.rmdir(folder)
                except FileNotFoundError:
                    continue
                except OSError:
                    gone = False
        return gone

    wait_until(
        remove_all,
        "removing control groups",
        timeout=30,
        hint="a process outside of the cluster may have been put there",
    )


def processes(found: Keeper) -> dict[int, int]:
    """The node's processes: number inside → number on the host."""
    namespace = os.readlink(f"/proc/{found.pid}/ns/pid")
    result = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                if os.readlink(f"/proc/{entry.name}/ns/pid") != namespace:
                    continue
                status = Path(f"/proc/{entry.name}/status").read_text()
            except OSError:
                continue
            numbers = next(line for line in status.splitlines() if line.startswith("NSpid"))
            result[int(numbers.split()[-1])] = int(entry.name)
    return result
