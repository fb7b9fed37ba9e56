"""Names of children: deterministic, unique per engine, never longer than a DNS label."""

from .hashing import content_hash
from .limits import NAME_MAX


def fitted(name: str) -> str:
    """Return the name, or its head plus a hash of the whole when it is too long.

    Two long names with the same head stay apart by their hashes.
    """
    if len(name) <= NAME_MAX:
        return name
    digest = content_hash(name)
    return f"{name[: NAME_MAX - len(digest) - 1].rstrip('-.')}-{digest}"


def child(engine: str, suffix: str = "") -> str:
    """Return the name of an engine's child, e.g. `mind-config-0123456789`."""
    return fitted(f"{engine}-{suffix}" if suffix else engine)
