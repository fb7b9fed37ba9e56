"""The state machine: rhythm, sleep, consolidation, atomicity, digest and replay."""

import numpy as np
import pytest

from cognitive_api.governance import (
    Gate,
    GovernanceSettings,
    LevelSettings,
    MemorySettings,
    MoralSettings,
    RhythmSettings,
    SleepPolicy,
)
from cognitive_engine.domain import limits
from cognitive_engine.domain.commands import (
    Admitted,
    Asleep,
    Consolidate,
    Consolidated,
    Decide,
    Emergency,
    Erase,
    Erased,
    Halted,
    Memory,
    Observe,
    Observed,
    Refused,
    Relieve,
    Remember,
    Remembered,
    Reset,
    Verdict,
)
from cognitive_engine.domain.drift import DriftAlarm
from cognitive_engine.domain.emergency import EmergencyReason
from cognitive_engine.domain.errors import (
    DamagedRecord,
    InvalidEntry,
    InvalidInput,
    InvalidScore,
    InvalidText,
    InvalidTime,
    InvalidVector,
    MisplacedRecord,
)
from cognitive_engine.domain.memory.pelm import Query
from cognitive_engine.domain.memory.provenance import Origin, Source
from cognitive_engine.domain.records import Record
from cognitive_engine.domain.rhythm import PHASE_VALUE, Phase
from cognitive_engine.domain.state import Rules, emergency_at, initial, rhythm_at
from cognitive_engine.domain.step import fold, judge, step

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


def remember(text="text", vector=None, **fields):
    vector = unit(0) if vector is None else vector
    return Remember((Memory(**{"scope": SCOPE, "vector": vector, "text": text} | fields),))


def serve(state, text="text", *, now=0.0, score=0.9, max_tokens=None, vector=None):
    """One whole request: decided, and remembered when admitted."""
    state, _, outcome = step(state, Decide(SCOPE, score, max_tokens), now)
    if isinstance(outcome, Admitted):
        kept = unit(0) if vector is None else vector
        state, _, _ = step(state, remember(text, kept), now)
    return state, outcome


def recalled(state, phase, text_vector, top_k=20):
    tolerance = state.rules.memory.phase_tolerance
    query = Query(text_vector, PHASE_VALUE[phase], tolerance, top_k, SCOPE)
    return [item.text for item in state.pelm.recall(query).items]


@pytest.mark.parametrize("policy", SleepPolicy)
def test_a_thousand_steps_keep_the_rhythm(policy):
    state = mind(RhythmSettings(sleep_policy=policy))
    served_in = []
    for _ in range(1001):
        phase = rhythm_at(state, 0.0).phase
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
    assert rhythm_at(state, 39.9).phase is Phase.SLEEP
    assert rhythm_at(state, 40.0).phase is Phase.WAKE
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


NAN, INF = float("nan"), float("inf")


def observe(**fields):
    return Observe(**{"scope": SCOPE, "score": 0.9, "vector": unit(0)} | fields)


def filled(*values):
    return np.array(values, dtype=np.float32)


BAD_COMMANDS = {
    "a score that is no number": (Decide(SCOPE, NAN), InvalidScore),
    "a score below": (Decide(SCOPE, -0.1), InvalidScore),
    "a score above": (Decide(SCOPE, 1.1), InvalidScore),
    "a score as text": (Decide(SCOPE, "0.9"), InvalidScore),
    "a score as a truth": (Decide(SCOPE, True), InvalidScore),
    "a huge score": (Decide(SCOPE, 10**400), InvalidScore),
    "a bar above": (Decide(SCOPE, 0.9, bar=1.1), InvalidScore),
    "no tokens": (Decide(SCOPE, 0.9, max_tokens=0), InvalidInput),
    "too many tokens": (Decide(SCOPE, 0.9, max_tokens=4097), InvalidInput),
    "half a token": (Decide(SCOPE, 0.9, max_tokens=1.5), InvalidInput),
    "blocked by a word": (Decide(SCOPE, 0.9, blocked="yes"), InvalidInput),
    "no scope": (Decide(None, 0.9), InvalidText),
    "a long scope": (Decide("s" * 257, 0.9), InvalidText),
    "half a surrogate as scope": (Erase("\ud800"), InvalidText),
    "half a surrogate as text": (remember("\ud800"), InvalidText),
    "a number as text": (remember(5), InvalidText),
    "a million characters": (remember("x" * 1_000_000), InvalidText),
    "a million characters of an event": (observe(text="x" * 1_000_000), InvalidText),
    "an event of another dimension": (observe(vector=np.ones(5, np.float32)), InvalidVector),
    "an event without direction": (observe(vector=np.zeros(4)), InvalidVector),
    "an event with a bad bar": (observe(bar=NAN), InvalidScore),
    "NaN": (remember(vector=filled(1, NAN, 0, 0)), InvalidVector),
    "infinite": (remember(vector=filled(1, -INF, 0, 0)), InvalidVector),
    "too short": (remember(vector=np.ones(3)), InvalidVector),
    "two rows": (remember(vector=np.ones((1, 4))), InvalidVector),
    "words for a vector": (remember(vector="abcd"), InvalidVector),
    "nothing for a vector": (remember(vector=[None] * 4), InvalidVector),
    "zero": (remember(vector=np.zeros(4)), InvalidVector),
    "a confidence above": (remember(confidence=1.01), InvalidInput),
    "a confidence that is no number": (remember(confidence=NAN), InvalidInput),
    "no origin": (remember(origin=None), InvalidEntry),
    "an origin without a source": (remember(origin=Origin(source="user_input")), InvalidEntry),
    "an origin that says much": (remember(origin=Origin(llm_model="m" * 257)), InvalidText),
    "an origin that never ends": (remember(origin=Origin(retention_expires_at=INF)), InvalidTime),
    "no memories": (Remember(()), InvalidEntry),
    "too many memories": (Remember(remember().memories * 1001), InvalidEntry),
    "words for memories": (Remember(("a",)), InvalidEntry),
    "one bad of many": (
        Remember(remember().memories + remember(vector=np.zeros(4)).memories),
        InvalidVector,
    ),
    "an unknown reason": (Emergency("boredom"), InvalidInput),
    "no command": ("decide", InvalidInput),
    "nothing": (None, InvalidInput),
}
BAD_TIMES = [NAN, INF, -INF, None, "now", True, 1e12, -1e12]


def everything(state):
    """All that a step could change."""
    levels = [getattr(state.levels, name).tobytes() for name in ("l1", "l2", "l3")]
    bank = (state.pelm.used, state.pelm.fingerprint, state.pelm.damaged, state.pelm.evicted)
    small = (state.moral, state.rhythm, state.counts, state.emergency, state.drift, state.pending)
    return levels, bank, small, state.sequence, state.digest


@pytest.mark.parametrize(("command", "error"), BAD_COMMANDS.values(), ids=BAD_COMMANDS)
def test_a_bad_command_changes_nothing(command, error):
    state, _ = serve(mind())
    before = everything(state)
    for act in (step, judge):
        with pytest.raises(error):
            act(state, command, 1.0)
    assert everything(state) == before


@pytest.mark.parametrize("now", BAD_TIMES)
def test_a_bad_time_changes_nothing(now):
    state, _ = serve(mind())
    before = everything(state)
    with pytest.raises(InvalidTime):
        step(state, Decide(SCOPE, 0.9), now)
    with pytest.raises(InvalidTime):
        initial(state.rules, now)
    assert everything(state) == before


def test_a_record_keeps_nothing_of_the_callers():
    given = unit(0)
    state, record, _ = step(mind(), observe(vector=given), 1)
    given[:] = 7.0
    kept = record.command.vector
    assert kept.tolist() == unit(0).tolist()
    assert not kept.flags.writeable
    assert type(record.now) is float
    assert state.levels.l1.tolist() == unit(0).tolist()


def test_equal_wishes_have_equal_records():
    digests = {
        step(mind(), Decide(SCOPE, score, bar=bar), now)[0].digest
        for score, bar, now in ((0.0, 1.0, 1.0), (-0.0, 1, 1), (0, np.float64(1), np.float64(1)))
    }
    assert len(digests) == 1


@pytest.mark.parametrize(
    "other",
    [
        (Decide(SCOPE, 0.8), 1.0),
        (Decide("another", 0.9), 1.0),
        (Decide(SCOPE, 0.9, 5), 1.0),
        (Decide(SCOPE, 0.9), 2.0),
        (Decide(SCOPE, 0.9, bar=0.1), 1.0),
        (Decide(SCOPE, 0.9, blocked=True), 1.0),
        (remember("t", unit(0)), 1.0),
        (remember("u", unit(0)), 1.0),
        (remember("t", unit(1)), 1.0),
        (remember("t", unit(0), confidence=0.9), 1.0),
        (remember("t", unit(0), origin=Origin(Source.SYSTEM)), 1.0),
        (observe(), 1.0),
        (Emergency(EmergencyReason.MANUAL), 1.0),
        (Emergency(EmergencyReason.MEMORY), 1.0),
        (Relieve(), 1.0),
        (Reset(), 1.0),
        (Consolidate(), 1.0),
        (Erase(SCOPE), 1.0),
        (Erase("another"), 1.0),
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
        state, _, outcome = step(state, remember(), 0.0)
        assert isinstance(outcome, Remembered)
        ids += outcome.memory_ids
    assert ids == sorted(set(ids))


def test_many_memories_are_one_record():
    many = tuple(
        Memory(SCOPE, unit(number), f"fact {number}", confidence=0.4 + number / 10)
        for number in range(3)
    )
    state, record, outcome = step(mind(), Remember(many), 0.0)
    assert (record.sequence, state.sequence) == (1, 1)
    assert outcome.memory_ids[0] is None
    assert None not in outcome.memory_ids[1:]
    # What was passed over left no trace in the levels either.
    assert state.levels.l1[0] == 0.0
    assert recalled(state, Phase.WAKE, unit(2)) == ["fact 2", "fact 1"]
    assert len(state.pending) == 2


def test_a_crowd_of_memories_is_consolidated_before_sleep():
    state = mind(capacity=3000)
    memories = remember().memories * limits.MEMORIES_AT_ONCE_MAX
    assert len(memories) >= limits.PENDING_CONSOLIDATIONS_MAX
    state, _, _ = step(state, Remember(memories), 0.0)
    assert state.rhythm.phase is Phase.WAKE
    assert state.pending == ()
    assert state.pelm.used == 2 * len(memories)


@pytest.mark.parametrize("score", [0.9, 0.1])
@pytest.mark.parametrize("rhythm", [RhythmSettings(), REJECT])
def test_an_event_is_a_decision_and_a_memory_in_one(score, rhythm):
    one, two = mind(rhythm), mind(rhythm)
    for number in range(30):
        vector, text, now = unit(number), f"fact {number}", float(number)
        one, _, event = step(one, observe(score=score, vector=vector, text=text), now)
        two, decided = serve(two, text, now=now, score=score, vector=vector)
        assert (event.step, event.phase, event.threshold) == (
            decided.step,
            decided.phase,
            decided.threshold,
        )
        assert isinstance(event, Observed) == isinstance(decided, Admitted)
        assert everything(one)[:3] == everything(two)[:3]


def test_a_bar_of_its_own_refuses_and_teaches_nothing():
    barred, plain = mind(), mind()
    for _ in range(5):
        barred, _, outcome = step(barred, Decide(SCOPE, 0.7, bar=0.8), 0.0)
        assert isinstance(outcome, Refused)
        plain, _, _ = step(plain, Decide(SCOPE, 0.7), 0.0)
        assert (barred.moral, barred.drift) == (plain.moral, plain.drift)
    assert (barred.counts.rejected, plain.counts.rejected) == (5, 0)
    _, _, outcome = step(barred, Decide(SCOPE, 0.8, bar=0.8), 0.0)
    assert isinstance(outcome, Admitted)
    # A bar can only refuse more.
    _, _, outcome = step(barred, Decide(SCOPE, 0.4, bar=0.1), 0.0)
    assert isinstance(outcome, Refused)


def test_a_blocked_request_counts_and_moves_the_rhythm_but_is_not_judged():
    state = mind()
    after, record, outcome = step(state, Decide(SCOPE, 0.95, blocked=True), 0.0)
    assert isinstance(outcome, Refused)
    assert record.verdict is Verdict.REFUSED
    assert (after.moral, after.drift) == (state.moral, state.drift)
    assert (after.counts.steps, after.counts.rejected) == (1, 1)
    assert after.rhythm.counter == state.rhythm.counter - 1


def test_the_drift_follows_the_threshold():
    state = mind()
    for _ in range(30):
        state, _ = serve(state, score=0.1)
    assert len(state.drift.thresholds) > 2
    assert state.drift.thresholds[-1] == state.moral.threshold


def alarm(state, reason=EmergencyReason.MANUAL, now=0.0):
    state, _, outcome = step(state, Emergency(reason), now)
    assert outcome.active
    return state


def test_in_an_emergency_nothing_is_judged_and_nothing_moves():
    before, _ = serve(mind())
    state = alarm(before)
    for number in range(3):
        for command in (Decide(SCOPE, 0.95), observe()):
            state, record, outcome = step(state, command, float(number))
            assert isinstance(outcome, Halted)
            assert (outcome.step, outcome.retry_after_seconds) == (1, 60 - number)
            assert record.verdict is Verdict.HALTED
    for name in ("moral", "rhythm", "levels", "drift", "pending"):
        assert getattr(state, name) == getattr(before, name)
    assert state.pelm.used == 1
    assert (state.counts.steps, state.counts.accepted, state.counts.halted) == (1, 1, 6)


def test_an_emergency_is_over_by_the_clock_and_the_next_request_is_served():
    state = alarm(mind())
    assert emergency_at(state, 59.0).active
    assert not emergency_at(state, 60.0).active
    assert state.emergency.active  # looking changes nothing
    state, outcome = serve(state, now=60.0)
    assert isinstance(outcome, Admitted)
    assert not state.emergency.active
    assert state.counts.emergencies == (0, 1)


def test_an_emergency_for_memory_lasts_until_it_is_relieved():
    state = alarm(mind(), EmergencyReason.MEMORY)
    state, outcome = serve(state, now=3600.0)
    assert isinstance(outcome, Halted)
    state, _, alerted = step(state, Relieve(), 3600.0)
    assert alerted.active
    state, outcome = serve(state, now=3600.0)
    assert isinstance(outcome, Admitted)
    assert state.counts.emergencies == (1, 0)


def test_a_reset_ends_an_emergency_at_once():
    state = alarm(mind(), EmergencyReason.MEMORY)
    state, _, alerted = step(state, Reset(), 0.0)
    assert not alerted.active
    state, outcome = serve(state)
    assert isinstance(outcome, Admitted)


def test_an_alarm_in_an_emergency_is_no_second_emergency_but_one_after_it_is():
    state = alarm(alarm(mind()), now=1.0)
    assert sum(state.counts.emergencies) == 1
    # The cool-down began anew with the second alarm; nobody came since.
    state = alarm(state, now=62.0)
    assert sum(state.counts.emergencies) == 2
    assert state.emergency.entries == 2


def test_good_steps_forgive_earlier_emergencies():
    state = alarm(mind())
    for number in range(limits.EMERGENCY_FORGIVEN_STEPS):
        assert state.emergency.entries == 1
        state, _ = serve(state, now=60.0 + number)
    assert state.emergency.entries == 0


def test_an_answer_on_the_way_is_remembered_in_an_emergency_too():
    state, _, decided = step(mind(), Decide(SCOPE, 0.9), 0.0)
    assert isinstance(decided, Admitted)
    state, _, outcome = step(alarm(state), remember("on its way"), 1.0)
    assert isinstance(outcome, Remembered)
    assert recalled(state, Phase.WAKE, unit(0)) == ["on its way"]


def test_consolidation_on_demand():
    state, _ = serve(mind(), "a fact", vector=unit(1))
    state, _, outcome = step(state, Consolidate(), 0.0)
    assert outcome == Consolidated(1)
    assert recalled(state, Phase.SLEEP, unit(1)) == ["a fact"]
    assert (state.counts.consolidations, state.rhythm.phase) == (1, Phase.WAKE)
    state, _, outcome = step(state, Consolidate(), 0.0)
    assert outcome == Consolidated(0)
    assert state.counts.consolidations == 1


def test_erasing_a_scope_takes_all_of_it_and_nothing_else():
    state, _ = serve(mind(), "mine", vector=unit(0))
    state, _, _ = step(state, Consolidate(), 0.0)
    state, _ = serve(state, "mine, pending", vector=unit(0))
    state, _, _ = step(state, remember("theirs", unit(0), scope="theirs"), 0.0)
    state, _, outcome = step(state, Erase(SCOPE), 0.0)
    assert outcome == Erased(3)
    assert recalled(state, Phase.WAKE, unit(0)) == recalled(state, Phase.SLEEP, unit(0)) == []
    assert [scope for _, scope in state.pending] == ["theirs"]
    assert (state.pelm.used, state.counts.erased) == (1, 3)
    state, _, outcome = step(state, Erase(SCOPE), 0.0)
    assert outcome == Erased(0)


def test_another_mind_folds_the_facts_and_keeps_its_own_rules():
    strict = initial(
        Rules(
            GovernanceSettings(moral={"initial_threshold": 0.85}, rhythm={"wake_duration": 2}),
            MemorySettings(dimension=4, capacity=100, store_text=False),
        ),
        0.0,
    )
    lenient, own = mind(), strict
    for number in range(3):
        command = observe(score=0.7, vector=unit(number), text="a fact")
        lenient, record, _ = step(lenient, command, 0.0)
        strict, outcome = fold(strict, record)
        own, _, alone = step(own, command, 0.0)
        # By its own rules it would have refused; what was answered and learned is a fact.
        assert isinstance(alone, Refused)
        assert isinstance(outcome, Observed)
        assert (strict.moral, strict.rhythm, strict.drift) == (own.moral, own.rhythm, own.drift)
    assert (strict.counts.accepted, strict.counts.rejected) == (3, 0)
    assert recalled(strict, Phase.WAKE, unit(0)) == [None] * 3
    assert strict.moral.harm_ema > lenient.moral.harm_ema == 0.0
    assert strict.rhythm.phase is not lenient.rhythm.phase


def test_a_record_that_does_not_come_next_changes_nothing():
    state, record, _ = step(mind(), Decide(SCOPE, 0.9), 0.0)
    before = everything(state)
    late = Record(3, 0.0, Decide(SCOPE, 0.9), Verdict.ADMITTED)
    for wrong in (record, late):
        with pytest.raises(MisplacedRecord):
            fold(state, wrong)
    assert everything(state) == before


BAD_RECORDS = {
    "a verdict is missing": Record(1, 0.0, Decide(SCOPE, 0.9)),
    "a verdict too many": Record(1, 0.0, Consolidate(), Verdict.ADMITTED),
    "a bad score": Record(1, 0.0, Decide(SCOPE, NAN), Verdict.ADMITTED),
    "a bad time": Record(1, NAN, Decide(SCOPE, 0.9), Verdict.ADMITTED),
    "another dimension": Record(1, 0.0, remember(vector=np.ones(5, np.float32))),
    "a damaged vector": Record(1, 0.0, remember(vector=filled(NAN, 0, 0, 0))),
}


@pytest.mark.parametrize("record", BAD_RECORDS.values(), ids=BAD_RECORDS)
def test_a_record_that_no_judge_made_changes_nothing(record):
    state = mind()
    before = everything(state)
    with pytest.raises(DamagedRecord):
        fold(state, record)
    assert everything(state) == before


def test_a_judge_changes_nothing_and_folding_its_record_is_the_step():
    state, _ = serve(mind())
    for command in (Decide(SCOPE, 0.9, 5), observe(vector=unit(2)), remember("t", unit(1))):
        before = everything(state)
        record = judge(state, command, 3.0)
        assert everything(state) == before
        twin, _ = serve(mind())
        twin, outcome = fold(twin, record)
        after, same, stepped = step(serve(mind())[0], command, 3.0)
        assert twin.digest == after.digest
        assert type(stepped) is type(outcome)
        assert same.verdict is record.verdict


def test_what_rises_between_the_levels_is_counted():
    state = mind(levels=LevelSettings(gate=Gate.NORM))
    for _ in range(60):
        state, _, _ = step(state, remember(vector=unit(0)), 0.0)
    to_l2, to_l3 = state.counts.rises
    assert to_l2 > to_l3 > 0
    state = mind()
    for _ in range(60):
        state, _, _ = step(state, remember(vector=unit(0)), 0.0)
    # By component, a unit vector reaches L2 as well here: it has one component only.
    assert state.counts.rises[0] > 0


def test_drift_of_the_threshold_is_counted_by_its_severity():
    moral = MoralSettings(policy="homeostatic")
    state = initial(Rules(GovernanceSettings(moral=moral), MemorySettings(dimension=2)), 0.0)
    assert state.counts.drifts == (0,) * len(DriftAlarm)
    for number in range(60):
        state, _, _ = step(state, Decide(SCOPE, 1.0), float(number))
    assert state.moral.threshold == 0.9
    # Eight steps of the ordinary size: too few changes to be sustained drift, none significant.
    assert state.counts.drifts == (0,) * len(DriftAlarm)
    for number in range(60, 120):
        state, _, _ = step(state, Decide(SCOPE, 0.0), float(number))
    sustained, significant, critical = state.counts.drifts
    assert sustained > 0
    assert (significant, critical) == (0, 0)
