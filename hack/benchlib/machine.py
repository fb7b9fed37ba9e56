"""The machine a figure comes from, and the one core it is measured on."""

import os
import platform
import sys
import time
from pathlib import Path

if sys.platform != "linux":
    sys.exit("bench: Linux is needed, for its CPU clocks, /proc and staying on one core")

_GIVEN = os.sched_getaffinity(0)

FLAGS = ("avx2", "avx512_vnni", "amx_int8")
IDLE_SAMPLE_SECONDS = 0.25
IDLE_BUSY_SHARE = 0.1

Facts = dict[str, str | int | float | list[str]]


def facts() -> Facts:
    """Everything about this machine that a figure depends on."""
    import numpy as np  # noqa: PLC0415 — the launcher sets the thread counts first

    from cognitive_engine.domain.memory.kernel import best_kernel  # noqa: PLC0415

    info = _cpu_info()
    flags = info.get("flags", info.get("Features", "")).split()
    return {
        "cpu": info.get("model name", platform.machine()),
        "flags": [flag for flag in FLAGS if flag in flags],
        "cores": len(cores()),
        "l2": _cache(2),
        "l3": _cache(3),
        "ram_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "recall_kernel": best_kernel().name,
    }


def cores() -> list[int]:
    """The cores this process was given when it began."""
    return sorted(_GIVEN)


def pin() -> int:
    """Stay on one core from now on, the idlest one; its number."""
    before = _busy_ticks()
    time.sleep(IDLE_SAMPLE_SECONDS)
    after = _busy_ticks()
    core = min(cores(), key=lambda number: after.get(number, 0) - before.get(number, 0))
    os.sched_setaffinity(0, {core})
    return core


def core() -> int:
    """The core that `pin` chose."""
    (number,) = os.sched_getaffinity(0)
    return number


def move(number: int) -> None:
    """Stay on another core."""
    os.sched_setaffinity(0, {number})


def settle(patience: float) -> None:
    """Wait until this machine does next to nothing, at most `patience` seconds."""
    deadline = time.monotonic() + patience
    ticks_a_second = os.sysconf("SC_CLK_TCK") * (os.cpu_count() or 1)
    before = sum(_busy_ticks().values())
    while time.monotonic() < deadline:
        time.sleep(IDLE_SAMPLE_SECONDS)
        after = sum(_busy_ticks().values())
        if after - before <= IDLE_BUSY_SHARE * IDLE_SAMPLE_SECONDS * ticks_a_second:
            return
        before = after


def unpin_thread() -> None:
    """Let the calling thread, and no other, run on every core again."""
    os.sched_setaffinity(0, _GIVEN)


def _cpu_info() -> dict[str, str]:
    lines = Path("/proc/cpuinfo").read_text().split("\n\n", 1)[0].splitlines()
    pairs = (line.partition(":") for line in lines)
    return {key.strip(): value.strip() for key, _, value in pairs}


def _cache(level: int) -> str:
    for index in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        if (index / "level").read_text().strip() == str(level):
            return (index / "size").read_text().strip()
    return "unknown"


def _busy_ticks() -> dict[int, int]:
    ticks = {}
    for line in Path("/proc/stat").read_text().splitlines():
        name, *numbers = line.split()
        if name.startswith("cpu") and name != "cpu":
            user, nice, system, _idle, _wait, interrupt, soft, steal = map(int, numbers[:8])
            ticks[int(name[3:])] = user + nice + system + interrupt + soft + steal
    return ticks
