"""The circuit breaker, by example and against a model of its own."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    precondition,
    rule,
)

from cognitive_api.engine_config import BreakerSettings
from cognitive_engine.domain.breaker import (
    Breaker,
    BreakerState,
    Verdict,
    admit,
    at,
    settle,
    wait_seconds,
)

RULES = BreakerSettings(failures=3, recovery_seconds=30, probes=2)
OK, BAD, NOTHING = Verdict.SUCCESS, Verdict.FAILURE, Verdict.NOTHING


def after(verdicts, breaker=None, now=0.0):
    """The breaker after calls that came one by one, all at `now`."""
    breaker = breaker or Breaker()
    for verdict in verdicts:
        breaker, permit = admit(breaker, RULES, now)
        assert permit is not None
        breaker = settle(breaker, RULES, permit, verdict, now)
    return breaker


@pytest.mark.parametrize(
    ("verdicts", "state"),
    [
        ([], BreakerState.CLOSED),
        ([BAD, BAD], BreakerState.CLOSED),
        ([BAD, BAD, BAD], BreakerState.OPEN),
        ([BAD, BAD, OK, BAD, BAD], BreakerState.CLOSED),
        ([BAD, BAD, NOTHING, BAD], BreakerState.OPEN),
        ([NOTHING] * 10, BreakerState.CLOSED),
    ],
    ids=["new", "too few", "in a row", "interrupted", "nothing between", "nothing"],
)
def test_failures_in_a_row_open_it(verdicts, state):
    assert after(verdicts).state is state


def test_open_lets_nothing_through_until_the_time_has_come():
    opened = after([BAD] * 3)
    assert admit(opened, RULES, 29.999)[1] is None
    assert wait_seconds(opened, RULES, 10.0) == 20.0
    assert at(opened, 29.999).state is BreakerState.OPEN
    assert at(opened, 30.0).state is BreakerState.HALF_OPEN
    assert wait_seconds(opened, RULES, 30.0) == 0.0


def half_open(permits):
    breaker = after([BAD] * 3)
    held = []
    for _ in range(permits):
        breaker, permit = admit(breaker, RULES, 30.0)
        held.append(permit)
    return breaker, held


def test_half_open_lets_no_more_than_the_probes_through():
    breaker, held = half_open(5)
    assert [permit is not None for permit in held] == [True, True, False, False, False]
    assert wait_seconds(breaker, RULES, 31.0) == 30
    breaker = settle(breaker, RULES, held[0], NOTHING, 31.0)
    assert wait_seconds(breaker, RULES, 31.0) == 0
    assert admit(breaker, RULES, 31.0)[1] is not None


def test_it_closes_after_as_many_successes_as_probes():
    breaker, held = half_open(2)
    breaker = settle(breaker, RULES, held[0], OK, 31.0)
    assert breaker.state is BreakerState.HALF_OPEN
    breaker = settle(breaker, RULES, held[1], OK, 31.0)
    assert (breaker.state, breaker.failures) == (BreakerState.CLOSED, 0)


def test_one_failed_probe_opens_it_for_the_whole_time_again():
    breaker, held = half_open(2)
    breaker = settle(breaker, RULES, held[0], OK, 31.0)
    breaker = settle(breaker, RULES, held[1], BAD, 40.0)
    assert breaker.state is BreakerState.OPEN
    assert wait_seconds(breaker, RULES, 40.0) == 30


def test_what_comes_in_late_says_nothing():
    early, permit = admit(Breaker(), RULES, 0.0)
    opened = after([BAD] * 3, early)
    assert settle(opened, RULES, permit, OK, 1.0) == opened
    probing, _ = admit(opened, RULES, 30.0)
    assert settle(probing, RULES, permit, BAD, 30.0) == probing
    # A probe that outlives its era: the other one failed, and the breaker has recovered since.
    probing, held = half_open(2)
    reopened = settle(probing, RULES, held[0], BAD, 30.0)
    closed = after([OK, OK], reopened, 60.0)
    assert closed.state is BreakerState.CLOSED
    assert settle(closed, RULES, held[1], BAD, 60.0) == closed


class Machine(RuleBasedStateMachine):
    """Calls that begin and end in any order, against what the words of the rules say."""

    permits = Bundle("permits")

    @initialize(failures=st.integers(1, 4), recovery=st.integers(1, 60), probes=st.integers(1, 4))
    def begin(self, failures, recovery, probes):
        self.rules = BreakerSettings(failures=failures, recovery_seconds=recovery, probes=probes)
        self.now = 0.0
        self.breaker = Breaker()
        # The model: a list of what happened since the last change of state, and when that was.
        self.state, self.since, self.log, self.probing, self.age = "closed", 0.0, [], set(), 0
        self.number = 0

    def change(self, state):
        self.state, self.since, self.log, self.probing = state, self.now, [], set()
        self.age += 1

    def wake(self):
        if self.state == "open" and self.now >= self.since + self.rules.recovery_seconds:
            self.change("half_open")

    @rule(seconds=st.floats(0, 100))
    def wait(self, seconds):
        self.now += seconds
        self.wake()

    @precondition(lambda self: self.state == "open")
    @rule()
    def wait_just_long_enough(self):
        self.now = self.breaker.recovers_at
        self.wake()

    @rule(target=permits)
    def call(self):
        self.number += 1
        self.breaker, permit = admit(self.breaker, self.rules, self.now)
        if self.state == "closed":
            assert permit is not None
        elif self.state == "open":
            assert permit is None
        else:
            assert (permit is not None) == (len(self.probing) < self.rules.probes)
            if permit is not None:
                self.probing.add(self.number)
        return (permit, self.age, self.number)

    @rule(held=consumes(permits), verdict=st.sampled_from(list(Verdict)))
    def end(self, held, verdict):
        permit, age, number = held
        if permit is None:
            return
        self.breaker = settle(self.breaker, self.rules, permit, verdict, self.now)
        if age != self.age:
            return
        self.probing.discard(number)
        if verdict is not NOTHING:
            self.log.append(verdict)
        in_a_row = self.log[-self.rules.failures :] == [BAD] * self.rules.failures
        if in_a_row if self.state == "closed" else BAD in self.log:
            self.change("open")
        elif self.state == "half_open" and self.log.count(OK) >= self.rules.probes:
            self.change("closed")

    @invariant()
    def agrees(self):
        now = at(self.breaker, self.now)
        assert now.state.value == self.state
        assert now.under_way == len(self.probing) <= self.rules.probes
        refused = self.state == "open" or len(self.probing) >= self.rules.probes
        assert (wait_seconds(self.breaker, self.rules, self.now) > 0) == refused


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)
