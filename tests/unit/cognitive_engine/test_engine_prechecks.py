"""Checks of the words: bars, scores, and the claimed value that is neither."""

import inspect
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cognitive_api.governance import MoralPolicy, MoralSettings
from cognitive_engine.domain import lexicon, moral_filter, prechecks
from cognitive_engine.domain.errors import InvalidInput
from cognitive_engine.domain.prechecks import Check, bar_of, postcheck, precheck

NEUTRAL = "Tell me about the weather tomorrow."
unit = st.floats(0, 1)


def test_neutral_text_passes_at_the_default_settings():
    bar = bar_of(MoralSettings().initial_threshold)
    assert precheck(NEUTRAL, bar) == Check(True, 0.8, 0.5)
    assert postcheck(NEUTRAL, bar) == Check(True, 0.8, 0.35)


def test_harmful_words_fail():
    assert precheck("kill attack weapon", 0.5) == Check(False, 0.35, 0.5)
    assert postcheck("kill attack weapon bomb", 0.5) == Check(False, 0.2, 0.35)


def test_an_answer_may_fall_short_by_the_slack_and_no_more():
    assert precheck("HATE", 0.8) == Check(False, 0.65, 0.8)
    assert postcheck("HATE", 0.8) == Check(True, 0.65, 0.65)
    assert postcheck("HATE", 0.81) == Check(False, 0.65, 0.66)


def test_a_low_bar_makes_a_threshold_below_zero_that_all_pass():
    assert postcheck("hate " * 9, 0.1) == Check(True, 0.0, -0.05)


def test_float_noise_decides_nothing():
    """Every score against every bar in hundredths, beside exact arithmetic."""
    for harmful in range(7):
        for positive in range(7):
            text = "hate " * harmful + "love " * positive
            exact = Fraction(80 - 15 * harmful + 5 * positive, 100)
            exact = min(max(exact, Fraction(0)), Fraction(1))
            for hundredths in range(101):
                bar = Fraction(hundredths, 100)
                assert precheck(text, hundredths / 100).passed == (exact >= bar)
                slack = Fraction(15, 100)
                assert postcheck(text, hundredths / 100).passed == (exact >= bar - slack)


def test_a_threshold_that_crept_up_by_steps_is_the_one_printed():
    bar = 0.5
    for _ in range(6):
        bar += 0.05
    assert bar > 0.8
    assert precheck(NEUTRAL, bar).passed


def test_the_bar_is_the_filters_unless_the_request_asks_for_more():
    assert bar_of(0.5) == bar_of(0.5, 0.3) == bar_of(0.5, 0.5) == 0.5
    assert bar_of(0.5, 0.7) == 0.7
    assert bar_of(0.9) == bar_of(0.9, 0.6) == lexicon.NEUTRAL_SCORE
    assert bar_of(0.9, 0.95) == bar_of(0.3, 0.95) == 0.95


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -0.01, 1.01, True, "0.5"])
def test_a_bar_is_a_number_from_zero_to_one(bad):
    for call in (
        lambda: bar_of(bad),
        lambda: bar_of(0.5, bad),
        lambda: precheck(NEUTRAL, bad),
        lambda: postcheck(NEUTRAL, bad),
    ):
        with pytest.raises(InvalidInput):
            call()


def test_no_function_takes_a_claimed_value():
    taken = {
        name
        for function in (bar_of, precheck, postcheck)
        for name in inspect.signature(function).parameters
    }
    assert taken == {"filter_threshold", "own", "prompt", "answer", "bar"}
    assert prechecks.ANSWER_SLACK == 0.15


def pass_all(state, claimed, text, settings):
    """Filter, precheck and post check, as a request meets them."""
    bar = bar_of(state.threshold)
    judged = moral_filter.evaluate(state, claimed, settings)
    return judged, precheck(text, bar).passed, postcheck(text, bar).passed


@given(st.sampled_from(MoralPolicy), st.lists(unit, max_size=60), unit)
def test_words_that_are_neutral_pass_whatever_is_claimed_and_wherever_the_filter_stands(
    policy, history, claimed
):
    """One bar for claim and words would serve no value: above 0.8 the words fail it."""
    settings = MoralSettings(policy=policy)
    state = moral_filter.initial(settings)
    for score in [*history, claimed]:
        _, before, after = pass_all(state, score, NEUTRAL, settings)
        assert before
        assert after
        accepted = moral_filter.evaluate(state, score, settings)
        state = moral_filter.adapt(state, score, accepted, settings)


@given(st.sampled_from(MoralPolicy), st.lists(unit, max_size=60), st.floats(0.9, 1.0))
def test_a_high_claim_with_neutral_words_is_always_served(policy, history, claimed):
    settings = MoralSettings(policy=policy)
    state = moral_filter.initial(settings)
    for score in [*history, claimed]:
        verdicts = pass_all(state, claimed, NEUTRAL, settings)
        assert verdicts == (True, True, True)
        accepted = moral_filter.evaluate(state, score, settings)
        state = moral_filter.adapt(state, score, accepted, settings)


@given(st.floats(0.7, 1.0))
def test_a_calm_default_filter_serves_every_fair_claim_with_neutral_words(claimed):
    settings = MoralSettings()
    state = moral_filter.initial(settings)
    for _ in range(20):
        assert pass_all(state, claimed, NEUTRAL, settings) == (True, True, True)
        state = moral_filter.adapt(state, claimed, True, settings)
