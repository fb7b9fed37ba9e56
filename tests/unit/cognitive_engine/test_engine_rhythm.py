"""The rhythm: the published trace, and waking by the clock."""

from cognitive_api.governance import RhythmSettings
from cognitive_engine.domain import rhythm
from cognitive_engine.domain.rhythm import Phase

SHORT = RhythmSettings(wake_duration=3, sleep_duration=2, max_sleep_seconds=30)


def shown(state):
    return f"{state.phase.value[0].upper()}{state.counter}"


def asleep(now=0.0):
    state = rhythm.initial(SHORT, now)
    for _ in range(3):
        state = rhythm.advance(state, SHORT, now)
    assert state.phase is Phase.SLEEP
    return state


def test_the_published_trace():
    state = rhythm.initial(SHORT, 0.0)
    seen = [shown(state)]
    for _ in range(10):
        state = rhythm.advance(state, SHORT, 0.0)
        seen.append(shown(state))
    assert " ".join(seen) == "W3 W2 W1 S2 S1 W3 W2 W1 S2 S1 W3"


def test_the_default_cycle_is_eight_awake_and_three_asleep_for_ever():
    rules = RhythmSettings()
    state = rhythm.initial(rules, 0.0)
    phases = []
    for _ in range(1000):
        phases.append(state.phase)
        state = rhythm.advance(state, rules, 0.0)
    cycle = [Phase.WAKE] * 8 + [Phase.SLEEP] * 3
    assert phases == (cycle * 91)[:1000]


def test_a_phase_begins_when_the_one_before_it_ends():
    state = rhythm.initial(SHORT, 5.0)
    for now in (6.0, 7.0):
        state = rhythm.advance(state, SHORT, now)
        assert (state.phase, state.since) == (Phase.WAKE, 5.0)
    state = rhythm.advance(state, SHORT, 8.0)
    assert (state.phase, state.since) == (Phase.SLEEP, 8.0)


def test_every_phase_follows_another_and_lies_on_the_axis():
    assert set(rhythm.NEXT) == set(rhythm.NEXT.values()) == set(rhythm.PHASE_VALUE) == set(Phase)
    assert [rhythm.PHASE_VALUE[phase] for phase in (Phase.WAKE, Phase.SLEEP)] == [0.1, 0.9]


def test_the_longest_sleep_ends_by_the_clock():
    state = asleep(100.0)
    assert rhythm.settle(state, SHORT, 129.9) == state
    woken = rhythm.settle(state, SHORT, 130.0)
    assert (shown(woken), woken.since) == ("W3", 130.0)


def test_being_awake_has_no_longest_time():
    state = rhythm.initial(SHORT, 0.0)
    assert rhythm.settle(state, SHORT, 1e9) == state


def test_who_is_turned_away_learns_when_to_come_back():
    state = asleep(100.0)
    assert rhythm.seconds_to_wake(state, SHORT, 100.0) == 30
    assert rhythm.seconds_to_wake(state, SHORT, 110.5) == 20
    assert rhythm.seconds_to_wake(state, SHORT, 129.99) == 1
    assert rhythm.seconds_to_wake(rhythm.initial(SHORT, 0.0), SHORT, 5.0) == 1
