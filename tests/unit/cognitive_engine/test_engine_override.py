"""The threshold set by hand: held within its bounds, let go where it stands, and replayed."""

import pytest

from cognitive_api.governance import GovernanceSettings, MemorySettings, MoralPolicy, MoralSettings
from cognitive_engine.domain import moral_filter, records
from cognitive_engine.domain.commands import Adjusted, Decide, Override
from cognitive_engine.domain.errors import InvalidScore
from cognitive_engine.domain.state import Rules, initial
from cognitive_engine.domain.step import replay, step


def mind(policy=MoralPolicy.EVIDENCE):
    governance = GovernanceSettings(moral=MoralSettings(policy=policy))
    return initial(Rules(governance, MemorySettings(dimension=4, capacity=10)), 0.0)


def decide(state, score):
    return step(state, Decide("a", score), 0.0)[0]


@pytest.mark.parametrize("policy", MoralPolicy)
def test_a_held_threshold_stays_while_the_averages_go_on(policy):
    held, _, outcome = step(mind(policy), Override(0.7), 0.0)
    assert outcome == Adjusted(0.7, True)
    after = held
    for score in (0.0, 0.69, 0.7, 1.0, 0.0):
        after = decide(after, score)
        assert (after.moral.threshold, after.moral.held) == (0.7, True)
    assert after.moral.accept_ema != held.moral.accept_ema
    assert after.moral.harm_ema > 0.0
    assert (after.counts.accepted, after.counts.rejected) == (2, 3)
    # What is done by hand is no drift.
    assert after.drift == mind().drift


def test_let_go_it_moves_on_from_where_it_stands():
    state, _, _ = step(mind(), Override(0.8), 0.0)
    state, _, outcome = step(state, Override(), 0.0)
    assert outcome == Adjusted(0.8, False)
    after = decide(state, 0.9)
    assert after.moral.threshold == pytest.approx(0.8 - MoralSettings().step)


@pytest.mark.parametrize(("asked", "given"), [(0.0, 0.3), (1.0, 0.9), (0.5, 0.5)])
def test_it_is_held_within_the_bounds(asked, given):
    settings = MoralSettings()
    state = moral_filter.hold(moral_filter.initial(settings), asked, settings)
    assert (state.threshold, state.held) == (given, True)


@pytest.mark.parametrize("threshold", [-0.1, 1.1, float("nan"), float("inf"), "0.5", True])
def test_what_is_no_threshold_changes_nothing(threshold):
    state = mind()
    with pytest.raises(InvalidScore):
        step(state, Override(threshold), 0.0)
    assert state.digest == mind().digest


def test_it_is_in_the_log_and_in_the_digest():
    state, log = mind(), []
    for command in (
        Decide("a", 0.2),
        Override(0.75),
        Decide("a", 0.74),
        Override(),
        Decide("a", 1.0),
    ):
        before = state.digest
        state, record, _ = step(state, command, 1.0)
        log.append(records.encode(record))
        assert state.digest != before
    again = replay(state.rules, map(records.decode, log), 0.0)
    assert (again.digest, again.moral) == (state.digest, state.moral)
    held, _, _ = step(mind(), Override(0.5), 1.0)
    let_go, _, _ = step(mind(), Override(), 1.0)
    assert held.moral.threshold == let_go.moral.threshold
    assert held.digest != let_go.digest
