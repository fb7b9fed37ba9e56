"""HTTP requests as metrics: all families about them come from one table with a cell an outcome."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Final

from cognitive_api import metric_names as names
from cognitive_engine.domain import limits

from .exposition import Family, by_label, counter, histogram
from .tallies import OTHER, Distribution, Tally

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER_METHOD: Final = "OTHER"
# The bounds that published queries expect, and ours, of which the former are a part.
EVENT_BOUNDS: Final = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0)
BOUNDS: Final = tuple(
    sorted({*EVENT_BOUNDS, 0.00025, 0.0005, 0.0025, 0.025, 0.25, 2.5, 10.0, 30.0})
)

_EVENTS: Final = frozenset({"event", "process_event"})
_Key = tuple[str, str, int]
# There from the start: without a first failure a share of failures has no value, not even 0.
_FIRST: Final[_Key] = ("POST", "/v1/generate", 500)


def is_probe(route: str) -> bool:
    """Whether `route` is asked by machines about the engine: health and metrics."""
    return route.startswith("/health") or route == "/metrics"


def is_event(route: str) -> bool:
    """Whether `route` takes events in, under whatever prefix."""
    return route.rstrip("/").rpartition("/")[2] in _EVENTS


class Requests:
    """Requests that have ended."""

    def __init__(self, track: str) -> None:
        self._track = track
        self._cells: dict[_Key, Distribution] = {_FIRST: Distribution(BOUNDS)}
        self._codes = Tally(most=limits.METRIC_WORDS_MAX)

    def count(self, method: str, route: str, status: int, seconds: float, code: str) -> None:
        """Count one. `route` is a template and `code` an error code, empty for none."""
        cell = self._cells.get((method, route, status))
        if cell is None:
            cell = self._cell(method, route, status)
        cell.observe(seconds)
        if code:
            self._codes.add(code)

    def families(self) -> Iterator[Family]:
        """Everything that is known of requests."""
        cells = sorted(self._cells.items())
        served = counter(names.ENGINE_HTTP_REQUESTS, "HTTP requests by outcome.")
        for (method, route, status), cell in cells:
            labels = {"method": method, "route": route, "status": str(status)}
            served.add(cell.count, **labels, track=self._track)
        yield served
        yield _by_class(cells)
        asked = _merged(BOUNDS, (cell for (_, route, _), cell in cells if not is_probe(route)))
        yield counter(names.ENGINE_REQUESTS, "Requests, probes and scrapes apart.", asked.count)
        yield histogram(names.ENGINE_LATENCY_SECONDS, "Seconds of those requests.", asked)
        events = _merged(EVENT_BOUNDS, (cell for (_, route, _), cell in cells if is_event(route)))
        yield histogram(names.ENGINE_EVENT_SECONDS, "Seconds of requests with an event.", events)
        failed = sum(cell.count for (_, _, status), cell in cells if status >= 500)
        yield counter(names.ENGINE_ERROR_COUNT, "Requests that ended with 500 or above.", failed)
        yield by_label(
            names.ENGINE_ERRORS,
            "Problems that were answered, by code.",
            "code",
            self._codes.items(),
        )

    def _cell(self, method: str, route: str, status: int) -> Distribution:
        """The cell of a first request, under labels that a caller cannot multiply."""
        key = (method if method in METHODS else OTHER_METHOD, route, status)
        if key not in self._cells and len(self._cells) >= limits.METRIC_SERIES_MAX:
            key = (OTHER_METHOD, OTHER, status // 100 * 100)
        return self._cells.setdefault(key, Distribution(BOUNDS))


def _by_class(cells: Iterable[tuple[_Key, Distribution]]) -> Family:
    merged: dict[tuple[str, str], Distribution] = defaultdict(lambda: Distribution(BOUNDS))
    for (_, route, status), cell in cells:
        merged[route, f"{status // 100}xx"].add(cell)
    family = histogram(names.ENGINE_HTTP_SECONDS, "Seconds of HTTP requests.")
    for (route, status_class), values in sorted(merged.items()):
        family.spread(values, route=route, status_class=status_class)
    return family


def _merged(bounds: tuple[float, ...], cells: Iterable[Distribution]) -> Distribution:
    merged = Distribution(bounds)
    for cell in cells:
        merged.add(cell)
    return merged
