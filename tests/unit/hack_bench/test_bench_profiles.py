"""Profiles: whose time it is, per answer, and nothing lost."""

import json
from types import SimpleNamespace

import pytest

from benchlib import profiles
from benchlib.errors import BenchError
from benchlib.profiles import Profile, Spot

ENGINE = "/v/engine/src/cognitive_engine"
LIBRARY = "/v/lib/python3.11"


@pytest.mark.parametrize(
    ("file", "area", "label"),
    [
        (f"{ENGINE}/edge/front.py", "edge", "edge/front.py:7 f"),
        (f"{ENGINE}/domain/step.py", "domain/step", "domain/step.py:7 f"),
        (f"{ENGINE}/domain/memory/kernel/native.py", "domain/memory",
         "domain/memory/kernel/native.py:7 f"),
        (f"{ENGINE}/service.py", "service", "service.py:7 f"),
        (f"{LIBRARY}/site-packages/uvicorn/http/h.py", "uvicorn", "uvicorn/http/h.py:7 f"),
        (f"{LIBRARY}/site-packages/typing_extensions.py", "typing_extensions",
         "typing_extensions.py:7 f"),
        (f"{LIBRARY}/asyncio/events.py", "standard library", "events.py:7 f"),
        ("<string>", "standard library", "f, generated"),
    ],
)  # fmt: skip
def test_functions_have_an_area_and_a_short_name(file, area, label):
    spot = Spot(file, 7, "f", 1, 1)
    assert (spot.area, spot.label) == (area, label)


ROWS = [
    [f"{ENGINE}/edge/front.py", 10, "Front.__call__", 10, 200],
    [f"{ENGINE}/edge/mind.py", 20, "MindRoutes.event", 30, 150],
    [f"{ENGINE}/domain/step.py", 30, "step", 60, 60],
    [f"{LIBRARY}/asyncio/runners.py", 40, "Runner.run", 0, 200],
    [f"{LIBRARY}/site-packages/uvicorn/h.py", 50, "send", 100, 100],
]
PROFILE = Profile([Spot(*row) for row in ROWS], answers=1000, spent=0.2)


def test_shares_are_of_all_that_was_found():
    assert PROFILE.samples == 200
    assert PROFILE.microseconds == pytest.approx(200)
    assert PROFILE.areas() == [
        ("uvicorn", 0.5), ("domain/step", 0.3), ("edge", 0.2), ("standard library", 0.0),
    ]  # fmt: skip


def test_it_is_told_in_microseconds_of_an_answer():
    text = profiles.told(PROFILE)
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()]
    assert "200 µs of CPU time an answer, looked at 200 times" in text
    assert ["domain/step", "60", "30%"] in lines
    assert ["`edge/mind.py:20 MindRoutes.event`", "30", "150"] in lines
    assert not any("Runner.run" in cell for line in lines for cell in line)
    functions = [line[0] for line in lines if len(line) == 3 and line[0].startswith("`")]
    assert functions[0] == "`uvicorn/h.py:50 send`"


class Server:
    """Writes its profile when it is told to."""

    def __init__(self, out, rows):
        self._out, self._rows = out, rows
        self.said = []
        self._cpu = iter((1.0, 1.5))
        self.process = SimpleNamespace(poll=lambda: 0)

    def signal(self, number):
        self.said.append(number.name)
        if number.name == "SIGUSR2" and self._rows is not None:
            self._out.write_text(json.dumps(self._rows))

    def cpu_seconds(self):
        return next(self._cpu)

    def last_words(self):
        return "last words"


def test_it_looks_only_while_the_load_runs(tmp_path):
    out = tmp_path / "out"
    server = Server(out, ROWS)

    def load():
        assert server.said == ["SIGUSR1"]
        return 500

    found = profiles.record(server, out, load)
    assert server.said == ["SIGUSR1", "SIGUSR2"]
    assert (found.answers, found.spent, found.samples) == (500, 0.5, 200)
    assert not out.exists()


def test_too_few_looks_say_nothing(tmp_path):
    out = tmp_path / "out"
    with pytest.raises(BenchError, match="of 10 samples"):
        profiles.record(Server(out, ROWS[:1]), out, lambda: 500)


def test_a_server_that_ended_leaves_no_profile(tmp_path):
    with pytest.raises(BenchError, match="not written") as refused:
        profiles.record(Server(tmp_path / "out", None), tmp_path / "out", lambda: 500)
    assert refused.value.hint == "last words"
