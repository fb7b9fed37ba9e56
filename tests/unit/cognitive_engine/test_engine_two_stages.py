"""The approximate search: bits first, then exact scores of few; it says that it is not exact."""

import numpy as np
import pytest

from banks import agreed, answer, clusters, entry, filled, lane_scores, query, ranked, unit_rows
from cognitive_api.governance import RecallMode
from cognitive_engine.domain.memory import pelm
from cognitive_engine.domain.memory.pelm import Pelm


def test_two_stages_find_nearly_all_of_what_is_clustered():
    rows = clusters(20_000, 384, 200, 0.4)
    bank = Pelm(384, len(rows), RecallMode.TWO_STAGE)
    bank.store_many([entry(row) for row in rows])
    stray = np.random.default_rng(6).standard_normal((30, 384)).astype(np.float32)
    asked = rows[::700] + 0.2 * stray[: len(rows[::700])]
    units = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    hits = 0
    for vector, scores in zip(asked, asked @ units.T, strict=True):
        found = bank.recall(query(vector, top_k=10))
        assert not found.exact
        assert 1_000 <= found.reranked < 1_500
        told = [(item.resonance, item.memory_id) for item in found.items]
        assert told == sorted(told, reverse=True)
        best = np.argpartition(scores, -10)[-10:]
        hits += len(set(best.tolist()) & {memory_id for _, memory_id in told})
    assert hits >= 0.99 * 10 * len(asked)


@pytest.fixture
def few_suffice(monkeypatch):
    monkeypatch.setattr(pelm, "_SIFTED_MIN", 60)
    monkeypatch.setattr(pelm, "_SIFTED_PER_WANTED", 15)


def test_two_stages_answer_alike_in_every_kernel(few_suffice):
    rows = clusters(900, 100, 20, 0.4)
    entries = [
        entry(row, number % 10 / 10, confidence=0.5 + number % 3 / 10)
        for number, row in enumerate(rows)
    ]
    made = filled(entries, 100, recall=RecallMode.TWO_STAGE)
    for number in range(0, 900, 60):
        asked = [
            query(rows[number], 0.5, 1.0, 3),
            query(rows[number + 1], 0.33, 0.25, 5),
            query(-rows[number + 2], 0.5, 1.0, 7, min_confidence=0.65),
            query(rows[number + 3], 0.5, 1.0, 3),
        ]
        first = agreed([[answer(each) for each in bank.recall_many(asked)] for bank in made])
        assert [each.exact for each in first] == [False] * 4
        for bank in made:
            assert [answer(bank.recall(each, parts=2)) for each in asked] == first
        reranked = [[bank.recall(each).reranked for each in asked] for bank in made]
        assert 60 <= agreed(reranked)[0] < 200
        assert reranked[0][2] >= 15 * 7


def test_a_component_of_zero_counts_as_not_positive(few_suffice):
    rng = np.random.default_rng(11)
    rows = rng.choice([-1.0, 0.0, 0.0, 1.0], (900, 70)).astype(np.float32)
    rows[:, 0] = 1.0
    made = filled([entry(row) for row in rows], 70, recall=RecallMode.TWO_STAGE)
    for row in rows[:40]:
        apart = ((rows > 0) != (row > 0)).sum(axis=1)
        near = np.flatnonzero(apart <= np.sort(apart)[59])
        expected = [near[at] for at in ranked(lane_scores(rows[near], row), 3)]
        for bank in made:
            found = bank.recall(query(row, top_k=3))
            assert (answer(found).ids, found.reranked) == (expected, len(near))


def test_two_stages_take_who_differs_least_in_signs(few_suffice):
    signs = np.where(np.tri(128, k=-1), -1.0, 1.0).astype(np.float32)
    # Row n has n signs against it, but the more the shorter its other components.
    rows = signs * np.where(signs < 0, 0.01, 1.0) * np.linspace(1, 2, 128)[:, None]
    ones = np.ones(128, np.float32)
    for bank in filled([entry(row) for row in rows], 128, recall=RecallMode.TWO_STAGE):
        found = bank.recall(query(ones, top_k=3))
        assert (found.exact, found.reranked) == (False, 60)
        assert max(item.memory_id for item in found.items) < 60
        assert answer(found).ids == ranked(lane_scores(rows[:60].astype(np.float32), ones), 3)


@pytest.mark.parametrize(
    ("rows", "top_k", "exact"),
    [(60, 1, True), (61, 1, False), (75, 5, True), (76, 5, False), (900, 60, True)],
)
def test_two_stages_are_one_where_rows_are_few(few_suffice, rows, top_k, exact):
    kept = unit_rows(rows, 24)
    made = filled([entry(row) for row in kept], 24, recall=RecallMode.TWO_STAGE)
    for vector in kept[:5]:
        found = agreed([answer(bank.recall(query(vector, top_k=top_k))) for bank in made])
        assert found.exact is exact
        if exact:
            plain = Pelm(24, rows)
            plain.store_many([entry(row) for row in kept])
            assert answer(plain.recall(query(vector, top_k=top_k))) == found


def test_two_stages_stay_right_through_every_kind_of_change(few_suffice):
    rows = clusters(700, 70, 9, 0.3)
    made = filled([entry(row) for row in rows[:300]], 70, recall=RecallMode.TWO_STAGE)
    for bank in made:
        for number, row in enumerate(rows[300:]):
            bank.store(entry(row, number % 3 / 3, scope="" if number % 4 else "gone"))
        bank.erase("gone")
        bank.scrub(10**6)
        fresh = Pelm(70, 300, RecallMode.TWO_STAGE, kernel=type(bank._kernel))
        for number, row in enumerate(rows[300:]):
            if number % 4 and number >= 100:
                fresh._next_id = number + 300
                fresh.store(entry(row, number % 3 / 3))
        asked = [query(row, 0.2, 0.3, 4) for row in rows[650:680]]
        assert [answer(each) for each in bank.recall_many(asked)] == [
            answer(each) for each in fresh.recall_many(asked)
        ]
        assert bank.fingerprint == fresh.fingerprint
