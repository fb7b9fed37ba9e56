"""A generator behind a guard."""

from cognitive_engine.adapters.guard import Guard
from cognitive_engine.ports import Draft, Generator


class GuardedGenerator:
    """Asks `generator` when `guard` lets it."""

    def __init__(self, generator: Generator, guard: Guard) -> None:
        self._generator = generator
        self._guard = guard

    async def generate(self, draft: Draft) -> str:
        """The answer to `draft`.

        Raises:
            GenerationFailed: there is none, or nobody was asked.
        """
        return await self._guard.run(lambda: self._generator.generate(draft))
