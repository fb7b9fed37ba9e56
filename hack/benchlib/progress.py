"""Telling people how far a bench is. It goes to stderr: stdout belongs to the result."""

import sys


def say(text: str) -> None:
    """Print one line."""
    print(f"bench: {text}", file=sys.stderr, flush=True)


def amount(rows: int) -> str:
    """Write a number of rows the short way: 20k, 1M."""
    for unit, letter in ((1_000_000, "M"), (1_000, "k")):
        if rows >= unit and rows % unit == 0:
            return f"{rows // unit}{letter}"
    return str(rows)
