"""The Prometheus text format, version 0.0.4.

Written here because the client library adds `_total` to every counter, and published queries name
counters that do not end so.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Final, Literal

from .tallies import Distribution

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

_ESCAPES: Final = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})

Kind = Literal["counter", "gauge", "histogram"]


@dataclass(slots=True)
class Family:
    """All samples of one name, as lines."""

    name: str
    kind: Kind
    help_text: str
    lines: list[str] = field(default_factory=list)

    def add(self, value: float, **labels: str) -> None:
        """One sample of a counter or a gauge."""
        self.lines.append(f"{self.name}{_braces(labels)} {_number(value)}")

    def spread(self, values: Distribution, **labels: str) -> None:
        """One histogram."""
        name, lines = self.name, self.lines
        lead = _pairs(labels) + "," if labels else ""
        bounds = [_number(bound) for bound in values.bounds] + ["+Inf"]
        running = list(accumulate(values.counts))
        for bound, count in zip(bounds, running, strict=True):
            lines.append(f'{name}_bucket{{{lead}le="{bound}"}} {count}')
        lines.append(f"{name}_sum{_braces(labels)} {_number(values.total)}")
        lines.append(f"{name}_count{_braces(labels)} {running[-1]}")


def counter(name: str, help_text: str, value: float | None = None) -> Family:
    """A family of counters, with its one value if it has no labels."""
    return _family(name, "counter", help_text, value)


def gauge(name: str, help_text: str, value: float | None = None) -> Family:
    """A family of gauges, with its one value if it has no labels."""
    return _family(name, "gauge", help_text, value)


def histogram(name: str, help_text: str, values: Distribution | None = None) -> Family:
    """A family of histograms, with its one distribution if it has no labels."""
    family = Family(name, "histogram", help_text)
    if values is not None:
        family.spread(values)
    return family


def by_label(
    name: str, help_text: str, label: str, counts: Iterable[tuple[str, int]] | Mapping[str, int]
) -> Family:
    """A family of counters that differ in one label."""
    family = counter(name, help_text)
    for value, count in counts.items() if isinstance(counts, Mapping) else counts:
        family.add(count, **{label: str(value)})
    return family


def render(families: Iterable[Family]) -> str:
    """The text."""
    parts: list[str] = []
    for family in families:
        parts.append(f"# HELP {family.name} {family.help_text}")
        parts.append(f"# TYPE {family.name} {family.kind}")
        parts.extend(family.lines)
    return "\n".join(parts) + "\n"


def _family(name: str, kind: Kind, help_text: str, value: float | None) -> Family:
    family = Family(name, kind, help_text)
    if value is not None:
        family.add(value)
    return family


def _braces(labels: Mapping[str, str]) -> str:
    return f"{{{_pairs(labels)}}}" if labels else ""


def _pairs(labels: Mapping[str, str]) -> str:
    return ",".join(f'{name}="{value.translate(_ESCAPES)}"' for name, value in labels.items())


def _number(value: float) -> str:
    # Python spells not-a-number and the infinities in a way that Prometheus reads.
    return repr(float(value))
