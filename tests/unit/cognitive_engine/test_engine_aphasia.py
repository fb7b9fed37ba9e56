"""Telegraphic speech: the published judgements, bounds and degenerate texts."""

import pytest

from cognitive_api.governance import SpeechSettings
from cognitive_engine.domain.speech import aphasia
from cognitive_engine.domain.speech.aphasia import Bucket, Counts, Flag

DEFAULTS = SpeechSettings()
SHORT, LOW, FRAGMENTS = Flag.SHORT_SENTENCES, Flag.LOW_FUNCTION_WORDS, Flag.HIGH_FRAGMENT_RATIO

# text: length, function words, fragments, severity, flags
PUBLISHED = {
    "Short. No connect. Bad.": (1.333333, 0, 1, 0.925926, (SHORT, LOW, FRAGMENTS)),
    "Architecture. Multiple principles. Safe responses. Testing done.": (
        1.75,
        0,
        1,
        0.902778,
        (SHORT, LOW, FRAGMENTS),
    ),
    "The cat ran.": (3, 0.333333, 1, 0.5, (SHORT, FRAGMENTS)),
    "cat sat mat dog ran home fast today": (8, 0, 0, 0.333333, (LOW,)),
    "This is a good sentence with the right words. Yes. No. Ok then.": (
        3.25,
        0.307692,
        0.75,
        0.319444,
        (SHORT, FRAGMENTS),
    ),
    "I think the answer is 42": (6, 0.333333, 0, 0, ()),
}


@pytest.mark.parametrize(("text", "expected"), PUBLISHED.items())
def test_published_judgements(text, expected):
    report = aphasia.detect(text, DEFAULTS)
    figures = (
        report.avg_sentence_len,
        report.function_word_ratio,
        report.fragment_ratio,
        report.severity,
    )
    assert tuple(round(figure, 6) for figure in figures) == expected[:4]
    assert report.flags == expected[4]
    assert report.is_aphasic is bool(expected[4])


@pytest.mark.parametrize(
    ("text", "flag"),
    {
        "": Flag.EMPTY_TEXT,
        " \t\n\u2003": Flag.EMPTY_TEXT,
        "?!...": Flag.NO_SENTENCE_BOUNDARIES,
        " . ! ": Flag.NO_SENTENCE_BOUNDARIES,
    }.items(),
)
def test_text_without_a_sentence_is_as_severe_as_can_be(text, flag):
    report = aphasia.detect(text, DEFAULTS)
    assert report == aphasia.Report(0.0, 0.0, 1.0, 1.0, (flag,))


def test_sentences_without_tokens_are_as_severe_as_can_be():
    counts = Counts(sentences=1, tokens=0, function_words=0, fragments=1)
    report = aphasia.judge(counts, DEFAULTS)
    assert report == aphasia.Report(0.0, 0.0, 1.0, 1.0, (Flag.NO_TOKENS,))


def test_the_function_words():
    assert len(aphasia.FUNCTION_WORDS) == 26
    listed = "a an and are as at be been being but by for if in is of on or that the to was were"
    assert {*listed.split(), "which", "who", "with"} == aphasia.FUNCTION_WORDS


def test_tokens_keep_punctuation_but_not_case_nor_the_sentence_end():
    assert aphasia.count("The dog, the, of. AND (the) by") == Counts(2, 7, 4, 1)


def test_sentences_end_at_runs_of_marks():
    assert aphasia.sentences(" One?! two ...three.  . four") == ["One", "two", "three", "four"]


def test_a_sentence_of_three_words_is_a_fragment_and_one_of_four_is_none():
    assert aphasia.count("one two three. one two three four").fragments == 1


def test_all_comparisons_are_strict():
    at_the_bounds = Counts(sentences=20, tokens=120, function_words=18, fragments=10)
    assert aphasia.judge(at_the_bounds, DEFAULTS).flags == ()
    beyond = Counts(sentences=20, tokens=119, function_words=17, fragments=11)
    assert aphasia.judge(beyond, DEFAULTS).flags == (SHORT, LOW, FRAGMENTS)
    hardly = Counts(sentences=10**6, tokens=6 * 10**6 - 1, function_words=10**6, fragments=0)
    assert aphasia.judge(hardly, DEFAULTS).flags == (SHORT,)


def test_thresholds_come_from_the_settings():
    settings = SpeechSettings(
        min_sentence_length=10, min_function_word_ratio=0.5, max_fragment_ratio=0.2
    )
    counts = Counts(sentences=10, tokens=50, function_words=20, fragments=6)
    report = aphasia.judge(counts, settings)
    assert report.flags == (SHORT, LOW, FRAGMENTS)
    assert report.severity == pytest.approx((0.5 + 0.2 + 0.5) / 3)


def test_the_loosest_thresholds_mark_nothing_that_is_said():
    settings = SpeechSettings(
        min_sentence_length=0, min_function_word_ratio=0, max_fragment_ratio=1
    )
    assert aphasia.detect("Bad. No.", settings).flags == ()
    assert aphasia.detect("", settings).flags == (Flag.EMPTY_TEXT,)


@pytest.mark.parametrize(
    ("severity", "expected"),
    [
        (0.0, Bucket.LOW),
        (0.29, Bucket.LOW),
        (0.3, Bucket.MEDIUM),
        (0.49, Bucket.MEDIUM),
        (0.5, Bucket.HIGH),
        (0.69, Bucket.HIGH),
        (0.7, Bucket.CRITICAL),
        (1.0, Bucket.CRITICAL),
    ],
)
def test_buckets_of_severity(severity, expected):
    assert aphasia.bucket(severity) is expected
