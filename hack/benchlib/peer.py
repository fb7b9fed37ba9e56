"""The public MLSDM, from a checkout that the caller names. None of it is kept here."""

import importlib
import inspect
import os
import re
import sys
import types
from pathlib import Path
from typing import Any

from .errors import BenchError
from .vectors import AWAKE, DIMENSION, TOLERANCE, TOP_K, Floats

PACKAGE = "mlsdm"
CLASS = "PhaseEntangledLatticeMemory"
FILL_BATCH = 1000
# Its tracing would try to reach a collector.
QUIET = {"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_TYPE": "none", "LOG_LEVEL": "WARNING"}


class Peer:
    """Makes banks of the peer's class."""

    QUESTIONS = 4
    """A lap asks this many; at 20k rows each takes tens of milliseconds."""

    def __init__(self, checkout: Path) -> None:
        self._class = _load(checkout)

    def bank(self, capacity: int) -> "PeerBank":
        """An empty bank."""
        known = inspect.signature(self._class).parameters
        dimension = "dimension" if "dimension" in known else "dim"
        return PeerBank(_call(self._class, **{dimension: DIMENSION, "capacity": capacity}))


class PeerBank:
    """One bank, spoken to by the names its documentation gives."""

    def __init__(self, memory: Any) -> None:
        self._memory = memory

    def fill(self, rows: Floats, phases: Floats) -> None:
        """Store all rows, in batches where it can: one by one takes it a checksum each."""
        batch = getattr(self._memory, "entangle_batch", None)
        for start in range(0, len(rows), FILL_BATCH):
            part = slice(start, start + FILL_BATCH)
            vectors, moments = rows[part].tolist(), phases[part].tolist()
            if batch is not None:
                _call(batch, vectors, moments)
                continue
            for vector, phase in zip(vectors, moments, strict=True):
                self.entangle(vector, phase)

    def entangle(self, vector: list[float], phase: float) -> None:
        """Store one row."""
        _call(self._memory.entangle, vector, phase)

    def retrieve(self, query: list[float]) -> list[float]:
        """Resonances of the nearest rows in phase, best first."""
        found = _call(
            self._memory.retrieve, query, float(AWAKE), phase_tolerance=TOLERANCE, top_k=TOP_K
        )
        return [float(item.resonance) for item in found]


def _load(checkout: Path) -> type:
    source = checkout.resolve() / "src"
    package = source / PACKAGE
    pattern = re.compile(rf"^class {CLASS}\b", re.M)
    holding = [
        path for path in sorted(package.rglob("*.py")) if pattern.search(path.read_text("utf-8"))
    ]
    if not holding:
        raise BenchError(
            f"{checkout} has no class {CLASS} below src/{PACKAGE}",
            hint="--peer takes the top folder of a checkout of the public MLSDM",
        )
    parts = holding[0].relative_to(source).with_suffix("").parts
    os.environ |= QUIET
    # Importing its top package starts its whole service; the memory needs only its own modules.
    bare = types.ModuleType(PACKAGE)
    bare.__path__ = [str(package)]
    sys.modules[PACKAGE] = bare
    try:
        found: type = getattr(importlib.import_module(".".join(parts)), CLASS)
    except Exception as error:
        raise BenchError(
            f"{'/'.join(parts)} of {checkout} cannot be imported: {error!r}",
            hint="install what it names into .venv with .venv/bin/pip install",
        ) from error
    return found


def _call(function: Any, *arguments: Any, **named: Any) -> Any:
    try:
        return function(*arguments, **named)
    except TypeError as error:
        name = getattr(function, "__qualname__", str(function))
        raise BenchError(
            f"the peer's {name} takes other arguments than expected: {error}",
            hint="take the checkout to the version that docs/benchmarks names",
        ) from error
