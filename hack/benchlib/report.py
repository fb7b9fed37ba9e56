"""What a bench says in the end: targets, a page for people, JSON for programs."""

import json
import math
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .errors import BenchError
from .machine import Facts
from .rounds import Ratio

PAGE_WIDTH = 100
MACHINE_LINES = (
    ("CPU", "cpu"), ("instructions", "flags"), ("cores", "cores"), ("L2 cache", "l2"),
    ("L3 cache", "l3"), ("RAM, GiB", "ram_gib"), ("kernel", "kernel"), ("Python", "python"),
    ("numpy", "numpy"), ("recall kernel", "recall_kernel"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Goal:
    """What is wanted of one figure, and what is in its way where it is known."""

    name: str
    target: float
    lower_is_better: bool = False
    limit: str = ""

    def judge(self, value: float) -> "Target":
        """Hold a measured figure against it.

        Raises:
            BenchError: the figure is no number, so nothing was measured.
        """
        if not math.isfinite(value):
            raise BenchError(f"{self.name} could not be measured")
        met = value <= self.target if self.lower_is_better else value >= self.target
        return Target(self, value, met)


@dataclass(frozen=True, slots=True)
class Target:
    """A goal with the figure that was reached."""

    goal: Goal
    value: float
    met: bool


def judge(goals: Iterable[Goal], figures: Mapping[str, float]) -> list[Target]:
    """Hold every goal against its figure.

    Raises:
        BenchError: a figure is missing.
    """
    targets = []
    for goal in goals:
        if goal.name not in figures:
            raise BenchError(f"{goal.name} was not measured")
        targets.append(goal.judge(figures[goal.name]))
    return targets


@dataclass(slots=True)
class Report:
    """All that a bench found. `further` targets are for the page only."""

    title: str
    method: str
    targets: list[Target] = field(default_factory=list)
    further: list[Target] = field(default_factory=list)
    sections: list[tuple[str, str]] = field(default_factory=list)

    def add(self, heading: str, text: str) -> None:
        """Add a section to the page."""
        self.sections.append((heading, text))


def as_json(machine: Facts, targets: Sequence[Target]) -> dict[str, Any]:
    """The one shape of every bench's `--json`."""
    return {
        "machine": machine,
        "targets": [
            {
                "name": target.goal.name,
                "value": float(f"{target.value:.6g}"),
                "target": target.goal.target,
                "met": target.met,
            }
            for target in targets
        ],
    }


def write_json(path: Path, machine: Facts, targets: Sequence[Target]) -> None:
    """Write the file of `--json`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(as_json(machine, targets), indent=2) + "\n")


def page(report: Report, machine: Facts) -> str:
    """The page for people, in Markdown."""
    parts = [f"# {report.title}", _wrapped(report.method), "## Machine", _machine(machine)]
    targets = [*report.targets, *report.further]
    parts += ["## Targets", target_table(targets), missed_list(targets)]
    for heading, text in report.sections:
        parts += [f"## {heading}", text]
    return "\n\n".join(part.strip() for part in parts if part) + "\n"


def target_table(targets: Sequence[Target]) -> str:
    """One line a target; a missed one is hard to overlook."""
    return table(
        ("target", "wanted", "measured", ""),
        [
            (
                f"`{target.goal.name}`",
                f"{'≤' if target.goal.lower_is_better else '≥'} {number(target.goal.target)}",
                _measured(target),
                "met" if target.met else "**MISSED**",
            )
            for target in targets
        ],
    )


def missed_list(targets: Sequence[Target]) -> str:
    """By how much each missed target is missed, and what limits it."""
    lines = []
    for target in targets:
        if not target.met:
            goal, share = target.goal, target.value / target.goal.target
            told = f"{number(share)} of what is {'allowed' if goal.lower_is_better else 'wanted'}"
            lines.append(_wrapped(f"- `{goal.name}` is {told}. {goal.limit}", "  "))
    return "\n".join(lines)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, its columns aligned."""
    lines = [tuple(head), *(tuple(row) for row in rows)]
    widths = [max(3, *(len(line[i]) for line in lines)) for i in range(len(head))]
    rule = ["-" * width for width in widths]
    padded = [
        " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        for line in (lines[0], rule, *lines[1:])
    ]
    return "\n".join(f"| {line} |" for line in padded)


def number(value: float) -> str:
    """Three digits that count, and no exponent."""
    if value == 0.0:
        return "0"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    text = f"{value:,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def times(ratio: Ratio) -> str:
    """A ratio with the spread over the rounds."""
    return f"{number(ratio.value)} ({number(ratio.low)}–{number(ratio.high)})"


def _wrapped(text: str, indent: str = "") -> str:
    """Paragraphs of even lines."""
    return "\n\n".join(
        textwrap.fill(part, PAGE_WIDTH, subsequent_indent=indent, break_long_words=False)
        for part in text.split("\n\n")
    )


def _measured(target: Target) -> str:
    """A figure that misses its target by a hair is not rounded up to it."""
    short = number(target.value)
    hidden = not target.met and short == number(target.goal.target)
    return f"{target.value:.8g}" if hidden else short


def _machine(machine: Facts) -> str:
    def show(value: object) -> str:
        return ", ".join(value) or "none of note" if isinstance(value, list) else str(value)

    return table(("", ""), [(label, show(machine[key])) for label, key in MACHINE_LINES])
