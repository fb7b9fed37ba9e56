"""Bad input: a typed error before anything changes."""

import json

import numpy as np
import pytest

from banks import answer, entry, expected_kernels, maker, query
from cognitive_engine.domain.errors import InvalidEntry, InvalidInput, InvalidVector
from cognitive_engine.domain.limits import MEMORY_TEXT_CHARS_MAX
from cognitive_engine.domain.memory.provenance import Origin

NAN, INF = float("nan"), float("inf")


@pytest.fixture(params=expected_kernels())
def make(request):
    return maker(request.param)


BAD_VECTORS = {
    "too short": [1, 0, 0],
    "too long": [1, 0, 0, 0, 0],
    "empty": [],
    "a column": [[1], [0], [0], [0]],
    "a number": 1.0,
    "nothing": None,
    "ragged": [[1.0], 2.0, 3.0, 4.0],
    "not a number": [1, 0, 0, NAN],
    "infinite": [1, 0, -INF, 0],
    "huge": [1, 0, 0, 1.1e6],
    "hugest": [1e39, 0, 0, 0],
    "a whole number beyond all": [10**400, 0, 0, 0],
    "zero": [0, 0, 0, 0],
    "zero in float32": [1e-60, 0, 0, 0],
    "negative zero": [-0.0, 0, 0, 0],
    "text": "1000",
    "texts": ["1", "0", "0", "0"],
    "a long text": "x" * 10**6,
    "objects": np.array([1, 0, 0, 0], object),
    "complex": np.array([1, 0, 0, 0], complex),
    "times": np.array([1, 0, 0, 0], "m8[s]"),
    "records": np.zeros(4, [("a", "f4")]),
    "a mapping": {0: 1.0},
}
# As float32 of the right shape they take a shorter way, past the first check.
SHORT_CUT = {
    f"{name} in float32": np.array(values, np.float32)
    for name, values in BAD_VECTORS.items()
    if name in {"not a number", "infinite", "huge", "zero", "negative zero", "too short"}
}
BAD_ENTRIES = {
    **{f"phase {phase}": entry([1, 0, 0, 0], phase) for phase in (-0.01, 1.01, NAN, INF, -INF)},
    **{
        f"confidence {confidence}": entry([1, 0, 0, 0], confidence=confidence)
        for confidence in (-0.01, 1.01, NAN, INF)
    },
    **{f"created {at}": entry([1, 0, 0, 0], created=at) for at in (NAN, INF, -INF)},
    "a long text": entry([1, 0, 0, 0], text="x" * 10**6),
    "a text one too long": entry([1, 0, 0, 0], text="x" * (MEMORY_TEXT_CHARS_MAX + 1)),
}
BAD_QUERIES = {
    **{f"phase {phase}": {"phase": phase} for phase in (-0.01, 1.01, NAN, INF)},
    **{f"tolerance {tolerance}": {"tolerance": tolerance} for tolerance in (-0.01, 1.01, NAN)},
    **{f"confidence {c}": {"min_confidence": c} for c in (-0.01, 1.01, NAN)},
    "top_k -1": {"top_k": -1},
}


@pytest.fixture
def full(make):
    bank = make(4, 3)
    bank.store_many([entry([1, 0, 0, number], scope="ab"[number % 2]) for number in range(3)])
    return bank


def state(bank):
    """All that can be seen of a bank."""
    asked = [query([1, 0, 0, 0], 0.5, 1.0, top_k=9, scope=scope) for scope in ("a", "b", "")]
    found = [answer(each) for each in bank.recall_many(asked)]
    counts = (bank.used, bank.evicted, bank.damaged, bank.memory_bytes, bank._next_id)
    shape = [(chunk.count, chunk.low, chunk.high) for chunk in bank._partitions.chunks()]
    return json.dumps([found, counts, shape, sorted(bank._partitions._scopes), bank.fingerprint])


@pytest.mark.parametrize("values", (BAD_VECTORS | SHORT_CUT).values(), ids=BAD_VECTORS | SHORT_CUT)
@pytest.mark.parametrize("confidence", [1.0, 0.1])
def test_what_is_no_vector_changes_nothing(full, values, confidence):
    before = state(full)
    bad = entry(values, scope="c", confidence=confidence)
    good = entry([1, 0, 0, 0], scope="d")
    for action in (
        lambda: full.store(bad),
        lambda: full.store_many([good, bad]),
        lambda: full.recall(query(values)),
        lambda: full.recall(query(values, top_k=0)),
        lambda: full.recall_many([query([1, 0, 0, 0]), query(values)]),
    ):
        with pytest.raises(InvalidVector):
            action()
        assert state(full) == before


@pytest.mark.parametrize("bad", BAD_ENTRIES.values(), ids=BAD_ENTRIES)
def test_a_bad_entry_changes_nothing(full, bad):
    before, good = state(full), entry([1, 0, 0, 0], scope="d")
    for action in (
        lambda: full.store(bad),
        lambda: full.store_many([good, bad]),
    ):
        with pytest.raises(InvalidEntry):
            action()
        assert state(full) == before


@pytest.mark.parametrize("bad", BAD_QUERIES.values(), ids=BAD_QUERIES)
def test_a_bad_query_is_refused(full, bad):
    before = state(full)
    with pytest.raises(InvalidEntry):
        full.recall(query([1, 0, 0, 0], **bad))
    with pytest.raises(InvalidEntry):
        full.recall_many([query([1, 0, 0, 0]), query([1, 0, 0, 0], **bad)])
    assert state(full) == before


def test_an_origin_that_is_no_unicode_changes_nothing(full):
    before = state(full)
    for bad in (Origin(llm_model="\ud800"), Origin(parent_id="\udfff")):
        with pytest.raises(ValueError, match="surrogates"):
            full.store(entry([1, 0, 0, 0], scope="c", origin=bad))
        assert state(full) == before


def test_the_bounds_themselves_are_accepted(make):
    bank = make(2, 9)
    assert bank.store(entry([1, 0], confidence=0.0)) is None
    entries = [
        entry([1, 0], 0.0, confidence=0.5),
        entry([1, 0], 1.0, confidence=1.0, text="x" * MEMORY_TEXT_CHARS_MAX),
        entry([1e6, -1e6], 0.5, created=-1e9),
        entry([1e-45, 0], 0.5),
        entry([True, False], 0.5, text="\ud800", scope="\udfff"),
    ]
    assert bank.store_many(entries) == [0, 1, 2, 3, 4]
    found = bank.recall(query([1e6, 1e6], 0.0, 1.0, top_k=9, min_confidence=1.0)).items
    assert sorted(item.memory_id for item in found) == [1, 2, 3]
    (item,) = bank.recall(query([1, 0], 0.5, 0.0, scope="\udfff")).items
    assert item.text == "\ud800"
    assert bank.scrub(9) == 0


def test_errors_do_not_repeat_what_was_said(full):
    with pytest.raises(InvalidInput) as raised:
        full.store(entry([1, 0, 0, 0], text="a secret" * 10**5))
    assert "secret" not in str(raised.value)
