"""Images where no registry answers: the pause image, the Python base image, loading.

Both images are one-layer OCI archives written by hand; `buildah` and `ctr` read them.
"""

import hashlib
import io
import json
import os
import shlex
import tarfile
import tempfile
from pathlib import Path

from . import build, install
from .paths import Cluster, cache_root
from .progress import ClusterError, Progress
from .shell import lock, run

PAUSE_IMAGE = "localhost/cognitive-pause:1"
SUITE = "bookworm"
BASE_PACKAGES = ("python3-minimal", "python3-venv", "python3-pip", "ca-certificates")
# Raise it when the clean-up below changes: the image's name carries its hash.
BASE_RECIPE = "1"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
EPOCH = "2024-01-01T00:00:00Z"


def buildah_env() -> dict[str, str]:
    """Settings with which buildah works as root and without a container engine."""
    return {
        **os.environ,
        "STORAGE_DRIVER": os.environ.get("STORAGE_DRIVER", "overlay"),
        "BUILDAH_ISOLATION": os.environ.get("BUILDAH_ISOLATION", "chroot"),
    }


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_archive(target: Path, layer: Path, name: str, config: dict[str, object]) -> None:
    """Write an OCI archive of one uncompressed layer."""
    layer_digest = _file_digest(layer)
    image = json.dumps(
        {
            "created": EPOCH,
            "architecture": ARCHITECTURES.get(os.uname().machine, os.uname().machine),
            "os": "linux",
            "config": config,
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer_digest}"]},
            "history": [{"created": EPOCH, "created_by": "hack/cluster"}],
        }
    ).encode()
    oci = "application/vnd.oci.image"
    image_digest = hashlib.sha256(image).hexdigest()
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": f"{oci}.manifest.v1+json",
            "config": {
                "mediaType": f"{oci}.config.v1+json",
                "digest": f"sha256:{image_digest}",
                "size": len(image),
            },
            "layers": [
                {
                    "mediaType": f"{oci}.layer.v1.tar",
                    "digest": f"sha256:{layer_digest}",
                    "size": layer.stat().st_size,
                }
            ],
        }
    ).encode()
    manifest_digest = hashlib.sha256(manifest).hexdigest()
    index = json.dumps(
        {
            "schemaVersion": 2,
            "manifests": [
                {
                    "mediaType": f"{oci}.manifest.v1+json",
                    "digest": f"sha256:{manifest_digest}",
                    "size": len(manifest),
                    "annotations": {"org.opencontainers.image.ref.name": name},
                }
            ],
        }
    ).encode()
    with tarfile.open(target, "w") as archive:
        _add(archive, "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
        _add(archive, "index.json", index)
        _add(archive, f"blobs/sha256/{image_digest}", image)
        _add(archive, f"blobs/sha256/{manifest_digest}", manifest)
        archive.add(layer, f"blobs/sha256/{layer_digest}", recursive=False)


def pause_archive(progress: Progress) -> Path:
    """The archive of the image that holds a pod's namespaces."""
    program = build.helper(progress, "pause")
    archive = program.with_name("pause.tar")
    if not archive.exists():
        with tempfile.TemporaryDirectory(dir=program.parent) as folder:
            layer = Path(folder) / "layer.tar"
            with tarfile.open(layer, "w") as tar:
                tar.add(program, "pause", filter=_as_root)
            aside = Path(folder) / "pause.tar"
            write_archive(
                aside, layer, PAUSE_IMAGE, {"Entrypoint": ["/pause"], "User": "65535:65535"}
            )
            aside.rename(archive)
    return archive


def _as_root(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = member.mtime = 0
    member.uname = member.gname = ""
    member.mode = 0o755
    return member


def base_image(progress: Progress) -> str:
    """The name of the Debian image with Python, made and imported if need be."""
    install.ensure(progress, install.IMAGE_TOOLS)
    recipe = "\n".join([SUITE, *BASE_PACKAGES, BASE_RECIPE])
    version = hashlib.sha256(recipe.encode()).hexdigest()[:8]
    name = f"localhost/cognitive-base:{SUITE}-{version}"

    def make(folder: Path) -> None:
        layer = folder / "layer.tar"
        _bootstrap(layer, cache_root() / "build-base-image.log")
        config: dict[str, object] = {
            "Env": [
                "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                "LANG=C.UTF-8",
            ],
            "Cmd": ["python3"],
        }
        write_archive(folder / "image.tar", layer, name, config)
        layer.unlink()

    archive = build.bundle(progress, "base-image", version, make) / "image.tar"
    with lock(cache_root() / "buildah-import.lock"):
        if not buildah_image_id(name):
            with progress.stage(f"importing {name}"):
                run(
                    ["buildah", "pull", "--quiet", f"oci-archive:{archive}:{name}"],
                    env=buildah_env(),
                    timeout=300,
                )
                _tag(archive, name)
    return name


def _tag(archive: Path, name: str) -> None:
    """Make sure the import carries its name, which some versions of buildah drop."""
    if buildah_image_id(name):
        return
    with tarfile.open(archive) as tar:
        file = tar.extractfile("index.json")
        manifest_digest = json.load(file)["manifests"][0]["digest"] if file else ""
        file = tar.extractfile(f"blobs/sha256/{manifest_digest.removeprefix('sha256:')}")
        identity = json.load(file)["config"]["digest"].removeprefix("sha256:") if file else ""
    run(["buildah", "tag", identity, name], env=buildah_env())


def _bootstrap(target: Path, log: Path) -> None:
    """Install a minimal Debian into a tar file, from the archive this machine itself uses."""
    options = [
        line.rstrip(";")
        for line in run(["apt-config", "dump"]).stdout.splitlines()
        if line.startswith("Acquire::Check-")
    ]
    strip = (
        'rm -rf "$1"/etc/apt/sources.list "$1"/etc/apt/sources.list.d/* "$1"/etc/apt/auth.conf*'
        ' "$1"/etc/apt/apt.conf.d/99mmdebstrap "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/*'
        ' "$1"/var/cache/debconf/*-old "$1"/var/log/* "$1"/etc/resolv.conf "$1"/etc/hostname'
    )
    python_link = 'test -e "$1"/usr/bin/python || ln -s python3 "$1"/usr/bin/python'
    docs = [
        "--dpkgopt=path-exclude=/usr/share/man/*",
        "--dpkgopt=path-exclude=/usr/share/doc/*",
        "--dpkgopt=path-include=/usr/share/doc/*/copyright",
        "--dpkgopt=path-exclude=/usr/share/locale/*",
    ]
    command = [
        "mmdebstrap",
        "--mode=root",
        "--variant=minbase",
        f"--include={','.join(BASE_PACKAGES)}",
        *docs,
        *(f"--aptopt={option}" for option in options),
        f"--customize-hook={strip}",
        f"--customize-hook={python_link}",
        SUITE,
        str(target),
        "-",
    ]
    try:
        run(
            command,
            text_in=_sources(),
            timeout=1800,
            log=log,
            env={**os.environ, "SOURCE_DATE_EPOCH": "1704067200"},
        )
    except ClusterError as error:
        error.hint = "does `apt-get update` work on this machine? the same archive is used here"
        raise


def _sources() -> str:
    """This machine's own package sources for the suite, as lines apt understands."""
    answer = run(
        [
            "apt-get",
            "indextargets",
            "--format",
            "$(REPO_URI)|$(RELEASE)|$(COMPONENT)",
            "Created-By: Packages",
        ]
    )
    lines: dict[str, None] = {}
    for row in answer.stdout.splitlines():
        uri, release, component = row.split("|")
        if release.split("-")[0] == SUITE and component == "main":
            lines[f"deb {uri} {release} {component}"] = None
    if not lines:
        raise ClusterError(
            f"this machine's apt has no sources for Debian {SUITE}",
            hint="add them, or use Docker with kind and the public python:3.11-slim image",
        )
    return "\n".join(lines) + "\n"


def buildah_image_id(name: str) -> str:
    """The identity of an image in buildah's store, or nothing."""
    answer = run(
        ["buildah", "inspect", "--type=image", "--format={{.FromImageID}}", name],
        env=buildah_env(),
        check=False,
    )
    return answer.stdout.strip() if answer.returncode == 0 else ""


def ctr(cluster: Cluster, *arguments: str | Path, timeout: float = 300) -> str:
    """Call containerd's client; the socket is a file, so the host can use it directly."""
    command = ["ctr", "--address", cluster.containerd_socket, "-n", "k8s.io", *arguments]
    return run(command, timeout=timeout).stdout


def load(cluster: Cluster, progress: Progress, names: list[str]) -> None:
    """Copy images from buildah's store into the cluster, unless they are there already."""
    record = cluster.state / "images.json"
    with lock(cluster.state / "images.lock"):
        known: dict[str, str] = json.loads(record.read_text()) if record.exists() else {}
        present = set(ctr(cluster, "images", "ls", "-q").split())
        for name in names:
            full = _full_name(name)
            identity = buildah_image_id(name)
            if not identity:
                raise ClusterError(
                    f"buildah has no image {name}",
                    hint="buildah images; build it first (hack/images)",
                )
            if known.get(full) == identity and full in present:
                progress.say(f"{full} is there already")
                continue
            with progress.stage(f"loading {full}"), tempfile.TemporaryDirectory() as folder:
                archive = Path(folder) / "image.tar"
                # Uncompressed: it travels ten centimetres.
                run(
                    [
                        "buildah",
                        "push",
                        "--quiet",
                        "--disable-compression",
                        name,
                        f"oci-archive:{archive}:{full}",
                    ],
                    env=buildah_env(),
                    timeout=600,
                )
                ctr(cluster, "images", "import", archive, timeout=600)
            if full not in ctr(cluster, "images", "ls", "-q").split():
                raise ClusterError(
                    f"{full} was imported under another name",
                    hint=f"see: hack/cluster ctr images ls {shlex.quote(full)}",
                )
            known[full] = identity
            record.write_text(json.dumps(known, indent=1))


def _full_name(name: str) -> str:
    """The name under which pods ask for it: with a registry and a tag."""
    first, _, rest = name.partition("/")
    if not rest or not ("." in first or ":" in first or first == "localhost"):
        name = f"localhost/{name}"
    return name if ":" in name.rsplit("/", 1)[-1] else f"{name}:latest"
