"""The tree reads as its rules say."""

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from cognitive_api import __version__, identity

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = {"cognitive_api", "cognitive_operator", "cognitive_engine"}
# Joined here, so that this file does not name what it forbids.
REGISTRY_HOSTS = [
    ".".join(parts)
    for parts in (
        ("docker", "io"),
        ("ghcr", "io"),
        ("quay", "io"),
        ("registry", "k8s", "io"),
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("proxy", "golang", "org"),
        ("deb", "debian", "org"),
        ("registry", "npmjs", "org"),
    )
]
MACHINE_PATH = re.compile(r"(?<![\w.$}/])/(?:home|root|work|Users)/[\w.]")


def tracked() -> list[Path]:
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        pytest.fail("this reads the tracked files: run it in a git checkout", pytrace=False)
    return [ROOT / name for name in answer.stdout.split("\0") if name and (ROOT / name).is_file()]


def test_no_package_hides_the_standard_library() -> None:
    """A folder `operator` with an `__init__.py` would be imported in place of the stdlib's."""
    assert not (ROOT / "operator" / "__init__.py").exists()
    assert list((ROOT / "tests").rglob("__init__.py")) == []


def test_the_wheel_holds_all_packages(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel"]
    subprocess.run([*command, "--directory", str(tmp_path)], cwd=ROOT, check=True, timeout=60)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        tops = {name.partition("/")[0] for name in archive.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == PACKAGES
    assert __version__ in wheel.name


@pytest.mark.parametrize("part", ["operator", "engine"])
def test_images_run_as_the_numeric_user(part: str) -> None:
    text = (ROOT / f"Dockerfile.{part}").read_text()
    user = identity.RUN_AS_USER
    assert re.findall(r"^USER (.*)$", text, re.M) == [f"{user}:{user}"]
    assert f"cognitive:x:{user}:{user}:" in text
    assert re.findall(r"^COPY (\w+)/src ", text, re.M) == ["crds", part]


def test_the_engine_image_exposes_the_named_ports() -> None:
    text = (ROOT / "Dockerfile.engine").read_text()
    assert f"EXPOSE {identity.PORT_HTTP} {identity.PORT_METRICS}\n" in text


def test_requirements_have_hashes_and_no_address() -> None:
    files = sorted((ROOT / "hack" / "requirements").glob("*.txt"))
    assert {path.stem for path in files} == {"build", "dev", "engine", "kernel", "operator"}
    for path in files:
        text = path.read_text()
        assert "://" not in text, path.name
        blocks = re.split(r"^(?=[A-Za-z0-9])", text, flags=re.M)[1:]
        assert blocks, path.name
        for block in blocks:
            assert re.match(r"[\w.\-\[\]]+==\S", block), block.splitlines()[0]
            assert "--hash=sha256:" in block, block.splitlines()[0]


def test_build_backend_is_the_one_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    (backend,) = project["build-system"]["requires"]
    name = re.split(r"[<>=]", backend)[0]
    assert f"\n{name}==" in (ROOT / "hack" / "requirements" / "build.txt").read_text()


def test_no_file_names_a_registry_or_a_machine() -> None:
    found = []
    for path in tracked():
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(text.splitlines(), 1):
            if any(host in line for host in REGISTRY_HOSTS) or MACHINE_PATH.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}")
    assert found == []


def test_licence_is_whole() -> None:
    text = (ROOT / "LICENSE").read_text()
    assert text.lstrip().startswith("Apache License\n")
    assert "END OF TERMS AND CONDITIONS" in text
    assert text.rstrip().endswith("limitations under the License.")
