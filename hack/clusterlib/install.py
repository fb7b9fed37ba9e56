"""What Debian provides: container runtime, network plugins, image tools."""

import os
import shutil
from pathlib import Path

from .progress import ClusterError, Progress
from .shell import lock, run

# Program (or file) that proves it is there → package.
PACKAGES = {
    "containerd": "containerd",
    "runc": "runc",
    "/usr/lib/cni/ptp": "containernetworking-plugins",
    "buildah": "buildah",
    "mmdebstrap": "mmdebstrap",
    "iptables": "iptables",
    "ip": "iproute2",
    "conntrack": "conntrack",
    "tini": "tini",
    "openssl": "openssl",
    "nsenter": "util-linux",
}
IMAGE_TOOLS = ("buildah", "mmdebstrap")
INSTALL_TIMEOUT_SECONDS = 900.0
LOCK = Path("/run/lock/cognitive-cluster/apt")
POLICY = Path("/usr/sbin/policy-rc.d")


def missing(proofs: tuple[str, ...] = tuple(PACKAGES)) -> list[str]:
    """Packages that are not installed yet."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    return [
        PACKAGES[proof]
        for proof in proofs
        if not (Path(proof).exists() if "/" in proof else shutil.which(proof, path=path))
    ]


def ensure(progress: Progress, proofs: tuple[str, ...] = tuple(PACKAGES)) -> None:
    """Install what is missing."""
    packages = missing(proofs)
    if packages:
        install(progress, packages)


def install(progress: Progress, packages: list[str]) -> None:
    """Install Debian packages without letting them start their services."""
    if not shutil.which("apt-get"):
        raise ClusterError(
            f"missing packages: {', '.join(packages)}",
            hint="install them with your distribution's package manager and run this again",
        )
    with progress.stage(f"installing {' '.join(packages)}"), lock(LOCK):
        # A policy that forbids starting keeps containerd's own service off this machine.
        forbid = not POLICY.exists()
        if forbid:
            POLICY.write_text("#!/bin/sh\nexit 101\n")
            POLICY.chmod(0o755)
        env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        command = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *packages]
        log = Path("/var/log/cognitive-cluster-apt.log")
        try:
            first = run(command, env=env, timeout=INSTALL_TIMEOUT_SECONDS, log=log, check=False)
            if first.returncode != 0:
                # Package lists may be absent or older than the archive.
                run(["apt-get", "update", "-q"], env=env, timeout=INSTALL_TIMEOUT_SECONDS)
                run(command, env=env, timeout=INSTALL_TIMEOUT_SECONDS, log=log)
        finally:
            if forbid:
                POLICY.unlink(missing_ok=True)
