"""What a bank keeps beside its rows: chunks, the order of eviction, the fingerprint, the sizes."""

import tracemalloc

import pytest

from banks import entry, expected_kernels, kernel_named, maker, query, unit_rows
from cognitive_engine.domain.memory import eviction, partitions
from cognitive_engine.domain.memory.eviction import EvictionOrder
from cognitive_engine.domain.memory.pelm import Pelm
from cognitive_engine.domain.memory.provenance import Origin, Source

EAST, NORTH = [1, 0], [0, 1]


@pytest.fixture(params=expected_kernels())
def make(request):
    return maker(request.param)


def ids(bank, asked):
    return [item.memory_id for item in bank.recall(asked).items]


def test_chunks_grow_and_then_multiply(make, monkeypatch):
    monkeypatch.setattr(partitions, "_CHUNK_ROWS_MAX", 128)
    bank, rows = make(3, 1000), unit_rows(600, 3)
    rooms = set()
    for number, row in enumerate(rows):
        assert bank.store(entry(row)) == number
        rooms.add(bank._partitions.chunks()[0].room)
    assert max(rooms) == 128
    assert len(rooms) > 2
    assert all(room % 16 == 0 for room in rooms)
    chunks = bank._partitions.chunks()
    assert [chunk.count for chunk in chunks] == [128] * 4 + [88]
    for number in (0, 63, 64, 127, 128, 500, 599):
        assert ids(bank, query(rows[number], top_k=1)) == [number]
    assert sorted(ids(bank, query(rows[0], top_k=600))) == list(range(600))
    assert bank.scrub(600) == 0
    assert bank.erase("") == 600
    assert bank._partitions.chunks() == []


def test_chunks_that_eviction_empties_are_given_back(make, monkeypatch):
    monkeypatch.setattr(partitions, "_CHUNK_ROWS_MAX", 64)
    bank = make(2, 200)
    bank.store_many([entry(EAST, scope="old") for _ in range(200)])
    assert len(bank._partitions.chunks()) == 4
    for number in range(200):
        bank.store(entry(NORTH, 0.9 if number % 2 else 0.1, scope="new"))
        old = bank._partitions.slots_of("old")
        assert len(old) == 199 - number
        assert len(ids(bank, query(EAST, top_k=200, scope="old"))) == 199 - number
    assert set(bank._partitions._scopes) == {"new"}
    assert [chunk.count for chunk in bank._partitions.chunks()] == [64, 36, 64, 36]
    assert len(ids(bank, query(NORTH, top_k=200, scope="new"))) == 100
    assert bank.used == 200


def test_a_memory_moves_from_bucket_to_bucket_of_one_scope(make):
    bank = make(2, 3)
    for number in range(30):
        bank.store(entry(EAST, number % 5 / 5, scope="a"))
    assert ids(bank, query(EAST, 0.5, 1.0, scope="a")) == [29, 28, 27]
    assert ids(bank, query(EAST, 0.8, 0.01, scope="a")) == [29]
    assert ids(bank, query(EAST, 0.2, 0.01, scope="a")) == []


def test_the_order_of_eviction_does_not_grow_with_what_is_erased(make):
    bank = make(2, 500)
    for round_ in range(300):
        bank.store_many([entry(EAST, confidence=0.5 + round_ % 5 / 10, scope="x")] * 20)
        assert bank.erase("x") == 20
    order = bank._order
    assert sum(map(len, order._queues.values())) == order._queued <= eviction._SWEEP_SLACK + 20
    assert len(order._confidences) == len(order._queues) <= 5


def test_the_order_of_eviction_does_not_grow_with_what_is_evicted(make):
    bank = make(2, 10)
    for number in range(1000):
        bank.store(entry(EAST, confidence=0.5 + number % 6 / 10))
    order = bank._order
    assert order._queued == sum(map(len, order._queues.values()))
    assert order._queued <= 2 * 10 + eviction._SWEEP_SLACK


def test_who_leaves_first_after_a_sweep():
    order, living = EvictionOrder(), {}
    for number in range(200):
        order.add(number, 0.5 + number % 4 / 10)
        living[number] = number
    for number in range(0, 190):
        if number != 77:
            del living[number]
        order.sweep(living)
    assert order._queued < 200, "the dead outnumbered the living"
    queues = order._queues
    order.sweep(living)
    assert order._queues is queues, "to sweep costs time: not while the dead are few"
    left = []
    while living:
        left.append(order.first(living))
        assert order.first(living) == left[-1], "it stays queued until it is gone"
        del living[left[-1]]
    assert left == [192, 196, 77, 193, 197, 190, 194, 198, 191, 195, 199]
    order.add(200, 0.6)
    assert order.first({200: 0}) == 200


def test_the_published_sizes(make):
    bank = make(384, 20_000)
    assert round(bank.memory_mb, 2) == 29.37
    assert bank.memory_bytes < 1.1 * 20_000 * 384 * 4, "chunks are made when they are needed"


def test_text_counts_and_stops_counting(make):
    bank = make(2, 2)
    assert bank.memory_bytes == bank._columns.nbytes
    bank.store(entry(EAST))
    empty = bank.memory_bytes
    assert empty == bank._columns.nbytes + bank._partitions.chunks()[0].nbytes
    bank.store(entry(EAST, text="12345"))
    assert bank.memory_bytes == empty + 5
    bank.store_many([entry(EAST, text="12"), entry(EAST, text="1")])
    assert bank.memory_bytes == empty + 3
    bank.erase("")
    bank.store(entry(EAST))
    assert bank.memory_bytes == empty


@pytest.mark.parametrize("phases", [[0.1, 0.9], [number / 40 for number in range(40)]])
def test_a_full_bank_takes_at_most_the_allowed_bytes(phases):
    count, dimension = 20_000, 384
    rows = unit_rows(64, dimension)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        bank = Pelm(dimension, count)
        for number in range(count + 2_000):
            bank.store(entry(rows[number % 64], phases[number % len(phases)]))
        taken = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert bank.used == count
    bare = count * dimension * 4
    assert 0.88 * taken < bank.memory_bytes < taken, "all arrays are counted"
    assert taken <= 1.6 * bare


def test_the_fingerprint_does_not_depend_on_the_order_or_the_kernel(make):
    rows = unit_rows(20, 6)
    entries = [entry(row, scope=str(number % 2)) for number, row in enumerate(rows)]
    bank, portable = make(6, 40), Pelm(6, 40, kernel=kernel_named("portable"))
    for each in (bank, portable):
        each.store_many(entries)
    assert bank.fingerprint == portable.fingerprint
    # The same two memories with the same ids, one bank by a detour.
    detour, straight = make(2, 9), make(2, 9)
    detour.store_many([entry(EAST, scope="x"), entry(NORTH, scope="x")])
    detour.erase("x")
    straight._next_id = 2
    for each in (detour, straight):
        each.store_many([entry(EAST), entry(NORTH)])
    assert detour.fingerprint == straight.fingerprint != 0
    assert bank.fingerprint < 2**64


def test_any_field_shows_in_the_fingerprint(make):
    base = {"vector": [1.0, 2.0], "phase": 0.1}
    changes = [
        {},
        {"vector": [1.0, 2.0000002]},
        {"vector": [2.0, 1.0]},
        {"phase": 0.2},
        {"created": 1.0},
        {"text": ""},
        {"text": "other"},
        {"scope": "other"},
        {"confidence": 0.9},
        *(
            {"origin": origin}
            for origin in (
                Origin(Source.SYSTEM),
                Origin(llm_model="x"),
                Origin(parent_id="x"),
                Origin(policy_hash="x"),
                Origin(policy_contract_version="x"),
                Origin(content_hash="x"),
                Origin(retention_expires_at=1.0),
            )
        ),
    ]
    prints = set()
    for change in changes:
        bank = make(2, 3)
        bank.store(entry(**{**base, **change}))
        if change.get("text", 0) != "":
            prints.add(bank.fingerprint)
    # No text and an empty one have one checksum; all else differs.
    assert len(prints) == len(changes) - 1
    later = make(2, 3)
    later._next_id = 1
    later.store(entry(**base))
    assert later.fingerprint not in prints


def test_the_fingerprint_comes_back_when_what_was_added_is_erased(make):
    bank = make(3, 50)
    bank.store_many([entry(row, scope="a") for row in unit_rows(10, 3)])
    before = bank.fingerprint
    bank.store_many([entry(row, scope="b") for row in unit_rows(10, 3)])
    assert bank.fingerprint != before
    bank.erase("b")
    assert bank.fingerprint == before
    bank.erase("a")
    assert bank.fingerprint == 0


def test_what_leaves_a_full_bank_leaves_the_fingerprint(make):
    one, other = make(2, 2), make(2, 2)
    one.store_many([entry(EAST), entry(EAST), entry(NORTH), entry(EAST)])
    other._next_id = 2
    other.store_many([entry(NORTH), entry(EAST)])
    assert one.fingerprint == other.fingerprint
