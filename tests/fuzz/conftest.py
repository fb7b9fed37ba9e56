"""Counts of generated requests, told at the end."""

from collections import Counter
from collections.abc import Iterator

import pytest

_TALLY: Counter[str] = Counter()


@pytest.fixture(scope="session")
def tally() -> Counter[str]:
    """What was sent, by operation, and what was answered, by status."""
    return _TALLY


@pytest.fixture(autouse=True)
def _engine_is_awake_and_calm(request: pytest.FixtureRequest) -> Iterator[None]:
    """Each test finds an engine that no other has put into an emergency."""
    request.module.calm_down()
    yield
    request.module.calm_down()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    sent = {name: count for name, count in _TALLY.items() if " " in name}
    if not sent:
        return
    terminalreporter.section("requests generated")
    for name, count in sorted(sent.items()):
        terminalreporter.write_line(f"{count:7d}  {name}")
    answers = ", ".join(
        f"{count} x {name}" for name, count in sorted(_TALLY.items()) if name.isdigit()
    )
    terminalreporter.write_line(f"{sum(sent.values()):7d}  in all; answered {answers}")
