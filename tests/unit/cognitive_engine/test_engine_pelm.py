"""The bank: published trace, eviction, scopes, copies, provenance, sizes. Over every kernel."""

import numpy as np
import pytest

from banks import answer, entry, expected_kernels, maker, query, unit_rows
from cognitive_engine.domain.errors import InvalidEntry, InvalidVector
from cognitive_engine.domain.memory.kernel import best_kernel, kernels, native
from cognitive_engine.domain.memory.pelm import Pelm
from cognitive_engine.domain.memory.provenance import Origin, Source

EAST, NORTH = [1, 0], [0, 1]


@pytest.fixture(params=expected_kernels())
def make(request):
    return maker(request.param)


@pytest.fixture
def traced(make):
    bank = make(4, 3)
    ids = [
        bank.store(entry([1, 0, 0, 0], 0.1)),
        bank.store(entry([0.6, 0.8, 0, 0], 0.1)),
        bank.store(entry([0, 0, 1, 0], 0.9)),
    ]
    assert ids == [0, 1, 2]
    assert bank.used == 3
    return bank


def ids(bank, asked):
    return [item.memory_id for item in bank.recall(asked).items]


def test_all_kernels_of_this_processor_are_there_fastest_first():
    names = [kernel.name for kernel in kernels()]
    assert names == expected_kernels(), "a kernel is missing: run ./hack/venv"
    assert best_kernel().name == names[0]
    assert Pelm(2, 1).kernel_name == names[0]


def test_without_the_library_the_portable_kernel_runs(monkeypatch, tmp_path):
    monkeypatch.setattr(native, "_LIBRARY", tmp_path / "recall.so")
    assert native.native_kernels.__wrapped__() == ()


@pytest.mark.parametrize("name", expected_kernels())
def test_a_bank_says_which_kernel_it_runs(name):
    assert maker(name)(2, 1).kernel_name == name


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
def test_the_published_trace(traced, phase, tolerance, expected):
    found = traced.recall(query([1, 0, 0, 0], phase, tolerance))
    told = [(round(item.resonance, 6), round(item.phase, 6)) for item in found.items]
    assert told == expected
    assert found.exact


def test_equal_rows_come_newest_first(make):
    bank, vector = make(7, 20), unit_rows(1, 7, seed=3)[0]
    for _ in range(12):
        bank.store(entry(vector))
    assert ids(bank, query(vector, top_k=3)) == [11, 10, 9]
    four = make(2, 20)
    four.store_many([entry(EAST)] * 4)
    assert ids(four, query(EAST, top_k=3)) == [3, 2, 1]


def test_a_place_used_again_does_not_make_a_memory_older(make):
    bank = make(2, 3)
    bank.store_many([entry(EAST, confidence=c) for c in (0.9, 0.6, 0.9)])
    bank.store(entry(EAST))
    assert ids(bank, query(EAST, top_k=2)) == [3, 2]


def test_asking_for_none_gets_none_and_for_less_is_refused(traced):
    nothing = traced.recall(query([1, 0, 0, 0], top_k=0))
    assert (nothing.items, nothing.exact, nothing.reranked) == ((), True, 0)
    with pytest.raises(InvalidEntry):
        traced.recall(query([1, 0, 0, 0], top_k=-1))


def test_more_than_there_is_gets_all(traced):
    assert ids(traced, query([1, 0, 0, 0], 0.5, 1.0, top_k=10**12)) == [0, 1, 2]


def test_confidence_is_a_filter_of_its_own(make):
    bank = make(2, 9)
    bank.store_many([entry(EAST, confidence=c) for c in (0.5, 0.7, 0.9)])
    assert ids(bank, query(EAST, min_confidence=0.0)) == [2, 1, 0]
    assert ids(bank, query(EAST, min_confidence=0.7)) == [2, 1]
    assert ids(bank, query(EAST, min_confidence=0.91)) == []


@pytest.mark.parametrize("others", [0, 100])
def test_the_edge_of_the_tolerance_is_taken_in_float32(make, others):
    bank = make(2, 200)
    near = bank.store(entry(EAST, 0.25))
    bank.store_many([entry(NORTH, 0.26 + 0.0003 * number) for number in range(others)])
    assert ids(bank, query(EAST, 0.1, 0.15, top_k=1)) == [near]
    assert ids(bank, query(EAST, 0.4, 0.15, top_k=1)) == [near]
    less = float(np.nextafter(np.float32(0.15), np.float32(0)))
    assert near not in ids(bank, query(EAST, 0.1, less, top_k=200))
    assert near not in ids(bank, query(EAST, 0.41, 0.15, top_k=200))


def test_near_enough_is_what_float32_says(make):
    rng, edges = np.random.default_rng(3), np.float32([0.25, 0.4, 0.5625, 0.8])
    near = [np.nextafter(edges, np.float32(side)) for side in (0, 1)]
    phases = np.concatenate([edges, *near, rng.random(300), [0.0, 1.0]])
    confidences = rng.choice([0.5, 0.6, 0.9], len(phases))
    bank = make(2, len(phases))
    bank.store_many(
        [
            entry(EAST, float(phase), confidence=float(confidence))
            for phase, confidence in zip(phases, confidences, strict=True)
        ]
    )
    for _ in range(60):
        phase = float(rng.choice([0.1, 0.25, 0.4, rng.random()]))
        tolerance = float(rng.choice([0.0, 0.15, 0.4, rng.random() / 4]))
        least = float(rng.choice([0.0, 0.6, 0.61]))
        apart = np.abs(phases.astype(np.float32) - np.float32(phase))
        expected = np.flatnonzero((apart <= np.float32(tolerance)) & (confidences >= least))
        asked = query(EAST, phase, tolerance, len(phases), min_confidence=least)
        assert sorted(ids(bank, asked)) == expected.tolist()


def test_phases_lie_on_a_line_not_a_circle(make):
    bank = make(2, 3)
    bank.store_many([entry(EAST, 0.0), entry(EAST, 1.0)])
    assert ids(bank, query(EAST, 1.0, 0.1)) == [1]
    assert ids(bank, query(EAST, 0.0, 0.1)) == [0]
    assert ids(bank, query(EAST, 0.0, 1.0)) == [1, 0]


def test_equal_confidence_leaves_by_age(traced):
    for number in range(5):
        assert traced.store(entry([0, 0, 0, 1])) == number + 3
        assert number not in traced
        assert number + 1 in traced
    assert (traced.used, traced.evicted) == (3, 5)


def test_the_least_confident_leaves_first(make):
    bank = make(4, 3)
    for confidence in (0.9, 0.6, 0.8):
        bank.store(entry([1, 0, 0, 0], confidence=confidence))
    assert bank.store(entry([0, 1, 0, 0], confidence=0.49)) is None
    assert [number in bank for number in range(4)] == [True, True, True, False]
    assert bank.store(entry([0, 1, 0, 0], confidence=0.5)) == 3
    assert [number in bank for number in range(4)] == [True, False, True, True]
    assert bank.store(entry([0, 1, 0, 0], confidence=0.95)) == 4
    assert [number in bank for number in range(5)] == [True, False, True, False, True]
    assert bank.store(entry([0, 1, 0, 0], confidence=0.95)) == 5
    assert [number in bank for number in range(6)] == [True, False, False, False, True, True]
    assert bank.evicted == 3


def test_a_full_bank_keeps_the_newest(make):
    bank = make(2, 100)
    for number in range(600):
        bank.store(entry([1.0, number / 600], text=str(number)))
    found = bank.recall(query(EAST, top_k=100)).items
    assert sorted(int(item.text) for item in found) == list(range(500, 600))
    assert (bank.used, bank.evicted) == (100, 500)


def test_a_bank_of_one(make):
    bank = make(2, 1)
    assert [bank.store(entry(vector)) for vector in (EAST, NORTH, EAST)] == [0, 1, 2]
    assert ids(bank, query(NORTH)) == [2]
    assert bank.copy_to_phase(2, 0.9) == 3
    assert ids(bank, query(EAST)) == []
    assert ids(bank, query(EAST, 0.9)) == [3]


@pytest.mark.parametrize("dimension", [1, 2, 4096])
def test_the_least_and_the_largest_dimension(make, dimension):
    bank, rows = make(dimension, 40), unit_rows(30, dimension)
    bank.store_many([entry(row) for row in rows])
    found = bank.recall(query(rows[7], top_k=1)).items[0]
    assert found.resonance == pytest.approx(1.0)
    if dimension > 1:
        assert found.memory_id == 7


def test_scopes_are_apart(make):
    bank = make(2, 10)
    bank.store(entry(EAST, text="mine", scope="a"))
    bank.store(entry(EAST, text="theirs", scope="b"))
    for scope, texts in (("a", ["mine"]), ("b", ["theirs"]), ("", []), ("c", [])):
        found = bank.recall(query(EAST, top_k=9, scope=scope))
        assert [item.text for item in found.items] == texts


def test_a_scope_without_memories_is_forgotten(make):
    bank = make(2, 1)
    for number in range(50):
        bank.store(entry(EAST, scope=str(number)))
    assert ids(bank, query(EAST, scope="48")) == []
    assert ids(bank, query(EAST, scope="49")) == [49]
    assert list(bank._partitions._scopes) == ["49"]
    assert len(bank._partitions.chunks()) == 1
    bank.erase("49")
    assert bank._partitions.chunks() == []
    assert bank._partitions._scopes == {}


def test_a_scope_is_erased_whole_and_alone(make):
    bank = make(2, 10)
    bank.store_many([entry(EAST, 0.1 * number, scope="a", text="x") for number in range(6)])
    kept = bank.store(entry(EAST, scope="b", text="kept"))
    assert bank.erase("a") == 6
    assert (bank.used, bank.damaged, bank.evicted) == (1, 0, 0)
    assert ids(bank, query(EAST, 0.5, 1.0, scope="a")) == []
    assert ids(bank, query(EAST, scope="b")) == [kept]
    assert bank.erase("a") == bank.erase("never") == 0
    assert not bank._columns.rows[:6].any()
    assert bank._texts[:6] == [None] * 6
    assert [bank.store(entry(EAST)) for _ in range(2)] == [7, 8]
    assert bank._high == 7, "freed rows are used before new ones"


@pytest.mark.parametrize("parts", [1, 2])
def test_an_answer_is_a_copy_with_its_provenance(make, parts):
    bank = make(2, 4)
    origin = Origin(Source.RETRIEVED, llm_model="m", parent_id="p")
    memory_id = bank.store(
        entry([3, 4], 0.2, text="kept", confidence=0.7, created=12.5, origin=origin)
    )
    item = bank.recall(query([3, 4], top_k=1), parts=parts).items[0]
    assert (item.memory_id, item.text, item.resonance) == (memory_id, "kept", 1.0)
    assert item.phase == np.float32(0.2)
    assert item.provenance.origin == origin
    assert (item.provenance.confidence, item.provenance.timestamp) == (0.7, 12.5)
    with pytest.raises(ValueError, match="read-only"):
        item.vector[0] = 9.0
    with pytest.raises(ValueError, match="WRITEABLE"):
        item.vector.setflags(write=True)
    bank.erase("")
    bank.store(entry(EAST))
    assert item.vector.tolist() == [3.0, 4.0]


def test_what_is_stored_asked_and_told_does_not_change(make):
    bank, kept, asked = make(2, 4), entry(EAST), query(EAST)
    bank.store(kept)
    found = bank.recall(asked)
    for thing, field in (
        *((kept, "confidence"), (kept.origin, "source"), (asked, "top_k"), (found, "exact")),
        *((found.items[0], "text"), (found.items[0].provenance, "confidence")),
    ):
        with pytest.raises(AttributeError):
            setattr(thing, field, None)


def test_a_vector_belongs_to_the_bank_from_when_it_is_stored(make):
    bank, mine = make(2, 4), np.array(EAST, np.float32)
    bank.store(entry(mine))
    bank.store_many([entry(mine)])
    mine[:] = NORTH
    assert [item.resonance for item in bank.recall(query(EAST)).items] == [1.0, 1.0]
    assert bank.scrub(2) == 0


def test_a_vector_may_come_in_any_form_that_reads_as_numbers(make):
    bank = make(2, 9)
    wide = np.array([3.0, 9.0, 4.0, 9.0], np.float32)
    forms = [
        (3, 4),
        np.array([3, 4], np.int8),
        np.array([3, 4], np.float16),
        np.array([3, 4], ">f4"),
        wide[::2],
        [3.0, np.float64(4)],
    ]
    bank.store_many([entry(form) for form in forms])
    bank.store(entry(wide[::2]))
    for form in forms:
        found = bank.recall(query(form, top_k=9)).items
        assert [item.vector.tolist() for item in found] == [[3.0, 4.0]] * 7


def test_a_copy_keeps_all_but_phase_and_source(make):
    bank = make(2, 5)
    origin = Origin(llm_model="m", content_hash="c")
    said = bank.store(
        entry(EAST, text="said", scope="a", created=5.0, confidence=0.7, origin=origin)
    )
    assert bank.copy_to_phase(said, 0.9) == 1
    (item,) = bank.recall(query(EAST, 0.9, scope="a")).items
    assert (item.text, item.phase) == ("said", np.float32(0.9))
    assert (item.provenance.confidence, item.provenance.timestamp) == (0.7, 5.0)
    assert item.provenance.origin == Origin(Source.SYSTEM, llm_model="m", content_hash="c")
    assert ids(bank, query(EAST, scope="a")) == [said]


def test_a_memory_that_left_is_not_copied(make):
    bank = make(2, 1)
    bank.store(entry(EAST))
    bank.store(entry(NORTH))
    before = bank.fingerprint
    assert bank.copy_to_phase(0, 0.9) is None
    assert bank.copy_to_phase(77, 0.9) is None
    assert bank.fingerprint == before


@pytest.mark.parametrize("memory_id", [0, 9])
@pytest.mark.parametrize("phase", [-0.1, 1.1, float("nan")])
def test_a_copy_to_no_phase_is_refused(make, memory_id, phase):
    bank = make(2, 5)
    bank.store(entry(EAST))
    before = bank.fingerprint
    with pytest.raises(InvalidEntry):
        bank.copy_to_phase(memory_id, phase)
    assert (bank.used, bank.fingerprint) == (1, before)


def test_a_batch_is_what_its_entries_are_one_by_one(make):
    rows = unit_rows(30, 5)
    entries = [
        entry(row, number % 10 / 10, confidence=0.4 + number % 7 / 10, scope=str(number % 3))
        for number, row in enumerate(rows)
    ]
    batch, single = make(5, 11), make(5, 11)
    assert batch.store_many(entries) == [single.store(each) for each in entries]
    assert batch.fingerprint == single.fingerprint
    assert batch.store_many([]) == []


def test_a_batch_with_one_bad_entry_stores_none(make):
    bank = make(2, 3)
    bank.store_many([entry(EAST), entry(NORTH)])
    before = bank.fingerprint
    entries = [entry(NORTH)] * 4 + [entry([0, float("nan")])]
    with pytest.raises(InvalidVector):
        bank.store_many(entries)
    assert (bank.fingerprint, bank.used, bank.evicted) == (before, 2, 0)
    assert bank.store_many(entries[:2]) == [2, 3]


def test_a_batch_is_checked_even_where_confidence_is_too_low(make):
    bank = make(2, 3)
    low = [entry([0.0, 0.0], confidence=0.1)]
    for action in (bank.store_many, lambda entries: bank.store(entries[0])):
        with pytest.raises(InvalidVector):
            action(low)
    assert bank.store(entry(np.array(EAST, np.float32), confidence=0.1)) is None
    assert bank.store_many([entry(EAST, confidence=0.49)]) == [None]
    assert (bank.used, bank.fingerprint) == (0, 0)


def test_an_answer_does_not_depend_on_what_was_asked_before(make):
    bank, rows = make(16, 300), unit_rows(300, 16)
    bank.store_many([entry(row) for row in rows])
    first = answer(bank.recall(query(rows[5], top_k=9)))
    bank.recall(query(rows[6], 0.5, 1.0, top_k=200))
    assert answer(bank.recall(query(rows[5], top_k=9))) == first
