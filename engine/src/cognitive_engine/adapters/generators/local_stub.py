"""A generator without a model: it answers by rule, at once, and shows what it was given."""

from typing import Final

from cognitive_engine.domain import limits
from cognitive_engine.ports import Draft

PREFIX: Final = "NEURO-RESPONSE"
PROMPT_CHARS_QUOTED: Final = 50
MEMORY_CHARS_QUOTED: Final = 200
EXPLAINED_ABOVE_TOKENS: Final = 50


class LocalStub:
    """Quotes the prompt's first characters and every recalled text; the same each time."""

    async def generate(self, draft: Draft) -> str:
        """An answer of at most four characters a token."""
        parts = [f"{PREFIX}: {draft.prompt[:PROMPT_CHARS_QUOTED]}"]
        if draft.context:
            quoted = "; ".join(f'"{text[:MEMORY_CHARS_QUOTED]}"' for text in draft.context)
            parts.append(f"I remember: {quoted}.")
        if draft.max_tokens > EXPLAINED_ABOVE_TOKENS:
            parts.append(f"(Answered by rule, without a model, in {draft.max_tokens} tokens.)")
        return "\n".join(parts)[: limits.CHARS_PER_TOKEN * draft.max_tokens]
