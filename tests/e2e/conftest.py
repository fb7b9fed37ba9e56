"""The chart on a real cluster: one installation a session, one namespace a module."""

import os
from collections.abc import Iterator

import pytest

from enginehttp import Ways
from kube import Kube, eventually
from system import System, required
from world import World

GONE_SECONDS = 60.0
_FIGURES: dict[str, str] = {}


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "last: changes the installation that all others need")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Take the operator away last."""
    items.sort(key=lambda item: item.get_closest_marker("last") is not None)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Show the world of a failed proof, unless its failure has shown it already."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    world = getattr(item, "funcargs", {}).get("world")
    shown = "--- its log" in str(report.longrepr)
    if report.when == "call" and report.failed and isinstance(world, World) and not shown:
        report.sections.append(("world", world.dump()))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _FIGURES:
        terminalreporter.section("figures")
    for name, text in _FIGURES.items():
        terminalreporter.write_line(f"{name}: {text}")


@pytest.fixture(scope="session")
def kube() -> Iterator[Kube]:
    client = Kube(required("KUBECONFIG"))
    yield client
    client.close()


@pytest.fixture(scope="session")
def system(kube: Kube) -> System:
    """The chart, installed as the tree holds it now; left in place, as a cluster may be kept."""
    installed = System.from_environment(kube)
    installed.install()
    return installed


@pytest.fixture(scope="session")
def figures() -> dict[str, str]:
    """Numbers worth telling, shown at the end."""
    return _FIGURES


@pytest.fixture(scope="module")
def world(
    request: pytest.FixtureRequest, kube: Kube, system: System, figures: dict[str, str]
) -> Iterator[World]:
    """A namespace of this module's own, under restricted Pod Security."""
    topic = request.module.__name__.rpartition("test_e2e_")[2].replace("_", "-")
    name = f"e2e-{topic}-{os.urandom(3).hex()}"
    labels = {"pod-security.kubernetes.io/enforce": "restricted", "e2e/suite": "cognitive"}
    kube.create({"kind": "Namespace", "metadata": {"name": name, "labels": labels}})
    try:
        with Ways(kube) as ways:
            yield World(kube, system, ways, name, figures)
    finally:
        # Engines first: a namespace lets go of them only after all pods have ended.
        kube.request("DELETE", kube.path("CognitiveEngine", name))
        kube.delete("Namespace", "", name)


@pytest.fixture(scope="module")
def quiet(kube: Kube) -> None:
    """Given that no engine of another module is still there: the operator is all ours."""
    eventually(
        lambda: not kube.items("CognitiveEngine"),
        GONE_SECONDS,
        "engines of tests that ended are gone; a rest needs a cluster without any others",
    )
