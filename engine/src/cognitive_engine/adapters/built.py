"""A part of the engine that the settings have chosen, with what stands before and behind it."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from cognitive_engine.adapters.guard import Guard
from cognitive_engine.adapters.http import Backend

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Built(Generic[T_co]):
    """`part` does the work; the others are None where it is all done in this process."""

    part: T_co
    guard: Guard | None = None
    backend: Backend | None = None

    async def aclose(self) -> None:
        """Close the connections."""
        if self.backend is not None:
            await self.backend.aclose()
