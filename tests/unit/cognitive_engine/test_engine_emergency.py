"""Emergency: who is refused, for how long, and what ends it."""

import pytest

from cognitive_engine.domain import emergency, limits
from cognitive_engine.domain.emergency import CALM, EmergencyReason, EmergencyState

MEMORY, MANUAL = EmergencyReason


def refuse(state, count, now):
    for _ in range(count):
        state, admitted, _ = emergency.admit(state, now)
        assert not admitted
    return state


def recovered(entries, now=0.0):
    """A calm state that has been through `entries` emergencies."""
    state = CALM
    for _ in range(entries):
        state = emergency.enter(state, MANUAL, now)
        state = emergency.admit(state, now + 960.0).state
        assert not state.active
    return state


def test_reasons_have_their_published_names():
    assert [reason.value for reason in EmergencyReason] == ["process_memory_exceeded", "manual"]


def test_calm_lets_everybody_pass_and_counts_nothing():
    assert emergency.admit(CALM, 5.0) == (CALM, True, 0)
    assert emergency.calm(CALM) is CALM


def test_an_alarm_is_noted_in_full():
    assert emergency.enter(CALM, MANUAL, 7.0) == EmergencyState(True, MANUAL, 7.0, 1, 0, 0, False)
    assert emergency.enter(CALM, MEMORY, 7.0) == EmergencyState(True, MEMORY, 7.0, 1, 0, 0, True)


def test_the_request_after_ten_refusals_passes():
    state = refuse(emergency.enter(CALM, MANUAL, 0.0), 10, 1.0)
    assert state.refused == 10
    assert emergency.admit(state, 1.0) == (EmergencyState(entries=1), True, 0)


def test_the_first_request_after_a_minute_passes():
    state = emergency.enter(CALM, MANUAL, 100.0)
    state, admitted, retry_after = emergency.admit(state, 130.5)
    assert (admitted, retry_after) == (False, 30)
    state, admitted, retry_after = emergency.admit(state, 159.99)
    assert (admitted, retry_after) == (False, 1)
    assert emergency.admit(state, 160.0).admitted


@pytest.mark.parametrize(
    ("entry", "refusals", "seconds"),
    [(1, 10, 60), (2, 20, 120), (3, 40, 240), (4, 80, 480), (5, 160, 960), (6, 160, 960)],
)
def test_each_entry_doubles_the_cool_down_up_to_a_bound(entry, refusals, seconds):
    state = emergency.enter(recovered(entry - 1), MANUAL, 0.0)
    assert emergency.admit(state, 0.0).retry_after_seconds == seconds
    assert not emergency.admit(state, seconds - 0.5).admitted
    assert emergency.admit(state, float(seconds)).admitted
    assert emergency.admit(refuse(state, refusals, 0.0), 0.0).admitted


def test_an_alarm_on_top_starts_the_cool_down_again_and_is_no_new_entry():
    state = refuse(emergency.enter(CALM, MANUAL, 0.0), 9, 1.0)
    again = emergency.enter(state, MANUAL, 50.0)
    assert again == EmergencyState(True, MANUAL, 50.0, 1, 0, 0, False)
    assert not emergency.admit(again, 100.0).admitted
    assert emergency.admit(again, 110.0).admitted


def test_short_memory_holds_beyond_the_cool_down():
    state = refuse(emergency.enter(CALM, MEMORY, 0.0), 50, 1e6)
    held = emergency.admit(state, 1e6)
    assert (held.admitted, held.retry_after_seconds) == (False, limits.BUSY_RETRY_SECONDS)
    assert emergency.admit(state, 0.0).retry_after_seconds == 60
    relieved = emergency.relieve(held.state)
    assert relieved.active
    assert emergency.admit(relieved, 1e6).admitted


def test_relief_before_the_end_of_the_cool_down_ends_nothing_yet():
    state = emergency.relieve(emergency.enter(CALM, MEMORY, 0.0))
    assert (state.active, state.held, state.since) == (True, False, 0.0)
    assert not emergency.admit(state, 59.0).admitted
    assert emergency.admit(state, 60.0).admitted


def test_a_manual_alarm_does_not_let_go_of_short_memory():
    state = emergency.enter(emergency.enter(CALM, MEMORY, 0.0), MANUAL, 1.0)
    assert (state.reason, state.held) == (MANUAL, True)
    state = emergency.enter(emergency.enter(CALM, MANUAL, 0.0), MEMORY, 1.0)
    assert (state.reason, state.held, state.entries) == (MEMORY, True, 1)


def test_relief_without_need_changes_nothing():
    assert emergency.relieve(CALM) is CALM
    manual = emergency.enter(CALM, MANUAL, 0.0)
    assert emergency.relieve(manual) is manual


def test_a_hundred_good_steps_forgive():
    state = recovered(3)
    for step in range(1, 100):
        state = emergency.calm(state)
        assert (state.entries, state.calm_steps) == (3, step)
    assert emergency.calm(state) == CALM


def test_good_steps_count_in_a_row_only():
    state = recovered(1)
    for _ in range(99):
        state = emergency.calm(state)
    state = emergency.enter(state, MANUAL, 0.0)
    assert (state.entries, state.calm_steps) == (2, 0)
    # What was admitted before the alarm may end well after it.
    assert emergency.calm(state) is state


def test_a_reset_ends_everything_even_when_held():
    held = emergency.enter(recovered(4), MEMORY, 0.0)
    assert emergency.reset(held) == CALM


def test_a_clock_set_back_does_not_lengthen_the_wait():
    state = emergency.enter(CALM, MANUAL, 1e6)
    state, admitted, retry_after = emergency.admit(state, 1000.0)
    assert (admitted, retry_after, state.since) == (False, 60, 1000.0)
    assert emergency.admit(state, 1060.0).admitted


def test_bounds_are_those_of_the_decisions():
    assert limits.EMERGENCY_MEMORY_SHARE == 0.92
    assert pytest.approx(0.736) == limits.RELIEF_MEMORY_SHARE
