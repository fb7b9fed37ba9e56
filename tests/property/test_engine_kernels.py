"""Levels and bank against naive models."""

import math

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from banks import expected_kernels, kernel_named
from cognitive_api.governance import LevelSettings
from cognitive_engine.domain.errors import InvalidInput
from cognitive_engine.domain.memory import levels
from cognitive_engine.domain.memory.pelm import Entry, Pelm, Query
from cognitive_engine.domain.memory.provenance import Source

vectors = npst.arrays(np.float32, 3, elements=st.floats(-4, 4, width=32))


def naive_update(state, event, rules):
    """One component at a time, float32 all the way."""
    f32 = np.float32
    out = []
    for l1, l2, l3, e in zip(*state, event, strict=True):
        a = f32(l1 * f32(1 - rules.lambda_l1)) + e
        b = f32(l2 * f32(1 - rules.lambda_l2))
        c = f32(l3 * f32(1 - rules.lambda_l3))
        moved = f32(a * f32(rules.gating12)) if a > f32(rules.theta_l1) else f32(0)
        a, b = a - moved, b + moved
        moved = f32(b * f32(rules.gating23)) if b > f32(rules.theta_l2) else f32(0)
        out.append((a, b - moved, c + moved))
    return [np.array(level, dtype=np.float32) for level in zip(*out, strict=True)]


@given(st.lists(vectors, max_size=12), st.floats(0.1, 3), st.floats(0, 1), st.floats(0, 1))
def test_levels_match_a_loop_over_components(events, theta, gating12, gating23):
    rules = LevelSettings(theta_l1=theta, gating12=gating12, gating23=gating23)
    state = levels.initial(3)
    naive = [np.zeros(3, dtype=np.float32)] * 3
    for event in events:
        state = levels.absorb(state, event, rules).levels
        naive = naive_update(naive, event, rules)
        for level, expected in zip((state.l1, state.l2, state.l3), naive, strict=True):
            assert level.tolist() == expected.tolist()


class Naive:
    """The memory as a list of (id, entry); all is found by sorting it."""

    def __init__(self, capacity):
        self.capacity, self.rows, self.born, self.evicted, self.damaged = capacity, [], 0, 0, 0

    def store(self, entry):
        if entry.confidence < 0.5:
            return None
        if len(self.rows) == self.capacity:
            self.rows.remove(min(self.rows, key=lambda row: (row[1].confidence, row[0])))
            self.evicted += 1
        self.rows.append((self.born, entry))
        self.born += 1
        return self.born - 1

    def recall(self, query):
        middle, reach = np.float32(query.phase), np.float32(query.tolerance)
        near = [
            (cosine(entry.vector, query.vector), memory_id)
            for memory_id, entry in self.rows
            if (entry.scope, entry.confidence >= query.min_confidence) == (query.scope, True)
            and abs(np.float32(entry.phase) - middle) <= reach
        ]
        return sorted(near, reverse=True)[: query.top_k]

    def copy(self, memory_id, phase):
        entry = dict(self.rows).get(memory_id)
        if entry is None:
            return None
        origin = msgspec.structs.replace(entry.origin, source=Source.SYSTEM)
        return self.store(msgspec.structs.replace(entry, phase=phase, origin=origin))

    def lose(self, lost):
        kept = [row for row in self.rows if not lost(*row)]
        count = len(self.rows) - len(kept)
        self.rows = kept
        return count


def cosine(one, other):
    """Of whole numbers: every sum is exact, so the order of sums does not show."""
    norms = math.sqrt(np.dot(one, one)) * math.sqrt(np.dot(other, other))
    return min(max(float(np.dot(one, other)) / norms, -1.0), 1.0)


# Whole numbers, so that equal directions are equal and ties are real.
whole = st.tuples(*[st.integers(-2, 2)] * 3).map(lambda v: v if any(v[:2]) else (1, *v[1:]))
phases = st.sampled_from([0.0, 0.1, 0.25, 0.28, 0.5, 0.9, 1.0])
scopes = st.sampled_from(["", "", "a", "b"])
entries = st.builds(
    Entry,
    whole,
    phases,
    st.just(5.0),
    st.sampled_from([None, "x", "y"]),
    scopes,
    st.sampled_from([0.49, 0.5, 0.8, 0.8, 1.0]),
)
queries = st.builds(
    Query,
    whole,
    phases,
    st.sampled_from([0.0, 0.03, 0.15, 0.4, 0.65, 1.0]),
    st.integers(0, 7),
    scopes,
    st.sampled_from([0.0, 0.0, 0.6, 0.8]),
)
numbers = st.integers(0, 40)
COLUMNS = ("rows", "norms", "phases", "confidences", "created", "ids", "words", "labels")
CODES = ("codes", "scales", "errors", "slots")
commands = st.one_of(
    st.tuples(st.just("store"), entries),
    st.tuples(st.just("store_many"), st.lists(entries, max_size=5), st.booleans()),
    st.tuples(st.just("recall"), queries),
    st.tuples(st.just("recall_many"), st.lists(queries, max_size=5), st.integers(1, 3)),
    st.tuples(st.just("copy"), numbers, phases),
    st.tuples(st.just("erase"), scopes),
    st.tuples(st.just("damage"), numbers, st.sampled_from(COLUMNS), st.sampled_from("src")),
    st.tuples(st.just("rot"), numbers, st.sampled_from(CODES), st.integers(0, 255)),
)


class Pair:
    """One bank and its model; a command goes to both, and both must agree on its outcome."""

    def __init__(self, dimension, capacity, kernel):
        self.dimension = dimension
        self.bank, self.naive = Pelm(dimension, capacity, kernel=kernel), Naive(capacity)

    def run(self, name, *arguments):
        getattr(self, name)(*arguments)
        bank, naive = self.bank, self.naive
        assert bank.used == len(naive.rows)
        assert all(memory_id in bank for memory_id, _ in naive.rows)
        assert (bank.evicted, bank.damaged) == (naive.evicted, naive.damaged)

    def fit(self, told):
        return msgspec.structs.replace(told, vector=told.vector[: self.dimension])

    def store(self, entry):
        assert self.bank.store(self.fit(entry)) == self.naive.store(self.fit(entry))

    def store_many(self, entries, bad):
        entries = [self.fit(entry) for entry in entries]
        if bad:
            zero = Entry((0,) * self.dimension, 0.1, 0.0)
            with pytest.raises(InvalidInput):
                self.bank.store_many([*entries, zero])
        else:
            stored = self.bank.store_many(entries)
            assert stored == [self.naive.store(entry) for entry in entries]

    def recall(self, query):
        self.recall_many([query], 1)

    def recall_many(self, queries, parts):
        queries = [self.fit(query) for query in queries]
        for query, found in zip(queries, self.bank.recall_many(queries, parts=parts), strict=True):
            assert found.exact
            told = [(item.resonance, item.memory_id) for item in found.items]
            assert told == self.naive.recall(query)
            for item in found.items:
                kept = dict(self.naive.rows)[item.memory_id]
                assert (item.text, item.provenance.origin) == (kept.text, kept.origin)
                assert (item.phase, *item.vector) == (np.float32(kept.phase), *kept.vector)

    def copy(self, number, phase):
        assert self.bank.copy_to_phase(number, phase) == self.naive.copy(number, phase)

    def erase(self, scope):
        assert self.bank.erase(scope) == self.naive.lose(lambda _, entry: entry.scope == scope)

    def damage(self, number, column, finder):
        """Flip a bit of a memory, and have it found by scrub, recall or copy."""
        if not self.naive.rows:
            return
        memory_id, entry = self.naive.rows[number % len(self.naive.rows)]
        values = getattr(self.bank._columns, column)
        bits = values.view(f"u{values.itemsize}")
        slot = self.bank._slots[memory_id]
        bits[(slot, 0) if bits.ndim == 2 else slot] ^= bits.dtype.type(1 << number % 23)
        if finder == "s":
            assert self.bank.scrub(99) == 1
        elif finder == "c":
            assert self.bank.copy_to_phase(memory_id, 0.5) is None
        else:
            found = self.bank.recall(Query(entry.vector, 0.5, 1.0, 99, entry.scope))
            assert memory_id not in [item.memory_id for item in found.items]
        self.naive.damaged += self.naive.lose(lambda other, _: other == memory_id)

    def rot(self, number, part, value):
        """Damage what a search reads; a scrub makes it anew."""
        if self.naive.rows:
            memory_id, _ = self.naive.rows[number % len(self.naive.rows)]
            chunk, position = self.bank._partitions.code_of(self.bank._slots[memory_id])
            getattr(chunk, part)[position] = value
            assert self.bank.scrub(99) == 0

    def fresh(self):
        """The fingerprint of a bank that has never held anything else."""
        bank = Pelm(self.dimension, self.naive.capacity, kernel=type(self.bank._kernel))
        for memory_id, entry in sorted(self.naive.rows, key=lambda row: row[0]):
            bank._next_id = memory_id
            bank.store(entry)
        return bank.fingerprint


@settings(
    max_examples=2_500,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(st.integers(2, 3), st.integers(1, 12), st.lists(commands, min_size=3, max_size=14))
def test_every_kernel_does_what_a_sorted_list_does(dimension, capacity, script):
    pairs = [Pair(dimension, capacity, kernel_named(name)) for name in expected_kernels()]
    for command in script:
        for pair in pairs:
            pair.run(*command)
        assert len({pair.bank.fingerprint for pair in pairs}) == 1
    assert pairs[0].fresh() == pairs[-1].bank.fingerprint


@settings(max_examples=60, derandomize=True, deadline=None)
@given(st.lists(whole, min_size=1, max_size=20), numbers, st.integers(0, 95))
def test_no_single_flipped_bit_is_handed_out(rows, number, bit):
    for name in expected_kernels():
        bank = Pelm(3, 32, kernel=kernel_named(name))
        bank.store_many([Entry(row, 0.1, 0.0, str(at)) for at, row in enumerate(rows)])
        at = number % len(rows)
        bank._columns.rows.view(np.uint32)[at, bit // 32] ^= np.uint32(1 << (bit % 32))
        found = bank.recall(Query(rows[at], 0.1, 0.15, len(rows))).items
        assert sorted(int(item.text) for item in found) == [n for n in range(len(rows)) if n != at]
        assert bank.damaged == 1
