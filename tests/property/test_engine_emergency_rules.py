"""Emergency under any order of alarms, relief, requests and good steps."""

from hypothesis import given
from hypothesis import strategies as st

from cognitive_engine.domain import emergency, limits
from cognitive_engine.domain.emergency import CALM, EmergencyReason

times = st.floats(-1e9, 1e9)
acts = st.one_of(
    st.tuples(st.just("enter"), st.sampled_from(EmergencyReason), times),
    st.tuples(st.just("admit"), times),
    st.tuples(st.sampled_from(["relieve", "calm", "reset"])),
    # Long enough to cool down by refusals, and to be forgiven.
    st.tuples(st.just("admit"), st.just(0.0)).map(lambda act: [act] * 170),
    st.just([("calm",)] * 100),
)
lives = st.lists(acts, max_size=40).map(
    lambda mixed: [act for acts in mixed for act in (acts if isinstance(acts, list) else [acts])]
)


def take(state, act):
    name, *arguments = act
    after = getattr(emergency, name)(state, *arguments)
    return after.state if name == "admit" else after


@given(lives)
def test_held_admits_nobody_and_every_number_stays_in_its_bounds(life):
    state = CALM
    for act in life:
        if act[0] == "admit":
            _, admitted, retry_after = emergency.admit(state, act[1])
            assert admitted or state.active
            assert not (admitted and state.held)
            assert (retry_after == 0) is admitted
            assert 0 <= retry_after <= 960
        state = take(state, act)
        assert 0 <= state.entries <= limits.EMERGENCY_ENTRIES_MAX
        assert 0 <= state.calm_steps < limits.EMERGENCY_FORGIVEN_STEPS
        assert state.active or (state.reason, state.refused, state.held) == (None, 0, False)
        assert not state.active or (state.reason is not None and state.entries >= 1)
        assert not state.held or state.active


@given(lives, times)
def test_what_is_not_held_ends_by_the_clock(life, now):
    state = CALM
    for act in life:
        state = take(state, act)
    state = emergency.relieve(state)
    state, _, retry_after = emergency.admit(state, now)
    assert emergency.admit(state, now + 960.001).admitted
    assert emergency.admit(state, now + retry_after + 0.001).admitted


@given(lives, times)
def test_what_is_not_held_ends_by_refusals(life, now):
    state = CALM
    for act in life:
        state = take(state, act)
    state = emergency.relieve(state)
    for _ in range(160):
        state, _, _ = emergency.admit(state, now)
    assert emergency.admit(state, now).admitted


@given(lives, st.lists(times, max_size=20))
def test_a_refusal_is_counted_and_moves_nothing_else(life, moments):
    state = CALM
    for act in life:
        state = take(state, act)
    for now in moments:
        after, admitted, _ = emergency.admit(state, now)
        if not admitted:
            assert after.refused == state.refused + 1
            assert (after.entries, after.held, after.reason) == (
                state.entries,
                state.held,
                state.reason,
            )
        state = after
