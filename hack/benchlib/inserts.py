"""One insert beside one bare row write, at several sizes, full and empty."""

import gc
from itertools import cycle, islice

import numpy as np

from cognitive_engine.domain.memory.pelm import Entry, Pelm

from . import vectors
from .peer import Peer
from .progress import amount, say
from .recall import fill
from .report import number, table, times
from .rounds import Candidate, Effort, Results, compare
from .vectors import DIMENSION, Floats

ROW_WRITE = "numpy row write"
FULL = "ours, into a full bank"
EMPTY = "ours, into an empty bank"
MANY = "ours, 64 at once, full"
PEER = "public MLSDM, full"

POOL = 4096
LAP = 1024
BATCH = 64
PEER_LAP = 3
CONFIDENCE_LOW = 0.5


def measure(size: int, *, effort: Effort, peer: Peer | None = None) -> Results:
    """Compare the ways to add a row to a bank of `size` rows."""
    name = f"{amount(size)} rows, insert"
    say(f"{name}: filling")
    dice = np.random.default_rng(2)
    field = vectors.make("clustered", max(size, POOL), 1)
    phases = field.phases
    # Confidences differ, so that what is evicted lies anywhere in the bank.
    sure = dice.uniform(CONFIDENCE_LOW, 1.0, len(field.rows)).astype(np.float32)
    full = Pelm(DIMENSION, size)
    fill(full, field.rows[:size], phases[:size], sure[:size])
    bank = field.rows[:size].copy()

    pool = list(field.rows[dice.permutation(len(field.rows))[:POOL]].copy())
    chances = dice.uniform(CONFIDENCE_LOW, 1.0, POOL).tolist()
    entries = [
        Entry(vector, float(phase), created=1.0, confidence=chance)
        for vector, phase, chance in zip(pool, phases[:POOL], chances, strict=True)
    ]
    lap = min(LAP, size // 2)
    candidates = [
        _row_write(bank, pool, lap, dice),
        _full(full, entries, lap),
        _empty(size, entries, lap),
        _many(full, entries, lap),
    ]
    if peer is not None:
        candidates.append(_peer(peer, size, field.rows[:size], phases[:size]))
    del field
    gc.collect()
    return compare(name, candidates, effort=effort)


def result_table(by_size: dict[int, Results]) -> str:
    """Microseconds and ratios, a line for each way and size."""
    rows = [
        (
            amount(size),
            name,
            number(results[name].seconds() * 1e6),
            times(results.ratio(name, ROW_WRITE)),
        )
        for size, results in by_size.items()
        for name in (ROW_WRITE, FULL, EMPTY, MANY, PEER)
        if name in results
    ]
    return table(("rows", "", "CPU µs", "× row write"), rows)


def worst(results: Results) -> float:
    """The insert, full or empty, against the row write."""
    return max(results.ratio(name, ROW_WRITE).value for name in (FULL, EMPTY))


def _row_write(bank: Floats, pool: list[Floats], lap: int, dice: np.random.Generator) -> Candidate:
    places = cycle(dice.permutation(len(bank)).tolist())
    source = cycle(pool)
    work: list[tuple[int, Floats]] = []

    def prepare() -> None:
        work[:] = zip(islice(places, lap), islice(source, lap), strict=True)

    def write() -> None:
        for row, vector in work:
            bank[row] = vector

    return Candidate(ROW_WRITE, lap, write, prepare=prepare, baseline=True)


def _full(pelm: Pelm, entries: list[Entry], lap: int) -> Candidate:
    source = cycle(entries)
    work: list[Entry] = []

    def prepare() -> None:
        work[:] = islice(source, lap)

    def store() -> None:
        for entry in work:
            pelm.store(entry)

    return Candidate(FULL, lap, store, prepare=prepare)


def _empty(size: int, entries: list[Entry], lap: int) -> Candidate:
    source = cycle(entries)
    work: list[Entry] = []
    banks: list[Pelm] = []

    def prepare() -> None:
        work[:] = islice(source, lap)
        banks[:] = [Pelm(DIMENSION, size)]

    def store() -> None:
        (pelm,) = banks
        for entry in work:
            pelm.store(entry)

    return Candidate(EMPTY, lap, store, prepare=prepare)


def _many(pelm: Pelm, entries: list[Entry], lap: int) -> Candidate:
    source = cycle(entries)
    work: list[list[Entry]] = []
    batches = lap // BATCH

    def prepare() -> None:
        work[:] = [list(islice(source, BATCH)) for _ in range(batches)]

    def store() -> None:
        for batch in work:
            pelm.store_many(batch)

    return Candidate(MANY, batches * BATCH, store, prepare=prepare)


def _peer(peer: Peer, size: int, rows: Floats, phases: Floats) -> Candidate:
    bank = peer.bank(size)
    bank.fill(rows, phases)
    lists = [row.tolist() for row in rows[:PEER_LAP]]

    def store() -> None:
        for vector in lists:
            bank.entangle(vector, float(phases[0]))

    return Candidate(PEER, PEER_LAP, store)
