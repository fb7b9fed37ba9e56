"""What is sent to which server, and what comes of it."""

import base64
import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from statistics import median

from . import wrk
from .errors import BenchError
from .report import number, table, times
from .rounds import Results
from .servers import ENGINE, HELLO, PEER, Server
from .vectors import Floats
from .wrk import Load, Sent

ALIVE, HEALTH, GENERATE, EVENT, EVENT_B64 = "alive", "health", "generate", "event", "event, Base64"
CONNECTIONS = (1, 16, 64)
# Above it the peer's own look at the prompt refuses everything.
SCORE = 0.8
EVENT_DIGITS = 6

PATHS = {
    (HELLO, HELLO): "/",
    (ENGINE, ALIVE): "/health/live",
    (ENGINE, HEALTH): "/health",
    (ENGINE, GENERATE): "/v1/generate",
    (ENGINE, EVENT): "/v1/process_event",
    (ENGINE, EVENT_B64): "/v1/process_event",
    (PEER, HEALTH): "/health",
    (PEER, GENERATE): "/generate",
    (PEER, EVENT): "/v1/process_event/",
}


@dataclass(frozen=True, slots=True)
class Cell:
    """One kind of request to one server over so many connections, for whole seconds a visit."""

    server: Server
    kind: str
    connections: int
    seconds: int
    events: Path | None = None

    @property
    def name(self) -> str:
        """Its name in the results."""
        return cell_name(self.server.name, self.kind, self.connections)

    @property
    def baseline(self) -> bool:
        """The ceiling must not move."""
        return self.kind == HELLO

    @property
    def counted(self) -> bool:
        """Whether the server's own count tells what it accepted."""
        if self.server.name == PEER:
            return self.kind == EVENT
        return self.kind in (GENERATE, EVENT, EVENT_B64)

    def sent(self, run: int) -> Sent:
        """What is sent in the visit with this number."""
        return Sent(
            PATHS[self.server.name, self.kind],
            # The ceiling and the probes get a request as small as can be.
            {} if self.kind in (HELLO, ALIVE, HEALTH) else self.server.headers,
            body=prompt_body(wrk.NUMBER, run) if self.kind == GENERATE else None,
            bodies=self.events,
            count_accepted=self.server.name == PEER and self.kind == GENERATE,
        )


def cell_name(server: str, kind: str, connections: int) -> str:
    """The name of a cell: what, whose, and how many at a time."""
    whose = f"{PEER} " if server == PEER else ""
    return f"{whose}{kind} c{connections}"


def prompt_body(item: str, run: int) -> str:
    """A prompt like no other, as JSON."""
    prompt = f"what did we decide about item {item} of run {run}"
    return json.dumps({"prompt": prompt, "moral_value": SCORE}, separators=(",", ":"))


def event_body(vector: Floats) -> str:
    """An event as a JSON array."""
    components = [round(component, EVENT_DIGITS) for component in vector.tolist()]
    return json.dumps({"event_vector": components, "moral_value": SCORE}, separators=(",", ":"))


def event_body_b64(vector: Floats) -> str:
    """An event as Base64 of float32, little-endian."""
    text = base64.b64encode(vector.astype("<f4").tobytes()).decode()
    return json.dumps({"event_vector_b64": text, "moral_value": SCORE}, separators=(",", ":"))


def prompts(server: Server, run: int) -> Iterator[bytes]:
    """Endless prompts, as whole requests."""
    sent = Sent(PATHS[server.name, GENERATE], server.headers)
    for item in count(1):
        yield sent.request(prompt_body(f"{item:0{wrk.DIGITS}d}", run))


def events(server: Server, rows: Floats) -> Iterator[bytes]:
    """Each of `rows` as an event, as whole requests."""
    sent = Sent(PATHS[server.name, EVENT_B64], server.headers)
    return (sent.request(event_body_b64(row)) for row in rows)


@dataclass(frozen=True, slots=True)
class Visit:
    """One run of wrk with what was accepted of it."""

    load: Load
    accepted: int

    @property
    def lost(self) -> int:
        """Requests that came to nothing."""
        return self.load.answers - self.accepted + self.load.broken


class Sheet:
    """Visits cells and keeps what they gave."""

    def __init__(self, core: int, folder: Path) -> None:
        self._core = core
        self._folder = folder
        self._run = count(1)
        self.visits: dict[str, list[Visit]] = defaultdict(list)

    def __call__(self, cell: Cell) -> tuple[float, float]:
        """CPU seconds of the server and seconds of the wall for one accepted answer."""
        known = cell.server.accepted() if cell.counted else 0
        before = cell.server.cpu_seconds()
        load = self.load(cell)
        spent = cell.server.cpu_seconds() - before
        if cell.counted:
            # Its count has those too that were under way when wrk stopped.
            accepted = min(load.good, cell.server.accepted() - known)
        else:
            accepted = load.good if load.accepted is None else load.accepted
        if accepted <= 0 or spent <= 0:
            raise BenchError(
                f"{cell.name}: {accepted} of {load.answers} answers were accepted, "
                f"{load.refused} refused",
                hint=cell.server.last_words(),
            )
        self.visits[cell.name].append(Visit(load, accepted))
        return spent / accepted, 1.0 / rate(load, accepted, waves=cell.server.name == PEER)

    def load(self, cell: Cell) -> Load:
        """One run of wrk on `cell`."""
        return wrk.run(
            cell.sent(next(self._run)),
            port=cell.server.port,
            connections=cell.connections,
            seconds=cell.seconds,
            core=self._core,
            folder=self._folder,
        )

    def latency(self, name: str, which: Callable[[Load], float]) -> float:
        """The median over all visits of a cell, in seconds."""
        return median(which(visit.load) for visit in self.visits[name])


def rate(load: Load, accepted: int, *, waves: bool = False) -> float:
    """Accepted answers per second.

    Who answers in `waves`, all that wait at once, gets whichever is higher: the count, or what
    follows from the median wait. A window that cuts a wave in two must not be held against it.
    """
    counted = accepted / load.seconds
    if not waves:
        return counted
    return max(counted, load.connections / load.p50 * accepted / load.answers)


def load_table(sheet: Sheet, results: Results, kind: str, *, peer: bool) -> str:
    """Rates and latencies of one kind of request, by connections."""
    rows = []
    for who in (ENGINE, PEER) if peer else (ENGINE,):
        for connections in CONNECTIONS:
            name = cell_name(who, kind, connections)
            if name not in results:
                continue
            ceiling = cell_name(HELLO, HELLO, connections)
            who_is = {ENGINE: kind if kind == HELLO else ENGINE, PEER: "public MLSDM"}[who]
            of_ceiling = times(results.ratio(ceiling, name)) if ceiling in results else "–"
            rows.append(
                (
                    who_is,
                    str(connections),
                    number(1.0 / results[name].seconds("wall")),
                    number(1.0 / results[name].seconds("cpu")),
                    *(number(sheet.latency(name, which) * 1e3) for which in (p50, p95, p99)),
                    str(sum(visit.lost for visit in sheet.visits[name])),
                    of_ceiling,
                )
            )
    return table(
        ("", "connections", "a second", "per CPU second", "P50 ms", "P95 ms", "P99 ms",
         "not accepted", "× hello"),
        rows,
    )  # fmt: skip


def p50(load: Load) -> float:
    """The median latency."""
    return load.p50


def p95(load: Load) -> float:
    """All but one in twenty took no longer."""
    return load.p95


def p99(load: Load) -> float:
    """All but one in a hundred took no longer."""
    return load.p99
