"""The public MLSDM's own application, held awake and with a full memory; for uvicorn.

Left alone it falls asleep after a few accepted requests and refuses everything from then on.
Environment: BENCH_ROWS memories are filled in, half awake, half asleep. Only the interpreter that
the peer is installed for runs this, so it needs nothing but the peer and numpy.
"""

import gc
import importlib
import os
from typing import Any

import numpy as np

APP = os.environ.get("BENCH_APP", "mlsdm.api.app:app")
MEMORY, RHYTHM, FILTER = "PhaseEntangledLatticeMemory", "CognitiveRhythm", "MoralFilter"
DIMENSION = 384
AWAKE, ASLEEP = 0.1, 0.9
STEPS_AWAKE = 10**9
THRESHOLD = 0.5


def hold_awake() -> None:
    """Put every rhythm into a long day and keep every moral threshold where it is.

    Raises:
        RuntimeError: there is no rhythm or no filter in this process.
    """
    rhythms, filters = _instances(RHYTHM), _instances(FILTER)
    if not rhythms or not filters:
        raise RuntimeError(f"found {len(rhythms)} {RHYTHM} and {len(filters)} {FILTER}")
    for rhythm in rhythms:
        rhythm.phase = "wake"
        rhythm.counter = STEPS_AWAKE
        if hasattr(rhythm, "_is_wake"):
            rhythm._is_wake = True
    for found in filters:
        found.threshold = THRESHOLD
        type(found).adapt = lambda *_, **__: None


def fill(rows: int) -> None:
    """Fill every memory of the right dimension with random directions.

    Raises:
        RuntimeError: there is none.
    """
    memories = [m for m in _instances(MEMORY) if getattr(m, "dimension", None) == DIMENSION]
    if not memories:
        raise RuntimeError(f"found no {MEMORY} of dimension {DIMENSION}")
    vectors = np.random.default_rng(1).standard_normal((rows, DIMENSION))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    phases = [AWAKE if row % 2 == 0 else ASLEEP for row in range(rows)]
    for memory in memories:
        memory.entangle_batch(vectors.tolist(), phases)


async def app(scope: Any, receive: Any, send: Any) -> None:
    """The peer's application; when it has started it is filled and kept awake."""

    async def sending(message: Any) -> None:
        if message["type"] == "lifespan.startup.complete":
            fill(int(os.environ["BENCH_ROWS"]))
            hold_awake()
        await send(message)

    await _peer(scope, receive, sending if scope["type"] == "lifespan" else send)


def _instances(name: str) -> list[Any]:
    """Objects whose class is called `name`, a version at its end or not."""
    gc.collect()
    return [item for item in gc.get_objects() if type(item).__name__.rpartition("V")[0] == name
            or type(item).__name__ == name]  # fmt: skip


_module, _, _attribute = APP.partition(":")
_peer = getattr(importlib.import_module(_module), _attribute)
