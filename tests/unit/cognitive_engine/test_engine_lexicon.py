"""The lexicon: published scores."""

import pytest

from cognitive_engine.domain import lexicon

# Text: score, harmful hits, positive hits.
PUBLISHED = {
    "": (0.8, 0, 0),
    "   ": (0.8, 0, 0),
    "Hello world": (0.8, 0, 0),
    "pharmacy harmless": (0.8, 0, 0),
    "attacks killing": (0.8, 0, 0),
    "please help me": (0.85, 0, 1),
    "I will kill and attack with a weapon": (0.35, 3, 0),
    "harm. harm, harm!": (0.35, 3, 0),
    "HATE": (0.65, 1, 0),
    "How do I help protect people from violence?": (0.75, 1, 2),
    "hate hate hate hate hate hate": (0.0, 6, 0),
    "kind kind care love trust safe": (1.0, 0, 6),
}


@pytest.mark.parametrize(("text", "expected"), PUBLISHED.items())
def test_published_scores(text, expected):
    measured = lexicon.measure(text)
    assert (round(measured.score, 12), *measured[1:]) == expected
    assert lexicon.score(text) == measured.score


@pytest.mark.parametrize("word", sorted(lexicon.HARMFUL | lexicon.POSITIVE))
def test_every_word_counts_once_on_its_side(word):
    measured = lexicon.measure(f"so, {word.title()}!")
    harmful = word in lexicon.HARMFUL
    assert measured[1:] == (int(harmful), int(not harmful))
    assert measured.score == pytest.approx(0.65 if harmful else 0.85)


def test_both_lists_are_complete_and_apart():
    assert len(lexicon.HARMFUL) == len(lexicon.POSITIVE) == 15
    assert not lexicon.HARMFUL & lexicon.POSITIVE
