"""Reads the API server's audit log: who wrote what, as the server itself saw it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WRITE_VERBS = frozenset({"create", "update", "patch", "delete", "deletecollection"})


@dataclass(frozen=True)
class Mark:
    """A place in the log: what comes later is new."""

    inode: int
    offset: int


@dataclass(frozen=True)
class Write:
    """One write, however it ended."""

    user: str
    verb: str
    resource: str
    namespace: str
    name: str
    code: int
    at: str

    def __str__(self) -> str:
        who, where = self.user.rpartition(":")[2], f"{self.namespace}/{self.name}"
        return f"{self.at} {who} {self.verb} {self.resource} {where} → {self.code}"


class AuditLog:
    """The log file; a rotation under way is followed."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def mark(self) -> Mark:
        stat = self._path.stat()
        return Mark(stat.st_ino, stat.st_size)

    def writes(self, since: Mark, user_prefix: str = "", namespace: str = "") -> list[Write]:
        """Return the writes since a mark, by users whose name begins so, in a namespace or all."""
        found = (write for line in self._lines(since) if (write := _parse(line)))
        return [
            write
            for write in found
            if write.user.startswith(user_prefix) and namespace in ("", write.namespace)
        ]

    def _lines(self, since: Mark) -> Iterator[str]:
        if self._path.stat().st_ino == since.inode:
            yield from _tail(self._path, since.offset)
            return
        rotated = self._path.parent.glob(f"{self._path.stem}-*{self._path.suffix}")
        old = next((path for path in rotated if path.stat().st_ino == since.inode), None)
        assert old is not None, f"{self._path} was replaced, and what it held before is gone"
        yield from _tail(old, since.offset)
        yield from _tail(self._path, 0)


def _tail(path: Path, offset: int) -> Iterator[str]:
    with path.open(encoding="utf-8") as file:
        file.seek(offset)
        for line in file:
            # The last line may still be under way.
            if line.endswith("\n"):
                yield line


def _parse(line: str) -> Write | None:
    entry: dict[str, Any] = json.loads(line)
    if entry.get("stage") != "ResponseComplete" or entry.get("verb") not in WRITE_VERBS:
        return None
    ref = entry.get("objectRef", {})
    resource = ref.get("resource", "")
    return Write(
        user=entry.get("user", {}).get("username", ""),
        verb=entry["verb"],
        resource=f"{resource}/{ref['subresource']}" if ref.get("subresource") else resource,
        namespace=ref.get("namespace", ""),
        name=ref.get("name", ""),
        code=int(entry.get("responseStatus", {}).get("code", 0)),
        at=entry.get("requestReceivedTimestamp", ""),
    )
