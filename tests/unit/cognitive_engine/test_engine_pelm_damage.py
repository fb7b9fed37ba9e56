"""Damage: found, dropped and counted, never handed out; a rotten code is made anew."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from banks import answer, entry, expected_kernels, maker, query, slot_of, unit_rows
from cognitive_api.governance import RecallMode
from cognitive_engine.domain.memory import pelm
from cognitive_engine.domain.memory.provenance import Origin, Source

NAN, INF = float("nan"), float("inf")


@pytest.fixture(params=expected_kernels())
def make(request):
    return maker(request.param)


@pytest.fixture
def three(make):
    """Memories 0 to 2, the second the nearest to `TWO`, and one of another scope."""
    bank = make(3, 6)
    for text, vector in (("one", [1, 0, 0]), ("two", [1, 1, 0]), ("three", [1, 1, 1])):
        bank.store(entry(vector, text=text, confidence=0.8))
    bank.store(entry([1, 1, 0], text="theirs", scope="other"))
    return bank


TWO = [1, 1, 0]


def put(column, value):
    return lambda bank, slot: getattr(bank._columns, column).__setitem__(slot, value)


def flip(column, bit=0):
    """Another lowest bit, of a row of its first component."""

    def damage(bank, slot):
        values = getattr(bank._columns, column)
        words = values.view(f"u{values.itemsize}")
        at = (slot, 0) if words.ndim == 2 else slot
        words[at] ^= words.dtype.type(1 << bit)

    return damage


DAMAGES = {
    "a component": put("rows", [9, 1, 0]),
    "a component is no number": put("rows", [NAN, 1, 0]),
    "a component is infinite": put("rows", [INF, -INF, 0]),
    "a row of zeros": put("rows", 0.0),
    "components in another order": put("rows", [0, 1, 1]),
    "the norm": put("norms", 0.25),
    "the norm is zero": put("norms", 0.0),
    "the norm is no number": put("norms", NAN),
    "the norm is negative": put("norms", -1.0),
    "the confidence": put("confidences", 0.99),
    "the phase": put("phases", 0.11),
    "the time": put("created", 77.0),
    "the id": put("ids", 4_000),
    "the id says free": put("ids", -1),
    "the checksum of the text": put("words", 7),
    "the checksum of scope and origin": put("labels", 7),
    "the fingerprint": put("prints", 7),
    "the text": lambda bank, slot: bank._texts.__setitem__(slot, "forged"),
    "no text": lambda bank, slot: bank._texts.__setitem__(slot, None),
    "the origin": lambda bank, slot: bank._origins.__setitem__(slot, Origin(Source.SYSTEM)),
    **{
        f"a bit of the {column}": flip(column)
        for column in ("rows", "norms", "confidences", "phases", "created", "ids", "prints")
    },
    "the sign of a component": flip("rows", 31),
    "the sign of a time": flip("created", 63),
}
every_damage = pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)


@every_damage
def test_a_damaged_memory_is_not_handed_out(three, damage):
    damage(three, slot_of(three, 1))
    for _ in range(2):
        found = three.recall(query(TWO))
        assert [item.text for item in found.items] == ["three", "one"]
    three.scrub(three.capacity)
    assert (three.damaged, three.used) == (1, 3)
    assert 1 not in three
    assert [item.text for item in three.recall(query(TWO, scope="other")).items] == ["theirs"]
    freed = set(range(4)) - {slot_of(three, memory_id) for memory_id in (0, 2, 3)}
    assert {slot_of(three, three.store(entry([0, 0, 1], text="four")))} == freed
    assert (three.used, three.evicted) == (4, 0)
    assert [item.text for item in three.recall(query([0, 0, 1], top_k=1)).items] == ["four"]


@every_damage
def test_a_damaged_memory_is_not_copied(three, damage):
    damage(three, slot_of(three, 1))
    assert three.copy_to_phase(1, 0.9) is None
    assert (three.damaged, three.used) == (1, 3)
    assert three.recall(query(TWO, 0.9)).items == ()


def test_a_memory_that_changed_hands_is_neither_copied_nor_kept(make):
    for check in (lambda bank: bank.copy_to_phase(0, 0.9) is None, lambda bank: bank.scrub(2) == 1):
        bank = make(2, 4)
        bank.store_many([entry([1, 0], scope="mine"), entry([0, 1], scope="mine")])
        homes = bank._partitions._homes
        homes[0] = homes[0]._replace(scope="yours")
        assert check(bank)
        assert (bank.damaged, bank.used) == (1, 1)
        assert bank.recall(query([1, 0], 0.5, 1.0, scope="yours")).items == ()


@every_damage
def test_a_scrub_finds_it(three, damage):
    damage(three, slot_of(three, 1))
    assert three.scrub(4) == 1
    assert (three.damaged, three.used) == (1, 3)
    assert three.scrub(4) == 0
    assert [item.text for item in three.recall(query(TWO)).items] == ["three", "one"]


@every_damage
@pytest.mark.parametrize("scope", ["", "other"])
def test_a_damaged_memory_can_be_erased_and_evicted(three, damage, scope):
    damage(three, slot_of(three, 1))
    three.erase(scope)
    for number in range(12):
        three.store(entry([0, 0, 1], text=str(number), confidence=0.9))
    three.scrub(6)
    texts = {item.text for item in three.recall(query([0, 0, 1], top_k=9)).items}
    assert texts >= {str(number) for number in range(8, 12)}
    assert texts <= {str(number) for number in range(12)}


@every_damage
def test_a_part_with_damage_does_not_keep_a_search_from_ending(make, damage):
    bank, rows = make(3, 200), unit_rows(100, 3)
    bank.store_many([entry(row, text="kept") for row in rows])
    expected = answer(bank.recall(query(-rows[99], top_k=3)))
    damage(bank, slot_of(bank, 40))
    bank._columns.rows[[3, 60], 0] += 0.5
    with ThreadPoolExecutor(2) as pool:
        for number in (99, 40, 3):
            asked = query(rows[number], top_k=3)
            found = bank.recall(asked, parts=3, spread=pool.map)
            assert answer(found) == answer(bank.recall(asked))
            assert not {40, 3, 60} & set(answer(found).ids)
    bank.scrub(200)
    assert bank.damaged == 3
    assert not {40, 3, 60} & set(expected.ids)
    assert answer(bank.recall(query(-rows[99], top_k=3), parts=2)) == expected


@pytest.mark.parametrize("value", [NAN, INF])
def test_a_score_that_is_no_number_is_seen_at_once(make, value):
    bank, rows = make(8, 100), np.abs(unit_rows(60, 8))
    bank.store_many([entry(row) for row in rows])
    bank._columns.rows[20, 3] = value
    assert answer(bank.recall(query(rows[20], top_k=1))).ids not in ([], [20])
    assert bank.damaged == 1


def test_many_damaged_memories_are_all_dropped_by_one_search(make):
    bank, rows = make(8, 100), unit_rows(100, 8)
    bank.store_many([entry(row) for row in rows])
    bank._columns.rows[:97, 3] += 1.0
    found = answer(bank.recall(query(rows[98], top_k=100))).ids
    assert sorted(found) == [97, 98, 99]
    assert (bank.damaged, bank.used) == (97, 3)


def test_a_batch_that_meets_damage_is_right_for_every_query(make):
    bank, rows = make(8, 100), unit_rows(60, 8)
    bank.store_many([entry(row) for row in rows])
    bank._columns.created[10] = 5.0
    asked = [query(row, top_k=2) for row in rows[8:13]]
    found = bank.recall_many(asked)
    assert bank.damaged == 1
    assert [answer(each) for each in found] == [answer(bank.recall(each)) for each in asked]


# ---- what a search reads ----


def rotten(name, value):
    def damage(chunk, position):
        values = getattr(chunk, name)
        if values is not None:
            values[position] = value

    return damage


ROT = {
    "codes": rotten("codes", 255),
    "a scale of zero": rotten("scales", 0.0),
    "a scale that is no number": rotten("scales", NAN),
    "an infinite scale": rotten("scales", INF),
    "an error below zero": rotten("errors", -5.0),
    "an error that is no number": rotten("errors", NAN),
    "signs": rotten("signs", 0),
    "another's slot": rotten("slots", 7),
    "another scope's slot": rotten("slots", 60),
    "a free slot": rotten("slots", 150),
    "a slot there is none of": rotten("slots", 2**31 - 1),
    "a slot below all": rotten("slots", -1),
}
every_rot = pytest.mark.parametrize("rot", ROT.values(), ids=ROT)


@pytest.fixture(params=[RecallMode.EXACT, RecallMode.TWO_STAGE])
def searched(make, monkeypatch, request):
    """Memories 0 to 49, then ten of another scope."""
    monkeypatch.setattr(pelm, "_SIFTED_MIN", 30)
    monkeypatch.setattr(pelm, "_SIFTED_PER_WANTED", 1)
    bank, rows = make(24, 200, recall=request.param), unit_rows(60, 24)
    bank.store_many([entry(row, text=str(number)) for number, row in enumerate(rows[:50])])
    bank.store_many([entry(row, text="theirs", scope="other") for row in rows[50:]])
    return bank, rows


@every_rot
def test_a_rotten_code_is_made_anew_by_a_scrub(searched, rot):
    bank, rows = searched
    asked = [query(row, top_k=top_k) for row in rows[:50:7] for top_k in (1, 50)]
    asked.append(query(rows[20]))
    expected = [answer(each) for each in bank.recall_many(asked)]
    rot(*bank._partitions.code_of(slot_of(bank, 20)))
    assert bank.scrub(60) == 0
    assert (bank.damaged, bank.used) == (0, 60)
    assert [answer(each) for each in bank.recall_many(asked)] == expected


@every_rot
@pytest.mark.parametrize("top_k", [1, 200])
def test_a_rotten_code_hands_out_nothing_wrong(searched, rot, top_k):
    bank, rows = searched
    rot(*bank._partitions.code_of(slot_of(bank, 20)))
    for found in bank.recall_many([query(row, top_k=top_k) for row in rows[::4]]):
        texts = [item.text for item in found.items]
        assert len(texts) == len(set(texts))
        assert "theirs" not in texts
        for item in found.items:
            assert item.vector.tolist() == rows[int(item.text)].tolist()
            assert item.memory_id == int(item.text)
    assert (bank.damaged, bank.used) == (0, 60)


@every_rot
def test_a_rotten_code_does_not_erase_another_scope(searched, rot):
    bank, rows = searched
    rot(*bank._partitions.code_of(slot_of(bank, 20)))
    assert bank.erase("") == 50
    assert bank.used == 10
    assert len(bank.recall(query(rows[55], top_k=50, scope="other")).items) == 10
    assert bank.recall(query(rows[20], top_k=50)).items == ()
    assert bank.scrub(60) == 0
    assert [bank.store(entry(row)) for row in rows[:5]] == list(range(60, 65))


@every_rot
@pytest.mark.parametrize("position", ["middle", "last"])
def test_a_rotten_code_does_not_move_another_memory(searched, rot, position):
    bank, rows = searched
    chunk, last = bank._partitions.code_of(slot_of(bank, 49))
    rot(chunk, last if position == "last" else 20)
    bank._columns.rows[30, 2] += 1.0
    assert bank.scrub(200) == 1
    bank.scrub(200)
    found = bank.recall(query(rows[49], top_k=50)).items
    assert {item.text for item in found} == {str(n) for n in range(50)} - {"30"}
    assert found[0].text == "49"


# ---- scrub ----


def test_a_scrub_goes_round_and_round(make):
    bank = make(2, 40)
    bank.store_many([entry([1, number]) for number in range(10)])
    mended = []
    mend = bank._kernel.mend
    bank._kernel.mend = lambda chunk, position, slot: (
        mended.append(slot),
        mend(chunk, position, slot),
    )
    for _ in range(5):
        bank.scrub(4)
    assert mended == [number % 10 for number in range(20)]
    mended.clear()
    assert bank.scrub(1_000) == 0
    assert sorted(mended) == list(range(10)), "nothing twice in one go"


def test_a_scrub_of_nothing_finds_nothing(make):
    bank = make(2, 4)
    assert bank.scrub(10) == 0
    bank.store(entry([1, 0]))
    bank._columns.rows[0, 0] = 9.0
    assert bank.scrub(0) == 0
    assert bank.scrub(-1) == 0
    assert bank.scrub(1) == 1
    assert bank.scrub(10) == 0
    assert (bank.used, bank.damaged) == (0, 1)


def test_a_scrub_passes_over_free_rows(make):
    bank = make(2, 10)
    bank.store_many([entry([1, number], scope="a" if number % 2 else "b") for number in range(10)])
    bank.erase("a")
    bank._columns.rows[1, 0] = 5.0
    assert bank.scrub(10) == 0
    bank._columns.rows[8, 0] = 5.0
    assert bank.scrub(10) == 1
    assert (bank.used, bank.damaged) == (4, 1)
