"""What a full bank weighs, and how soon a new process has an empty one: in processes of their own.

Run as a program it is that process.
"""

import gc
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from .errors import BenchError

STARTS = 5
WARM_ROWS = 1000
CHILD_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Weight:
    """Bytes of a full bank: of its float32 rows alone, of all its arrays, and of the process."""

    rows: int
    arrays: int
    resident: int


def weigh(rows: int) -> Weight:
    """Fill a bank in a process of its own."""
    done = subprocess.run(
        _command("weigh", rows), check=False, capture_output=True, text=True, timeout=CHILD_SECONDS
    )
    if done.returncode != 0:
        raise BenchError(f"the bank could not be weighed:\n{done.stderr[-2000:]}")
    return Weight(**json.loads(done.stdout))


def start_seconds(rows: int) -> float:
    """Wall seconds from the start of a process until its empty mind is ready, the median."""
    figures = []
    for _ in range(STARTS):
        begun = time.perf_counter()
        with subprocess.Popen(_command("start", rows), stdout=subprocess.PIPE, text=True) as child:
            line = child.stdout.readline() if child.stdout else ""
            figures.append(time.perf_counter() - begun)
        if line != "ready\n":
            raise BenchError("a new process did not become ready", hint="see the lines above")
    return median(figures)


def _command(what: str, rows: int) -> list[str]:
    folder = str(Path(__file__).resolve().parents[1])
    script = (
        f"import sys; sys.path.insert(0, {folder!r}); import benchlib.footprint as f; f.child()"
    )
    return [sys.executable, "-B", "-c", script, what, str(rows)]


def child() -> None:
    """Do what the command line says, in this process."""
    what, rows = sys.argv[1], int(sys.argv[2])
    if what == "start":
        from . import steps  # noqa: PLC0415 — its import is part of what is timed

        steps.new_mind(rows)
        print("ready", flush=True)
        return
    import numpy as np  # noqa: PLC0415

    from cognitive_engine.domain.memory.pelm import Pelm  # noqa: PLC0415

    from . import vectors  # noqa: PLC0415

    _filled(Pelm(vectors.DIMENSION, WARM_ROWS), WARM_ROWS)
    gc.collect()
    before = _resident()
    pelm = _filled(Pelm(vectors.DIMENSION, rows), rows)
    gc.collect()
    after = _resident()
    row_bytes = rows * vectors.DIMENSION * np.dtype(np.float32).itemsize
    print(json.dumps({"rows": row_bytes, "arrays": _array_bytes(pelm), "resident": after - before}))


def _filled(pelm: Any, rows: int) -> Any:
    import numpy as np  # noqa: PLC0415

    from . import vectors  # noqa: PLC0415
    from .recall import fill  # noqa: PLC0415

    dice = np.random.default_rng(3)
    for _ in range(0, rows, WARM_ROWS):
        part = dice.standard_normal((WARM_ROWS, vectors.DIMENSION), np.float32)
        phases = np.where(np.arange(WARM_ROWS) % 2 == 0, vectors.AWAKE, vectors.ASLEEP)
        fill(pelm, part, phases)
    return pelm


def _resident() -> int:
    """Bytes of memory this process has in RAM."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = [line for line in lines if line.startswith("VmRSS:")]
    return int(line.split()[1]) * 1024


def _array_bytes(root: Any) -> int:
    """Bytes of every array that `root` holds, each counted once."""
    import numpy as np  # noqa: PLC0415

    seen: set[int] = set()
    total, queue = 0, [root]
    while queue:
        item = queue.pop()
        if id(item) in seen or isinstance(item, type | type(sys)) or callable(item):
            continue
        seen.add(id(item))
        if isinstance(item, np.ndarray):
            if isinstance(item.base, np.ndarray):
                queue.append(item.base)
            else:
                total += item.nbytes
            continue
        queue += gc.get_referents(item)
    return total
