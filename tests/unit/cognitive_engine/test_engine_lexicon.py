"""The lexicon: published scores."""

import pytest

from cognitive_engine.domain import lexicon

SCORES = {
    "": 0.8,
    "   ": 0.8,
    "Hello world": 0.8,
    "pharmacy harmless": 0.8,
    "attacks killing": 0.8,
    "please help me": 0.85,
    "I will kill and attack with a weapon": 0.35,
    "harm. harm, harm!": 0.35,
    "HATE": 0.65,
    "How do I help protect people from violence?": 0.75,
    "hate hate hate hate hate hate": 0.0,
    "kind kind care love trust safe": 1.0,
}


@pytest.mark.parametrize(("text", "expected"), SCORES.items())
def test_published_scores(text, expected):
    assert round(lexicon.score(text), 12) == expected


def test_both_lists_are_complete_and_apart():
    assert len(lexicon.HARMFUL) == len(lexicon.POSITIVE) == 15
    assert not lexicon.HARMFUL & lexicon.POSITIVE
