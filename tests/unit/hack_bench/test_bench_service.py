"""The service's bench: its names, its cells, what counts as accepted, and its figures."""

import base64
import json
import re
from types import SimpleNamespace

import numpy as np
import pytest

from benchlib import cli, loads, machine, servers, service, wrk
from benchlib.errors import BenchError
from benchlib.loads import Cell, Sheet, cell_name
from benchlib.report import Report, as_json, judge
from benchlib.rounds import Results, Series
from benchlib.wrk import NUMBER, Load

WANTED = {
    "generate_c16_vs_hello": (0.07, 0.08, 0.06),
    "event_c64_vs_hello": (0.25, 0.26, 0.24),
    "hot_route_vs_hello": (0.80, 0.81, 0.79),
    "generate_c16_vs_peer": (120, 121, 119),
    "rss_mb_20k": (200, 199, 201),
}
ENGINE, HELLO, PEER = servers.ENGINE, servers.HELLO, servers.PEER


def load(**changes):
    return Load(**{
        "connections": 16, "seconds": 2.0, "answers": 1000, "refused": 0, "broken": 0,
        "p50": 0.01, "p95": 0.02, "p99": 0.03, "accepted": None,
    } | changes)  # fmt: skip


class Server:
    """A server whose figures the test sets."""

    def __init__(self, name, **figures):
        self.name, self.port, self.headers = name, 1, {"X-API-Key": "k"}
        self._cpu = iter(figures.get("cpu", (1.0, 1.5)))
        self._accepted = iter(figures.get("accepted", ()))
        self._resident = figures.get("resident", 0)

    def cpu_seconds(self):
        return next(self._cpu)

    def accepted(self):
        return next(self._accepted)

    def resident_bytes(self):
        return self._resident

    def last_words(self):
        return "last words"


@pytest.mark.parametrize(("column", "met"), [(1, True), (2, False)])
def test_the_json_has_exactly_the_five_targets(column, met):
    found = as_json({}, judge(service.GOALS, {n: row[column] for n, row in WANTED.items()}))
    assert [target["name"] for target in found["targets"]] == list(WANTED)
    assert [target["target"] for target in found["targets"]] == [row[0] for row in WANTED.values()]
    assert all(target["met"] is met for target in found["targets"])


def test_no_name_stands_for_two_things():
    names = [goal.name for goal in (*service.GOALS, *service.FURTHER)]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    "arguments", [["engine", "--profile"], ["service", "--peer-python", "x"],
                  ["engine", "--peer", "x", "--peer-python", "x"]],
)  # fmt: skip
def test_options_that_would_do_nothing_are_refused(arguments, capsys):
    with pytest.raises(SystemExit):
        cli.parse(arguments)
    assert "only with" in capsys.readouterr().err


def test_a_quick_run_visits_what_its_targets_need():
    hello, ours, peer = (Server(name) for name in (HELLO, ENGINE, PEER))
    plain = service._cells(hello, ours, None, seconds=1, quick=True)
    assert {cell.name for cell in plain} == {
        "hello c16", "hello c64", "alive c64", "generate c16", "event c64",
    }  # fmt: skip
    # All rounds together leave time for the rest, and for some of them once more.
    assert sum(cell.seconds for cell in plain) * 5 <= 25
    with_peer = service._cells(hello, ours, peer, seconds=1, quick=True)
    assert [cell.name for cell in with_peer if cell not in plain] == ["peer generate c16"]


def test_a_full_run_visits_everything_over_1_16_and_64_connections():
    hello, ours, peer = (Server(name) for name in (HELLO, ENGINE, PEER))
    cells = service._cells(hello, ours, peer, seconds=2, quick=False)
    names = [cell.name for cell in cells]
    kinds = ("hello", "alive", "health", "generate", "event", "event, Base64",
             "peer generate", "peer health", "peer event")  # fmt: skip
    assert sorted(names) == sorted(f"{kind} c{many}" for kind in kinds for many in (1, 16, 64))
    assert {cell.name for cell in cells if cell.baseline} == {"hello c1", "hello c16", "hello c64"}
    slow = {cell.connections: cell.seconds for cell in cells if cell.name.startswith("peer gen")}
    assert slow == {1: 9, 16: 9, 64: 12}
    assert all((cell.server.name, cell.kind) in loads.PATHS for cell in cells)


def test_prompts_are_never_twice_the_same_and_carry_the_key():
    cell = Cell(Server(ENGINE), loads.GENERATE, 16, 1)
    first, second = cell.sent(1), cell.sent(2)
    assert first.path == "/v1/generate"
    assert first.headers == {"X-API-Key": "k"}
    assert json.loads(first.body) == {
        "prompt": f"what did we decide about item {NUMBER} of run 1", "moral_value": 0.8,
    }  # fmt: skip
    assert second.body != first.body
    assert not first.count_accepted
    requests = loads.prompts(Server(ENGINE), 3)
    bodies = [next(requests).partition(b"\r\n\r\n")[2] for _ in range(3)]
    assert len(set(bodies)) == 3
    assert {len(body) for body in bodies} == {len(first.body)}


def test_bodies_of_the_peers_answers_are_looked_into():
    assert Cell(Server(PEER), loads.GENERATE, 16, 9).sent(1).count_accepted
    assert not Cell(Server(PEER), loads.HEALTH, 16, 2).sent(1).count_accepted


def test_the_ceiling_gets_as_small_a_request_as_can_be():
    sent = Cell(Server(HELLO), HELLO, 16, 1).sent(1)
    assert (sent.path, sent.headers, sent.body, sent.bodies) == ("/", {}, None, None)


def test_events_are_the_same_in_both_spellings(tmp_path):
    rows = np.random.default_rng(0).standard_normal((3, 384)).astype(np.float32)
    for kind in (loads.EVENT, loads.EVENT_B64):
        cell = service._with_events(Cell(Server(ENGINE), kind, 64, 1), rows, tmp_path)
        lines = [json.loads(line) for line in cell.events.read_text().splitlines()]
        assert [line["moral_value"] for line in lines] == [0.8] * 3
        if kind == loads.EVENT:
            found = np.array([line["event_vector"] for line in lines])
        else:
            found = np.array([
                np.frombuffer(base64.b64decode(line["event_vector_b64"]), "<f4") for line in lines
            ])  # fmt: skip
        assert np.allclose(found, rows, atol=1e-6)
        assert cell.sent(1).bodies == cell.events
    plain = Cell(Server(HELLO), HELLO, 1, 1)
    assert service._with_events(plain, rows, tmp_path) is plain


def visit(monkeypatch, tmp_path, cell, found):
    monkeypatch.setattr(wrk, "run", lambda sent, **_: found)
    sheet = Sheet(1, tmp_path)
    return sheet, sheet(cell)


def test_accepted_is_what_the_engine_counts(monkeypatch, tmp_path):
    cell = Cell(Server(ENGINE, accepted=(100, 900)), loads.GENERATE, 16, 2)
    sheet, (cpu, wall) = visit(monkeypatch, tmp_path, cell, load())
    assert (cpu, wall) == pytest.approx((0.5 / 800, 2.0 / 800))
    (kept,) = sheet.visits[cell.name]
    assert (kept.accepted, kept.lost) == (800, 200)


def test_what_was_under_way_at_the_end_does_not_count(monkeypatch, tmp_path):
    cell = Cell(Server(ENGINE, accepted=(100, 1116)), loads.EVENT, 16, 2)
    _, (_, wall) = visit(monkeypatch, tmp_path, cell, load())
    assert wall == pytest.approx(2.0 / 1000)


def test_refusals_do_not_count(monkeypatch, tmp_path):
    cell = Cell(Server(ENGINE), loads.ALIVE, 16, 2)
    sheet, (_, wall) = visit(monkeypatch, tmp_path, cell, load(refused=600, broken=3))
    assert wall == pytest.approx(2.0 / 400)
    assert sheet.visits[cell.name][0].lost == 603


@pytest.mark.parametrize("found", [load(refused=1000), load(accepted=0)])
def test_nothing_accepted_is_no_result(monkeypatch, tmp_path, found):
    cell = Cell(Server(PEER), loads.GENERATE, 16, 2)
    with pytest.raises(BenchError, match="peer generate c16: 0 of 1000") as refused:
        visit(monkeypatch, tmp_path, cell, found)
    assert refused.value.hint == "last words"


def test_who_answers_in_waves_gets_the_higher_rate():
    assert loads.rate(load(p50=0.002), 1000) == 500
    assert loads.rate(load(p50=0.002), 1000, waves=True) == 8000
    assert loads.rate(load(p50=0.002), 500, waves=True) == 4000
    assert loads.rate(load(p50=1.0), 1000, waves=True) == 500


@pytest.fixture
def measured(tmp_path):
    """Results of a full run; cpu and wall of one answer."""
    costs = {
        "hello c16": (20e-6, 30e-6), "hello c64": (20e-6, 25e-6), "alive c64": (25e-6, 26e-6),
        "generate c1": (900e-6, 1e-3), "generate c16": (400e-6, 500e-6),
        "generate c64": (300e-6, 300e-6), "event c64": (80e-6, 90e-6),
        "peer generate c1": (5e-2, 5e-2), "peer generate c16": (5e-2, 5e-2),
        "peer generate c64": (5e-2, 6e-2),
    }  # fmt: skip
    sheet = Sheet(1, tmp_path)
    for name in costs:
        sheet.visits[name] = [loads.Visit(load(p99=0.03), 990)] * 3
    results = Results({name: Series([cpu] * 3, [wall] * 3) for name, (cpu, wall) in costs.items()})
    return sheet, results


def test_hello_is_compared_by_cpu_time_and_the_peer_by_the_wall(measured):
    figures = {}
    service._compare(figures, *measured)
    assert figures == pytest.approx({
        "generate_c16_vs_hello": 0.05, "event_c64_vs_hello": 0.25, "hot_route_vs_hello": 0.8,
        "generate_c1_vs_peer": 50, "generate_c16_vs_peer": 100, "generate_c64_vs_peer": 200,
        "generate_c64_p99_vs_peer_c1_p50": 3.0,
    })  # fmt: skip


def test_tables_have_a_row_for_each_server_and_number_of_connections(measured):
    report = Report("x", "x")
    service._show(report, *measured, peer=True)
    sections = dict(report.sections)
    assert [heading.partition(":")[0] for heading in sections] == [
        "Hello, the ceiling", "Alive", "Answers", "Events",
    ]  # fmt: skip
    answers = next(text for heading, text in sections.items() if heading.startswith("Answers"))
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in answers.splitlines()[2:]]
    assert [row[:2] for row in rows] == [
        [who, many] for who in ("engine", "public MLSDM") for many in ("1", "16", "64")
    ]
    assert rows[1] == ["engine", "16", "2,000", "2,500", "10", "20", "30", "30", "0.05 (0.05–0.05)"]
    # No hello was asked over one connection.
    assert rows[0][-1] == "–"


def test_weight_is_told_in_megabytes():
    figures, report = {}, Report("x", "x")
    service._weigh(report, figures, Server(ENGINE, resident=150_000_000), None)
    assert figures == {"rss_mb_20k": 150.0}
    assert cell_name(ENGINE, loads.HEALTH, 1) == "health c1"


def test_a_full_bank_is_demanded(monkeypatch):
    answers = [(200, b'{"accepted":true}')] * 4
    monkeypatch.setattr(service.callers, "ask_all", lambda *_: answers)
    ours = SimpleNamespace(
        name=ENGINE, port=1, headers={}, get=lambda _: (200, {"pelm_stats": {"used": 3}})
    )
    with pytest.raises(BenchError, match="of 4 memories 3 were kept"):
        service._fill(ours, np.zeros((4, 384), np.float32))


def test_two_counts_that_differ_are_no_result(monkeypatch):
    answers = [(200, b'{"accepted":true}')]
    monkeypatch.setattr(service.callers, "ask_all", lambda *_: answers)
    ours = Server(ENGINE, accepted=(0, 5))
    with pytest.raises(BenchError, match=r"bodies say accepted, the engine counts 5"):
        service._check(ours, np.zeros((4, 384), np.float32))


def test_an_answer_that_was_not_accepted_is_quoted():
    with pytest.raises(BenchError, match=r"not accepted: 429 b.*E901"):
        service._all_accepted([(429, b'{"code":"E901"}')])


def test_one_core_is_not_enough(monkeypatch):
    monkeypatch.setattr(machine, "core", lambda: 0)
    monkeypatch.setattr(machine, "cores", lambda: [0])
    with pytest.raises(BenchError, match="two cores are needed"), service._ground():
        pass


def test_the_method_leaves_no_gap():
    text = service.METHOD.format(wrk="4.1.0", uvicorn="1", rounds=7, seconds=2)
    assert not re.search(r"[{}]", text)
