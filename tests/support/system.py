"""The installed operator: helm in, helm out, kill, log."""

import os
import shlex
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from auditlog import AuditLog
from kube import Json, Kube, eventually

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "charts" / "cognitive-engine-operator"
NAMESPACE = "cognitive-system"
RELEASE = "cognitive"
HELM_SECONDS = 110
START_SECONDS = 60.0
LOG_LINES_READ = 500
LOG_LINES_SHOWN = 30
OPERATOR_COMMAND = b"cognitive-operator"
ENGINE_COMMAND = b"cognitive-engine"


def required(name: str) -> str:
    """Return an environment variable; without it nothing can be proved, so that is a failure."""
    value = os.environ.get(name, "")
    if not value:
        pytest.fail(f"{name} is not set: run these through ./hack/test", pytrace=False)
    return value


@dataclass(frozen=True)
class System:
    """The operator's side of the cluster."""

    kube: Kube
    helm: tuple[str, ...]
    operator_image: str
    engine_image: str
    user_prefix: str = f"system:serviceaccount:{NAMESPACE}:"

    @classmethod
    def from_environment(cls, kube: Kube) -> "System":
        return cls(
            kube,
            tuple(shlex.split(required("HELM"))),
            required("OPERATOR_IMAGE"),
            required("ENGINE_IMAGE"),
        )

    @property
    def audit(self) -> AuditLog:
        path = Path(required("AUDIT_LOG"))
        assert path.is_file(), f"AUDIT_LOG names no file: {path}"
        return AuditLog(path)

    def install(self, watched: tuple[str, ...] = ()) -> None:
        """Install the chart, or bring the release to what the tree holds now.

        With `watched`, the operator serves these namespaces and has rights in no other.
        """
        assert CHART.is_dir(), f"there is no chart at {CHART.relative_to(ROOT)}"
        repository, _, tag = self.operator_image.rpartition(":")
        values = {
            "image.repository": repository,
            "image.tag": tag,
            "engineImage": self.engine_image,
        }
        if watched:
            values["watchNamespaces"] = "{" + ",".join(watched) + "}"
        sets = [
            word for key, value in values.items() for word in ("--set-string", f"{key}={value}")
        ]
        self._helm(
            "upgrade", "--install", RELEASE, str(CHART), "--create-namespace",
            *sets, "--wait", f"--timeout={HELM_SECONDS - 20}s",
        )  # fmt: skip
        self.wait_serving()

    def uninstall(self) -> None:
        self._helm("uninstall", RELEASE, "--wait", f"--timeout={HELM_SECONDS - 20}s")

    def _helm(self, *args: str) -> None:
        command = [*self.helm, *args, "--namespace", NAMESPACE]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            timeout=HELM_SECONDS,
            env={**os.environ, "KUBECONFIG": self.kube.kubeconfig},
        )
        if done.returncode != 0:
            text = f"helm {' '.join(args)}: {done.stderr.strip()}\n{self.describe()}"
            pytest.fail(text, pytrace=False)

    def pods(self) -> list[Json]:
        """Return the operator's pods that are not about to end."""
        listed = self.kube.items(
            "Pod", NAMESPACE, labelSelector="app.kubernetes.io/component=operator"
        )
        return [pod for pod in listed if not pod["metadata"].get("deletionTimestamp")]

    def incarnations(self) -> set[tuple[str, int]]:
        """Return who runs: another pod or another start of it is another operator."""
        return {
            (pod["metadata"]["uid"], status["restartCount"])
            for pod in self.pods()
            for status in pod["status"].get("containerStatuses", ())
        }

    def wait_serving(self) -> None:
        def serving() -> bool:
            pods = self.pods()
            return bool(pods) and all(_ready(pod) for pod in pods)

        eventually(serving, START_SECONDS, "the operator is ready", dump=self.describe)

    def killer(self) -> "Killer":
        """Return a way to kill the operator that runs now, prepared so that it takes no time."""
        return Killer.of(self.kube, self.pods()[0], OPERATOR_COMMAND)

    def log_tail(self, about: str = "") -> str:
        """Return the last lines of the log that speak of a namespace, or of none."""
        done = self.kube.kubectl_result(
            "-n", NAMESPACE, "logs", "-l", "app.kubernetes.io/component=operator",
            f"--tail={LOG_LINES_READ}",
        )  # fmt: skip
        lines = (done.stdout + done.stderr).splitlines()
        told = [line for line in lines if f'"{about}"' in line or '"namespace"' not in line]
        return "\n".join((told if about else lines)[-LOG_LINES_SHOWN:])

    def describe(self, about: str = "") -> str:
        done = self.kube.kubectl_result("-n", NAMESPACE, "get", "pods", "-o", "wide")
        return f"--- operator\n{done.stdout}{done.stderr}--- its log\n{self.log_tail(about)}"


@dataclass(frozen=True)
class Killer:
    """Ends one pod without a word of warning."""

    kube: Kube
    namespace: str
    pod: str
    command: bytes
    processes: tuple[int, ...]

    @classmethod
    def of(cls, kube: Kube, pod: Json, command: bytes) -> "Killer":
        """Return one that knows the processes of `pod` whose command holds these words."""
        meta = pod["metadata"]
        processes = _processes(meta["uid"], command)
        return cls(kube, meta["namespace"], meta["name"], command, processes)

    def kill(self) -> None:
        """SIGKILL where its process can be reached from here; then its pod is gone by force.

        The deletion alone grants it two more seconds, and the container alone would be started
        again only after the kubelet's back-off.
        """
        self.kill_processes()
        self.kube.delete("Pod", self.namespace, self.pod, gracePeriodSeconds="0")

    def kill_processes(self) -> None:
        """SIGKILL, and leave the rest to the cluster."""
        for process in self.processes:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(process, signal.SIGKILL)

    def dead(self) -> bool:
        """Return whether none of its processes runs any more."""
        return not any(_runs(process, self.command) for process in self.processes)


def _processes(pod_uid: str, command: bytes) -> tuple[int, ...]:
    """Return the processes of one pod, told by control group and command."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with suppress(OSError):
            groups = (entry / "cgroup").read_text().replace("_", "-")
            if f"pod{pod_uid}" in groups and command in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
    return tuple(found)


def _runs(process: int, command: bytes) -> bool:
    with suppress(OSError):
        return command in Path(f"/proc/{process}/cmdline").read_bytes()
    return False


def _ready(pod: Json) -> bool:
    conditions = pod["status"].get("conditions", ())
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
