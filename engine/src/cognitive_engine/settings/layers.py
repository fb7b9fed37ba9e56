"""What one source of settings says: values by path, and what has to be told about the rest."""

from dataclasses import dataclass, field
from enum import Enum


class Source(Enum):
    """Where a value comes from, weakest first."""

    FILE = "file"
    ENVIRONMENT = "env"
    OPTION = "option"


@dataclass(frozen=True, slots=True)
class Given:
    """One value, not yet judged; `name` is the key, variable or option that gave it."""

    value: object
    source: Source
    name: str

    @property
    def origin(self) -> str:
        """Source and name, in a few words."""
        return f"{self.source.value} {self.name}"


@dataclass(slots=True)
class Layer:
    """The values of one source. Warnings are what somebody may rely on in vain; notes are not."""

    given: dict[str, Given] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def without_effect(self, name: str, why: str, *, alarming: bool = False) -> None:
        """Tell that `name` changes nothing, and why."""
        (self.warnings if alarming else self.notes).append(f"{name}: no effect: {why}")
