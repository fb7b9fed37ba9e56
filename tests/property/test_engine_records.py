"""Records: their bytes say everything, and bytes that are damaged say nothing."""

import struct

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from cognitive_engine.domain import records
from cognitive_engine.domain.commands import (
    Consolidate,
    Decide,
    Emergency,
    Erase,
    Memory,
    Observe,
    Override,
    Relieve,
    Remember,
    Reset,
    Verdict,
)
from cognitive_engine.domain.emergency import EmergencyReason
from cognitive_engine.domain.errors import DamagedRecord
from cognitive_engine.domain.memory.provenance import Origin, Source
from cognitive_engine.domain.records import Record

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
units = st.floats(0.0, 1.0)
maybe = st.none() | units
vectors = npst.arrays(np.float32, st.integers(0, 9), elements=st.floats(width=32))
names = st.none() | words
origins = st.builds(
    Origin,
    st.sampled_from(Source),
    names,
    names,
    names,
    names,
    names,
    st.none() | st.floats(0, 9e9),
)
memories = st.builds(Memory, words, vectors, names, units, origins)
commands = st.one_of(
    st.builds(Decide, words, units, st.none() | st.integers(1, 4096), maybe, st.booleans()),
    st.builds(Remember, st.lists(memories, max_size=3).map(tuple)),
    st.builds(Observe, words, units, vectors, names, maybe, origins),
    st.builds(Consolidate),
    st.builds(Emergency, st.sampled_from(EmergencyReason)),
    st.builds(Relieve),
    st.builds(Reset),
    st.builds(Override, st.none() | st.floats(0, 1)),
    st.builds(Erase, words),
)
all_records = st.builds(
    Record,
    st.integers(1, 2**63 - 1),
    st.floats(allow_nan=False),
    commands,
    st.none() | st.sampled_from(Verdict),
)


def plain(value):
    """`value` in terms that compare bit by bit."""
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    if isinstance(value, msgspec.Struct):
        fields = [plain(getattr(value, name)) for name in value.__struct_fields__]
        return type(value), *fields
    if isinstance(value, tuple):
        return tuple(map(plain, value))
    if isinstance(value, float):
        return struct.pack("<d", value)
    return type(value), value


@given(all_records)
def test_a_record_comes_back_as_it_was(record):
    data = records.encode(record)
    again = records.decode(data)
    assert plain(again) == plain(record)
    assert records.encode(again) == data


@given(st.builds(Observe, words, units, vectors))
def test_a_vector_that_comes_back_cannot_be_changed(command):
    again = records.decode(records.encode(Record(1, 0.0, command, Verdict.ADMITTED)))
    assert not again.command.vector.flags.writeable


@given(all_records, st.data())
def test_damaged_bytes_are_told_apart_or_make_a_whole_record(record, data):
    damaged = bytearray(records.encode(record))
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        again = records.decode(bytes(damaged))
    except DamagedRecord:
        return
    # What still reads is a record in all its parts: it is for a checksum to know better.
    assert plain(records.decode(records.encode(again))) == plain(again)


@given(all_records, st.data())
def test_a_torn_record_is_none(record, data):
    whole = records.encode(record)
    torn = whole[: data.draw(st.integers(0, len(whole) - 1))]
    with pytest.raises(DamagedRecord):
        records.decode(torn)
    with pytest.raises(DamagedRecord):
        records.decode(whole + whole[:1])


OTHERS = {
    "an unknown command": [1, 0.0, ["Dream"], None],
    "an unknown verdict": [1, 0.0, ["Reset"], "perhaps"],
    "an unknown reason": [1, 0.0, ["Emergency", "boredom"], None],
    "half a component": [1, 0.0, ["Observe", "s", 0.5, b"\0" * 6], None],
    "a vector in words": [1, 0.0, ["Observe", "s", 0.5, "\0" * 4], None],
    "a vector in numbers": [1, 0.0, ["Observe", "s", 0.5, [0.5]], None],
    "a score in words": [1, 0.0, ["Decide", "s", "0.5"], None],
    "no command": [1, 0.0],
    "no list": {"sequence": 1},
    "nothing": None,
}


@pytest.mark.parametrize("content", OTHERS.values(), ids=OTHERS)
def test_other_content_is_no_record(content):
    with pytest.raises(DamagedRecord):
        records.decode(msgspec.msgpack.encode(content))


def test_fields_of_a_later_time_are_passed_over():
    later = [1, 0.0, ["Decide", "s", 0.5, None, None, False, "news"], "admitted", "more news"]
    record = records.decode(msgspec.msgpack.encode(later))
    assert plain(record) == plain(Record(1, 0.0, Decide("s", 0.5), Verdict.ADMITTED))


def test_fields_of_a_later_time_have_defaults():
    earlier = [1, 0.0, ["Decide", "s", 0.5]]
    record = records.decode(msgspec.msgpack.encode(earlier))
    assert plain(record) == plain(Record(1, 0.0, Decide("s", 0.5), None))


def test_the_bytes_are_the_same_everywhere():
    vector = np.array([1.0, -2.5], dtype=np.float32)
    record = Record(7, 12.5, Observe("s", 0.5, vector, "t"), Verdict.ADMITTED)
    assert records.encode(record).hex() == (
        "9407cb402900000000000097a74f627365727665a173cb3fe0000000000000c408"
        "0000803f000020c0"  # the vector: 1.0 and -2.5
        "a174c097aa757365725f696e707574c0c0c0c0c0c0a861646d6974746564"
    )
    other = Record(7, 12.5, Observe("s", 0.5, vector.astype(">f4").astype("<f4"), "t"), "admitted")
    assert records.encode(other) == records.encode(record)
