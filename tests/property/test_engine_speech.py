"""What judges a text, for any text: total, bounded, deterministic and linear."""

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cognitive_api.governance import SpeechSettings
from cognitive_engine.domain import confidence, prechecks, quality
from cognitive_engine.domain.speech import aphasia, governors
from cognitive_engine.domain.speech.aphasia import Flag

unit = st.floats(0, 1)
FEW = st.sampled_from(
    ["the", "is", "a", "cat", "Ran", "42", ".", "!", "?", "\n", " ", ",", "'", "_", "maybe", "hate"]
)
TEXTS = (
    st.text(max_size=300) | st.lists(FEW, max_size=120).map(" ".join) | st.lists(FEW).map("".join)
)
SETTINGS = st.builds(
    SpeechSettings,
    enabled=st.booleans(),
    repair=st.booleans(),
    min_sentence_length=st.floats(0, 100),
    min_function_word_ratio=unit,
    max_fragment_ratio=unit,
    repair_severity=unit,
)
LONG = 10**6
LONG_TEXTS = {
    "one word": "a" * LONG,
    "one letter words": "a " * (LONG // 2),
    "marks": "." * LONG,
    "marks and blanks": ". " * (LONG // 2),
    "blanks": " " * LONG,
    "lines": "\n" * LONG,
    "apostrophes": "'" * LONG,
    "underscores": "_" * LONG,
    "almost a sentence": "a." * (LONG // 2),
    "almost a phrase": "i thin" * (LONG // 6),
    "almost a harmful word": "attac" * (LONG // 5),
    "different words": " ".join(map(str, range(LONG // 7))),
    "astral": "\U0001f600" * LONG,
}


def judgements(prompt, text, settings=SpeechSettings()):  # noqa: B008 - frozen
    """All that is said of a text."""
    return (
        aphasia.detect(text, settings),
        sure := confidence.estimate(text),
        quality.judge(prompt, text, sure),
        prechecks.precheck(text, 0.5),
        prechecks.postcheck(text, 0.5),
    )


@given(TEXTS, SETTINGS)
def test_severity_is_a_share_and_zero_only_without_a_flag(text, settings):
    report = aphasia.detect(text, settings)
    assert 0.0 <= report.severity <= 1.0
    assert (report.severity == 0.0) == (report.flags == ()) == (not report.is_aphasic)
    assert len(set(report.flags)) == len(report.flags)
    assert 0.0 <= report.function_word_ratio <= 1.0
    assert 0.0 <= report.fragment_ratio <= 1.0
    assert report.avg_sentence_len >= 0.0


@given(TEXTS)
def test_counts_fit_together(text):
    counts = aphasia.count(text)
    assert counts.fragments <= counts.sentences <= counts.tokens
    assert counts.function_words <= counts.tokens
    assert (counts.sentences == 0) == (text.strip(" .!?\t\n") == "" or not aphasia.sentences(text))


@given(st.lists(FEW.filter(lambda word: word.isalpha()), min_size=1, max_size=9), SETTINGS)
def test_saying_it_twice_changes_no_judgement(words, settings):
    sentence = " ".join(words) + ". "
    once, twice = (aphasia.detect(sentence * count, settings) for count in (1, 2))
    assert once == twice


@given(TEXTS, TEXTS)
def test_every_judgement_is_made_again_alike(prompt, text):
    first, second = judgements(prompt, text), judgements(prompt, text)
    assert first == second
    assert 0.0 <= first[1] <= 1.0


@given(TEXTS, TEXTS, unit)
def test_a_decision_follows_from_its_signals(prompt, text, sure):
    decision = quality.judge(prompt, text, sure)
    speaking = tuple(signal.mode for signal in decision.signals if signal.triggered)
    assert decision.triggered_modes == speaking
    assert [signal.mode for signal in decision.signals] == list(quality.Mode)
    worst = {quality.ACTION[mode] for mode in speaking}
    assert (decision.action is quality.Action.REJECT) == (quality.Action.REJECT in worst)
    assert (decision.action is quality.Action.ACCEPT) == (worst == set())
    assert decision.allow_response == (decision.action is not quality.Action.REJECT)
    assert decision.suppress_memory == (decision.action is not quality.Action.ACCEPT)
    for signal in decision.signals:
        reached = signal.score >= signal.threshold
        assert not signal.triggered or reached == (signal.mode is quality.Mode.LOOPING)
    json.dumps(dataclasses.asdict(decision), allow_nan=False)


@given(st.lists(st.sampled_from("abcdefgh"), max_size=150))
def test_repetition_is_a_share_and_plain_within_a_block(tokens):
    repeated = quality.repetition(tokens)
    assert 0.0 <= repeated < 1.0
    if 0 < len(tokens) <= quality.REPETITION_BLOCK:
        assert repeated == (len(tokens) - len(set(tokens))) / len(tokens)


@given(TEXTS, TEXTS | st.sampled_from([RuntimeError("x"), TimeoutError()]), SETTINGS)
def test_a_governed_text_is_never_worse_than_the_draft(draft, answer, settings):
    running = governors.run(governors.speech_pipeline(settings), "prompt", draft, 10)
    requests = 0
    try:
        next(running)
        requests += 1
        running.throw(answer) if isinstance(answer, Exception) else running.send(answer)
        pytest.fail("a second request")
    except StopIteration as end:
        governed = end.value
    before = aphasia.detect(draft, settings)
    after = aphasia.detect(governed.final_text, settings)
    assert after.severity <= before.severity
    assert governed.final_text in ({draft} | {answer} if requests else {draft})
    (stage,) = governed.metadata["pipeline"]
    assert stage["status"] is governors.Status.OK
    due = settings.enabled and settings.repair and before.severity >= settings.repair_severity
    assert requests == (due and before.is_aphasic)
    if settings.enabled:
        assert stage["metadata"]["severity_before"] == before.severity
        assert stage["metadata"]["severity_after"] == after.severity


@pytest.mark.timeout(20)
@pytest.mark.parametrize("text", LONG_TEXTS.values(), ids=LONG_TEXTS.keys())
def test_a_million_characters_are_judged_in_time(text):
    """A judge that looked at each pair of characters would need hours."""
    report, sure, decision, before, after = judgements(text, text)
    assert 0.0 <= report.severity <= 1.0
    assert 0.0 <= sure <= 1.0
    assert decision.signals[0].triggered == (not quality.tokenize(text))
    assert before.passed <= after.passed
    if not text.strip():
        assert report.flags == (Flag.EMPTY_TEXT,)
