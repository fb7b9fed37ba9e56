"""The quality gate: every mode at, below and above its bounds."""

import dataclasses
import json
from pathlib import Path

import pytest

from cognitive_engine.domain import quality
from cognitive_engine.domain.errors import InvalidInput
from cognitive_engine.domain.quality import Action, Mode

GOOD = "The cache is a fast store that sits in front of the slow store and keeps what was read."
SURE = 0.9


def words(count, start=0):
    """`count` different words that no list holds."""
    letters = "bcdfghjklmnpqrstvwxz"
    numbers = range(start, start + count)
    return [f"zz{letters[n // 400]}{letters[n // 20 % 20]}{letters[n % 20]}" for n in numbers]


def modes(answer, prompt="", confidence=SURE):
    return quality.judge(prompt, answer, confidence).triggered_modes


def text(tokens, per_sentence=10):
    groups = [tokens[i : i + per_sentence] for i in range(0, len(tokens), per_sentence)]
    return " ".join(" ".join(group) + "." for group in groups)


def test_a_good_answer_is_accepted():
    decision = quality.judge("What is a cache?", GOOD, SURE)
    assert decision.action is Action.ACCEPT
    assert (decision.allow_response, decision.suppress_memory) == (True, False)
    assert decision.triggered_modes == ()
    assert [signal.mode for signal in decision.signals] == list(Mode)
    assert not any(signal.triggered for signal in decision.signals)


@pytest.mark.parametrize("answer", ["", "  \n", "?!", "___", "—…"])
def test_no_token_is_a_collapse(answer):
    assert modes(answer) == (Mode.COLLAPSE,)


def test_one_token_is_no_collapse():
    assert modes("42") == ()


def test_tokens_are_runs_of_letters_digits_and_apostrophes():
    assert quality.tokenize("Don't a_b 3.5 Äpfel-Mus\tПривет!") == (
        ["don't", "a", "b", "3", "5", "äpfel", "mus", "привет"]
    )


def test_repetition_speaks_from_its_bound():
    # 20 tokens, 11 or 12 of them different: 0.45 and 0.4
    assert modes(text(words(11) + words(9))) == (Mode.LOOPING,)
    assert modes(text(words(12) + words(8))) == ()


def test_loops_need_eighteen_tokens():
    assert modes(text(words(3) * 5 + words(2))) == ()
    assert modes(text(words(3) * 6)) == (Mode.LOOPING,)


def test_a_run_of_one_token_speaks_from_four():
    assert modes(text([*words(17), "so", "so", "so"])) == ()
    assert modes(text([*words(17), "so", "So,", "so", "so"])) == (Mode.LOOPING,)


def test_equal_lines_speak_from_half_of_four():
    different = [" ".join(words(4, start)) for start in (0, 4, 8, 12, 16)]
    same = " ".join(words(2, 20))
    assert modes("\n".join([*different[:4], same, same])) == ()
    assert modes("\n".join([*different[:3], same, same, f"  {same} ", "  "])) == (Mode.LOOPING,)
    four = [" ".join(words(9)), " ".join(words(9, 30)), same, same]
    assert modes("\n".join(four)) == (Mode.LOOPING,)
    assert modes("\n".join([" ".join(four[:2]), same, same])) == ()


@pytest.mark.parametrize("period", [1, 2, 7, 49, 50, 51, 120, 300])
def test_loops_of_any_length_are_found_in_a_long_answer(period):
    assert Mode.LOOPING in modes(text((words(period) * 600)[:600]))


def test_a_loop_at_the_end_of_a_long_answer_is_found():
    assert Mode.LOOPING in modes(text(words(300) + words(10, 300) * 40))


def test_a_salad_of_few_words_is_a_loop():
    chosen = words(10)
    salad = [chosen[(n * n + n // 7) % 10] for n in range(200)]
    assert Mode.LOOPING in modes(text(salad))


def test_long_healthy_text_is_no_loop():
    root = Path(__file__).resolve().parents[3]
    for name in ("README.md", "LICENSE"):
        whole = (root / name).read_text()
        tokens = quality.tokenize(whole)
        assert 1 - len(set(tokens)) / len(tokens) > quality.REPETITION_LIMIT, "the plain figure"
        assert Mode.LOOPING not in modes(whole)


def test_up_to_a_block_repetition_is_the_plain_figure():
    tokens = words(30) + words(20)
    assert quality.repetition(tokens) == pytest.approx(0.4)
    assert quality.repetition([]) == 0.0
    assert quality.repetition(["a", "a"]) == 0.5
    assert quality.repetition(words(49) + words(1)) == 1 / 50
    assert quality.repetition(words(50) + words(1)) == 0.0


def test_incoherence_speaks_below_its_share_of_words():
    assert modes(text(words(9) + list("123456"))) == ()
    assert modes(text(words(8) + list("123456"))) == (Mode.INCOHERENCE,)
    assert modes(text(words(6) + list("12345"))) == ()
    assert modes(text(words(6) + list("123456"))) == (Mode.INCOHERENCE,)


def test_a_token_with_one_letter_is_a_word():
    assert modes(text([f"{n}x" for n in range(12)])) == ()


def test_telegraphing_needs_short_sentences_and_few_function_words():
    terse = text(words(15), per_sentence=5)
    assert modes(terse) == (Mode.TELEGRAPHING,)
    assert modes(text(words(18), per_sentence=6)) == ()
    # 3 of 15 is a fifth, which is enough
    assert modes(text(["the", "a", "to", *words(12)], per_sentence=5)) == ()
    assert modes(text(["the", "a", *words(13)], per_sentence=5)) == (Mode.TELEGRAPHING,)
    assert modes(text(words(11), per_sentence=5)) == ()
    assert modes(text(words(12), per_sentence=5)) == (Mode.TELEGRAPHING,)


def test_drift_speaks_when_hardly_a_word_of_the_prompt_is_in_the_answer():
    prompt = "alpha beta gamma"
    assert modes(text(words(20)), prompt) == (Mode.DRIFT,)
    assert modes(text(["alpha", *words(19)]), prompt) == ()
    assert modes(text(["alpha", *words(20)]), prompt) == (Mode.DRIFT,)
    assert modes(text(words(19)), prompt) == ()
    assert modes(text(words(20)), "alpha beta") == ()


def test_hallucination_speaks_below_its_confidence():
    assert modes(GOOD, confidence=0.4) == ()
    assert modes(GOOD, confidence=0.39) == (Mode.HALLUCINATION,)


def test_degrading_keeps_the_answer_but_not_the_memory():
    decision = quality.judge("", GOOD, 0.1)
    assert decision.action is Action.DEGRADE
    assert (decision.allow_response, decision.suppress_memory) == (True, True)


def test_rejecting_outweighs_degrading():
    decision = quality.judge("", text(words(3) * 6, per_sentence=3), 0.1)
    assert decision.triggered_modes == (Mode.LOOPING, Mode.TELEGRAPHING, Mode.HALLUCINATION)
    assert decision.action is Action.REJECT
    assert (decision.allow_response, decision.suppress_memory) == (False, True)


def test_every_mode_has_its_action():
    rejecting = {mode for mode, action in quality.ACTION.items() if action is Action.REJECT}
    assert rejecting == {Mode.COLLAPSE, Mode.LOOPING, Mode.INCOHERENCE}
    assert set(quality.ACTION) == set(Mode)


def signal(mode, answer, prompt="", confidence=SURE):
    return quality.judge(prompt, answer, confidence).signals[list(Mode).index(mode)]


def test_signals_tell_the_measure_the_bound_and_the_figures():
    looping = signal(Mode.LOOPING, text([*words(17), "so", "so", "so", "so"]))
    assert (looping.score, looping.threshold, looping.triggered) == (4, 4, True)
    assert looping.evidence == {
        "tokens": 21,
        "repetition": pytest.approx(1 - 18 / 21),
        "longest_run": 4,
        "lines": 1,
        "most_common_line_share": 1.0,
    }
    collapse = signal(Mode.COLLAPSE, "")
    assert (collapse.score, collapse.threshold, collapse.evidence) == (0, 1.0, {"tokens": 0})
    terse = signal(Mode.TELEGRAPHING, text(["the", *words(14)], per_sentence=5))
    assert (terse.score, terse.threshold) == (5.0, 6.0)
    assert terse.evidence == {"tokens": 15, "sentences": 3, "function_word_share": 1 / 15}
    babble = signal(Mode.INCOHERENCE, text(words(6) + list("123456")))
    assert (babble.score, babble.threshold) == (0.5, 0.6)
    assert babble.evidence == {"tokens": 12, "word_share": 0.5}
    drift = signal(Mode.DRIFT, text(["alpha", *words(20)]), "alpha beta gamma")
    assert (drift.score, drift.threshold) == (1 / 21, 0.05)
    assert drift.evidence == {"tokens": 21, "prompt_tokens": 3, "overlap": 1 / 21}
    doubt = signal(Mode.HALLUCINATION, GOOD, confidence=0.25)
    assert (doubt.score, doubt.threshold, doubt.evidence) == (0.25, 0.4, {"confidence": 0.25})


def test_a_decision_is_json_and_holds_no_word_of_the_answer():
    answer = text(words(3) * 6)
    said = json.dumps(dataclasses.asdict(quality.judge("zebra zebra zebra", answer, SURE)))
    assert "zebra" not in said
    assert not any(word in said for word in words(3))


@pytest.mark.parametrize("confidence", [float("nan"), float("inf"), -0.01, 1.01, True, "0.5", None])
def test_a_confidence_is_a_number_from_zero_to_one(confidence):
    with pytest.raises(InvalidInput):
        quality.judge("", GOOD, confidence)


def test_the_function_words_are_forty_two():
    lists = (
        quality.ARTICLES,
        quality.PREPOSITIONS,
        quality.CONJUNCTIONS,
        quality.AUXILIARIES,
        quality.PRONOUNS,
    )
    assert sum(len(part.split()) for part in lists) == len(quality.FUNCTION_WORDS) == 42


def test_nothing_said_measures_nothing():
    signals = quality.judge("", "", SURE).signals
    assert [told.score for told in signals] == [0, 0, 0, 0, 0, SURE]
    for told in signals[:-1]:
        assert set(told.evidence.values()) == {0}


def test_few_lines_are_told_but_do_not_count():
    looping = signal(Mode.LOOPING, "\n".join([*words(2), "zzb", "zzb"][1:]))
    assert looping.evidence["lines"] == 3
    assert looping.evidence["most_common_line_share"] == pytest.approx(2 / 3)
    assert looping.threshold != quality.LINE_SHARE_LIMIT
