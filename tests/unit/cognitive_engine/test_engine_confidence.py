"""The confidence estimate."""

import pytest

from cognitive_engine.domain import confidence

TEN = "one two three four five six seven eight nine ten"

SCORES = {
    "": 0.1,
    " \n\t": 0.1,
    TEN: 1.0,
    TEN[:-4]: 0.8,
    "probably " + TEN: 0.9,
    "unlikely " + TEN: 0.9,
    "maybe maybe " + TEN: 0.9,
    "MAYBE, perhaps I'm Not Sure " + TEN: 0.7,
    "maybe so": 0.7,
    # 2 of 10 repeated is free; 3 of 10 is not, by the last digit
    "a a a b c d e f g h": 1.0,
    "a a a a b c d e f g": 0.91,
    "a a a a a b c d e f": 1.0 - 0.3 * 0.4,
    "A a A a A b c d e f": 1.0 - 0.3 * 0.4,
    "a, a a. a! a b c d e f": 1.0,
    "a a a a": 1.0 - 0.2 - 0.3 * 0.75,
}


@pytest.mark.parametrize(("text", "expected"), SCORES.items())
def test_scores(text, expected):
    assert confidence.estimate(text) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("phrase", confidence.UNCERTAIN)
def test_each_uncertain_phrase_costs_once(phrase):
    assert confidence.estimate(f"{phrase} {TEN} {phrase}") == pytest.approx(0.9)


def test_the_phrases():
    assert len(set(confidence.UNCERTAIN)) == 11


def test_nothing_falls_below_zero():
    said = " ".join(confidence.UNCERTAIN)
    assert confidence.estimate(said) == 0.0
    assert confidence.estimate(said.replace("maybe ", "")) == pytest.approx(0.0, abs=1e-12)
