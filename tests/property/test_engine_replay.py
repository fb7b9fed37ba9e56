"""Replay: any prefix of a log leads to the state that it led to, bit for bit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from cognitive_api.governance import (
    GovernanceSettings,
    MemorySettings,
    MoralPolicy,
    RhythmSettings,
    SleepPolicy,
)
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
)
from cognitive_engine.domain.emergency import EmergencyReason
from cognitive_engine.domain.errors import InvalidInput
from cognitive_engine.domain.memory.pelm import Query
from cognitive_engine.domain.state import Rules, initial
from cognitive_engine.domain.step import fold, replay, step

scopes = st.sampled_from(["a", "b"])
scores = st.floats(0.0, 1.0)
bars = st.none() | scores
# Some have no direction: these are refused, and must leave no trace.
vectors = npst.arrays(np.float32, 3, elements=st.integers(-2, 2).map(float))
texts = st.none() | st.text("xyz", max_size=5)
memories = st.builds(Memory, scopes, vectors, texts, st.sampled_from([0.3, 0.5, 0.8, 1.0]))
commands = st.one_of(
    st.builds(Decide, scopes, scores, st.none(), bars, st.booleans()),
    st.builds(Observe, scopes, scores, vectors, texts, bars),
    st.builds(Observe, scopes, st.just(0.95), vectors, texts),
    st.builds(Remember, st.lists(memories, min_size=1, max_size=4).map(tuple)),
    st.builds(Consolidate),
    st.builds(Emergency, st.sampled_from(EmergencyReason)),
    st.builds(Relieve),
    st.builds(Reset),
    st.builds(Override, st.none() | st.floats(0, 1)),
    st.builds(Erase, scopes),
)
scripts = st.lists(st.tuples(commands, st.floats(0.0, 40.0)), max_size=40)
rulebooks = st.builds(
    lambda policy, sleep, wake, capacity: Rules(
        GovernanceSettings(
            moral={"policy": policy},
            rhythm=RhythmSettings(wake_duration=wake, sleep_duration=2, sleep_policy=sleep),
        ),
        MemorySettings(dimension=3, capacity=capacity),
    ),
    st.sampled_from(MoralPolicy),
    st.sampled_from(SleepPolicy),
    st.integers(1, 4),
    st.integers(1, 8),
)


def all_of(state):
    """Everything in `state` that can be compared."""
    found = [
        [
            (item.memory_id, item.resonance, item.phase, item.text, item.provenance)
            for item in state.pelm.recall(Query([1.0, 2.0, 3.0], 0.5, 1.0, 20, scope)).items
        ]
        for scope in ("a", "b")
    ]
    return (
        [getattr(state.levels, name).tobytes() for name in ("l1", "l2", "l3")],
        (state.pelm.used, state.pelm.evicted, state.pelm.fingerprint, found),
        (state.moral, state.rhythm, state.counts, state.emergency, state.drift),
        (state.pending, state.sequence, state.digest),
    )


@settings(max_examples=60, deadline=None)
@given(rulebooks, scripts)
def test_any_prefix_leads_to_the_live_state(rules, script):
    live, follower = initial(rules, 0.0), initial(rules, 0.0)
    log, now = [], 0.0
    for command, seconds in script:
        now += seconds
        before = all_of(live)
        try:
            live, record, outcome = step(live, command, now)
        except InvalidInput:
            assert all_of(live) == before
            continue
        log.append(records.encode(record))
        follower, again = fold(follower, records.decode(log[-1]))
        assert again == outcome
        assert all_of(follower) == all_of(live)
    assert all_of(replay(rules, map(records.decode, log), 0.0)) == all_of(live)


@settings(max_examples=40, deadline=None)
@given(rulebooks, rulebooks, scripts)
def test_other_rules_remember_what_was_answered(rules, others, script):
    live, other = initial(rules, 0.0), initial(others, 0.0)
    twin = initial(others, 0.0)
    now = 0.0
    for command, seconds in script:
        now += seconds
        try:
            live, record, _ = step(live, command, now)
        except InvalidInput:
            continue
        other, _ = fold(other, record)
        twin, _ = fold(twin, record)
        assert other.digest == twin.digest
        for name in ("steps", "accepted", "rejected", "halted"):
            assert getattr(other.counts, name) == getattr(live.counts, name)


@pytest.mark.parametrize("dimension", [2, 17, 384, 4096])
def test_a_long_log_of_real_vectors(dimension):
    rules = Rules(GovernanceSettings(), MemorySettings(dimension=dimension, capacity=64))
    random = np.random.default_rng(dimension)
    live = initial(rules, 0.0)
    log, digests = [], []
    for number in range(150):
        vector = random.standard_normal(dimension).astype(np.float32)
        command = Observe("a", float(random.random()), vector, f"fact {number}")
        live, record, _ = step(live, command, number * 1.5)
        log.append(records.encode(record))
        digests.append(live.digest)
    state = initial(rules, 0.0)
    for data, digest in zip(log, digests, strict=True):
        state, _ = fold(state, records.decode(data))
        assert state.digest == digest
    assert state.pelm.fingerprint == live.pelm.fingerprint
