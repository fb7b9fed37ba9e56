"""Judge the words themselves: of the prompt before an answer is made, and of the answer after.

Three numbers are kept apart.

- The *claimed value* is the caller's score of its own request. Only the moral filter tests it,
  against its threshold. No function here takes it.
- The *score* is the lexicon's, of the text at hand.
- The *bar* is what that score has to reach: the filter's threshold in force, or the request's own
  bar where that is higher. The threshold counts no further than the score of neutral text, so that
  a filter at its strictest still lets ordinary words through; a request may ask for more.

Were the claimed value the bar, a caller that claims much would be refused for words that are
merely neutral, and one that claims little by the filter: no value would be served reliably.
"""

from dataclasses import dataclass
from typing import Final

from . import lexicon
from .units import parse_unit

# How far an answer may fall short of the bar for its prompt.
ANSWER_SLACK: Final = 0.15

# Scores are sums of hundredths; beyond this many digits there is only noise of the additions.
_DIGITS: Final = 12


@dataclass(frozen=True, slots=True)
class Check:
    """A score against its threshold: passed if it reaches it."""

    passed: bool
    score: float
    threshold: float


def bar_of(filter_threshold: float, own: float | None = None) -> float:
    """The bar for a request: from the filter's threshold in force, raised by the request's own.

    Raises:
        InvalidInput: a bar is no number in [0, 1].
    """
    bar = min(parse_unit("a threshold", filter_threshold), lexicon.NEUTRAL_SCORE)
    return bar if own is None else max(bar, parse_unit("a moral bar", own))


def precheck(prompt: str, bar: float) -> Check:
    """Whether the words of `prompt` reach `bar`.

    Raises:
        InvalidInput: the bar is no number in [0, 1].
    """
    return _check(prompt, parse_unit("a moral bar", bar))


def postcheck(answer: str, bar: float) -> Check:
    """Whether the words of `answer` fall short of `bar` by at most 0.15.

    Raises:
        InvalidInput: the bar is no number in [0, 1].
    """
    return _check(answer, parse_unit("a moral bar", bar) - ANSWER_SLACK)


def _check(text: str, threshold: float) -> Check:
    score, threshold = round(lexicon.score(text), _DIGITS), round(threshold, _DIGITS)
    return Check(score >= threshold, score, threshold)
