"""Detect telegraphic speech: short sentences, few function words, fragments.

Sentences are what lies between runs of `.`, `!` and `?`; their tokens are split at blanks and keep
other punctuation, so "the," is not "the". A severity weighs the three shortfalls equally. Text
without a sentence is judged as severe as can be.

Every text is judged in linear time and none raises.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from cognitive_api.governance import SpeechSettings

_FUNCTION_WORDS: Final = (
    "a an and are as at be been being but by for if in is of on or that the to was were which who "
    "with"
)
FUNCTION_WORDS: Final = frozenset(_FUNCTION_WORDS.split())
# A sentence of fewer tokens is a fragment.
FRAGMENT_TOKENS: Final = 4

_SENTENCE_END: Final = re.compile(r"[.!?]+")


class Flag(StrEnum):
    """A mark of telegraphic speech; the last three stand alone, for text that has no sentence."""

    SHORT_SENTENCES = "short_sentences"
    LOW_FUNCTION_WORDS = "low_function_words"
    HIGH_FRAGMENT_RATIO = "high_fragment_ratio"
    EMPTY_TEXT = "empty_text"
    NO_SENTENCE_BOUNDARIES = "no_sentence_boundaries"
    NO_TOKENS = "no_tokens"


class Bucket(StrEnum):
    """A severity in one word, for counting."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


# Each bucket ends below its figure; what is left is critical.
BUCKET_ENDS: Final = ((0.3, Bucket.LOW), (0.5, Bucket.MEDIUM), (0.7, Bucket.HIGH))


@dataclass(frozen=True, slots=True)
class Counts:
    """What was counted in a text. `fragments` are sentences of fewer than four tokens."""

    sentences: int
    tokens: int
    function_words: int
    fragments: int


@dataclass(frozen=True, slots=True)
class Report:
    """The judgement of a text: three features, how bad it is in [0, 1], and why."""

    avg_sentence_len: float
    function_word_ratio: float
    fragment_ratio: float
    severity: float
    flags: tuple[Flag, ...]

    @property
    def is_aphasic(self) -> bool:
        """Whether there is any flag."""
        return bool(self.flags)


def detect(text: str, settings: SpeechSettings) -> Report:
    """Judge `text` by the thresholds of `settings`; all comparisons are strict."""
    if not text.strip():
        return _without_speech(Flag.EMPTY_TEXT)
    return judge(count(text), settings)


def sentences(text: str) -> list[str]:
    """The sentences of `text`, without their ends and the blanks around them; none is empty."""
    parts = (part.strip() for part in _SENTENCE_END.split(text))
    return [part for part in parts if part]


def count(text: str) -> Counts:
    """Count what the judgement needs."""
    found = [sentence.split() for sentence in sentences(text)]
    return Counts(
        sentences=len(found),
        tokens=sum(map(len, found)),
        function_words=sum(token.lower() in FUNCTION_WORDS for words in found for token in words),
        fragments=sum(len(words) < FRAGMENT_TOKENS for words in found),
    )


def judge(counts: Counts, settings: SpeechSettings) -> Report:
    """Judge by counts alone; counts without a token never come from a text, but are judged too."""
    if not counts.sentences:
        return _without_speech(Flag.NO_SENTENCE_BOUNDARIES)
    if not counts.tokens:
        return _without_speech(Flag.NO_TOKENS)
    length = counts.tokens / counts.sentences
    function_words = counts.function_words / counts.tokens
    fragments = counts.fragments / counts.sentences
    shortfalls = (
        (Flag.SHORT_SENTENCES, _below(length, settings.min_sentence_length)),
        (Flag.LOW_FUNCTION_WORDS, _below(function_words, settings.min_function_word_ratio)),
        (Flag.HIGH_FRAGMENT_RATIO, _above(fragments, settings.max_fragment_ratio)),
    )
    flags = tuple(flag for flag, shortfall in shortfalls if shortfall > 0.0)
    severity = sum(shortfall for _, shortfall in shortfalls) / len(shortfalls)
    return Report(length, function_words, fragments, severity, flags)


def bucket(severity: float) -> Bucket:
    """The bucket that `severity` falls into."""
    return next((name for end, name in BUCKET_ENDS if severity < end), Bucket.CRITICAL)


def _below(value: float, bound: float) -> float:
    """How far `value` falls short of `bound`, as a share of it; a bound of 0 cannot be missed."""
    return (bound - value) / bound if value < bound else 0.0


def _above(ratio: float, bound: float) -> float:
    """How far `ratio` exceeds `bound`, as a share of the way from there to 1."""
    return (ratio - bound) / (1.0 - bound) if ratio > bound else 0.0


def _without_speech(flag: Flag) -> Report:
    return Report(0.0, 0.0, 1.0, 1.0, (flag,))
