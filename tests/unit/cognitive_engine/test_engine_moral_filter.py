"""The moral filter: published traces to the last printed digit, and what each policy promises."""

import random

import pytest

from cognitive_api.governance import MoralPolicy, MoralSettings
from cognitive_engine.domain import moral_filter
from cognitive_engine.domain.moral_filter import MoralState

HOMEOSTATIC = MoralSettings(policy=MoralPolicy.HOMEOSTATIC)
EVIDENCE = MoralSettings()

T, F = True, False
# Start threshold, then (score, accepted, average, threshold) as printed.
TRACES = {
    "constant 0.8 climbs until the float residue refuses it": (
        0.5,
        [
            (0.8, T, 0.55, 0.55),
            (0.8, T, 0.595, 0.60),
            (0.8, T, 0.6355, 0.65),
            (0.8, T, 0.67195, 0.70),
            (0.8, T, 0.704755, 0.75),
            (0.8, T, 0.7342795, 0.80),
            (0.8, F, 0.66085155, 0.85),
            (0.8, F, 0.594766395, 0.90),
        ],
    ),
    "constant 0.2 sinks to the minimum": (
        0.5,
        [
            (0.2, F, 0.45, 0.50),
            (0.2, F, 0.405, 0.45),
            (0.2, F, 0.3645, 0.40),
            (0.2, F, 0.32805, 0.35),
            (0.2, F, 0.295245, 0.30),
            (0.2, F, 0.2657205, 0.30),
        ],
    ),
    "alternating scores stay in the dead band": (
        0.5,
        [
            (0.9, T, 0.55, 0.55),
            (0.1, F, 0.495, 0.55),
            (0.9, T, 0.5455, 0.55),
            (0.1, F, 0.49095, 0.55),
            (0.9, T, 0.541855, 0.55),
            (0.1, F, 0.4876695, 0.55),
        ],
    ),
    "mixed scores": (
        0.5,
        [
            (0.6, T, 0.55, 0.55),
            (0.6, T, 0.595, 0.60),
            (0.6, F, 0.5355, 0.60),
            (0.6, F, 0.48195, 0.60),
            (0.4, F, 0.433755, 0.55),
            (0.9, T, 0.4903795, 0.55),
            (0.5, F, 0.44134155, 0.50),
        ],
    ),
    "a start above the maximum is clamped": (
        0.95,
        [
            (0.89, F, 0.45, 0.90),
            (0.90, T, 0.505, 0.90),
            (0.90, T, 0.5545, 0.90),
            (0.20, F, 0.49905, 0.90),
        ],
    ),
    "a start below the minimum is clamped": (
        0.1,
        [
            (0.29, F, 0.45, 0.30),
            (0.30, T, 0.505, 0.30),
            (0.30, T, 0.5545, 0.35),
            (0.30, F, 0.49905, 0.35),
        ],
    ),
}


def decide(state, score, settings):
    accepted = moral_filter.evaluate(state, score, settings)
    return moral_filter.adapt(state, score, accepted, settings), accepted


def run(settings, scores, state=None):
    state = state or moral_filter.initial(settings)
    decisions = []
    for score in scores:
        state, accepted = decide(state, score, settings)
        decisions.append(accepted)
    return state, decisions


@pytest.mark.parametrize(("start", "rows"), TRACES.values(), ids=TRACES)
def test_homeostatic_follows_the_published_trace(start, rows):
    # The settings refuse a start outside the bounds; the rule clamps it all the same.
    settings = HOMEOSTATIC.model_copy(update={"initial_threshold": start})
    state = moral_filter.initial(settings)
    for score, expected, average, threshold in rows:
        state, accepted = decide(state, score, settings)
        assert (accepted, round(state.accept_ema, 9), round(state.threshold, 10)) == (
            expected,
            average,
            threshold,
        )


def test_homeostatic_keeps_the_float_residue_of_repeated_steps():
    state = moral_filter.initial(HOMEOSTATIC)
    thresholds = []
    for _ in range(6):
        state, _ = decide(state, 0.95, HOMEOSTATIC)
        thresholds.append(state.threshold)
    assert thresholds == [
        0.55,
        0.6000000000000001,
        0.6500000000000001,
        0.7000000000000002,
        0.7500000000000002,
        0.8000000000000003,
    ]


def test_homeostatic_moves_up_on_the_first_acceptance_and_stays_on_the_first_refusal():
    """One float residue above the dead band, the other below it."""
    start = moral_filter.initial(HOMEOSTATIC)
    up, _ = decide(start, 0.9, HOMEOSTATIC)
    assert up.accept_ema - 0.5 == 0.050000000000000044
    assert up.threshold == 0.55
    same, _ = decide(start, 0.1, HOMEOSTATIC)
    assert same.accept_ema - 0.5 == -0.04999999999999999
    assert same.threshold == 0.5


def test_homeostatic_long_runs_match_the_published_counts():
    state, decisions = run(HOMEOSTATIC, [0.8] * 200)
    assert sum(decisions) == 101
    cycle = set()
    for _ in range(20):
        state, _ = decide(state, 0.8, HOMEOSTATIC)
        cycle.add(round(state.threshold, 10))
    assert cycle == {0.80, 0.85}
    state, decisions = run(HOMEOSTATIC, [0.95] * 200)
    assert sum(decisions) == 200
    assert state.accept_ema == pytest.approx(1.0, abs=1e-8)


def test_homeostatic_stays_on_the_very_edge_of_the_dead_band():
    # Halves and quarters are exact, so the average lands on the edge itself.
    settings = HOMEOSTATIC.model_copy(update={"ema_alpha": 0.5, "dead_band": 0.25})
    for score, average in ((0.9, 0.75), (0.1, 0.25)):
        state, _ = run(settings, [score])
        assert (state.accept_ema, state.threshold) == (average, 0.5)


@pytest.mark.parametrize(
    ("low", "high", "percent"), [(0.8, 1.0, 57.0), (0.7, 0.9, 50.4), (0.9, 1.0, 100.0)]
)
def test_homeostatic_refuses_much_of_a_benign_stream(low, high, percent):
    """The published shares are of 5000 drawn scores, so a share may be off by a draw's width."""
    rng = random.Random(4)
    _, decisions = run(HOMEOSTATIC, [rng.uniform(low, high) for _ in range(5000)])
    assert 100 * sum(decisions) / 5000 == pytest.approx(percent, abs=1.0)


def test_homeostatic_steers_towards_its_target():
    rng = random.Random(1)
    scores = [rng.uniform(0.3, 0.9) for _ in range(3000)]
    for target in (0.3, 0.7):
        settings = MoralSettings(policy=MoralPolicy.HOMEOSTATIC, target_accept_rate=target)
        _, decisions = run(settings, scores)
        assert sum(decisions) / len(decisions) == pytest.approx(target, abs=0.06)


@pytest.mark.parametrize(
    ("score", "passes"),
    [(0.9, T), (0.95, T), (2.0, T), (0.29, F), (-1.0, F), (0.5, T), (0.49, F), (float("nan"), F)],
)
def test_the_order_of_the_test(score, passes):
    assert moral_filter.evaluate(moral_filter.initial(EVIDENCE), score, EVIDENCE) is passes


def test_a_score_at_the_maximum_passes_at_any_threshold():
    strict = MoralState(threshold=0.9, accept_ema=0.5, harm_ema=1.0)
    assert moral_filter.evaluate(strict, 0.9, EVIDENCE)
    assert not moral_filter.evaluate(strict, 0.8999, EVIDENCE)


@pytest.mark.parametrize(
    ("score", "bar", "passes"),
    [
        (0.6, None, T),
        (0.6, 0.0, T),
        (0.6, 0.6, T),
        (0.6, 0.7, F),
        (0.4, 0.3, F),
        (0.2, 0.0, F),
        (0.95, 0.96, F),
        (0.95, 0.95, T),
        (0.95, float("nan"), F),
    ],
)
def test_a_requests_own_bar_can_only_refuse_more(score, bar, passes):
    assert moral_filter.evaluate(moral_filter.initial(EVIDENCE), score, EVIDENCE, bar) is passes


def test_evidence_at_peace_passes_what_scores_well():
    rng = random.Random(2)
    state, decisions = run(EVIDENCE, [rng.uniform(0.7, 1.0) for _ in range(1000)])
    assert all(decisions)
    assert state.threshold == EVIDENCE.initial_threshold


@pytest.mark.parametrize("harmful_share", [0.01, 0.05, 0.1])
def test_evidence_at_peace_bears_some_harm(harmful_share):
    rng = random.Random(3)
    scores = [
        rng.uniform(0.0, 0.49) if rng.random() < harmful_share else rng.uniform(0.7, 1.0)
        for _ in range(3000)
    ]
    _, decisions = run(EVIDENCE, scores)
    benign = [passed for passed, score in zip(decisions, scores, strict=True) if score >= 0.7]
    assert sum(benign) / len(benign) >= 0.9


def test_evidence_under_attack_reaches_the_maximum_and_comes_back():
    state, decisions = run(EVIDENCE, [0.1] * 20)
    assert not any(decisions)
    assert state.threshold == EVIDENCE.max_threshold
    state, _ = run(EVIDENCE, [0.1] * 500, state)
    assert state.threshold == EVIDENCE.max_threshold
    state, _ = run(EVIDENCE, [0.8] * 100, state)
    assert state.threshold == EVIDENCE.initial_threshold


def test_evidence_at_the_maximum_still_passes_what_scores_as_high():
    state, _ = run(EVIDENCE, [0.1] * 20)
    assert run(EVIDENCE, [0.9, 0.89], state)[1] == [T, F]


def test_evidence_moves_by_one_step_at_most():
    state = moral_filter.initial(EVIDENCE)
    for score in [0.0] * 30 + [1.0] * 60:
        before = state.threshold
        state, _ = decide(state, score, EVIDENCE)
        assert abs(state.threshold - before) <= EVIDENCE.step + 1e-12


def test_evidence_begins_below_the_initial_threshold():
    state, _ = run(EVIDENCE, [0.5] * 30)
    assert (state.harm_ema, state.threshold) == (0.0, 0.5)
    state, _ = run(EVIDENCE, [0.4999] * 30)
    assert state.threshold == EVIDENCE.max_threshold


def test_evidence_stands_as_high_as_the_harm_it_has_seen():
    """Up to the dead band at the initial threshold, from the saturation on at the maximum."""
    settings = EVIDENCE.model_copy(update={"ema_alpha": 0.5, "step": 1.0})
    state = moral_filter.initial(settings)
    for score, harm, threshold in (
        (0.1, 0.5, 0.5 + 0.4 * 0.6),
        (0.8, 0.25, 0.5 + 0.4 * 0.2 / 0.75),
        (0.1, 0.625, 0.5 + 0.4 * 0.575 / 0.75),
        (0.1, 0.8125, 0.9),
    ):
        state, _ = decide(state, score, settings)
        assert (state.harm_ema, state.threshold) == (harm, pytest.approx(threshold))


@pytest.mark.parametrize("dead_band", [0.8, 1.0])
def test_evidence_on_the_edge_of_a_wide_dead_band_stays(dead_band):
    settings = EVIDENCE.model_copy(update={"ema_alpha": dead_band, "dead_band": dead_band})
    state, _ = run(settings, [0.1])
    assert (state.harm_ema, state.threshold) == (dead_band, 0.5)


def test_evidence_has_a_meaning_when_the_dead_band_swallows_the_range():
    settings = MoralSettings(dead_band=0.9)
    state, _ = run(settings, [0.1] * 15)
    assert state.threshold == settings.initial_threshold
    state, _ = run(settings, [0.1] * 25, state)
    assert state.threshold == settings.max_threshold


def test_a_score_that_is_no_number_counts_as_harm():
    state, decisions = run(EVIDENCE, [float("nan")] * 20)
    assert not any(decisions)
    assert state.threshold == EVIDENCE.max_threshold
