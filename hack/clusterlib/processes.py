"""Starting, finding and ending components inside a node."""

import os
import signal
import subprocess
from pathlib import Path

from . import node
from .components import Component, probe
from .paths import Cluster
from .progress import ClusterError
from .shell import run, wait_until

# The API server waits for its watches to end, which some never do.
TERMINATE_TIMEOUT_SECONDS = 10.0

# The shell leaves at once, so the component becomes a child of the node's first process.
START_SCRIPT = 'cd /; log="$1"; shift; setsid "$@" </dev/null >>"$log" 2>&1 & echo $!'


def _pid_file(cluster: Cluster, name: str) -> Path:
    return cluster.state / "run" / f"{name}.pid"


def find(cluster: Cluster, keeper: node.Keeper) -> dict[str, int]:
    """Running components and their process numbers on the host."""
    present = node.processes(keeper)
    result = {}
    for path in (cluster.state / "run").glob("*.pid"):
        try:
            keeper_start, inside = path.read_text().split()
        except ValueError:
            continue
        # Numbers begin anew with every keeper, so one of an earlier keeper means nothing.
        pid = present.get(int(inside)) if keeper_start == keeper.start else None
        if pid is not None and node.process_start(pid):
            result[path.stem] = pid
    return result


def runs_as_wanted(pid: int, component: Component) -> bool:
    """Whether a process was started by the command that is wanted now."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").decode().split("\0")
    except OSError:
        return False
    # Version and name decide: the same program out of another cache folder is the same.
    running, wanted = Path(words[0]), Path(component.command[0])
    same = running.parts[-2:] == wanted.parts[-2:]
    return same and tuple(words[1:]) == component.command[1:]


def start(cluster: Cluster, keeper: node.Keeper, component: Component) -> None:
    """Start a component; its output goes to its log."""
    log = cluster.logs / f"{component.name}.log"
    command = node.inside(keeper, "/bin/sh", "-c", START_SCRIPT, "sh", log, *component.command)
    # No proxies and no credentials of the caller's shell reach the cluster.
    env = {"PATH": node.NODE_PATH, "HOME": "/", "LANG": "C.UTF-8"}
    answer = subprocess.run(
        command,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        cwd="/",
    )
    if answer.returncode != 0 or not answer.stdout.strip().isdigit():
        raise ClusterError(f"could not start {component.name}: {answer.stderr.strip()}", log=log)
    path = _pid_file(cluster, component.name)
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"{keeper.start} {answer.stdout.strip()}\n")


def wait_healthy(
    cluster: Cluster, keeper: node.Keeper, component: Component, timeout: float = 60.0
) -> None:
    """Wait until a component answers its probe, or fail with the end of its log."""
    wait_until(
        lambda: probe(component.probe) == "",
        f"{component.name} is healthy ({component.probe})",
        timeout=timeout,
        alive=lambda: component.name in find(cluster, keeper),
        log=cluster.logs / f"{component.name}.log",
        hint=f"`hack/cluster restart --name {cluster.name} {component.name}`, or "
        f"`hack/cluster down --name {cluster.name}` and `up` to begin anew",
    )


def end(cluster: Cluster, keeper: node.Keeper, name: str, *, gently: bool) -> bool:
    """End a component by its process number; says whether there was one."""
    pid = find(cluster, keeper).get(name)
    if pid is None:
        return False
    began = node.process_start(pid)
    os.kill(pid, signal.SIGTERM if gently else signal.SIGKILL)

    def gone() -> bool:
        return node.process_start(pid) != began

    try:
        wait_until(gone, f"ending {name}", timeout=TERMINATE_TIMEOUT_SECONDS, interval=0.05)
    except ClusterError:
        if not gone():
            os.kill(pid, signal.SIGKILL)
        wait_until(gone, f"killing {name}", timeout=TERMINATE_TIMEOUT_SECONDS, interval=0.05)
    _pid_file(cluster, name).unlink(missing_ok=True)
    return True


def command_inside(cluster: Cluster, keeper: node.Keeper, *command: str | Path) -> str:
    """Run a short command in the node."""
    return run(node.inside(keeper, *command)).stdout
