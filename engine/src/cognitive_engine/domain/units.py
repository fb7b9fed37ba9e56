"""Parse the numbers that callers bring along."""

from numbers import Real

from .errors import InvalidInput


def parse_unit(name: str, value: float) -> float:
    """`value` as a float in [0, 1].

    Raises:
        InvalidInput: it is no number, not finite or out of range; only `name` is told.
    """
    if isinstance(value, bool) or not isinstance(value, Real) or not 0.0 <= value <= 1.0:
        raise InvalidInput(f"{name} is a finite number in [0, 1]")
    return float(value)
