"""Errors of the rules.

    InvalidInput (ValueError)      the caller broke the contract; nothing was changed
    ├── InvalidScore               a moral score that is not a finite number in [0, 1]
    ├── InvalidTime                a time that is not finite
    ├── InvalidVector              wrong shape, not finite, or out of range
    ├── InvalidText                too long, or no Unicode text
    └── InvalidEntry               a phase, confidence or count out of range
    RecordError (Exception)        the log is at fault; nothing was changed
    ├── DamagedRecord              bytes that are no record, or a record that nobody could judge
    └── MisplacedRecord            not the record that comes next

Refusals (moral, asleep, halted) are outcomes of a step, not errors.
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


class InvalidText(InvalidInput):
    """A text or scope must be Unicode and no longer than its bound."""


class RecordError(Exception):
    """The log is at fault; the state is as it was."""


class DamagedRecord(RecordError):
    """Bytes that are no record, or a record that no judge can have made."""


class MisplacedRecord(RecordError):
    """A record that does not come next: one is missing, or this one was taken already."""
