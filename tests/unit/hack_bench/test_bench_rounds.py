"""Rounds: shuffled and interleaved, medians, untimed set-up, and a refusal of noise."""

import gc
from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchlib.errors import BenchError, NoisyMachine
from benchlib.rounds import Candidate, Effort, Results, Series, compare

MICROSECOND = 1_000


class Clock:
    """Time passes only when told."""

    def __init__(self):
        self.now = 0
        self.visits = []
        self.waits = []

    def candidate(self, name, costs, *, units=1, baseline=False, **more):
        """A lap takes the next of `costs`, in µs, and the last one ever after."""
        left = list(costs)

        def lap():
            self.visits.append(name)
            self.now += MICROSECOND * (left.pop(0) if len(left) > 1 else left[0])
            return name

        return Candidate(name, units, lap, baseline=baseline, **more)

    def compare(self, *candidates, rounds=5, laps=1, warm=False, seed=0, visit=0.0):
        def read():
            return self.now

        return compare(
            "test", candidates, effort=Effort(rounds, 7.0), laps=laps, warm=warm, seed=seed,
            clocks=(read, read), settle=self.waits.append, visit_seconds=visit,
        )  # fmt: skip


@pytest.fixture
def clock():
    return Clock()


def test_every_round_visits_every_candidate_once(clock):
    clock.compare(*(clock.candidate(name, [1]) for name in "abcd"), rounds=6)
    rounds = [clock.visits[at : at + 4] for at in range(0, 24, 4)]
    assert len(clock.visits) == 24
    assert all(sorted(visits) == list("abcd") for visits in rounds)


def test_the_order_differs_between_rounds_and_repeats_with_the_seed(clock):
    clock.compare(*(clock.candidate(name, [1]) for name in "abcd"), rounds=8)
    orders = {tuple(clock.visits[at : at + 4]) for at in range(0, 32, 4)}
    assert len(orders) > 3
    again = Clock()
    again.compare(*(again.candidate(name, [1]) for name in "abcd"), rounds=8)
    assert again.visits == clock.visits


def test_a_figure_is_the_median_over_rounds_per_unit(clock):
    found = clock.compare(clock.candidate("a", [10, 20, 30, 40, 500], units=10))
    assert found["a"].cpu == pytest.approx([1e-6, 2e-6, 3e-6, 4e-6, 50e-6])
    assert found["a"].seconds() == pytest.approx(3e-6)
    assert found["a"].seconds("wall") == pytest.approx(3e-6)


def test_within_a_visit_the_median_lap_counts(clock):
    found = clock.compare(clock.candidate("a", [7, 900, 8, 7]), laps=3)
    assert found["a"].cpu[0] == pytest.approx(8e-6)


def test_short_laps_fill_a_visit(clock):
    found = clock.compare(clock.candidate("a", [10]), clock.candidate("b", [1]), visit=20e-6)
    assert (clock.visits.count("a"), clock.visits.count("b")) == (5 * 2, 5 * 20)
    assert found.ratio("a", "b").value == pytest.approx(10)


def test_the_warming_lap_is_judged_but_not_timed(clock):
    seen = []
    slow_first = clock.candidate("a", [5000, 3], judge=seen.append)
    found = clock.compare(slow_first, warm=True)
    assert found["a"].cpu == pytest.approx([3e-6] * 5)
    assert seen == ["a"] * 10


def test_preparing_and_judging_take_no_time(clock):
    def wait(*_):
        clock.now += 10**9

    found = clock.compare(clock.candidate("a", [4], prepare=wait, judge=wait))
    assert found["a"].cpu == pytest.approx([4e-6] * 5)


def test_cpu_and_wall_are_kept_apart():
    ticks = defaultdict(int)

    def lap():
        ticks["cpu"] += 2000
        ticks["wall"] += 5000

    found = compare(
        "test", [Candidate("a", 1, lap)], effort=Effort(5, 0.0), visit_seconds=0.0,
        clocks=(lambda: ticks["cpu"], lambda: ticks["wall"]),
    )  # fmt: skip
    assert (found["a"].seconds(), found["a"].seconds("wall")) == (2e-6, 5e-6)


def test_a_ratio_is_of_the_medians_with_the_spread_of_rounds():
    results = Results({"slow": Series([4, 6, 8], [1, 1, 1]), "fast": Series([1, 2, 4], [1, 1, 1])})
    ratio = results.ratio("slow", "fast")
    assert (ratio.value, ratio.low, ratio.high) == (3, 2, 4)
    assert results.ratio("slow", "fast", "wall").value == 1


figures = st.lists(st.tuples(st.floats(1e-9, 1e3), st.floats(1e-9, 1e3)), min_size=1, max_size=9)


@given(figures)
def test_a_ratio_lies_within_its_spread(pairs):
    above, below = (list(column) for column in zip(*pairs, strict=True))
    ratio = Results({"a": Series(above, above), "b": Series(below, below)}).ratio("a", "b")
    assert ratio.low * (1 - 1e-9) <= ratio.value <= ratio.high * (1 + 1e-9)


def test_a_round_with_a_restless_baseline_is_run_again_once(clock, capsys):
    base = clock.candidate("base", [10, 10, 14, 10, 10, 11], baseline=True)
    found = clock.compare(base, clock.candidate("other", [3]))
    assert found["base"].cpu == pytest.approx([10e-6, 10e-6, 11e-6, 10e-6, 10e-6])
    assert clock.visits.count("other") == 6
    assert clock.waits == [7.0]
    assert "round 3 again" in capsys.readouterr().err


def test_a_baseline_that_stays_restless_fails_the_run(clock):
    base = clock.candidate("base", [10, 10, 14, 10, 10, 14], baseline=True)
    with pytest.raises(NoisyMachine, match="'base' moved 40%") as refused:
        clock.compare(base, clock.candidate("other", [3]))
    assert "again" in refused.value.hint


def test_a_little_movement_is_allowed_and_only_baselines_count(clock):
    base = clock.candidate("base", [100, 129, 100, 100, 71, 100], baseline=True)
    clock.compare(base, clock.candidate("other", [1, 100, 1, 50, 1]))
    assert len(clock.visits) == 10


def test_too_few_rounds_are_refused(clock):
    with pytest.raises(BenchError, match="4 rounds"):
        clock.compare(clock.candidate("a", [1]), rounds=4)
    assert clock.visits == []


def test_a_lap_too_short_for_the_clock_is_not_a_figure(clock):
    with pytest.raises(BenchError, match="too short"):
        clock.compare(clock.candidate("a", [0]))


def test_garbage_is_not_collected_during_a_lap():
    states = []

    def lap():
        states.append(gc.isenabled())
        if len(states) == 3:
            raise ZeroDivisionError
        return sum(range(10_000))

    with pytest.raises(ZeroDivisionError):
        compare("test", [Candidate("a", 1, lap)], effort=Effort(5, 0.0))
    assert states == [False] * 3
    assert gc.isenabled()
