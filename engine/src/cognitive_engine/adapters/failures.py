"""How a backend fails. What it wrote about that is never repeated: it may quote what it was sent.

    GenerationFailed
    └── BackendFailed           E600  it answered, but not with an answer
        ├── BackendTimedOut     E601  no answer in time
        ├── BackendRateLimited  E602  it wants fewer requests
        ├── AnswerEmpty         E603  an answer without a word in it
        ├── BackendUnreachable  E605  no connection, or one that was lost
        ├── AnswerInvalid       E606  an answer that is not what was agreed on
        ├── BreakerOpen         E703  it failed too often and is left alone
        └── BulkheadFull        E903  as many calls as are let through are under way

Embedders raise them too: what cannot be embedded cannot be answered.

    BackendUnusable             no backend can be made of the settings; said once, at the start
"""

from typing import ClassVar

from cognitive_engine.ports import GenerationFailed


class BackendUnusable(Exception):
    """No backend can be made of the settings; the text is one sentence that says what to change."""


class BackendFailed(GenerationFailed):
    """It answered, but not with an answer.

    `status` is what HTTP said, if anything, and `kind` a published word for it. `retry_after` is
    for the caller: whole seconds, at least 1. `again_after` is set when the call was surely not
    begun: so many seconds later it may be made once more.
    """

    code: ClassVar[str] = "E600"

    def __init__(
        self,
        text: str,
        *,
        status: int | None = None,
        kind: str | None = None,
        retry_after: int | None = None,
        again_after: float | None = None,
    ) -> None:
        super().__init__(text)
        self.status = status
        self.kind = kind
        self.retry_after = retry_after
        self.again_after = again_after

    @property
    def blames_backend(self) -> bool:
        """Whether a breaker counts it: not when the backend refused this one request.

        Otherwise a caller whose prompts are refused could shut the backend off for all others.
        """
        return self.status not in _REFUSALS


_REFUSALS = frozenset({400, 403, 413, 422, 429})


class BackendTimedOut(BackendFailed):
    """No answer in time."""

    code = "E601"


class BackendRateLimited(BackendFailed):
    """It wants fewer requests; `retry_after` is set."""

    code = "E602"


class AnswerEmpty(BackendFailed):
    """An answer without a word in it."""

    code = "E603"

    @property
    def blames_backend(self) -> bool:
        """No: a prompt can ask for silence."""
        return False


class BackendUnreachable(BackendFailed):
    """No connection, or one that was lost."""

    code = "E605"


class AnswerInvalid(BackendFailed):
    """An answer that is cut short, too large, or not of the agreed shape."""

    code = "E606"


class BreakerOpen(BackendFailed):
    """It failed too often and is left alone for a while; `retry_after` is set."""

    code = "E703"


class BulkheadFull(BackendFailed):
    """As many calls as are let through are under way; `retry_after` is set."""

    code = "E903"
