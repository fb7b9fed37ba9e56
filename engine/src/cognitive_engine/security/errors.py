"""What goes wrong between a caller and the door.

    CredentialsError      the process cannot start like this
    AccessError           this caller does not pass
    ├── Unauthenticated   401: who is it?
    ├── Forbidden         403: known, and not allowed
    └── Unavailable       503: nobody can tell just now

No text here holds a key, a token or a part of one.
"""

from typing import Final

TOKEN_INVALID: Final = "E201"  # noqa: S105
TOKEN_EXPIRED: Final = "E202"  # noqa: S105
NO_ROLE: Final = "E203"
KEY_UNKNOWN: Final = "E204"
ROLE_MISSING: Final = "E205"
NOTHING_SENT: Final = "E206"
KEYS_AWAY: Final = "E903"


class CredentialsError(Exception):
    """The engine cannot start with these credentials; the text is one sentence."""


class AccessError(Exception):
    """A caller who does not pass.

    `code` and `detail` are for the answer; `reason` is one word of a small set, for logs and
    metrics.
    """

    def __init__(self, code: str, detail: str, reason: str) -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail
        self.reason = reason


class Unauthenticated(AccessError):
    """Nobody knows who is calling. `challenge` is the value of WWW-Authenticate."""

    @property
    def challenge(self) -> str:
        """Plain when nothing was sent; else it says that what was sent is no good."""
        return "Bearer" if self.code == NOTHING_SENT else 'Bearer error="invalid_token"'


class Forbidden(AccessError):
    """The caller is known and may not do this."""

    challenge: Final = 'Bearer error="insufficient_scope"'


class Unavailable(AccessError):
    """Identity cannot be judged now; `retry_after` is in whole seconds, at least 1."""

    def __init__(self, code: str, detail: str, reason: str, retry_after: int) -> None:
        super().__init__(code, detail, reason)
        self.retry_after = retry_after
