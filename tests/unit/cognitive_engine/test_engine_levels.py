"""The three levels: the published trace in float32, and the gate by norm."""

import numpy as np
import pytest

from cognitive_api.governance import Gate, LevelSettings
from cognitive_engine.domain.errors import InvalidVector
from cognitive_engine.domain.memory import levels
from cognitive_engine.domain.memory.vectors import NORM_MIN, norm, parse_vector

EVENT = np.array([2, 1, -3, 0.5], dtype=np.float32)
TRACE = [
    ([1.1, 1, -3, 0.5], [0.9, 0, 0, 0], [0, 0, 0, 0], (3.385262, 0.9, 0)),
    ([1.4025, 0.825, -4.5, 0.75], [1.9575, 0.675, 0, 0], [0, 0, 0, 0], (4.843566, 2.070611, 0)),
    (
        [1.4856876, 0.776875, -5.25, 0.875],
        [2.0841186, 1.243125, 0, 0],
        [0.8931937, 0, 0, 0],
        (5.580226, 2.426708, 0.893194),
    ),
    (
        [1.5085641, 0.7636406, -5.625, 0.9375],
        [2.1769905, 1.7436094, 0, 0],
        [1.8172576, 0, 0, 0],
        (5.947978, 2.789169, 1.817258),
    ),
    (
        [1.5148551, 0.7600012, -5.8125, 0.96875],
        [2.2391028, 2.1910675, 0, 0],
        [2.7587006, 0, 0, 0],
        (6.131559, 3.132787, 2.758701),
    ),
    (
        [1.5165852, 0.7590004, -5.90625, 0.984375],
        [2.2792244, 1.8150727, 0, 0],
        [3.7079239, 0.7778883, 0, 0],
        (6.223255, 2.913649, 3.788642),
    ),
]


def test_the_published_trace():
    state = levels.initial(4)
    for l1, l2, l3, norms in TRACE:
        state = levels.absorb(state, EVENT, LevelSettings()).levels
        for level, printed in ((state.l1, l1), (state.l2, l2), (state.l3, l3)):
            assert level.dtype == np.float32
            # Printed after a rounding in float32, which costs two units in the last place.
            assert level.tolist() == pytest.approx(printed, rel=2.4e-7)
        assert tuple(state.norms().values()) == pytest.approx(norms, abs=6e-7)


def test_without_events_each_level_fades_at_its_own_speed():
    state = levels.initial(4)
    for _ in range(2):
        state = levels.absorb(state, EVENT, LevelSettings()).levels
    after = levels.absorb(state, np.zeros(4, dtype=np.float32), LevelSettings()).levels
    assert after.l1.tolist() == (state.l1 * np.float32(0.5)).tolist()
    assert after.l2.tolist() == (state.l2 * np.float32(0.9)).tolist()


def unit_vectors(kind, count=2000):
    """Directions of embeddings: all alike, all at random, or at random around one topic."""
    rng = np.random.default_rng(7)
    topic = rng.standard_normal(384)
    for _ in range(count):
        stray = rng.standard_normal(384)
        mixed = {"same": topic, "random": stray, "topic": 0.6 * topic + 0.8 * stray}[kind]
        yield (mixed / np.linalg.norm(mixed)).astype(np.float32)


def live(kind, gate):
    """The levels at the end, and how often anything rose to each."""
    state, rises = levels.initial(384), [0, 0]
    for event in unit_vectors(kind):
        state, *rose = levels.absorb(state, event, LevelSettings(gate=gate))
        rises = [count + risen for count, risen in zip(rises, rose, strict=True)]
    return state, rises


@pytest.mark.parametrize(("kind", "norm_l1", "within"), [("same", 2.0, 1e-5), ("random", 1.1, 0.2)])
def test_unit_vectors_never_consolidate_by_component(kind, norm_l1, within):
    state, rises = live(kind, Gate.COMPONENT)
    assert rises == [0, 0]
    assert not state.l2.any()
    assert not state.l3.any()
    assert state.norms() == {"L1": pytest.approx(norm_l1, abs=within), "L2": 0.0, "L3": 0.0}
    assert state.l1.max() < 0.5


@pytest.mark.parametrize("kind", ["same", "topic"])
def test_unit_vectors_consolidate_by_norm(kind):
    state, (to_l2, to_l3) = live(kind, Gate.NORM)
    assert to_l2 > to_l3 > 100
    assert state.norms()["L2"] > 1.0
    assert state.norms()["L3"] > 1.0


def test_what_rose_is_told():
    rules = LevelSettings()
    state, told = levels.initial(4), []
    for _ in range(3):
        state, *rose = levels.absorb(state, EVENT, rules)
        told.append(rose)
    assert told == [[True, False], [True, False], [True, True]]
    assert levels.absorb(state, np.zeros(4, dtype=np.float32), rules)[1:] == (False, False)


@pytest.mark.parametrize("gate", Gate)
def test_a_closed_gate_moves_nothing(gate):
    rules = LevelSettings(gating12=0.0, gating23=0.0, gate=gate)
    state, *rose = levels.absorb(levels.initial(4), EVENT, rules)
    assert rose == [False, False]
    assert not state.l2.any()


@pytest.mark.parametrize(("gate", "theta"), [(Gate.COMPONENT, 4.0), (Gate.NORM, 5.0)])
def test_a_level_on_the_threshold_stays(gate, theta):
    event = np.array([3, 4, 0, 0], dtype=np.float32)
    rules = LevelSettings(theta_l1=theta, gate=gate)
    assert not levels.absorb(levels.initial(4), event, rules).to_l2
    beyond = LevelSettings(theta_l1=theta - 1e-6, gate=gate)
    assert levels.absorb(levels.initial(4), event, beyond).to_l2


def test_the_norm_gate_moves_a_share_of_the_whole_level():
    rules = LevelSettings(gate=Gate.NORM, theta_l1=1.0, gating12=0.5)
    state = levels.absorb(levels.initial(4), EVENT, rules).levels
    assert state.l1.tolist() == state.l2.tolist() == [1.0, 0.5, -1.5, 0.25]


def test_a_state_cannot_be_written_to():
    state = levels.absorb(levels.initial(4), EVENT, LevelSettings()).levels
    with pytest.raises(ValueError, match="read-only"):
        state.l1[0] = 9.0


@pytest.mark.parametrize(
    "values",
    [
        [1.0, 2.0],
        [[1.0, 2.0, 3.0, 4.0]],
        [1.0, float("nan"), 0.0, 0.0],
        [1.0, float("inf"), 0.0, 0.0],
        [1.0, 2e6, 0.0, 0.0],
        ["a", "b", "c", "d"],
        None,
        [[1.0], 2.0, 3.0, 4.0],
    ],
)
def test_what_is_no_vector_is_refused(values):
    with pytest.raises(InvalidVector):
        parse_vector(values, 4)


def test_the_norm_neither_overflows_nor_vanishes():
    assert norm(np.array([3e5, 4e5], dtype=np.float32)) == pytest.approx(5e5)
    assert norm(np.array([3e-30, 4e-30], dtype=np.float32)) == NORM_MIN
    assert norm(np.zeros(2, dtype=np.float32)) == NORM_MIN
