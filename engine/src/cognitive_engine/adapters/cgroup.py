"""Memory of this process's own cgroup: what the container uses of what it may use.

The node's memory is never looked at: a container is killed for its own, however much is free
around it. Where there is no limit, or none that can be read, there is no share to report.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from cognitive_engine.domain import limits

# Version 1 says "no limit" with the largest number of pages, version 2 with a word.
_NO_LIMIT_BYTES: Final = 1 << 60
_ESCAPED: Final = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class _Names:
    """The files of one version, and the line of `memory.stat` with the cache that can be freed."""

    used: str
    limit: str
    reclaimable: str


_VERSION_1: Final = _Names("memory.usage_in_bytes", "memory.limit_in_bytes", "total_inactive_file")
_VERSION_2: Final = _Names("memory.current", "memory.max", "inactive_file")


@dataclass(frozen=True, slots=True)
class _Mount:
    """A mounted hierarchy: which part of it (`root`), where (`point`), and of which version."""

    root: PurePosixPath
    point: PurePosixPath
    names: _Names


class CgroupMemory:
    """Reads the memory of the cgroup that this process was in when the object was made.

    `root` is where the file system with `proc` and the cgroup mounts begins.
    """

    def __init__(self, root: Path = Path("/")) -> None:
        self._found = _locate(root)

    def share(self) -> float | None:
        """Working set over limit; None without a limit, or when either cannot be read.

        The working set leaves out the file cache that the kernel gives back before it kills.
        """
        if self._found is None:
            return None
        folder, names = self._found
        try:
            limit = _text(folder / names.limit).strip()
            if limit == "max" or not 0 < int(limit) < _NO_LIMIT_BYTES:
                return None
            used = int(_text(folder / names.used))
            stat = dict(line.split() for line in _text(folder / "memory.stat").splitlines())
            return max(0, used - int(stat[names.reclaimable])) / int(limit)
        except (OSError, ValueError, KeyError):
            return None


def _locate(root: Path) -> tuple[Path, _Names] | None:
    """The folder of this process's memory cgroup."""
    try:
        own = _own(_text(root / "proc/self/cgroup"))
        mounts = list(_mounts(_text(root / "proc/self/mountinfo")))
    except (OSError, ValueError):
        return None
    for mount in mounts:
        path = own.get(mount.names)
        # A path that climbs is outside of what this process can see.
        if path is not None and ".." not in path.parts and path.is_relative_to(mount.root):
            below = mount.point.relative_to("/") / path.relative_to(mount.root)
            return root / below, mount.names
    return None


def _own(text: str) -> dict[_Names, PurePosixPath]:
    """Where this process stands, by version: lines of `number:controllers:path`.

    Where version 1 has the memory controller, version 2 has not, so only one of them is kept.
    """
    found = {}
    for line in text.splitlines():
        number, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            return {_VERSION_1: PurePosixPath(path)}
        if number == "0":
            found[_VERSION_2] = PurePosixPath(path)
    return found


def _mounts(text: str) -> Iterator[_Mount]:
    """The cgroup mounts among lines of `id parent device root point options … - type source super`.

    The fields between the options and the dash vary in number.
    """
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        kind, _, rest = after.partition(" ")
        if kind == "cgroup2":
            names = _VERSION_2
        elif kind == "cgroup" and "memory" in rest.rpartition(" ")[2].split(","):
            names = _VERSION_1
        else:
            continue
        root, point = (PurePosixPath(_unescaped(field)) for field in before.split()[3:5])
        yield _Mount(root, point, names)


def _unescaped(field: str) -> str:
    """`field` with blanks and backslashes restored: the kernel writes them in octal."""
    return _ESCAPED.sub(lambda code: chr(int(code[1], 8)), field)


def _text(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(limits.CGROUP_FILE_BYTES_MAX).decode(errors="surrogateescape")
