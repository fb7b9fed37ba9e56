"""The certificate of a search: what it returns is what double precision says, in every kernel.

All ways to ask give the same answer to the last bit: one by one, in batches, in parts, and with
each kernel. The bound that lets a search leave rows out is checked on rows made to break it.
"""

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pytest

from banks import (
    KINDS,
    agreed,
    answer,
    entry,
    expected_kernels,
    filled,
    hard_rows,
    kernel_named,
    lane_scores,
    query,
    ranked,
    slot_of,
    true_scores,
    unit_rows,
)
from cognitive_engine.domain.memory import partitions
from cognitive_engine.domain.memory.kernel import View
from cognitive_engine.domain.memory.kernel.portable import PortableKernel, _encode
from cognitive_engine.domain.memory.pelm import Pelm
from cognitive_engine.domain.memory.vectors import lane_sums, norm

DIMENSIONS = [2, 3, 7, 8, 64, 65, 384, 1025, 4096]
ROWS = {2: 1200, 3: 700, 7: 700, 8: 700, 64: 700, 65: 600, 384: 600, 1025: 300, 4096: 120}


@pytest.fixture(scope="module")
def pool():
    with ThreadPoolExecutor(3) as threads:
        yield threads


def asked_of(kind, rows):
    """Vectors to ask for: one of the rows, one near, one far, one that is nothing like them."""
    stranger = unit_rows(1, rows.shape[1], seed=9)[0]
    return [rows[3], rows[5] + 1e-3 * np.abs(rows[5]).max() * stranger, -rows[7], stranger]


@pytest.mark.parametrize("dimension", DIMENSIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_an_answer_is_what_double_precision_says(kind, dimension):
    rows = hard_rows(kind, ROWS[dimension], dimension)
    made = filled([entry(row, number % 3 / 4) for number, row in enumerate(rows)], dimension)
    for vector in asked_of(kind, rows):
        scores, truth = lane_scores(rows, vector), true_scores(rows, vector)
        assert np.abs(scores - truth).max() < 1e-12
        for top_k in (1, 5, 33, len(rows)):
            asked = query(vector, 0.5, 1.0, top_k)
            found = [bank.recall(asked) for bank in made]
            best = agreed([answer(each) for each in found])
            assert best.exact
            expected = ranked(scores, top_k)
            assert best.ids == expected
            assert [float.fromhex(bits) for bits in best.bits] == [
                min(max(scores[row], -1.0), 1.0) for row in expected
            ]
            # Against sums of no order at all: only near-ties may change places.
            assert all(truth[a] >= truth[b] - 1e-12 for a, b in pairwise(best.ids))
            rest = np.delete(truth, best.ids)
            assert rest.size == 0 or rest.max() <= truth[best.ids[-1]] + 1e-12
            for each in found:
                assert top_k <= each.reranked <= len(rows)
                copies = np.stack([item.vector for item in each.items])
                assert (copies == rows[expected]).all()


@pytest.mark.parametrize("dimension", [8, 64, 384])
def test_a_bound_leaves_most_rows_of_no_likeness_out(dimension):
    rows = unit_rows(2000, dimension)
    for bank in filled([entry(row) for row in rows], dimension):
        assert bank.recall(query(rows[0])).reranked < 200


def test_a_score_of_nothing_in_common_has_no_sign():
    row, asked = np.full(8, -1.0, np.float32), np.zeros(8, np.float32)
    row[0], asked[0] = -0.0, 1.0
    found = [bank.recall(query(asked)).items[0] for bank in filled([entry(row)], 8)]
    assert [item.resonance.hex() for item in found] == [(0.0).hex()] * len(found)


def test_a_score_stays_within_a_cosine():
    rows = hard_rows("random", 60, 5)
    beyond = [row for row in rows if lane_scores(row[None], row)[0] > 1.0]
    assert beyond, "a sum may round beyond one"
    for name in expected_kernels():
        for row in beyond:
            bank = Pelm(5, 2, kernel=kernel_named(name))
            bank.store_many([entry(row), entry(-row)])
            assert [item.resonance for item in bank.recall(query(row)).items] == [1.0, -1.0]


# ---- one way or another ----

MIXED = [
    {"scope": scope, "phase": phase, "tolerance": tolerance, "top_k": top_k, **more}
    for scope, phase, tolerance, top_k, more in (
        ("a", 0.1, 0.15, 5, {}),
        ("a", 0.1, 0.15, 5, {}),
        ("b", 0.1, 0.15, 5, {}),
        ("a", 0.5, 0.3, 7, {}),
        ("a", 0.5, 0.3, 7, {"min_confidence": 0.75}),
        ("a", 0.1, 0.15, 1, {}),
        ("none", 0.1, 0.15, 5, {}),
        ("a", 0.1, 0.15, 0, {}),
        ("b", 0.97, 0.02, 300, {}),
        ("a", 0.33, 0.0, 3, {}),
        ("b", 1.0, 1.0, 10_000, {}),
    )
]


def population(count, dimension):
    rng = np.random.default_rng(8)
    rows = np.concatenate([hard_rows(kind, count // len(KINDS), dimension) for kind in KINDS])
    return rows, [
        entry(
            row,
            phase=float(rng.choice([0.1, 0.33, 0.5, rng.random(), 0.9])),
            scope="ab"[number % 2],
            confidence=float(rng.choice([0.5, 0.7, 0.9])),
        )
        for number, row in enumerate(rows)
    ]


@pytest.mark.parametrize("alike", [True, False])
@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 7, 8, 16, 17])
def test_a_batch_gives_what_its_queries_give_one_by_one(pool, count, alike):
    rows, entries = population(1400, 33)
    asked = [
        query(rows[number * 61 % len(rows)], **MIXED[0 if alike else number % len(MIXED)])
        for number in range(count)
    ]
    ways = []
    for bank in filled(entries, 33):
        ways.append([answer(bank.recall(each)) for each in asked])
        ways.append([answer(each) for each in bank.recall_many(asked)])
        for parts, spread in ((2, map), (3, pool.map), (2, pool.map), (64, map)):
            found = bank.recall_many(asked, parts=parts, spread=spread)
            ways.append([answer(each) for each in found])
    first = agreed(ways)
    # The first way against the slow one.
    for each, (ids, _, exact) in zip(asked, first, strict=True):
        near = [
            number
            for number, kept in enumerate(entries)
            if kept.scope == each.scope
            and kept.confidence >= each.min_confidence
            and abs(np.float32(kept.phase) - np.float32(each.phase)) <= np.float32(each.tolerance)
        ]
        assert exact
        scores = lane_scores(rows[near], each.vector) if near else np.zeros(0)
        assert ids == [near[row] for row in ranked(scores, each.top_k)]


def test_a_batch_may_be_larger_than_the_ones_before():
    rows = unit_rows(100, 8)
    for bank in filled([entry(row) for row in rows], 8):
        for count, top_k in ((1, 1), (17, 1), (100, 1), (3, 90), (50, 50)):
            found = bank.recall_many([query(row, top_k=top_k) for row in rows[:count]])
            assert [answer(each).ids[0] for each in found] == list(range(count))
            assert {len(each.items) for each in found} == {top_k}


def test_no_queries_have_no_answers():
    for bank in filled([entry([1, 0])], 2):
        assert bank.recall_many([]) == []


def test_threads_may_search_at_the_same_time(pool):
    rows, entries = population(1400, 33)
    asked = [query(rows[number], **MIXED[number % len(MIXED)]) for number in range(300)]
    for bank in filled(entries, 33):
        expected = [answer(bank.recall(each)) for each in asked]
        assert [answer(each) for each in pool.map(bank.recall, asked)] == expected


def test_an_answer_outlives_the_next_ones():
    rows = unit_rows(100, 16)
    for bank in filled([entry(row) for row in rows], 16):
        first = bank.recall(query(rows[0]))
        before = [(item.memory_id, item.vector.tolist()) for item in first.items]
        for row in rows:
            bank.recall_many([query(row, top_k=30)] * 9)
        assert [(item.memory_id, item.vector.tolist()) for item in first.items] == before


def test_parts_are_cut_as_told_and_run_at_once():
    rows = unit_rows(3000, 16)
    bank, taken = Pelm(16, 3000), []
    bank.store_many([entry(row, number % 2 / 2) for number, row in enumerate(rows)])

    def spread(function, parts):
        parts = list(parts)
        taken.append([sum(view.last - view.first for view in part) for part in parts])
        return map(function, parts)

    asked = query(rows[5], 0.25, 1.0)
    for parts in (1, 2, 3, 7):
        bank.recall(asked, parts=parts, spread=spread)
    assert [len(counts) for counts in taken] == [2, 3, 7]
    assert all(sum(counts) == 3000 for counts in taken)
    assert all(max(counts) <= 3000 / len(counts) + 48 for counts in taken)


def test_chunks_side_by_side_are_one_search(monkeypatch):
    monkeypatch.setattr(partitions, "_CHUNK_ROWS_MAX", 64)
    rows = hard_rows("nearly equal", 500, 9)
    made = filled([entry(row) for row in rows], 9)
    assert {len(bank._partitions.chunks()) for bank in made} == {8}
    best = agreed([answer(bank.recall(query(rows[0], top_k=70), parts=3)) for bank in made])
    assert best.ids == ranked(lane_scores(rows, rows[0]), 70)


def test_a_search_is_right_after_every_kind_of_change():
    rng = np.random.default_rng(4)
    rows = hard_rows("clustered", 900, 12)
    made = filled([entry(row, scope=str(number % 3)) for number, row in enumerate(rows[:300])], 12)
    for bank in made:
        for number, row in enumerate(rows[300:]):
            bank.store(entry(row, number % 7 / 7, scope=str(number % 2)))
            if number % 50 == 49:
                bank.erase("2")
                bank.copy_to_phase(number + 300, 0.9)
    for _ in range(20):
        asked = query(rows[rng.integers(900)], float(rng.random()), 0.4, 9, scope="1")
        agreed([answer(bank.recall(asked)) for bank in made])
    assert len({bank.fingerprint for bank in made}) == 1


# ---- the bound ----


@pytest.mark.parametrize("dimension", DIMENSIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_the_estimate_is_never_further_off_than_the_bound(kind, dimension):
    rows = hard_rows(kind, 60, dimension, seed=1)
    rows[0] = 0.0
    rows[0, -1] = -1e-45  # the smallest there is
    rows[1] = rows[2]
    rows[1, 0] = 1e6 * np.sign(rows[2, 0])  # one component drowns the others
    rows[3] = np.where(np.arange(dimension) % 2, 127.5, -126.5)  # between two codes
    rows[4] = np.abs(rows[4]).max()  # all at the end of the scale
    bank = Pelm(dimension, len(rows), kernel=PortableKernel)
    bank.store_many([entry(row) for row in rows])
    (chunk,) = bank._partitions.chunks()
    asked = np.concatenate([rows[:12], -rows[12:16], unit_rows(4, dimension)])
    queries = [_encode(vector, norm(vector)) for vector in asked]
    upper, lower, slots = bank._kernel._bounds(View(chunk, 0, chunk.count), queries)
    assert slots.tolist() == [slot_of(bank, number) for number in range(len(rows))]
    for number, vector in enumerate(asked):
        truth = true_scores(rows, vector)
        assert (lower[number] <= truth).all()
        assert (truth <= upper[number]).all()
        # Tight enough to be of use: a code is off by half a step in each component.
        unit = norm(vector) > 1e-9
        wide = (upper[number] - lower[number])[5:] if unit else np.zeros(1)
        assert wide.max() < 4.2 * np.sqrt(dimension) / 254 + 1e-4


@pytest.mark.parametrize("name", expected_kernels())
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dimension", [2, 15, 16, 17, 100, 4096])
def test_a_code_says_how_far_it_is_off(name, kind, dimension):
    rows = hard_rows(kind, 60, dimension, seed=2)
    bank = Pelm(dimension, len(rows), kernel=kernel_named(name))
    bank.store_many([entry(row) for row in rows])
    (chunk,) = bank._partitions.chunks()
    units = rows.astype(np.float64) / np.maximum(
        np.sqrt((rows.astype(np.float64) ** 2).sum(axis=1, keepdims=True)), 1e-9
    )
    codes = chunk.codes[: len(rows)].astype(np.float64) - 128
    assert not codes[:, dimension:].any(), "padding counts for nothing"
    assert np.abs(codes).max() <= 127
    rest = units - codes[:, :dimension] * chunk.scales[: len(rows), None].astype(np.float64)
    length = np.sqrt((rest * rest).sum(axis=1))
    told = chunk.errors[: len(rows)]
    assert (length <= told).all()
    assert (told <= length * 1.001 + 1e-5).all()
    steps = chunk.scales[: len(rows)].astype(np.float64) * np.sqrt(dimension)
    assert (length <= np.where(steps < 1, 0.51 * steps + 1e-6, 1.0)).all()


def test_sums_go_by_lanes():
    rng = np.random.default_rng(2)
    for length in (1, 2, 7, 8, 9, 16, 61, 64):
        values = rng.standard_normal((3, length)) * 10.0 ** rng.integers(-9, 9, (3, length))
        for row, total in zip(values, lane_sums(values), strict=True):
            lanes = [0.0] * 8
            for at, value in enumerate(row.tolist()):
                lanes[at % 8] += value
            a, b, c, d, e, f, g, h = lanes
            assert total.hex() == (((a + e) + (c + g)) + ((b + f) + (d + h))).hex()
