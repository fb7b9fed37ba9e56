"""Deadlines: every request has the same time, so one timer and an ordered table serve them all.

A timer a request would cost more than all the rest of a short one.
"""

import asyncio


class Deadline:
    """Of one request. `expired` is set before its task is cancelled."""

    __slots__ = ("due", "expired", "task")

    def __init__(self, task: "asyncio.Task[object]", due: float) -> None:
        self.task = task
        self.due = due
        self.expired = False


class Deadlines:
    """Cancels tasks that are not done `seconds` after they began."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._open: dict[Deadline, None] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> Deadline:
        """The deadline of the running task, from now on."""
        task = asyncio.current_task()
        assert task is not None, "a request is served by a task"
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._loop, self._timer = loop, None
            self._open.clear()
        deadline = Deadline(task, loop.time() + self.seconds)
        self._open[deadline] = None
        if self._timer is None:
            self._timer = loop.call_at(deadline.due, self._expire, loop)
        return deadline

    def end(self, deadline: Deadline) -> None:
        """The task of `deadline` is done, or has been cancelled for it."""
        self._open.pop(deadline, None)

    def _expire(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        due = []
        for deadline in self._open:
            if deadline.due > now:
                break
            due.append(deadline)
        for deadline in due:
            del self._open[deadline]
            deadline.expired = True
            deadline.task.cancel()
        first = next(iter(self._open), None)
        self._timer = loop.call_at(first.due, self._expire, loop) if first else None
