"""Drift of the moral threshold: published figures, and no alarm out of float residue."""

import random
from itertools import pairwise

import pytest

from cognitive_api.governance import MoralPolicy, MoralSettings
from cognitive_engine.domain import drift, limits, moral_filter
from cognitive_engine.domain.drift import DriftAlarm, DriftState, DriftStats
from cognitive_engine.domain.moral_filter import MoralState

HOMEOSTATIC = MoralSettings(policy=MoralPolicy.HOMEOSTATIC)
SUSTAINED, SIGNIFICANT, CRITICAL = DriftAlarm


def live(settings, scores):
    """The filter's state, its drift and every alarm after `scores`."""
    moral, seen, alarms = moral_filter.initial(settings), DriftState(), []
    for score in scores:
        old = moral.threshold
        accepted = moral_filter.evaluate(moral, score, settings)
        moral = moral_filter.adapt(moral, score, accepted, settings)
        seen = drift.observe(seen, old, moral.threshold)
        alarms.append(drift.detect(seen, old, moral.threshold))
    return moral, seen, alarms


def walk(*thresholds):
    """The drift after a way through `thresholds`, and the alarms of its last change."""
    seen = DriftState()
    alarms = ()
    for old, new in pairwise(thresholds):
        seen = drift.observe(seen, old, new)
        alarms = drift.detect(seen, old, new)
    return seen, alarms


def test_eight_times_the_same_score_is_the_published_drift():
    moral, seen, _ = live(HOMEOSTATIC, [0.8] * 8)
    stats = drift.stats(seen, moral)
    assert (stats.total_changes, round(stats.drift_range, 10)) == (8, 0.35)
    assert (stats.min_threshold, round(stats.max_threshold, 10)) == (0.55, 0.9)
    assert stats.current_threshold == moral.threshold
    assert round(stats.ema_acceptance, 9) == 0.594766395


@pytest.mark.parametrize("thresholds", [(), (0.55,)])
def test_fewer_than_two_changes_are_no_drift(thresholds):
    moral = MoralState(threshold=0.55, accept_ema=0.6, harm_ema=0.0)
    assert drift.stats(DriftState(thresholds), moral) == DriftStats(0, 0.0, 0.55, 0.55, 0.55, 0.6)


def test_two_changes_are_counted():
    moral = MoralState(threshold=0.5, accept_ema=0.6, harm_ema=0.0)
    assert drift.stats(DriftState((0.75, 0.5)), moral) == DriftStats(2, 0.25, 0.5, 0.75, 0.5, 0.6)


def test_a_threshold_that_stands_still_leaves_no_trace():
    seen = DriftState((0.5,) * 20)
    assert drift.observe(seen, 0.5, 0.5) is seen
    assert drift.detect(DriftState(tuple(n / 10 for n in range(10))), 0.9, 0.9) == ()


def test_only_the_newest_thresholds_are_kept():
    seen, _ = walk(*(number / 1000 for number in range(limits.DRIFT_THRESHOLDS_MAX + 51)))
    assert seen.thresholds == tuple(number / 1000 for number in range(51, 151))


@pytest.mark.parametrize(
    ("old", "new", "alarms"),
    [
        (0.50, 0.55, ()),
        (0.55, 0.50, ()),
        (0.80, 0.8500000000000003, ()),
        (0.50, 0.53, ()),
        (0.50, 0.5501, (SIGNIFICANT,)),
        (0.60, 0.5, (SIGNIFICANT,)),
        (0.50, 0.6000000000000001, (SIGNIFICANT,)),
        (0.50, 0.6001, (CRITICAL,)),
        (0.90, 0.3, (CRITICAL,)),
    ],
)
def test_one_change_is_judged_by_its_size(old, new, alarms):
    assert walk(old, new)[1] == alarms


def test_ten_thresholds_far_apart_are_a_sustained_drift():
    slow = [0.5 + 0.05 * number / 3 for number in range(12)]
    assert walk(*slow[:10])[1] == ()
    # Ten results of changes, from the first to the tenth: nine steps of a sixtieth, 0.15.
    assert walk(*slow[:11])[1] == (SUSTAINED,)
    assert walk(*reversed(slow))[1] == (SUSTAINED,)


def test_sustained_drift_looks_at_the_newest_ten_only():
    up = (0.3, 0.35, 0.4, 0.45, 0.5)
    there_and_back = (0.52, 0.5) * 5
    assert walk(*up, *there_and_back)[1] == ()


@pytest.mark.parametrize("first", [0.30, 0.35, 0.40, 0.60])
def test_residue_does_not_decide_about_three_steps(first):
    up = first
    for _ in range(3):
        up += 0.05
    # Apart by three steps, give or take the residue of the adding.
    assert walk(0.52, first, *(up, first) * 4, up)[1][0] is SUSTAINED


def test_both_kinds_of_alarm_can_meet():
    near = (0.50, 0.51) * 5
    assert walk(*near, 0.9)[1] == (SUSTAINED, CRITICAL)


def test_ordinary_steps_never_count_as_significant():
    rng = random.Random(5)
    scores = [rng.uniform(0.2, 1.0) for _ in range(3000)]
    moral, seen, alarms = live(HOMEOSTATIC, scores)
    changes = pairwise(seen.thresholds)
    assert any(abs(new - old) > 0.05 for old, new in changes), "residue there is"
    assert {alarm for raised in alarms for alarm in raised} <= {SUSTAINED}
    assert drift.stats(seen, moral).total_changes == limits.DRIFT_THRESHOLDS_MAX


def test_the_evidence_of_an_attack_is_a_sustained_drift():
    _, _, alarms = live(MoralSettings(), [0.1] * 20)
    assert {alarm for raised in alarms for alarm in raised} == {SUSTAINED}
