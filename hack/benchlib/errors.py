"""Why a bench stopped."""


class BenchError(Exception):
    """Something could not be measured; `hint` is the next thing to do."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class NoisyMachine(BenchError):
    """A baseline moved too much between rounds: the figures would not mean anything."""
