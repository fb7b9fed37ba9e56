"""Score a text by the words in it."""

import re
from typing import Final, NamedTuple

NEUTRAL_SCORE: Final = 0.8
HARMFUL_WEIGHT: Final = 0.15
POSITIVE_WEIGHT: Final = 0.05

_HARMFUL: Final = (
    "abuse attack bomb destroy discriminate exploit harm hate kill murder racist sexist terrorist "
    "violence weapon"
)
_POSITIVE: Final = (
    "care collaborate ethical fair help honest kind love peace protect respect safe support trust "
    "understanding"
)
HARMFUL: Final = frozenset(_HARMFUL.split())
POSITIVE: Final = frozenset(_POSITIVE.split())

_WORD: Final = re.compile(
    r"\b(?:" + "|".join(sorted(HARMFUL | POSITIVE)) + r")\b", re.IGNORECASE | re.ASCII
)


class LexiconScore(NamedTuple):
    """A score in [0, 1] and the hits in either list that led to it."""

    score: float
    harmful_count: int
    positive_count: int


def measure(text: str) -> LexiconScore:
    """Score and hits: 0.8 for neutral text, less for each harmful word, more for each kind one.

    Whole words count, in any case and as often as they occur; inflected forms do not.
    """
    hits = [hit.lower() for hit in _WORD.findall(text)]
    harmful = sum(hit in HARMFUL for hit in hits)
    positive = len(hits) - harmful
    raw = NEUTRAL_SCORE - HARMFUL_WEIGHT * harmful + POSITIVE_WEIGHT * positive
    return LexiconScore(min(max(raw, 0.0), 1.0), harmful, positive)


def score(text: str) -> float:
    """The score of `measure`."""
    return measure(text).score
