"""The quality gate: is an answer fit to be given, and fit to be remembered?

Six modes of failure are measured in linear time. One that rejects withholds the answer; one that
degrades lets it pass but keeps it out of memory. Tokens are runs of letters, digits and
apostrophes, in lower case and of any script.

Repetition is the share of tokens that occurred before. Over a whole answer it grows with the
length of healthy text as well, and most answers beyond a few hundred words would count as loops. So
tokens are compared within blocks of 50, and loops of any length are found as repeated triples; the
greater of the two counts. Up to 50 tokens that is the plain figure, for triples never exceed it.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from typing import Final

from .speech.aphasia import sentences
from .units import parse_unit

REPETITION_BLOCK: Final = 50

LOOPING_TOKENS_MIN: Final = 18
LOOPING_LINES_MIN: Final = 4
REPETITION_LIMIT: Final = 0.45
RUN_LIMIT: Final = 4
LINE_SHARE_LIMIT: Final = 0.5

INCOHERENCE_TOKENS_MIN: Final = 12
WORD_SHARE_MIN: Final = 0.6

TELEGRAPHING_TOKENS_MIN: Final = 12
SENTENCE_TOKENS_MIN: Final = 6.0
FUNCTION_WORD_SHARE_MIN: Final = 0.2

DRIFT_TOKENS_MIN: Final = 20
DRIFT_PROMPT_TOKENS_MIN: Final = 3
OVERLAP_MIN: Final = 0.05

CONFIDENCE_MIN: Final = 0.4

ARTICLES: Final = "a an the"
PREPOSITIONS: Final = "about at by for from in into of on to with"
CONJUNCTIONS: Final = "and as because but if or that"
AUXILIARIES: Final = "are be been can do has have is was were will"
PRONOUNS: Final = "he i it she they this we which who you"
FUNCTION_WORDS: Final = frozenset(
    " ".join((ARTICLES, PREPOSITIONS, CONJUNCTIONS, AUXILIARIES, PRONOUNS)).split()
)

_TOKEN: Final = re.compile(r"[\w']+")


class Mode(StrEnum):
    """A way for an answer to fail."""

    COLLAPSE = "collapse"
    LOOPING = "looping"
    INCOHERENCE = "incoherence"
    TELEGRAPHING = "telegraphing"
    DRIFT = "drift"
    HALLUCINATION = "hallucination"


class Action(StrEnum):
    """What becomes of an answer, from best to worst."""

    ACCEPT = "accept"
    DEGRADE = "degrade"
    REJECT = "reject"


ACTION: Final = {
    Mode.COLLAPSE: Action.REJECT,
    Mode.LOOPING: Action.REJECT,
    Mode.INCOHERENCE: Action.REJECT,
    Mode.TELEGRAPHING: Action.DEGRADE,
    Mode.DRIFT: Action.DEGRADE,
    Mode.HALLUCINATION: Action.DEGRADE,
}


@dataclass(frozen=True, slots=True)
class Signal:
    """One mode as measured.

    Looping speaks when its score reaches the threshold, and names the measure that is worst; all
    other modes speak when the score is below it. `evidence` holds every figure, never a word.
    """

    mode: Mode
    score: float
    threshold: float
    triggered: bool
    evidence: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Decision:
    """The verdict on an answer. `signals` has all modes, in order, triggered or not."""

    allow_response: bool
    suppress_memory: bool
    action: Action
    triggered_modes: tuple[Mode, ...]
    signals: tuple[Signal, ...]


def judge(prompt: str, answer: str, confidence: float) -> Decision:
    """Judge `answer` to `prompt`; `confidence` in [0, 1] is the estimate for the answer.

    Raises:
        InvalidInput: the confidence is no number in [0, 1].
    """
    confidence = parse_unit("a confidence", confidence)
    tokens = tokenize(answer)
    signals = (
        Signal(Mode.COLLAPSE, len(tokens), 1.0, not tokens, {"tokens": len(tokens)}),
        _looping(answer, tokens),
        _incoherence(tokens),
        _telegraphing(answer, tokens),
        _drift(tokens, tokenize(prompt)),
        Signal(
            Mode.HALLUCINATION,
            confidence,
            CONFIDENCE_MIN,
            confidence < CONFIDENCE_MIN,
            {"confidence": confidence},
        ),
    )
    triggered = tuple(signal.mode for signal in signals if signal.triggered)
    demanded = {ACTION[mode] for mode in triggered}
    action = next(
        (worse for worse in (Action.REJECT, Action.DEGRADE) if worse in demanded), Action.ACCEPT
    )
    return Decision(
        allow_response=action is not Action.REJECT,
        suppress_memory=action is not Action.ACCEPT,
        action=action,
        triggered_modes=triggered,
        signals=signals,
    )


def tokenize(text: str) -> list[str]:
    """The lower-case tokens of `text`."""
    return _TOKEN.findall(text.lower().replace("_", " "))


def repetition(tokens: Sequence[str]) -> float:
    """Share of repeated tokens within their block, or of repeated triples if that is more."""
    blocks = range(0, len(tokens), REPETITION_BLOCK)
    distinct = sum(len(set(tokens[start : start + REPETITION_BLOCK])) for start in blocks)
    # Not 1 − distinct / all: that makes 9 of 20 a little less than 0.45.
    words = _share(len(tokens) - distinct, tokens)
    triples = list(zip(tokens, tokens[1:], tokens[2:], strict=False))
    return max(words, _share(len(triples) - len(set(triples)), triples))


def _looping(answer: str, tokens: Sequence[str]) -> Signal:
    lines = [line.strip() for line in answer.splitlines() if line.strip()]
    share = Counter(lines).most_common(1)[0][1] / len(lines) if lines else 0.0
    repeated = repetition(tokens)
    run = max((sum(1 for _ in same) for _, same in groupby(tokens)), default=0)
    counted = share if len(lines) >= LOOPING_LINES_MIN else 0.0
    measures = ((repeated, REPETITION_LIMIT), (run, RUN_LIMIT), (counted, LINE_SHARE_LIMIT))
    score, threshold = max(measures, key=lambda measure: measure[0] / measure[1])
    return Signal(
        Mode.LOOPING,
        score,
        threshold,
        len(tokens) >= LOOPING_TOKENS_MIN and score >= threshold,
        {
            "tokens": len(tokens),
            "repetition": repeated,
            "longest_run": run,
            "lines": len(lines),
            "most_common_line_share": share,
        },
    )


def _incoherence(tokens: Sequence[str]) -> Signal:
    words = sum(any(map(str.isalpha, token)) for token in tokens)
    share = _share(words, tokens)
    return Signal(
        Mode.INCOHERENCE,
        share,
        WORD_SHARE_MIN,
        len(tokens) >= INCOHERENCE_TOKENS_MIN and share < WORD_SHARE_MIN,
        {"tokens": len(tokens), "word_share": share},
    )


def _telegraphing(answer: str, tokens: Sequence[str]) -> Signal:
    count = len(sentences(answer))
    length = len(tokens) / count if count else 0.0
    share = _share(sum(token in FUNCTION_WORDS for token in tokens), tokens)
    terse = length < SENTENCE_TOKENS_MIN and share < FUNCTION_WORD_SHARE_MIN
    return Signal(
        Mode.TELEGRAPHING,
        length,
        SENTENCE_TOKENS_MIN,
        len(tokens) >= TELEGRAPHING_TOKENS_MIN and terse,
        {"tokens": len(tokens), "sentences": count, "function_word_share": share},
    )


def _drift(tokens: Sequence[str], prompt: Sequence[str]) -> Signal:
    asked = frozenset(prompt)
    share = _share(sum(token in asked for token in tokens), tokens)
    long_enough = len(tokens) >= DRIFT_TOKENS_MIN and len(prompt) >= DRIFT_PROMPT_TOKENS_MIN
    return Signal(
        Mode.DRIFT,
        share,
        OVERLAP_MIN,
        long_enough and share < OVERLAP_MIN,
        {"tokens": len(tokens), "prompt_tokens": len(prompt), "overlap": share},
    )


def _share(part: int, whole: Sequence[object]) -> float:
    return part / len(whole) if whole else 0.0
