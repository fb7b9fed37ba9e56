"""The programs of a node: how each is called and how one knows that it works."""

import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from . import certs
from .paths import MANIFESTS, Cluster
from .shell import write_atomically

PROBE_TIMEOUT_SECONDS = 2.0
# Nothing provisions volumes here; these wait to be claimed.
VOLUMES = 16
DEBIAN_PROGRAMS = Path("/usr/bin")


@dataclass(frozen=True)
class Programs:
    """Where the compiled programs are."""

    kubernetes: Path
    coredns: Path
    metrics_server: Path
    contour: Path
    envoy: Path


@dataclass(frozen=True)
class Component:
    """A program, its arguments, and the probe that it answers when it works."""

    name: str
    command: tuple[str, ...]
    probe: str


def all_components(cluster: Cluster, programs: Programs) -> dict[str, Component]:
    """Every component by name, in the order of starting."""
    node = cluster.node_address
    config = cluster.config
    kubernetes = programs.kubernetes
    listed = [
        Component(
            "containerd",
            (
                str(DEBIAN_PROGRAMS / "containerd"),
                f"--config={config}/containerd.toml",
            ),
            f"unix:{cluster.containerd_socket}",
        ),
        Component(
            "etcd",
            (
                str(kubernetes / "etcd"),
                "--name=node",
                f"--data-dir={cluster.state}/etcd",
                "--listen-client-urls=http://127.0.0.1:2379",
                "--advertise-client-urls=http://127.0.0.1:2379",
                "--listen-peer-urls=http://127.0.0.1:2380",
                f"--listen-metrics-urls=http://{node}:2381",
                "--log-level=warn",
                # Data of a throwaway cluster need not survive a power cut.
                "--unsafe-no-fsync",
            ),
            f"http://{node}:2381/health",
        ),
        _api_server(cluster, kubernetes),
        Component(
            "kube-controller-manager",
            (
                str(kubernetes / "kube-controller-manager"),
                *_kubeconfigs(cluster, "kube-controller-manager"),
                "--use-service-account-credentials=true",
                f"--service-account-private-key-file={cluster.pki}/sa.key",
                f"--root-ca-file={cluster.pki}/ca.crt",
                f"--cluster-signing-cert-file={cluster.pki}/ca.crt",
                f"--cluster-signing-key-file={cluster.pki}/ca.key",
                "--leader-elect=false",
                # The default of 15 s makes every test of an autoscaler slow.
                "--horizontal-pod-autoscaler-sync-period=5s",
            ),
            f"https://{node}:10257/healthz",
        ),
        Component(
            "kube-scheduler",
            (
                str(kubernetes / "kube-scheduler"),
                *_kubeconfigs(cluster, "kube-scheduler"),
                "--leader-elect=false",
            ),
            f"https://{node}:10259/healthz",
        ),
        Component(
            "kubelet",
            (
                str(kubernetes / "kubelet"),
                f"--config={config}/kubelet.yaml",
                f"--kubeconfig={config}/kubelet.kubeconfig",
                f"--root-dir={cluster.state}/kubelet",
                f"--cert-dir={cluster.state}/kubelet/pki",
                f"--hostname-override={cluster.node_name}",
                f"--node-ip={node}",
            ),
            f"http://{node}:10248/healthz",
        ),
        Component(
            "kube-proxy",
            (
                str(kubernetes / "kube-proxy"),
                f"--config={config}/kube-proxy.yaml",
            ),
            f"http://{node}:10256/healthz",
        ),
        Component(
            "coredns",
            (
                str(programs.coredns),
                "-conf",
                f"{config}/Corefile",
            ),
            f"http://{node}:8181/ready",
        ),
        Component(
            "metrics-server",
            (
                str(programs.metrics_server),
                *_kubeconfigs(cluster, "metrics-server"),
                "--secure-port=4443",
                f"--tls-cert-file={cluster.pki}/metrics-server.crt",
                f"--tls-private-key-file={cluster.pki}/metrics-server.key",
                f"--kubelet-certificate-authority={cluster.pki}/ca.crt",
                "--kubelet-preferred-address-types=InternalIP",
                # The lowest it accepts; the kubelet's time limit must be below it.
                "--metric-resolution=10s",
                "--kubelet-request-timeout=5s",
                # Not `readyz`: that one wants a pod with metrics, and a new cluster has no pods.
            ),
            f"https://{node}:4443/livez",
        ),
        Component(
            "contour",
            (
                str(programs.contour / "contour"),
                "serve",
                f"--kubeconfig={config}/contour.kubeconfig",
                f"--config-path={config}/contour.yaml",
                "--insecure",
                "--xds-address=127.0.0.1",
                "--xds-port=8001",
                f"--http-address={node}",
                "--http-port=8000",
                f"--health-address={node}",
                "--health-port=8000",
                f"--ingress-status-address={cluster.service_address(80)}",
                "--disable-leader-election",
            ),
            f"http://{node}:8000/healthz",
        ),
        Component(
            "envoy",
            (
                str(programs.envoy),
                "-c",
                f"{config}/envoy.json",
                "--service-node",
                "envoy",
                "--service-cluster",
                "contour",
                "--log-level",
                "warn",
                "--concurrency",
                "2",
                "--disable-hot-restart",
            ),
            f"http://{node}:8002/ready",
        ),
    ]
    return {component.name: component for component in listed}


def _kubeconfigs(cluster: Cluster, user: str) -> tuple[str, ...]:
    path = cluster.config / f"{user}.kubeconfig"
    return tuple(f"--{kind}kubeconfig={path}" for kind in ("", "authentication-", "authorization-"))


def _api_server(cluster: Cluster, kubernetes: Path) -> Component:
    node, pki = cluster.node_address, cluster.pki
    return Component(
        "kube-apiserver",
        (
            str(kubernetes / "kube-apiserver"),
            f"--advertise-address={node}",
            "--secure-port=6443",
            "--etcd-servers=http://127.0.0.1:2379",
            f"--service-cluster-ip-range={cluster.service_network}",
            f"--client-ca-file={pki}/ca.crt",
            f"--tls-cert-file={pki}/apiserver.crt",
            f"--tls-private-key-file={pki}/apiserver.key",
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
            f"--service-account-key-file={pki}/sa.pub",
            f"--service-account-signing-key-file={pki}/sa.key",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            "--allow-privileged=true",
            f"--kubelet-certificate-authority={pki}/ca.crt",
            f"--kubelet-client-certificate={pki}/apiserver-kubelet-client.crt",
            f"--kubelet-client-key={pki}/apiserver-kubelet-client.key",
            "--kubelet-preferred-address-types=InternalIP",
            f"--requestheader-client-ca-file={pki}/front-proxy-ca.crt",
            "--requestheader-allowed-names=front-proxy-client",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-username-headers=X-Remote-User",
            f"--proxy-client-cert-file={pki}/front-proxy-client.crt",
            f"--proxy-client-key-file={pki}/front-proxy-client.key",
            "--enable-aggregator-routing=true",
            f"--audit-policy-file={cluster.config}/audit-policy.yaml",
            f"--audit-log-path={cluster.audit_log}",
            "--audit-log-maxsize=100",
            "--audit-log-maxbackup=3",
        ),
        f"{cluster.api_url}/readyz",
    )


def configure(cluster: Cluster) -> None:
    """Write the configuration file of every component."""
    values = {
        "NODE_ADDRESS": cluster.node_address,
        "NODE_NAME": cluster.node_name,
        "POD_NETWORK": cluster.pod_network,
        "DNS_ADDRESS": cluster.service_address(10),
        "GATEWAY_ADDRESS": cluster.service_address(80),
        "CGROUP": cluster.cgroup,
        "STATE": str(cluster.state),
        "CONFIG": str(cluster.config),
        "PKI": str(cluster.pki),
        "CONTAINERD_SOCKET": str(cluster.containerd_socket),
        "CA_BUNDLE": certs.encoded(cluster.pki / "ca.crt"),
    }
    for name in (
        "kubelet.yaml",
        "kube-proxy.yaml",
        "containerd.toml",
        "audit-policy.yaml",
        "Corefile",
        "contour.yaml",
        "objects.yaml",
    ):
        write_atomically(cluster.config / name, render(MANIFESTS / name, values))
    network = render(MANIFESTS / "cni.json", values)
    write_atomically(cluster.config / "cni" / "10-pods.conflist", network)
    # Pods ask the cluster's DNS only: the machine's own name servers are its own business.
    write_atomically(cluster.config / "resolv.conf", "")
    volumes = [
        render(MANIFESTS / "volume.yaml", {**values, "NUMBER": str(number)})
        for number in range(VOLUMES)
    ]
    for number in range(VOLUMES):
        (cluster.state / "volumes" / str(number)).mkdir(parents=True, exist_ok=True)
    write_atomically(cluster.config / "volumes.yaml", "---\n".join(volumes))


def render(template: Path, values: Mapping[str, str]) -> str:
    """A template with every `@NAME@` replaced."""
    text = template.read_text()
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    return text


def probe(target: str) -> str:
    """Ask a component whether it works: an empty answer is yes, any other is the reason."""
    try:
        if target.startswith("unix:"):
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(PROBE_TIMEOUT_SECONDS)
                connection.connect(target.removeprefix("unix:"))
            return ""
        # Some make their own certificate at start; an answer is all that is asked for.
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        with urllib.request.urlopen(  # noqa: S310 - the targets are listed above
            target, timeout=PROBE_TIMEOUT_SECONDS, context=context
        ):
            return ""
    except urllib.error.HTTPError as error:
        return f"HTTP {error.code}"
    except (OSError, ValueError) as error:
        return str(getattr(error, "reason", "") or error or type(error).__name__)


def probe_all(targets: Mapping[str, str], ask: Callable[[str], str] = probe) -> dict[str, str]:
    """Probe many components at once."""
    with ThreadPoolExecutor(max_workers=max(1, len(targets))) as pool:
        return dict(zip(targets, pool.map(ask, targets.values()), strict=True))
