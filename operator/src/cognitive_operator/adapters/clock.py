"""The wall clock, as Kubernetes writes it."""

from datetime import UTC, datetime


class Clock:
    """Tells the time; tests bring their own."""

    def now_text(self) -> str:
        """Return now in UTC to the second, RFC 3339."""
        return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
