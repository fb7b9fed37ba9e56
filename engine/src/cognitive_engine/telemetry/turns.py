"""Turns as metrics: how they ended, and what was found on the way."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from cognitive_api import metric_names as names
from cognitive_engine.domain.commands import Asleep, Halted
from cognitive_engine.domain.quality import Action, Mode
from cognitive_engine.domain.speech import governors
from cognitive_engine.domain.speech.governors import Decision, Governed
from cognitive_engine.turn import Answer, Report, Stage

from .exposition import Family, by_label, counter, histogram
from .tallies import Distribution, Tally

_GENERATION_BOUNDS: Final = (
    *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05),
    *(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
)
_RETRIEVAL_BOUNDS: Final = (
    *(0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005),
    *(0.01, 0.025, 0.05, 0.1, 0.5),
)
_BATCH_BOUNDS: Final = (1, 2, 4, 8, 16, 32, 64, 128)

ACCEPTED: Final = "accepted"
ASLEEP: Final = "asleep"
HALTED: Final = "halted"

_CHECKS: Final = ("prompt", "answer")
_PASSED: Final = {True: "passed", False: "failed"}


class Turns:
    """Turns that have ended, and the searches they made."""

    def __init__(self) -> None:
        self._outcomes = Tally((ACCEPTED, ASLEEP, HALTED, *Stage))
        self._speech = Tally(Decision)
        self._modes = Tally(Mode)
        self._actions = Tally(Action)
        self._checks = {of: Tally(_PASSED.values()) for of in _CHECKS}
        self._generation = Distribution(_GENERATION_BOUNDS)
        self._retrieval = Distribution(_RETRIEVAL_BOUNDS)
        self._batches = Distribution(_BATCH_BOUNDS)

    def count(self, outcome: Answer | Asleep | Halted) -> None:
        """Count one."""
        if isinstance(outcome, Answer):
            self._outcomes.add(outcome.rejected_at or ACCEPTED)
            self._count_report(outcome.report)
        else:
            self._outcomes.add(ASLEEP if isinstance(outcome, Asleep) else HALTED)

    def observe_generation(self, seconds: float) -> None:
        """One accepted request took so long."""
        self._generation.observe(seconds)

    def observe_retrieval(self, seconds: float, queries: int) -> None:
        """One search for so many at once took so long for each of them."""
        self._retrieval.observe(seconds, queries)
        self._batches.observe(queries)

    def families(self) -> Iterator[Family]:
        """Everything that is known of turns."""
        yield by_label(names.ENGINE_TURNS, "Turns by outcome.", "outcome", self._outcomes.items())
        yield histogram(
            names.ENGINE_GENERATION_SECONDS,
            "Seconds from an accepted request to its answer.",
            self._generation,
        )
        yield histogram(
            names.ENGINE_RETRIEVAL_SECONDS, "Seconds of one search of the memory.", self._retrieval
        )
        yield histogram(
            names.ENGINE_RETRIEVAL_BATCH, "Searches that were made in one pass.", self._batches
        )
        speech = dict(self._speech.items())
        detected = sum(speech.values()) - speech[Decision.SKIP]
        yield counter(names.ENGINE_APHASIA_DETECTED, "Telegraphic drafts.", detected)
        repaired = speech[Decision.REPAIRED]
        yield counter(names.ENGINE_APHASIA_REPAIRED, "Drafts that were rewritten.", repaired)
        yield by_label(
            names.ENGINE_QUALITY_MODES, "Faults found in answers.", "mode", self._modes.items()
        )
        yield by_label(
            names.ENGINE_QUALITY_ACTIONS,
            "What became of judged answers.",
            "action",
            self._actions.items(),
        )
        checks = counter(names.ENGINE_PRECHECKS, "Judgements of the words themselves.")
        for of, tally in self._checks.items():
            for result, count in tally.items():
                checks.add(count, of=of, result=result)
        yield checks

    def _count_report(self, report: Report) -> None:
        if report.speech is not None:
            self._count_speech(report.speech)
        if report.quality is not None:
            self._actions.add(report.quality.action)
            for mode in report.quality.triggered_modes:
                self._modes.add(mode)
        for of, check in zip(_CHECKS, (report.prompt_check, report.answer_check), strict=True):
            if check is not None:
                self._checks[of].add(_PASSED[check.passed])

    def _count_speech(self, governed: Governed) -> None:
        stages: Sequence[Mapping[str, Any]] = governed.metadata[governors.PIPELINE]  # type: ignore[assignment]
        for stage in stages:
            if stage["name"] == governors.APHASIA and stage["status"] is governors.Status.OK:
                self._speech.add(stage["metadata"]["decision"])
