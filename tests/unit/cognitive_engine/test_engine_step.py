"""The state machine: rhythm, sleep, consolidation, atomicity, digest and replay."""

import numpy as np
import pytest

from cognitive_api.governance import (
    GovernanceSettings,
    MemorySettings,
    RhythmSettings,
    SleepPolicy,
)
from cognitive_engine.domain.errors import InvalidInput, InvalidScore, InvalidTime, InvalidVector
from cognitive_engine.domain.rhythm import PHASE_VALUE, Phase
from cognitive_engine.domain.step import (
    Admitted,
    Asleep,
    Decide,
    Refused,
    Remember,
    Remembered,
    Rules,
    initial,
    phase_now,
    step,
)

REJECT = RhythmSettings(sleep_policy=SleepPolicy.REJECT)
SCOPE = "someone"


def mind(rhythm=RhythmSettings(), now=0.0, **memory):  # noqa: B008
    rules = Rules(
        GovernanceSettings(rhythm=rhythm),
        MemorySettings(**{"dimension": 4, "capacity": 100} | memory),
    )
    return initial(rules, now)


def unit(place):
    vector = np.zeros(4, dtype=np.float32)
    vector[place % 4] = 1.0
    return vector


def serve(state, text="text", *, now=0.0, score=0.9, max_tokens=None, vector=None):
    """One whole request: decided, and remembered when admitted."""
    state, _, outcome = step(state, Decide(SCOPE, score, max_tokens), now)
    if isinstance(outcome, Admitted):
        kept = unit(0) if vector is None else vector
        state, _, _ = step(state, Remember(SCOPE, text, kept), now)
    return state, outcome


def recalled(state, phase, text_vector, top_k=20):
    tolerance = state.rules.memory.phase_tolerance
    found = state.pelm.recall(text_vector, PHASE_VALUE[phase], tolerance, top_k, SCOPE)
    return [item.text for item in found]


@pytest.mark.parametrize("policy", SleepPolicy)
def test_a_thousand_steps_keep_the_rhythm(policy):
    state = mind(RhythmSettings(sleep_policy=policy))
    served_in = []
    for _ in range(1001):
        phase = phase_now(state, 0.0).phase
        state, outcome = serve(state, score=0.95)
        served_in.append(phase)
        assert isinstance(outcome, Asleep) == (
            policy is SleepPolicy.REJECT and phase is Phase.SLEEP
        )
    assert served_in[:22] == ([Phase.WAKE] * 8 + [Phase.SLEEP] * 3) * 2
    assert served_in.count(Phase.WAKE) == 1001 * 8 // 11
    assert state.counts.steps == 1001


def test_a_refusal_advances_the_rhythm_and_is_counted():
    state = mind()
    for number in range(1, 9):
        state, outcome = serve(state, score=0.1)
        assert isinstance(outcome, Refused)
        assert outcome.step == number
    assert state.rhythm.phase is Phase.SLEEP
    assert (state.counts.accepted, state.counts.rejected) == (0, 8)
    assert state.pelm.used == 0


def test_the_eighth_step_falls_asleep_but_is_served_awake():
    state = mind()
    for _ in range(8):
        state, outcome = serve(state)
    assert (outcome.phase, outcome.admitted_in, outcome.max_tokens) == (
        Phase.SLEEP,
        Phase.WAKE,
        2048,
    )
    state, outcome = serve(state)
    assert (outcome.admitted_in, outcome.max_tokens) == (Phase.SLEEP, 150)


@pytest.mark.parametrize(
    ("asked", "awake", "asleep"), [(None, 2048, 150), (1, 1, 1), (150, 150, 150), (4096, 4096, 150)]
)
def test_asleep_answers_are_short(asked, awake, asleep):
    state = mind(RhythmSettings(wake_duration=1, sleep_duration=1))
    state, first = serve(state, max_tokens=asked)
    state, second = serve(state, max_tokens=asked)
    assert (first.max_tokens, second.max_tokens) == (awake, asleep)


def test_turned_away_asleep_leaves_the_moral_filter_alone():
    state = mind(REJECT)
    for _ in range(8):
        state, _ = serve(state)
    before = state.moral
    for _ in range(3):
        state, outcome = serve(state)
        assert isinstance(outcome, Asleep)
        assert state.moral == before
    assert outcome.retry_after_seconds == 1  # the third refusal ended the sleep
    assert state.rhythm.phase is Phase.WAKE
    assert state.counts.rejected == 3


def test_an_idle_engine_wakes_by_the_clock():
    state = mind(REJECT)
    for _ in range(8):
        state, _ = serve(state, now=10.0)
    assert phase_now(state, 39.9).phase is Phase.SLEEP
    assert phase_now(state, 40.0).phase is Phase.WAKE
    assert state.rhythm.phase is Phase.SLEEP  # looking changes nothing
    state, outcome = serve(state, now=40.0)
    assert isinstance(outcome, Admitted)
    assert state.rhythm.counter == 7


def test_sleep_makes_what_was_learned_awake_reachable_asleep():
    state = mind()
    for number in range(7):
        state, _ = serve(state, f"fact {number}", vector=unit(number))
    assert recalled(state, Phase.SLEEP, unit(0)) == []
    assert state.counts.consolidations == 0
    state, _ = serve(state, "fact 7", vector=unit(7))
    expected = sorted(f"fact {number}" for number in range(8))
    assert sorted(recalled(state, Phase.SLEEP, unit(0))) == expected
    assert sorted(recalled(state, Phase.WAKE, unit(0))) == expected
    assert state.pelm.used == 16
    assert state.counts.consolidations > 0
    assert state.pending == ()


def test_what_is_learned_asleep_is_known_asleep_and_awake():
    state = mind()
    for _ in range(8):
        state, _ = serve(state, vector=unit(0))
    assert state.rhythm.phase is Phase.SLEEP
    state, _ = serve(state, "told asleep", vector=unit(1))
    for phase in Phase:
        assert recalled(state, phase, unit(1), top_k=1) == ["told asleep"]


def test_a_tolerance_over_the_whole_axis_answers_once():
    state = mind(phase_tolerance=1.0)
    for number in range(8):
        state, _ = serve(state, f"fact {number}", vector=unit(number))
    assert len(recalled(state, Phase.SLEEP, unit(0))) == 8
    assert state.pelm.used == 8


def test_a_memory_that_left_before_sleep_is_not_consolidated():
    state = mind(capacity=3)
    for number in range(8):
        state, _ = serve(state, f"fact {number}", vector=unit(number))
    assert state.pelm.used == 3


def test_text_is_kept_only_if_the_rules_say_so():
    for store_text, expected in ((True, ["secret"]), (False, [None])):
        state, _ = serve(mind(store_text=store_text), "secret")
        assert recalled(state, Phase.WAKE, unit(0)) == expected


def test_a_long_text_is_cut():
    state, _ = serve(mind(), "x" * 10_000)
    assert len(recalled(state, Phase.WAKE, unit(0))[0]) == 2_000


BAD_COMMANDS = [
    (Decide(SCOPE, float("nan")), 1.0, InvalidScore),
    (Decide(SCOPE, -0.1), 1.0, InvalidScore),
    (Decide(SCOPE, 1.1), 1.0, InvalidScore),
    (Decide(SCOPE, 0.9, max_tokens=0), 1.0, InvalidInput),
    (Decide(SCOPE, 0.9, max_tokens=4097), 1.0, InvalidInput),
    (Decide(SCOPE, 0.9), float("nan"), InvalidTime),
    (Remember(SCOPE, "t", np.full(4, np.nan, dtype=np.float32)), 1.0, InvalidVector),
    (Remember(SCOPE, "t", np.zeros(3, dtype=np.float32)), 1.0, InvalidVector),
]


@pytest.mark.parametrize(("command", "now", "error"), BAD_COMMANDS)
def test_a_bad_command_changes_nothing(command, now, error):
    state, _ = serve(mind())
    levels, used, digest = state.levels, state.pelm.used, state.digest
    with pytest.raises(error):
        step(state, command, now)
    assert (state.levels, state.pelm.used, state.digest) == (levels, used, digest)
    assert np.isfinite(state.levels.l1).all()


def script():
    for number in range(60):
        yield Decide(SCOPE, (number * 37 % 100) / 100), float(number)
        if number % 3 == 0:
            yield Remember(SCOPE, f"fact {number}", unit(number)), number + 0.5


def test_the_same_records_make_the_same_state():
    state = mind()
    records = []
    for command, now in script():
        state, record, _ = step(state, command, now)
        records.append(record)
    replayed = mind()
    for record in records:
        replayed, again, outcome = step(replayed, record.command, record.now)
        assert (again.sequence, outcome) == (record.sequence, record.outcome)
    assert replayed.digest == state.digest
    assert replayed.moral == state.moral
    assert replayed.rhythm == state.rhythm
    assert replayed.pending == state.pending
    assert np.array_equal(replayed.levels.l1, state.levels.l1)


@pytest.mark.parametrize(
    "other",
    [
        (Decide(SCOPE, 0.8), 1.0),
        (Decide("another", 0.9), 1.0),
        (Decide(SCOPE, 0.9, 5), 1.0),
        (Decide(SCOPE, 0.9), 2.0),
        (Remember(SCOPE, "t", unit(0)), 1.0),
        (Remember(SCOPE, "u", unit(0)), 1.0),
        (Remember(SCOPE, "t", unit(1)), 1.0),
    ],
)
def test_another_command_is_another_digest(other):
    seen = set()
    for command, now in [(Decide(SCOPE, 0.9), 1.0), other]:
        state, _, _ = step(mind(), command, now)
        seen.add(state.digest)
    assert len(seen) == 2


@pytest.mark.parametrize(
    ("rules", "score"),
    [
        ([{"dead_band": 0.05}, {"dead_band": 0.5}], 0.1),
        # The same answers, so that only the state behind them tells the two apart.
        ([{"ema_alpha": 0.1}, {"ema_alpha": 0.2}], 0.9),
    ],
)
def test_other_rules_are_another_digest(rules, score):
    digests = set()
    for moral in rules:
        governance = GovernanceSettings(moral=moral)
        state = initial(Rules(governance, MemorySettings(dimension=4, capacity=4)), 0.0)
        for _ in range(5):
            state, _, _ = step(state, Decide(SCOPE, score), 0.0)
        digests.add(state.digest)
    assert len(digests) == 2


def test_memories_have_ids_that_are_never_used_twice():
    state = mind(capacity=2)
    ids = []
    for _ in range(5):
        state, _, outcome = step(state, Remember(SCOPE, "t", unit(0)), 0.0)
        assert isinstance(outcome, Remembered)
        ids.append(outcome.memory_id)
    assert ids == sorted(set(ids))
