"""What the use cases ask of the world. Adapters answer; tests answer with their own."""

from dataclasses import dataclass
from typing import Protocol

from cognitive_engine.domain.memory.vectors import Vector


@dataclass(frozen=True, slots=True)
class Draft:
    """What a generator works from: the prompt, the recalled texts (best first), the length."""

    prompt: str
    context: tuple[str, ...]
    max_tokens: int


class GenerationFailed(Exception):
    """The generator had no answer to give; the fault is its own, not the caller's."""


class Generator(Protocol):
    """Writes answers."""

    async def generate(self, draft: Draft) -> str:
        """The answer to `draft`.

        Raises:
            GenerationFailed: there is none.
        """


class Embedder(Protocol):
    """Turns text into a direction."""

    def embed(self, text: str) -> Vector:
        """A float32 vector of norm 1, shape (dimension,); the same for the same text, always."""


class AsyncEmbedder(Protocol):
    """Turns text into a direction, somewhere."""

    async def embed(self, text: str) -> Vector:
        """A float32 vector of norm 1, shape (dimension,).

        Raises:
            GenerationFailed: there is none.
        """


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> float:
        """Seconds since the epoch, never going backwards while the process lives."""


class MemoryGauge(Protocol):
    """Knows how much memory the process has left."""

    def share(self) -> float | None:
        """Used share of what the process may use, in [0, 1]; None when there is no telling."""


class Meter(Protocol):
    """Takes measurements, in seconds."""

    def observe_generation(self, seconds: float) -> None:
        """One accepted request, from its arrival at the use case to its answer."""

    def observe_retrieval(self, seconds: float, queries: int) -> None:
        """One search of the memory for so many queries at once, in seconds for each."""
