"""Who leaves a full memory first: the least confident, and among equals the oldest.

One queue a confidence, in order of ids; a heap of the confidences in use. Adding and taking cost
O(log of the different confidences), which are few. A memory that went another way stays queued
until it is met or until the queues are swept.
"""

import heapq
from collections import deque
from collections.abc import Container

# Queues are swept when the dead outnumber the living by this much.
_SWEEP_SLACK = 64


class EvictionOrder:
    """Ids by (confidence, age). Ids must be added in ascending order."""

    def __init__(self) -> None:
        self._queues: dict[float, deque[int]] = {}
        self._confidences: list[float] = []
        self._queued = 0

    def add(self, memory_id: int, confidence: float) -> None:
        """Queue a new memory."""
        queue = self._queues.get(confidence)
        if queue is None:
            queue = self._queues[confidence] = deque()
            heapq.heappush(self._confidences, confidence)
        queue.append(memory_id)
        self._queued += 1

    def first(self, living: Container[int]) -> int:
        """The id that leaves first among `living`, which is not empty; it stays queued."""
        while True:
            confidence = self._confidences[0]
            queue = self._queues[confidence]
            while queue:
                if queue[0] in living:
                    return queue[0]
                queue.popleft()
                self._queued -= 1
            del self._queues[heapq.heappop(self._confidences)]

    def sweep(self, living: dict[int, int]) -> None:
        """Forget the dead if they outnumber the living."""
        if self._queued <= 2 * len(living) + _SWEEP_SLACK:
            return
        kept = {
            confidence: deque(filter(living.__contains__, queue))
            for confidence, queue in self._queues.items()
        }
        self._queues = {confidence: queue for confidence, queue in kept.items() if queue}
        self._confidences = sorted(self._queues)
        self._queued = sum(map(len, self._queues.values()))
