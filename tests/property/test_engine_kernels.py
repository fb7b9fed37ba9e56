"""Levels and bank against naive models."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from cognitive_api.governance import LevelSettings
from cognitive_engine.domain.memory import levels
from cognitive_engine.domain.memory.pelm import Entry, Pelm

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
        state = levels.update(state, event, rules)
        naive = naive_update(naive, event, rules)
        for level, expected in zip((state.l1, state.l2, state.l3), naive, strict=True):
            assert level.tolist() == expected.tolist()


class NaiveBank:
    """A list of entries: leaves and searches by sorting."""

    def __init__(self, capacity):
        self.capacity = capacity
        self.rows = []  # (confidence, number, phase, scope, vector)
        self.number = 0

    def store(self, vector, phase, scope, confidence):
        if confidence < 0.5:
            return
        if len(self.rows) == self.capacity:
            self.rows.remove(min(self.rows, key=lambda row: row[:2]))
        self.rows.append((confidence, self.number, phase, scope, vector))
        self.number += 1

    def recall(self, query, phase, tolerance, top_k, scope):
        def resonance(vector):
            wide, asked = vector.astype(np.float64), query.astype(np.float64)
            size = np.linalg.norm(wide) * np.linalg.norm(asked)
            return float(wide @ asked / size) if size > 1e-9 else 0.0

        near = [
            (resonance(row[4]), row[1])
            for row in self.rows
            if row[3] == scope
            and abs(np.float32(row[2]) - np.float32(phase)) <= np.float32(tolerance)
        ]
        return sorted(near, key=lambda pair: (-round(pair[0], 9), -pair[1]))[:top_k]


# Whole numbers, so that equal directions are equal and ties are real.
whole = npst.arrays(np.float32, 3, elements=st.integers(-3, 3).map(float))
phases = st.sampled_from([0.1, 0.25, 0.5, 0.9])
stores = st.tuples(
    whole, phases, st.sampled_from(["a", "b"]), st.sampled_from([0.4, 0.5, 0.8, 1.0])
)


@settings(max_examples=150)
@given(
    st.integers(1, 8),
    st.lists(stores, max_size=40),
    whole,
    phases,
    st.sampled_from([0.0, 0.15, 0.4, 0.65, 1.0]),
    st.integers(0, 10),
)
def test_the_bank_matches_a_sorted_list(capacity, entries, query, phase, tolerance, top_k):
    bank, naive = Pelm(3, capacity), NaiveBank(capacity)
    for vector, at, scope, confidence in entries:
        bank.store(Entry(vector, at, 0.0, scope=scope, confidence=confidence))
        naive.store(vector, at, scope, confidence)
        assert bank.used == len(naive.rows)
    for scope in ("a", "b"):
        found = bank.recall(query, phase, tolerance, top_k, scope)
        expected = naive.recall(query, phase, tolerance, top_k, scope)
        # Directions that are equal only in theory differ in the last bits of a norm; the order
        # among them may too, so scores are compared closely and ids where scores are apart.
        assert np.allclose([item.resonance for item in found], [s for s, _ in expected], atol=1e-6)
        for item, (score, number) in zip(found, expected, strict=True):
            if sum(abs(score - other) < 1e-6 for other, _ in expected) == 1 and (
                len(found) < top_k or score > expected[-1][0] + 1e-6
            ):
                assert item.memory_id == number


@settings(max_examples=60)
@given(st.lists(whole, min_size=1, max_size=20), st.data())
def test_no_single_flipped_bit_is_handed_out(rows, data):
    bank = Pelm(3, 32)
    for number, vector in enumerate(rows):
        bank.store(Entry(vector, 0.1, 0.0, text=str(number)))
    row = data.draw(st.integers(0, len(rows) - 1))
    bit = data.draw(st.integers(0, 95))
    bank._bank.view(np.uint32)[row, bit // 32] ^= np.uint32(1 << (bit % 32))
    found = bank.recall(rows[row], 0.1, 0.15, top_k=len(rows))
    assert str(row) not in {item.text for item in found}
    assert len(found) == len(rows) - 1
    assert bank.damaged == 1
