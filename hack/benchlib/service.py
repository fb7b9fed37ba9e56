"""`hack/bench service`: the engine over HTTP, beside a server that does next to nothing."""

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median

import uvicorn

from . import callers, loads, machine, profiles, servers, vectors, wrk
from .callers import Endured
from .errors import BenchError
from .loads import CONNECTIONS, Cell, Sheet, cell_name
from .progress import amount, say
from .report import Goal, Report, judge, number, table
from .rounds import MOVEMENT_MAX, Effort, Results, interleave
from .servers import ENGINE, HELLO, PEER, Server
from .vectors import Floats

ROWS = 20_000
POOL = 2_048
FILL_CONNECTIONS = 16
CHECKED = 512
SECONDS, SECONDS_QUICK = 2, 1
# By connections; at 64 a wave of its answers takes three seconds.
SECONDS_PEER = {1: 9, 16: 9, 64: 12}
SOAK_CONNECTIONS, SOAK_SHARE, SOAK_SECONDS, SOAK_WARM_SECONDS = 1_000, 0.70, 60.0, 5.0
PROFILE_SECONDS = 8
PROFILED = ((loads.GENERATE, 16), (loads.EVENT, 64), (loads.ALIVE, 64))
MEGABYTE = 1e6

GOALS = (
    Goal("generate_c16_vs_hello", 0.07),
    Goal("event_c64_vs_hello", 0.25),
    Goal("hot_route_vs_hello", 0.80),
    Goal("generate_c16_vs_peer", 120),
    Goal("rss_mb_20k", 200, lower_is_better=True),
)
"""All of `--json`; that of the peer only when it was measured."""

FURTHER = (
    Goal("generate_c1_vs_peer", 45),
    Goal("generate_c64_vs_peer", 190),
    Goal("generate_c64_p99_vs_peer_c1_p50", 1, lower_is_better=True),
    Goal("steady_accepted_share", 1.0),
    Goal("steady_p99_vs_p50", 20, lower_is_better=True),
    Goal("steady_rss_mib_a_minute", 1, lower_is_better=True),
)
"""For the page, as far as a run measures them."""

METHOD = f"""\
Made by `./hack/bench service`. Each server is one process on one core, the load comes from the
other one, over loopback: wrk {{wrk}} with one thread. Hello is a bare ASGI application on the same
HTTP server with the same options (uvicorn {{uvicorn}}, httptools, uvloop); it answers a GET with a
few constant bytes.

The engine is `cognitive-engine serve` as shipped: API keys, a rate limit (of {servers.RATE_MAX:,} a
second, so that it counts and does not bite), the evidence filter, provenance, metrics, a log line
for each request, written to /dev/null; the local stub writes the answers. It holds
{ROWS:,} memories, its capacity, stored as events through its own API; so each one more drives out
another, and what is consolidated in sleep has its copy there, as always. A prompt is
"what did we decide about item N of run R", never twice the same, with a moral value of
{loads.SCORE}; an event is a unit vector of {vectors.DIMENSION} components as a JSON array, or as
Base64 of float32. *Alive* is `/health/live`, which asks nothing of the mind.

Cells run interleaved: {{rounds}} rounds, each in a shuffled order, {{seconds}} s a visit. Figures
are medians over the rounds; a ratio is that of the medians, with the least and most of any round
behind it. *Per CPU second* divides by the CPU time of the server's process, and so does *× hello*:
on a quiet machine, where each server keeps its core busy, it is the ratio of answers a second too;
elsewhere hello is what wrk cannot keep busy, and rates alone would flatter. A round in which hello
costs more than {MOVEMENT_MAX:.0%} off its median CPU time is run once more; if that does not help,
there is no result. Latencies are wrk's, which corrects for requests that it sent late.

Only accepted answers count. How many there were is read from the engine's own count around each
visit, because reading every body slows wrk down; before the rounds {2 * CHECKED:,} bodies are read
one by one, and the two counts have to agree."""

PEER_METHOD = f"""

*Public MLSDM* is started from a checkout as its documents say, with its production configuration,
its stub and without its rate limit, in the same rounds. Left alone it falls asleep for good after a
few accepted requests; so its rhythm is held awake, its threshold at 0.5, and {ROWS:,} memories are
filled in. `"accepted": true` is counted in every body. It answers all that wait at once, so its
visits take {SECONDS_PEER[1]} s ({SECONDS_PEER[64]} s at 64 connections), and of the counted rate
and the one that follows from the median wait it gets the higher."""


def run(options: argparse.Namespace) -> Report:
    """Measure everything; a quick run measures what its targets need."""
    version = wrk.ensure()
    seconds = SECONDS_QUICK if options.quick else SECONDS
    method = METHOD.format(
        wrk=version, uvicorn=uvicorn.__version__, rounds=options.rounds, seconds=seconds
    )
    report = Report("The service's benchmark", method + (PEER_METHOD if options.peer else ""))
    figures: dict[str, float] = {}
    with _ground() as (server_core, load_core, folder):
        rows = vectors.make("clustered", ROWS + POOL, 1).rows
        with ExitStack() as running:
            hello = running.enter_context(servers.hello(server_core, folder))
            engine = running.enter_context(servers.engine(server_core, folder))
            peer = None
            if options.peer:
                say(f"starting the peer and filling it with {amount(ROWS)} memories")
                peer = running.enter_context(
                    servers.peer(server_core, folder, options.peer, options.peer_python, ROWS)
                )
            _fill(engine, rows[:ROWS])
            _check(engine, rows[ROWS : ROWS + CHECKED])
            cells = _cells(hello, engine, peer, seconds=seconds, quick=options.quick)
            cells = [_with_events(cell, rows[ROWS:], folder) for cell in cells]
            sheet = Sheet(load_core, folder)
            effort = Effort(options.rounds, options.patience)
            results = interleave("requests", cells, sheet, effort=effort)
            _show(report, sheet, results, peer=peer is not None)
            _compare(figures, sheet, results)
            _weigh(report, figures, engine, peer)
            if not options.quick:
                capacity = 1.0 / results[cell_name(ENGINE, loads.GENERATE, 64)].seconds("wall")
                _endure(report, figures, engine, SOAK_SHARE * capacity)
        if options.profile:
            _profile(report, server_core, load_core, folder, rows)
    report.targets = judge(
        (goal for goal in GOALS if options.peer or not goal.name.endswith("_peer")), figures
    )
    report.further = judge((goal for goal in FURTHER if goal.name in figures), figures)
    return report


@contextmanager
def _ground() -> Iterator[tuple[int, int, Path]]:
    """A core for the servers, another for their callers, who are this process too; a folder."""
    spare = [core for core in machine.cores() if core != machine.core()]
    if not spare:
        raise BenchError(
            "two cores are needed, one for the server and one for the load",
            hint="run it where `nproc` says 2 or more",
        )
    server_core = machine.core()
    servers.allow_connections()
    machine.move(spare[0])
    try:
        with tempfile.TemporaryDirectory(prefix="bench-service-") as folder:
            yield server_core, spare[0], Path(folder)
    finally:
        machine.move(server_core)


def _cells(
    hello: Server, engine: Server, peer: Server | None, *, seconds: int, quick: bool
) -> list[Cell]:
    if quick:
        chosen = [
            Cell(hello, HELLO, 16, seconds), Cell(hello, HELLO, 64, seconds),
            Cell(engine, loads.ALIVE, 64, seconds), Cell(engine, loads.GENERATE, 16, seconds),
            Cell(engine, loads.EVENT, 64, seconds),
        ]  # fmt: skip
        if peer is not None:
            chosen.append(Cell(peer, loads.GENERATE, 16, SECONDS_PEER[16]))
        return chosen
    kinds = (loads.ALIVE, loads.HEALTH, loads.GENERATE, loads.EVENT, loads.EVENT_B64)
    chosen = [Cell(hello, HELLO, connections, seconds) for connections in CONNECTIONS]
    chosen += [Cell(engine, kind, many, seconds) for kind in kinds for many in CONNECTIONS]
    if peer is not None:
        for many in CONNECTIONS:
            chosen.append(Cell(peer, loads.GENERATE, many, SECONDS_PEER[many]))
            chosen += [Cell(peer, kind, many, seconds) for kind in (loads.HEALTH, loads.EVENT)]
    return chosen


def _with_events(cell: Cell, rows: Floats, folder: Path) -> Cell:
    """`cell` with the file of what it sends, if it sends events."""
    writers = {loads.EVENT: loads.event_body, loads.EVENT_B64: loads.event_body_b64}
    if cell.kind not in writers:
        return cell
    path = folder / f"{'list' if cell.kind == loads.EVENT else 'b64'}.events"
    if not path.exists():
        path.write_text("".join(f"{writers[cell.kind](row)}\n" for row in rows))
    return replace(cell, events=path)


def _fill(engine: Server, rows: Floats) -> None:
    """Store `rows` as events, through the API."""
    say(f"storing {amount(len(rows))} memories")
    answers = callers.ask_all(engine.port, loads.events(engine, rows), FILL_CONNECTIONS)
    _all_accepted(answers)
    _, state = engine.get("/v1/state")
    # What is consolidated has a copy, so a small number of events may give more memories.
    if state["pelm_stats"]["used"] < len(rows):
        raise BenchError(f"of {len(rows)} memories {state['pelm_stats']['used']} were kept")


def _check(engine: Server, rows: Floats) -> None:
    """Read bodies one by one; the engine's own count must say the same."""
    before = engine.accepted()
    asked = loads.prompts(engine, 0)
    requests = [*(next(asked) for _ in range(CHECKED)), *loads.events(engine, rows[:CHECKED])]
    _all_accepted(callers.ask_all(engine.port, requests, FILL_CONNECTIONS))
    counted = engine.accepted() - before
    if counted != len(requests):
        raise BenchError(f"{len(requests)} bodies say accepted, the engine counts {counted}")


def _all_accepted(answers: list[callers.Answer]) -> None:
    for answer in answers:
        if not callers.accepted(answer):
            status, body = answer
            raise BenchError(f"not accepted: {status} {body[:300]!r}")


def _show(report: Report, sheet: Sheet, results: Results, *, peer: bool) -> None:
    for kind, heading in (
        (HELLO, "Hello, the ceiling"),
        (loads.ALIVE, "Alive: `GET /health/live`"),
        (loads.HEALTH, "Health: `GET /health`"),
        (loads.GENERATE, "Answers: `POST /v1/generate`"),
        (loads.EVENT, "Events: `POST /v1/process_event`, JSON array"),
        (loads.EVENT_B64, "Events: `POST /v1/process_event`, Base64"),
    ):
        if any(cell_name(ENGINE, kind, many) in results for many in CONNECTIONS):
            report.add(heading, loads.load_table(sheet, results, kind, peer=peer))


def _compare(figures: dict[str, float], sheet: Sheet, results: Results) -> None:
    hello16, hello64 = cell_name(HELLO, HELLO, 16), cell_name(HELLO, HELLO, 64)
    for figure, hello, ours in (
        ("generate_c16_vs_hello", hello16, cell_name(ENGINE, loads.GENERATE, 16)),
        ("event_c64_vs_hello", hello64, cell_name(ENGINE, loads.EVENT, 64)),
        ("hot_route_vs_hello", hello64, cell_name(ENGINE, loads.ALIVE, 64)),
    ):
        figures[figure] = results.ratio(hello, ours).value
    for many in CONNECTIONS:
        theirs, ours = (cell_name(who, loads.GENERATE, many) for who in (PEER, ENGINE))
        if theirs in results:
            figures[f"generate_c{many}_vs_peer"] = results.ratio(theirs, ours, "wall").value
    first = cell_name(PEER, loads.GENERATE, 1)
    if first in results:
        slowest = sheet.latency(cell_name(ENGINE, loads.GENERATE, 64), loads.p99)
        figures["generate_c64_p99_vs_peer_c1_p50"] = slowest / sheet.latency(first, loads.p50)


def _weigh(report: Report, figures: dict[str, float], engine: Server, peer: Server | None) -> None:
    measured = [(server, server.resident_bytes() / MEGABYTE) for server in (engine, peer) if server]
    figures["rss_mb_20k"] = measured[0][1]
    report.add(
        f"Memory of the process, full with {ROWS:,} memories, after all rounds",
        table(("", "RSS, MB"), [(server.name, number(weight)) for server, weight in measured]),
    )


def _endure(report: Report, figures: dict[str, float], engine: Server, rate: float) -> None:
    say(f"{SOAK_CONNECTIONS} connections, {rate:.0f} requests a second, {SOAK_SECONDS:.0f} s")
    found = callers.endure(
        engine.port,
        loads.prompts(engine, -1),
        connections=SOAK_CONNECTIONS,
        rate=rate,
        warm_seconds=SOAK_WARM_SECONDS,
        seconds=SOAK_SECONDS,
        resident=engine.resident_bytes,
    )
    figures["steady_accepted_share"] = 1.0 - found.failed / found.due
    figures["steady_p99_vs_p50"] = found.p99 / found.p50
    figures["steady_rss_mib_a_minute"] = found.growth()
    report.add("A steady load", _endured_table(found, rate))


def _endured_table(found: Endured, rate: float) -> str:
    resident = [size / MEGABYTE for size in found.resident]
    rows = (
        ("open connections", f"{SOAK_CONNECTIONS:,}"),
        (f"requests a second, {SOAK_SHARE:.0%} of what 64 connections got", number(rate)),
        ("requests", f"{found.due:,}"),
        ("not accepted", str(found.failed)),
        ("P50, ms", number(found.p50 * 1e3)),
        ("P99, ms", number(found.p99 * 1e3)),
        ("RSS, MB: least, median, most", " ".join(
            number(size) for size in (min(resident), median(resident), max(resident)))),
        ("growth of RSS, MiB a minute", number(found.growth())),
    )  # fmt: skip
    return table(("", ""), rows)


def _profile(report: Report, server_core: int, load_core: int, folder: Path, rows: Floats) -> None:
    out = folder / "engine.profile"
    with servers.engine(server_core, folder, profile=out) as engine:
        _fill(engine, rows[:ROWS])
        sheet = Sheet(load_core, folder)
        for kind, connections in PROFILED:
            say(f"where the time of {kind} goes")
            cell = Cell(engine, kind, connections, PROFILE_SECONDS)
            cell = _with_events(cell, rows[ROWS:], folder)
            profile = profiles.record(engine, out, partial(_good, sheet, cell))
            path = loads.PATHS[ENGINE, kind]
            heading = f"Where the time of `{path}` goes, {connections} connections"
            report.add(heading, profiles.told(profile))


def _good(sheet: Sheet, cell: Cell) -> int:
    return sheet.load(cell).good
