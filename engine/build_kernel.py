"""Compiles the recall kernel into one shared library beside its Python side.

Two callers: the wheel's build (a hatchling hook, named in pyproject.toml) and `hack/venv` (as a
program). A library younger than its sources is left alone. The compiler is `$CC`, else ziglang if
it is installed (a C compiler as a wheel, which also pins the C library's version), else the
system's. Without any, the wheel is built without the library and the engine falls back to its
portable kernel; as a program this fails instead.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # as a program, without the build backend
    BuildHookInterface = object

KERNEL = "engine/src/cognitive_engine/domain/memory/kernel"
LIBRARY = "recall.so"
# The oldest C library the binary runs with.
GLIBC = "2.28"
FLAGS = ["-O3", "-std=c11", "-fPIC", "-fvisibility=hidden", "-Wall", "-Wextra", "-Werror"]
VARIANTS = {
    "plain": [],
    "avx2": ["-mavx2", "-mfma", "-mpopcnt"],
    "avx512vnni": [
        *("-mavx512f", "-mavx512bw", "-mavx512vl", "-mavx512dq", "-mavx512vnni"),
        *("-mfma", "-mpopcnt"),
    ],
}


def compiler() -> list[str] | None:
    """The command that compiles, or None."""
    if chosen := os.environ.get("CC"):
        return shlex.split(chosen)
    if importlib.util.find_spec("ziglang"):
        target = f"{platform.machine()}-linux-gnu.{GLIBC}"
        return [sys.executable, "-m", "ziglang", "cc", "-target", target]
    found = next(filter(None, map(shutil.which, ("clang", "gcc", "cc"))), None)
    return [found] if found else None


def is_fresh(root: Path) -> bool:
    """Whether the library is there and younger than all it is made from."""
    library = root / KERNEL / LIBRARY
    sources = [Path(__file__), *(root / KERNEL).glob("*.[ch]")]
    return library.is_file() and all(
        source.stat().st_mtime < library.stat().st_mtime for source in sources
    )


def build(root: Path, command: list[str]) -> Path:
    """Compile; the library's path. Raises CalledProcessError when the compiler refuses."""
    sources = root / KERNEL
    target = sources / LIBRARY
    if is_fresh(root):
        return target
    x86 = platform.machine() in {"x86_64", "AMD64"}
    with tempfile.TemporaryDirectory() as folder:
        objects = []
        for name, flags in {**VARIANTS, "": []}.items():
            if name not in {"", "plain"} and not x86:
                continue
            source = sources / ("variant.c" if name else "dispatch.c")
            output = Path(folder) / f"{name or 'dispatch'}.o"
            define = [f"-DVARIANT={name}"] if name else []
            _run([*command, *FLAGS, *flags, *define, "-c", str(source), "-o", str(output)])
            objects.append(str(output))
        # Renamed into place: a process that has the old library mapped keeps it.
        made = Path(folder) / LIBRARY
        _run([*command, "-shared", "-s", "-o", str(made), *objects, "-lm"])
        staged = target.with_suffix(".new")
        shutil.copyfile(made, staged)
        staged.replace(target)
    return target


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True)


class KernelBuildHook(BuildHookInterface):
    """Puts the library into the wheel, and tags the wheel with the platform then."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called before the wheel is put together."""
        root = Path(self.root)
        command = compiler()
        # The operator's image is built without the engine's sources.
        absent = not (root / KERNEL).is_dir()
        if version == "editable" or absent or (command is None and not is_fresh(root)):
            return
        target = build(root, command or [])
        build_data["artifacts"].append(f"/{target.relative_to(root)}")
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-linux_{platform.machine()}"


if __name__ == "__main__":
    here, found = Path(__file__).resolve().parents[1], compiler()
    if sys.argv[1:] == ["--fresh"]:  # is there nothing to do?
        sys.exit(not is_fresh(here))
    if found is None and not is_fresh(here):
        sys.exit("kernel: no C compiler: set CC, or install ziglang, clang or gcc")
    build(here, found or [])
