"""Risk: modes, measures, reasons and what is refused as input."""

import pytest

from cognitive_engine.domain import limits, risk
from cognitive_engine.domain.errors import InvalidInput
from cognitive_engine.domain.risk import Measure, Mode


@pytest.mark.parametrize(
    ("score", "mode"),
    [
        (0.0, Mode.NORMAL),
        (0.39, Mode.NORMAL),
        (0.4, Mode.GUARDED),
        (0.69, Mode.GUARDED),
        (0.7, Mode.DEGRADED),
        (0.89, Mode.DEGRADED),
        (0.9, Mode.EMERGENCY),
        (1.0, Mode.EMERGENCY),
    ],
)
def test_modes_begin_at_their_composite(score, mode):
    assert risk.assess(cognition=score).mode is mode
    assert risk.assess(anomaly=score).mode is mode


def test_nothing_known_is_no_risk():
    assert risk.assess() == risk.Risk(Mode.NORMAL, 0.0, ())


def test_the_worst_counts():
    assert risk.assess(0.2, 0.5).composite == risk.assess(0.5, 0.2).composite == 0.5
    assert risk.assess(0.2, 0.5, ["injection"]).composite == 1.0


@pytest.mark.parametrize(
    ("mode", "score", "tokens", "blocked", "answered"),
    [
        (Mode.NORMAL, 0.0, 500, False, False),
        (Mode.GUARDED, 0.5, 128, False, False),
        (Mode.DEGRADED, 0.8, 128, False, True),
        (Mode.EMERGENCY, 1.0, 500, True, False),
    ],
)
def test_what_a_mode_does(mode, score, tokens, blocked, answered):
    judged = risk.assess(score)
    assert judged.mode is mode
    assert judged.cap(500) == tokens
    assert judged.cap(7) == 7
    assert judged.blocked is blocked
    assert (judged.answer is not None) is answered


def test_measures_are_reported_by_name():
    assert risk.assess(0.8).measures == (Measure.TOKEN_CAP, Measure.SAFE_ANSWER)
    assert [str(measure) for measure in risk.assess(0.9).measures] == ["block"]
    assert set(risk.MEASURES) == set(Mode)


def test_the_safe_answer_fits_the_cap_and_holds_no_request():
    assert risk.assess(0.8).answer == risk.SAFE_ANSWER
    assert 0 < len(risk.SAFE_ANSWER.split()) < risk.TOKENS_AT_RISK_MAX


def test_reasons_name_the_flags_then_the_high_scores():
    assert risk.assess(0.7, 0.7, ["b", "a", "b"]).reasons == (
        "b",
        "a",
        "cognition_high_risk",
        "observability_anomaly",
    )
    assert risk.assess(0.69, 0.7).reasons == ("observability_anomaly",)
    assert risk.assess(0.69, 0.5).reasons == ()


@pytest.mark.parametrize("score", [float("nan"), float("inf"), -0.01, 1.01, True, "0.5", None])
def test_scores_are_numbers_from_zero_to_one(score):
    with pytest.raises(InvalidInput, match="cognition"):
        risk.assess(cognition=score)
    with pytest.raises(InvalidInput, match="anomaly"):
        risk.assess(anomaly=score)


LONGEST = "x" * limits.SECURITY_FLAG_CHARS_MAX


@pytest.mark.parametrize(
    "flags",
    [
        "injection",
        [""],
        ["two words"],
        ["line\n"],
        ["naïve"],
        [LONGEST + "x"],
        [7],
        [str(n) for n in range(limits.SECURITY_FLAGS_MAX + 1)],
    ],
)
def test_flags_are_few_short_plain_names(flags):
    with pytest.raises(InvalidInput) as caught:
        risk.assess(security_flags=flags)
    assert not any(str(flag) in str(caught.value) for flag in flags if len(str(flag)) > 3)


def test_as_many_and_as_long_flags_as_allowed():
    flags = [LONGEST, *map(str, range(limits.SECURITY_FLAGS_MAX - 1))]
    assert risk.assess(security_flags=flags).reasons == tuple(flags)
    assert risk.assess(security_flags=["Prompt-injection.v1:x_y"]).blocked
