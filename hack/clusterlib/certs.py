"""Certificates, keys and kubeconfigs, made with the openssl program.

Python's standard library cannot sign certificates, and openssl is everywhere.
"""

import base64
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from .paths import Cluster
from .shell import run, write_atomically

DAYS = "365"
MASTERS = "/O=system:masters"


@dataclass(frozen=True)
class Certificate:
    """A file name, a subject, and what it may be used for."""

    name: str
    subject: str
    usage: str
    names: str = ""
    authority: str = "ca"


def _wanted(cluster: Cluster) -> list[Certificate]:
    node, service = cluster.node_address, cluster.service_address(1)
    api_names = [
        "DNS:localhost",
        "DNS:kubernetes",
        "DNS:kubernetes.default",
        "DNS:kubernetes.default.svc",
        "DNS:kubernetes.default.svc.cluster.local",
        f"DNS:{cluster.node_name}",
        "IP:127.0.0.1",
        f"IP:{node}",
        f"IP:{service}",
    ]
    metrics = "metrics-server.kube-system"
    client, server = "clientAuth", "serverAuth"
    return [
        Certificate("apiserver", "/CN=kube-apiserver", server, ",".join(api_names)),
        Certificate(
            "kubelet", f"/CN={cluster.node_name}", server, f"DNS:{cluster.node_name},IP:{node}"
        ),
        Certificate(
            "metrics-server",
            f"/CN={metrics}.svc",
            server,
            f"DNS:{metrics},DNS:{metrics}.svc,IP:{node}",
        ),
        Certificate("apiserver-kubelet-client", f"{MASTERS}/CN=kube-apiserver", client),
        Certificate(
            "front-proxy-client", "/CN=front-proxy-client", client, authority="front-proxy-ca"
        ),
        Certificate("client-admin", f"{MASTERS}/CN=cluster-admin", client),
        Certificate("client-kube-controller-manager", "/CN=system:kube-controller-manager", client),
        Certificate("client-kube-scheduler", "/CN=system:kube-scheduler", client),
        Certificate(
            "client-kubelet", f"/O=system:nodes/CN=system:node:{cluster.node_name}", client
        ),
        Certificate("client-kube-proxy", "/CN=system:kube-proxy", client),
        # Add-ons run outside of the cluster here, where no service account reaches them.
        Certificate("client-coredns", f"{MASTERS}/CN=addon:coredns", client),
        Certificate("client-metrics-server", f"{MASTERS}/CN=addon:metrics-server", client),
        Certificate("client-contour", f"{MASTERS}/CN=addon:contour", client),
    ]


def ensure(cluster: Cluster) -> None:
    """Make all certificates and kubeconfigs of a new cluster."""
    pki = cluster.pki
    done = pki / "complete"
    if done.exists():
        return
    pki.mkdir(parents=True, exist_ok=True, mode=0o700)
    # Without a configuration of its own openssl adds extensions of the distribution's choice.
    (pki / "openssl.cnf").write_text("[req]\ndistinguished_name=dn\n[dn]\n")
    for authority in ("ca", "front-proxy-ca"):
        _make_authority(pki, authority)
    run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", pki / "sa.key"])
    run(["openssl", "ec", "-in", pki / "sa.key", "-pubout", "-out", pki / "sa.pub"])
    wanted = _wanted(cluster)
    with ThreadPoolExecutor(max_workers=4) as pool:
        list(pool.map(lambda certificate: _make(pki, certificate), wanted))
    for certificate in wanted:
        kind, _, user = certificate.name.partition("-")
        if kind == "client":
            _write_kubeconfig(cluster, certificate.name, cluster.config / f"{user}.kubeconfig")
    _write_kubeconfig(cluster, "client-admin", cluster.kubeconfig)
    done.touch()


def _request(pki: Path, name: str, subject: str) -> list[str | Path]:
    return [
        "openssl",
        "req",
        "-x509",
        "-config",
        pki / "openssl.cnf",
        "-nodes",
        "-days",
        DAYS,
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-subj",
        subject,
        "-keyout",
        pki / f"{name}.key",
        "-out",
        pki / f"{name}.crt",
    ]


def _make_authority(pki: Path, name: str) -> None:
    run(
        [
            *_request(pki, name, f"/CN={name}"),
            "-addext",
            "basicConstraints=critical,CA:TRUE",
            "-addext",
            "keyUsage=critical,keyCertSign,digitalSignature",
        ]
    )


def _make(pki: Path, certificate: Certificate) -> None:
    command = [
        *_request(pki, certificate.name, certificate.subject),
        "-CA",
        pki / f"{certificate.authority}.crt",
        "-CAkey",
        pki / f"{certificate.authority}.key",
        "-addext",
        "basicConstraints=critical,CA:FALSE",
        "-addext",
        "keyUsage=critical,digitalSignature,keyEncipherment",
        "-addext",
        f"extendedKeyUsage={certificate.usage}",
    ]
    if certificate.names:
        command += ["-addext", f"subjectAltName={certificate.names}"]
    run(command)


def encoded(path: Path) -> str:
    """A file in base64, as kubeconfigs and CA bundles want it."""
    return base64.b64encode(path.read_bytes()).decode()


def _write_kubeconfig(cluster: Cluster, certificate: str, target: Path) -> None:
    pki, name = cluster.pki, cluster.name
    write_atomically(
        target,
        f"""apiVersion: v1
kind: Config
current-context: {name}
clusters:
- name: {name}
  cluster:
    server: {cluster.api_url}
    certificate-authority-data: {encoded(pki / "ca.crt")}
contexts:
- name: {name}
  context: {{cluster: {name}, user: {name}}}
users:
- name: {name}
  user:
    client-certificate-data: {encoded(pki / f"{certificate}.crt")}
    client-key-data: {encoded(pki / f"{certificate}.key")}
""",
        mode=0o600,
    )
