"""Estimate how sure an answer sounds of itself, from its words alone."""

from typing import Final

BLANK: Final = 0.1
PHRASE_COST: Final = 0.1
BRIEF_COST: Final = 0.2
BRIEF_WORDS: Final = 10
REPETITION_FREE: Final = 0.3
REPETITION_WEIGHT: Final = 0.3

# Found anywhere in the text, inside longer words too: "unlikely" holds "likely".
UNCERTAIN: Final = (
    "appears to",
    "could be",
    "i think",
    "i'm not sure",
    "likely",
    "maybe",
    "might be",
    "perhaps",
    "possibly",
    "probably",
    "seems like",
)


def estimate(text: str) -> float:
    """Confidence in [0, 1]: 0.1 for blank text, else 1 less what speaks against it.

    Each uncertain phrase counts once, however often it occurs; fewer than ten words count, and so
    does the share of repeated words above 0.3. Words are split at blanks; case does not matter.
    """
    lowered = text.lower()
    words = lowered.split()
    if not words:
        return BLANK
    confidence = 1.0
    for phrase in UNCERTAIN:
        if phrase in lowered:
            confidence -= PHRASE_COST
    if len(words) < BRIEF_WORDS:
        confidence -= BRIEF_COST
    # The order of operations is part of the rule: 3 repeated of 10 is a little more than 0.3.
    repetition = 1.0 - len(set(words)) / len(words)
    if repetition > REPETITION_FREE:
        confidence -= REPETITION_WEIGHT * repetition
    return max(0.0, confidence)
