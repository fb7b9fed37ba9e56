"""A pass against a real API server: the operator's rooms in this process, the world out there."""

import os
import subprocess
from collections.abc import Iterator

import pytest
import yaml

from cognitive_api.crd import build_crd


def kubectl(*args: str, stdin: str | None = None) -> str:
    done = subprocess.run(
        ["kubectl", *args], input=stdin, capture_output=True, text=True, timeout=60, check=False
    )
    if done.returncode != 0:
        pytest.fail(f"kubectl {' '.join(args)}: {done.stderr.strip()}")
    return done.stdout


@pytest.fixture(scope="session", autouse=True)
def crd() -> Iterator[None]:
    """The CRD, there for this session only: the chart brings its own later."""
    if not os.environ.get("KUBECONFIG"):
        pytest.fail("KUBECONFIG is not set: run these through ./hack/test")
    kubectl("apply", "--server-side", "-f", "-", stdin=yaml.safe_dump(build_crd()))
    name = build_crd()["metadata"]["name"]
    kubectl("wait", "--for=condition=Established", f"crd/{name}", "--timeout=30s")
    yield
    kubectl("delete", "crd", name, "--wait=true", "--timeout=60s")


@pytest.fixture
def namespace(request: pytest.FixtureRequest) -> Iterator[str]:
    name = f"pass-{os.urandom(4).hex()}"
    kubectl("create", "namespace", name)
    yield name
    kubectl("delete", "namespace", name, "--wait=false")
