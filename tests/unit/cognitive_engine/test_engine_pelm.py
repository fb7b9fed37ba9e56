"""The bank: published traces, eviction, integrity, isolation, cost."""

import time

import numpy as np
import pytest

from cognitive_engine.domain.errors import InvalidEntry, InvalidVector
from cognitive_engine.domain.memory.pelm import Entry, Pelm, Source


def entry(vector, phase=0.1, **fields):
    return Entry(vector=vector, phase=phase, created=fields.pop("created", 0.0), **fields)


def traced():
    bank = Pelm(4, 3)
    rows = [
        bank.store(entry([1, 0, 0, 0], 0.1)),
        bank.store(entry([0.6, 0.8, 0, 0], 0.1)),
        bank.store(entry([0, 0, 1, 0], 0.9)),
    ]
    assert rows == [0, 1, 2]
    assert bank.used == 3
    return bank


def unit_rows(count, dimension, seed=0):
    rows = np.random.default_rng(seed).standard_normal((count, dimension)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize(
    ("phase", "tolerance", "expected"),
    [
        (0.1, 0.15, [(1.0, 0.1), (0.6, 0.1)]),
        (0.9, 0.15, [(0.0, 0.9)]),
        (0.5, 0.4, [(1.0, 0.1), (0.6, 0.1), (0.0, 0.9)]),
        (0.5, 0.39, []),
        (0.25, 0.15, [(1.0, 0.1), (0.6, 0.1)]),
    ],
)
def test_the_published_trace(phase, tolerance, expected):
    found = traced().recall([1, 0, 0, 0], phase, tolerance, top_k=5)
    assert [(round(item.resonance, 6), round(item.phase, 6)) for item in found] == expected


def test_equal_rows_come_newest_first():
    bank = Pelm(7, 20)
    vector = unit_rows(1, 7, seed=3)[0]
    for _ in range(12):
        bank.store(entry(vector))
    assert [item.row for item in bank.recall(vector, 0.1, 0.15, top_k=3)] == [11, 10, 9]


def test_equal_confidence_leaves_by_age():
    bank = traced()
    assert [bank.store(entry([0, 0, 0, 1])) for _ in range(5)] == [0, 1, 2, 0, 1]


def test_the_least_confident_leaves_first():
    bank = Pelm(4, 3)
    for confidence in (0.9, 0.6, 0.8):
        bank.store(entry([1, 0, 0, 0], confidence=confidence))
    rows = [bank.store(entry([0, 1, 0, 0], confidence=c)) for c in (0.49, 0.5, 0.95, 0.95)]
    assert rows == [None, 1, 1, 2]


def test_a_full_bank_keeps_the_newest():
    bank = Pelm(2, 100)
    for number in range(600):
        bank.store(entry([1.0, number / 600], text=str(number)))
    found = bank.recall([1, 0], 0.1, 0.15, top_k=100)
    assert sorted(int(item.text) for item in found) == list(range(500, 600))
    assert bank.used == 100


def test_asking_for_none_gets_none_and_for_less_is_refused():
    bank = traced()
    assert bank.recall([1, 0, 0, 0], 0.1, 0.15, top_k=0) == []
    with pytest.raises(InvalidEntry):
        bank.recall([1, 0, 0, 0], 0.1, 0.15, top_k=-1)


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        (entry([1, 0, 0]), InvalidVector),
        (entry([1, 0, 0, float("nan")]), InvalidVector),
        (entry([1, 0, 0, 0], 1.5), InvalidEntry),
        (entry([1, 0, 0, 0], float("nan")), InvalidEntry),
        (entry([1, 0, 0, 0], confidence=1.5), InvalidEntry),
        (entry([1, 0, 0, 0], confidence=float("nan")), InvalidEntry),
    ],
)
def test_a_bad_entry_changes_nothing(bad, error):
    bank = traced()
    before = [item.memory_id for item in bank.recall([1, 0, 0, 0], 0.5, 1.0, top_k=9)]
    with pytest.raises(error):
        bank.store(bad)
    assert [item.memory_id for item in bank.recall([1, 0, 0, 0], 0.5, 1.0, top_k=9)] == before


def test_a_bad_query_is_refused():
    with pytest.raises(InvalidVector):
        traced().recall([float("nan"), 0, 0, 0], 0.1, 0.15, top_k=1)


def test_an_answer_is_a_copy_with_its_origin():
    bank = Pelm(2, 4)
    bank.store(entry([3, 4], text="kept", confidence=0.7, created=12.5))
    item = bank.recall([3, 4], 0.1, 0.15, top_k=1)[0]
    assert (item.text, item.source, item.confidence, item.created) == (
        "kept",
        Source.USER_INPUT,
        0.7,
        12.5,
    )
    with pytest.raises(ValueError, match="read-only"):
        item.vector[0] = 9.0
    bank.store(entry([1, 0]))
    assert item.vector.tolist() == [3.0, 4.0]


def test_scopes_are_apart():
    bank = Pelm(2, 10)
    bank.store(entry([1, 0], text="mine", scope="a"))
    bank.store(entry([1, 0], text="theirs", scope="b"))
    assert [item.text for item in bank.recall([1, 0], 0.1, 0.15, 9, scope="a")] == ["mine"]
    assert [item.text for item in bank.recall([1, 0], 0.1, 0.15, 9, scope="b")] == ["theirs"]
    assert bank.recall([1, 0], 0.1, 0.15, 9) == []
    assert bank.recall([1, 0], 0.1, 0.15, 9, scope="c") == []


def test_a_scope_without_rows_is_forgotten():
    bank = Pelm(2, 1)
    for number in range(50):
        bank.store(entry([1, 0], scope=str(number)))
    assert bank.recall([1, 0], 0.1, 0.15, 9, scope="48") == []
    assert len(bank.recall([1, 0], 0.1, 0.15, 9, scope="49")) == 1
    assert len(bank._scopes) == 1


DAMAGES = {
    "a component": lambda bank: bank._bank.__setitem__((1, 0), 9.0),
    "a component is no number": lambda bank: bank._bank.__setitem__((1, 0), np.nan),
    "a lowest bit": lambda bank: bank._bank.view(np.uint32).__setitem__(
        (1, 0), bank._bank.view(np.uint32)[1, 0] ^ 1
    ),
    "the norm": lambda bank: bank._norms.__setitem__(1, 0.25),
    "the norm is zero": lambda bank: bank._norms.__setitem__(1, 0.0),
    "the text": lambda bank: bank._texts.__setitem__(1, "forged"),
    "the confidence": lambda bank: bank._confidences.__setitem__(1, 0.99),
    "the time": lambda bank: bank._created.__setitem__(1, 77.0),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_row_is_dropped_and_counted(damage):
    bank = Pelm(3, 5)
    for text, vector in (("one", [1, 0, 0]), ("two", [1, 1, 0]), ("three", [1, 1, 1])):
        bank.store(entry(vector, text=text, confidence=0.8))
    damage(bank)
    for _ in range(2):
        found = bank.recall([1, 1, 0], 0.1, 0.15, top_k=2)
        assert [item.text for item in found] == ["three", "one"]
    assert (bank.damaged, bank.used) == (1, 2)
    assert bank.store(entry([0, 0, 1], text="four")) == 1
    assert bank.used == 3


def test_a_row_whose_scope_number_is_damaged_does_not_change_hands():
    bank = Pelm(2, 5)
    bank.store(entry([1, 0], text="mine", scope="a"))
    bank.store(entry([1, 0], text="theirs", scope="b"))
    bank._scope_numbers[0] = bank._scope_numbers[1]
    assert [item.text for item in bank.recall([1, 0], 0.1, 0.15, 9, scope="b")] == ["theirs"]
    assert bank.damaged == 1


def test_a_damaged_row_is_not_copied():
    bank = traced()
    bank._bank[1, 0] = 9.0
    assert bank.copy_to_phase(1, bank.memory_id(1), 0.9) is None
    assert bank.damaged == 1


def test_a_copy_keeps_all_but_the_phase_and_the_source():
    bank = Pelm(2, 5)
    bank.store(entry([1, 0], text="said", scope="a", created=5.0, confidence=0.7))
    assert bank.copy_to_phase(0, bank.memory_id(0), 0.9) == 1
    item = bank.recall([1, 0], 0.9, 0.15, 1, scope="a")[0]
    assert (item.text, item.created, item.confidence, item.source) == (
        "said",
        5.0,
        0.7,
        Source.SYSTEM,
    )


def test_a_memory_that_left_is_not_copied():
    bank = Pelm(2, 1)
    bank.store(entry([1, 0]))
    gone = bank.memory_id(0)
    bank.store(entry([0, 1]))
    assert bank.copy_to_phase(0, gone, 0.9) is None


def test_the_published_sizes():
    bank = Pelm(384, 20_000)
    assert round(bank.memory_mb, 2) == 29.37
    assert bank.memory_bytes == 35_513_177


def fastest(action, rounds=7):
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        action()
        times.append(time.perf_counter() - started)
    return min(times)


def test_search_and_store_cost_what_they_should():
    bank = Pelm(384, 20_000)
    rows = unit_rows(20_000, 384)
    for row in rows:
        bank.store(entry(row))
    query = rows[123]

    def brute():
        scores = rows @ query
        return np.argpartition(scores, -5)[-5:]

    # Ratios within one run, with room for a busy machine; a loop over rows is 20 times slower.
    search = fastest(lambda: bank.recall(query, 0.1, 0.15, 5))
    assert search < 6 * fastest(brute) + 0.002
    assert fastest(lambda: bank.store(entry(query)), rounds=50) < 0.001
