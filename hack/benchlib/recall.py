"""Recall beside plain ways to find the nearest five, at one size, in one comparison."""

import gc
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cognitive_api.governance import RecallMode
from cognitive_engine.domain.memory.pelm import Entry, Pelm, Query, Recollection

from . import machine, reads
from .errors import BenchError
from .peer import Peer
from .progress import amount, say
from .report import number, table, times
from .rounds import LAPS, Candidate, Clock, Effort, Results, compare
from .vectors import AWAKE, DIMENSION, TOLERANCE, TOP_K, Field, Floats

NUMPY = "numpy, all rows"
PARTED = "numpy, rows in phase"
FAISS = "faiss flat, rows in phase"
OURS = "ours"
BATCH = "ours, 16 at once"
TWO_CORES = "ours, two cores"
TWO_STAGE = "ours, two-stage"
PEER = "public MLSDM"

BATCH_SIZE = 16
CORES = 2
FILL_BATCH = 4096
# From here on one lap is long, and reads memory that no cache holds: it needs no warming.
LONG_LAP_ROWS = 500_000

Answers = Sequence[Sequence[int]]


@dataclass(slots=True)
class Tally:
    """How good the answers of one candidate were, over all its laps."""

    ground: Field
    asked: int = 0
    agreed: int = 0
    hits: int = 0
    certified: int = 0

    def count(self, answers: Answers, exact: Sequence[bool] | None = None) -> None:
        """Compare row numbers with the truth, in order; `exact` is what the answers claim."""
        claims = exact or [False] * len(answers)
        for rows, truth, claim in zip(answers, self.ground.truth.tolist(), claims, strict=True):
            self.asked += 1
            self.agreed += list(rows) == truth and (exact is None or claim)
            self.hits += len(set(rows) & set(truth))
            self.certified += claim

    @property
    def recall(self) -> float:
        """Share of the true nearest that was found."""
        return self.hits / (self.asked * TOP_K)


@dataclass(slots=True)
class Measured:
    """One comparison: a field, the times and how good the answers were."""

    ground: Field
    results: Results
    tallies: dict[str, Tally]
    scanned_bytes: int

    def bandwidth(self) -> tuple[str, float]:
        """The fastest plain read of as many bytes as a search must scan: its name, bytes/s."""
        speeds = {name: 1.0 / self.results[name].seconds() for name in reads.NAMES}
        name = max(speeds, key=lambda key: speeds[key])
        return name, speeds[name]

    def share(self) -> float:
        """How close one search comes to that read."""
        return self.scanned_bytes / self.results[OURS].seconds() / self.bandwidth()[1]


def fill(pelm: Pelm, rows: Floats, phases: Floats, confidences: Floats | None = None) -> list[int]:
    """Store all rows; their memory ids."""
    ids: list[int | None] = []
    sure = np.ones(len(rows), np.float32) if confidences is None else confidences
    for start in range(0, len(rows), FILL_BATCH):
        part = slice(start, start + FILL_BATCH)
        batch = zip(rows[part], phases[part].tolist(), sure[part].tolist(), strict=True)
        ids += pelm.store_many([Entry(v, p, created=0.0, confidence=c) for v, p, c in batch])
    if None in ids:
        raise BenchError("the bank refused rows that it should keep")
    return [number for number in ids if number is not None]


def measure(
    ground: Field,
    *,
    effort: Effort,
    faiss: bool = True,
    two_cores: bool = False,
    peer: Peer | None = None,
) -> Measured:
    """Compare everything that answers exactly, and plain reads of memory."""
    name = f"{amount(ground.size)} rows, {ground.kind}"
    say(f"{name}: filling")
    tallies: dict[str, Tally] = {}
    candidates = [_numpy(ground, tallies), _parted(ground, tallies)]
    if faiss:
        candidates.append(_faiss(ground, tallies))
    pelm = Pelm(DIMENSION, ground.size)
    ids = np.array(fill(pelm, ground.rows, ground.phases))
    queries = _queries(ground)
    candidates += [
        _ours(OURS, tallies, ground, ids, lambda: [pelm.recall(query) for query in queries]),
        _ours(BATCH, tallies, ground, ids, lambda: _batched(pelm, queries)),
    ]
    scanned = len(ground.passing) * DIMENSION
    candidates += reads.candidates(scanned)
    if peer is not None:
        candidates.append(_peer(peer, ground, tallies))
    pool = None
    if two_cores:
        pool = _pool()
        spread = pool.map
        candidates.append(
            _ours(TWO_CORES, tallies, ground, ids,
                  lambda: [pelm.recall(query, parts=CORES, spread=spread) for query in queries])
        )  # fmt: skip
    gc.collect()
    results = _compare(name, ground, candidates, effort)
    if pool is not None:
        pool.shutdown()
    return Measured(ground, results, tallies, scanned)


def measure_two_stage(ground: Field, *, effort: Effort) -> Measured:
    """Compare the opt-in path that may miss a row, and says so."""
    name = f"{amount(ground.size)} rows, {ground.kind}, two-stage"
    say(f"{name}: filling")
    tallies: dict[str, Tally] = {}
    pelm = Pelm(DIMENSION, ground.size, recall=RecallMode.TWO_STAGE)
    ids = np.array(fill(pelm, ground.rows, ground.phases))
    queries = _queries(ground)
    plain = _numpy(ground, tallies)
    ours = _ours(TWO_STAGE, tallies, ground, ids, lambda: [pelm.recall(query) for query in queries])
    gc.collect()
    results = _compare(name, ground, [plain, ours], effort)
    if tallies[TWO_STAGE].certified:
        raise BenchError("the two-stage path claims to be exact")
    return Measured(ground, results, tallies, 0)


def times_table(measured: Measured) -> str:
    """What each candidate took, and how good its answers were."""
    rows = []
    for name, tally in measured.tallies.items():
        series = measured.results[name]
        clock: Clock = "wall" if name == TWO_CORES else "cpu"
        over = [
            times(measured.results.ratio(plain, name, clock)) if plain in measured.results else "–"
            for plain in (NUMPY, PARTED)
        ]
        certified = number(tally.certified / tally.asked) if name.startswith(OURS) else "–"
        rows.append(
            (
                name,
                number(series.seconds() * 1e3),
                number(series.seconds("wall") * 1e3),
                *over,
                number(tally.recall),
                certified,
            )
        )
    head = ("", "CPU ms", "wall ms", "× numpy", "× in phase", "recall", "certified")
    return table(head, rows)


def reads_table(measured: Measured) -> str:
    """The plain reads, and what share of each a search reaches."""
    per_second = measured.scanned_bytes / measured.results[OURS].seconds()
    rows = []
    for name in reads.NAMES:
        speed = 1.0 / measured.results[name].seconds()
        rows.append((name, number(speed / 1e9), number(per_second / speed)))
    return table(("read", "GB/s", "share reached"), rows)


def _compare(name: str, ground: Field, candidates: Sequence[Candidate], effort: Effort) -> Results:
    long = ground.size >= LONG_LAP_ROWS
    return compare(name, candidates, effort=effort, laps=1 if long else LAPS, warm=not long)


def _queries(ground: Field) -> list[Query]:
    return [Query(vector, float(AWAKE), TOLERANCE, TOP_K) for vector in ground.queries]


def _batched(pelm: Pelm, queries: list[Query]) -> list[Recollection]:
    found: list[Recollection] = []
    for start in range(0, len(queries), BATCH_SIZE):
        found += pelm.recall_many(queries[start : start + BATCH_SIZE])
    return found


def _numpy(ground: Field, tallies: dict[str, Tally]) -> Candidate:
    rows, phases = ground.rows, ground.phases

    def find(query: Floats) -> NDArray[np.intp]:
        scores = rows @ query
        far = np.abs(phases - AWAKE) > np.float32(TOLERANCE)
        np.copyto(scores, -np.inf, where=far)
        return _top(scores)

    return _plain(NUMPY, ground, tallies, find, baseline=True)


def _parted(ground: Field, tallies: dict[str, Tally]) -> Candidate:
    numbers = ground.passing
    rows = ground.rows[numbers]
    return _plain(PARTED, ground, tallies, lambda query: numbers[_top(rows @ query)])


def _faiss(ground: Field, tallies: dict[str, Tally]) -> Candidate:
    try:
        import faiss  # noqa: PLC0415 — a quick run does without
    except ImportError as error:
        raise BenchError(f"faiss cannot be loaded: {error}", hint="./hack/venv") from error
    faiss.omp_set_num_threads(1)
    numbers = ground.passing
    index = faiss.IndexFlatIP(DIMENSION)
    index.add(ground.rows[numbers])

    def find(query: Floats) -> NDArray[np.int64]:
        _, found = index.search(query[None], TOP_K)
        rows: NDArray[np.int64] = numbers[found[0]]
        return rows

    return _plain(FAISS, ground, tallies, find)


def _plain(
    name: str,
    ground: Field,
    tallies: dict[str, Tally],
    find: Callable[[Floats], NDArray[Any]],
    *,
    baseline: bool = False,
) -> Candidate:
    tally = tallies[name] = Tally(ground)
    return Candidate(
        name,
        len(ground.queries),
        lambda: [find(query) for query in ground.queries],
        judge=lambda answers: tally.count([rows.tolist() for rows in answers]),
        baseline=baseline,
    )


def _ours(
    name: str,
    tallies: dict[str, Tally],
    ground: Field,
    ids: NDArray[np.int64],
    lap: Callable[[], list[Recollection]],
) -> Candidate:
    tally = tallies[name] = Tally(ground)

    def judge(found: Iterable[Recollection]) -> None:
        found = list(found)
        memories = [[item.memory_id for item in each.items] for each in found]
        answers = [np.searchsorted(ids, memory).tolist() for memory in memories]
        tally.count(answers, [each.exact for each in found])

    return Candidate(name, len(ground.queries), lap, judge=judge)


def _peer(peer: Peer, ground: Field, tallies: dict[str, Tally]) -> Candidate:
    bank = peer.bank(ground.size)
    bank.fill(ground.rows, ground.phases)
    asked = min(len(ground.queries), Peer.QUESTIONS)
    part = Field(
        ground.kind, ground.rows, ground.phases,
        ground.queries[:asked], ground.truth[:asked], ground.scores[:asked],
    )  # fmt: skip
    tally = tallies[PEER] = Tally(part)
    queries = [query.tolist() for query in part.queries]

    def judge(found: list[list[float]]) -> None:
        # It names no rows; equal scores are taken for equal rows.
        answers = [
            [row for row, a, b in zip(truth, scores, right, strict=False) if abs(a - b) < 1e-5]
            for truth, scores, right in zip(
                part.truth.tolist(), found, part.scores.tolist(), strict=True
            )
        ]
        tally.count(answers)

    return Candidate(PEER, asked, lambda: [bank.retrieve(query) for query in queries], judge=judge)


def _top(scores: Floats) -> NDArray[np.intp]:
    best = np.argpartition(scores, -TOP_K)[-TOP_K:]
    ranked: NDArray[np.intp] = best[np.argsort(-scores[best])]
    return ranked


def _pool() -> ThreadPoolExecutor:
    if len(machine.cores()) < CORES:
        raise BenchError("there is one core only: the two-core row needs two")
    return ThreadPoolExecutor(CORES, initializer=machine.unpin_thread)
