"""The moral filter for any settings and any scores."""

from hypothesis import given
from hypothesis import strategies as st

from cognitive_api.governance import MoralPolicy, MoralSettings
from cognitive_engine.domain import moral_filter

unit = st.floats(0, 1)


@st.composite
def settings_of(draw, policies=tuple(MoralPolicy)):
    low, start, high = sorted(draw(st.tuples(unit, unit, unit)))
    if low == high:
        low, high = 0.0, 1.0
    policy = draw(st.sampled_from(policies))
    target = draw(st.none() | unit) if policy is MoralPolicy.HOMEOSTATIC else None
    return MoralSettings(
        policy=policy,
        min_threshold=low,
        initial_threshold=start,
        max_threshold=high,
        ema_alpha=draw(st.floats(0.001, 1)),
        dead_band=draw(unit),
        step=draw(unit),
        target_accept_rate=target,
    )


def run(settings, scores):
    state = moral_filter.initial(settings)
    yield state, None
    for score in scores:
        accepted = moral_filter.evaluate(state, score, settings)
        state = moral_filter.adapt(state, score, accepted, settings)
        yield state, accepted


@given(settings_of(), st.lists(unit | st.just(float("nan")), max_size=60))
def test_the_threshold_stays_in_its_bounds_and_moves_by_a_step(settings, scores):
    before = None
    for state, _ in run(settings, scores):
        assert settings.min_threshold <= state.threshold <= settings.max_threshold
        assert 0.0 <= state.accept_ema <= 1.0 + 1e-12
        assert 0.0 <= state.harm_ema <= 1.0 + 1e-12
        if before is not None:
            assert abs(state.threshold - before) <= settings.step + 1e-12
        before = state.threshold


@given(settings_of(), st.lists(unit, max_size=30), unit, unit)
def test_a_better_score_never_fares_worse(settings, scores, one, other):
    *_, (state, _) = run(settings, scores)
    lower, higher = sorted((one, other))
    if moral_filter.evaluate(state, lower, settings):
        assert moral_filter.evaluate(state, higher, settings)


@given(settings_of(), st.lists(unit, max_size=30), unit, unit | st.just(float("nan")))
def test_a_bar_only_ever_refuses_more(settings, scores, score, bar):
    *_, (state, _) = run(settings, scores)
    plain = moral_filter.evaluate(state, score, settings)
    assert moral_filter.evaluate(state, score, settings, bar) == (plain and score >= bar)


@given(st.lists(st.floats(0.7, 1.0), max_size=300))
def test_evidence_at_peace_passes_at_least_nine_in_ten(scores):
    decisions = [accepted for _, accepted in run(MoralSettings(), scores)][1:]
    assert sum(decisions) >= 0.9 * len(decisions)


@given(
    st.lists(st.floats(0, 1), max_size=100),
    st.lists(st.floats(0, 0.499), min_size=20, max_size=20),
    st.lists(st.floats(0.5, 1), min_size=100, max_size=100),
)
def test_evidence_rises_within_twenty_and_returns_within_a_hundred(before, attack, peace):
    settings = MoralSettings()
    states = [state for state, _ in run(settings, before + attack + peace)]
    assert states[len(before) + 20].threshold == settings.max_threshold
    assert states[-1].threshold == settings.initial_threshold
