"""Where a memory comes from, and the hash that ties its story together."""

import hashlib
import json
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

import msgspec

from cognitive_engine.domain.errors import InvalidEntry

HIGH_CONFIDENCE: Final = 0.7


class Source(StrEnum):
    """Who brought a memory in."""

    USER_INPUT = "user_input"
    LLM_GENERATION = "llm_generation"
    RETRIEVED = "retrieved"
    SYSTEM = "system"


class Origin(msgspec.Struct, frozen=True, array_like=True):
    """What is known of a memory's making beside its time and confidence.

    Many memories share one origin. `retention_expires_at` is in seconds since the epoch.
    """

    source: Source = Source.USER_INPUT
    llm_model: str | None = None
    parent_id: str | None = None
    policy_hash: str | None = None
    policy_contract_version: str | None = None
    content_hash: str | None = None
    retention_expires_at: float | None = None


class Provenance(msgspec.Struct, frozen=True):
    """An origin with `confidence` in [0, 1] and `timestamp` in seconds since the epoch (UTC)."""

    origin: Origin
    confidence: float
    timestamp: float

    @property
    def is_high_confidence(self) -> bool:
        """Whether the confidence counts as high."""
        return self.confidence >= HIGH_CONFIDENCE

    @property
    def lineage_hash(self) -> str:
        """SHA-256 over all fields as compact JSON with sorted keys; the same for equal fields."""
        fields = {
            **msgspec.structs.asdict(self.origin),
            "confidence": self.confidence,
            "timestamp": _iso(self.timestamp),
        }
        if fields["retention_expires_at"] is not None:
            fields["retention_expires_at"] = _iso(fields["retention_expires_at"])
        text = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()

    def checked(self, lineage_hash: str) -> "Provenance":
        """Itself, if `lineage_hash` is its own.

        Raises:
            InvalidEntry: the hash was made from something else.
        """
        if lineage_hash != self.lineage_hash:
            raise InvalidEntry("the lineage hash does not match the provenance")
        return self


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat()
