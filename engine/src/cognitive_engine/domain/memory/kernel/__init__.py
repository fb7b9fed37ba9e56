"""The loops over memories, twice: compiled (`native`) and in numpy (`portable`).

Both give the same answers, bit for bit; the compiled one is many times faster. What they work on
is in `layout`.
"""

from .layout import Chunk, Columns, Found, Kernel, View
from .native import native_kernels
from .portable import PortableKernel

__all__ = [
    "Chunk",
    "Columns",
    "Found",
    "Kernel",
    "PortableKernel",
    "View",
    "best_kernel",
    "kernels",
]


def kernels() -> tuple[type[Kernel], ...]:
    """All kernels this process can run, fastest first; the portable one is always the last."""
    return (*native_kernels(), PortableKernel)


def best_kernel() -> type[Kernel]:
    """The fastest kernel this process can run."""
    return kernels()[0]
