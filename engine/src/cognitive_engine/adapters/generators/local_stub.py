"""A generator without a model: it answers by rule, at once, and shows what it was given."""

import re
from typing import Final

from cognitive_engine.domain import limits
from cognitive_engine.ports import Draft

PREFIX: Final = "NEURO-RESPONSE"
PROMPT_CHARS_QUOTED: Final = 50
MEMORY_CHARS_QUOTED: Final = 200
EXPLAINED_ABOVE_TOKENS: Final = 50

_WORD: Final = re.compile(r"\w+")


class LocalStub:
    """Quotes the prompt's first characters and the recalled texts; the same each time."""

    async def generate(self, draft: Draft) -> str:
        """An answer of at most four characters a token."""
        parts = [f"{PREFIX}: {draft.prompt[:PROMPT_CHARS_QUOTED]}"]
        texts = _worth_saying([text[:MEMORY_CHARS_QUOTED] for text in draft.context])
        if texts:
            quoted = "; ".join(f'"{text}"' for text in texts)
            parts.append(f"I remember: {quoted}.")
        if draft.max_tokens > EXPLAINED_ABOVE_TOKENS:
            parts.append(f"(Answered by rule, without a model, in {draft.max_tokens} tokens.)")
        return "\n".join(parts)[: limits.CHARS_PER_TOKEN * draft.max_tokens]


def _worth_saying(texts: list[str]) -> list[str]:
    """The best text, and of the others those mostly of new words: nobody likes an echo."""
    said: set[str] = set()
    chosen: list[str] = []
    for text in texts:
        words = set(_WORD.findall(text.lower()))
        if not chosen or 2 * len(words - said) > len(words):
            chosen.append(text)
            said |= words
    return chosen
