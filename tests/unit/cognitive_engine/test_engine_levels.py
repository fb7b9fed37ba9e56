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
        state = levels.update(state, EVENT, LevelSettings())
        for level, printed in ((state.l1, l1), (state.l2, l2), (state.l3, l3)):
            assert level.dtype == np.float32
            # Printed after a rounding in float32, which costs two units in the last place.
            assert level.tolist() == pytest.approx(printed, rel=2.4e-7)
        assert tuple(state.norms().values()) == pytest.approx(norms, abs=6e-7)


def test_without_events_each_level_fades_at_its_own_speed():
    state = levels.initial(4)
    for _ in range(2):
        state = levels.update(state, EVENT, LevelSettings())
    after = levels.update(state, np.zeros(4, dtype=np.float32), LevelSettings())
    assert after.l1.tolist() == (state.l1 * np.float32(0.5)).tolist()
    assert after.l2.tolist() == (state.l2 * np.float32(0.9)).tolist()


def test_unit_vectors_consolidate_by_norm_and_not_by_component():
    unit = np.full(384, 1 / np.sqrt(384), dtype=np.float32)
    reached = {}
    for gate in Gate:
        state = levels.initial(384)
        for _ in range(50):
            state = levels.update(state, unit, LevelSettings(gate=gate))
        reached[gate] = state.norms()
    assert reached[Gate.COMPONENT] == {"L1": pytest.approx(2.0, abs=1e-5), "L2": 0.0, "L3": 0.0}
    assert reached[Gate.NORM]["L2"] > 1.0
    assert reached[Gate.NORM]["L3"] > 1.0


def test_a_state_cannot_be_written_to():
    state = levels.update(levels.initial(4), EVENT, LevelSettings())
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
