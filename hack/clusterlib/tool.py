"""Pinned tools for other scripts: the same version everywhere, whatever is on PATH."""

import os
import sys
from typing import NoReturn

from . import build
from .progress import ClusterError, Progress, explain

TOOLS = ("helm", "kubectl")


def main() -> int:
    """Replace this process by the tool."""
    arguments = sys.argv[1:]
    if not arguments or arguments[0] not in TOOLS:
        print(f"usage: hack/tool {{{','.join(TOOLS)}}} [arguments…]", file=sys.stderr)
        return 2
    try:
        _become(arguments)
    except ClusterError as error:
        explain(error)
        return 1


def _become(arguments: list[str]) -> NoReturn:
    path = build.helper(Progress(), arguments[0])
    os.execv(path, [str(path), *arguments[1:]])  # noqa: S606 - a tool is what is asked for
