"""Errors of the rules.

    InvalidInput (ValueError)      the caller broke the contract; nothing was changed
    ├── InvalidScore               a moral score that is not a finite number in [0, 1]
    ├── InvalidTime                a time that is not finite
    ├── InvalidVector              wrong shape, not finite, or out of range
    └── InvalidEntry               a phase, confidence or count out of range

Refusals (moral, asleep) are outcomes of a step, not errors.
"""


class InvalidInput(ValueError):
    """The caller broke the contract; the state is as it was."""


class InvalidScore(InvalidInput):
    """A moral score must be a finite number in [0, 1]."""


class InvalidTime(InvalidInput):
    """A time must be a finite number of seconds."""


class InvalidVector(InvalidInput):
    """A vector must be one-dimensional, of the memory's length, finite and within range."""


class InvalidEntry(InvalidInput):
    """A phase, confidence or count is out of range."""
