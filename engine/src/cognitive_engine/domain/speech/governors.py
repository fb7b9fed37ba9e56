"""The governors of speech: an ordered pipeline that judges a draft and may have it rewritten.

No I/O happens here. A governor is a generator function: it may yield one `WriteRequest`, is sent
the text that was written, and returns a `Governed`. Whoever drives it does the writing, in its own
time; a writing that failed is thrown in at the yield, and the draft stands.

    running = run(pipeline, prompt, draft, max_tokens)
    request = next(running)             StopIteration: done, its value is the Governed
    running.send(text)                  or running.throw(error)

What metadata says never holds a text, nor the message of an error, which might.
"""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from cognitive_api.governance import SpeechSettings

from . import aphasia

APHASIA: Final = "aphasia"
# The key of the list of stages in the metadata of a whole pipeline.
PIPELINE: Final = "pipeline"

_REMARK: Final = (
    "The draft below is telegraphic and its syntax is broken. Write it again in full, coherent "
    "sentences. Keep every technical detail and every step of the reasoning."
)


@dataclass(frozen=True, slots=True)
class WriteRequest:
    """Something to be written by the generator, in at most `max_tokens` tokens."""

    prompt: str
    max_tokens: int


@dataclass(frozen=True, slots=True)
class Governed:
    """A text after its governor, the text before it, and what happened (JSON values, no texts)."""

    final_text: str
    raw_text: str
    metadata: Mapping[str, object]


Running = Generator[WriteRequest, str, Governed]
Governor = Callable[[str, str, int], Running]
Pipeline = tuple[tuple[str, Governor], ...]


class Status(StrEnum):
    """How a stage of the pipeline ended."""

    OK = "ok"
    ERROR = "error"


class Decision(StrEnum):
    """What the aphasia governor did."""

    SKIP = "skip"
    DETECTED_NO_REPAIR = "detected_no_repair"
    REPAIRED = "repaired"
    REPAIR_REJECTED = "repair_rejected"
    REPAIR_FAILED = "repair_failed"


class Mode(StrEnum):
    """How much the aphasia governor may do."""

    DISABLED = "disabled"
    MONITOR = "monitor"
    FULL = "full"


class TooManyRequests(Exception):
    """A governor asked for a second text."""


def run(pipeline: Pipeline, prompt: str, draft: str, max_tokens: int) -> Running:
    """Pass `draft` through all governors in order; each gets the text of the one before.

    A governor that fails is recorded by the name of its error and skipped. The metadata lists
    {name, status, metadata} of each stage under "pipeline".
    """
    text = draft
    stages: list[Mapping[str, object]] = []
    for name, governor in pipeline:
        try:
            governed = yield from _with_one_request(governor(prompt, text, max_tokens))
            text, status, metadata = governed.final_text, Status.OK, governed.metadata
        except Exception as error:
            status, metadata = Status.ERROR, {"error": type(error).__name__}
        stages.append({"name": name, "status": status, "metadata": metadata})
    return Governed(text, draft, {PIPELINE: stages})


def speech_pipeline(settings: SpeechSettings) -> Pipeline:
    """The pipeline that the settings ask for."""
    return ((APHASIA, aphasia_governor(settings)),)


def aphasia_governor(settings: SpeechSettings) -> Governor:
    """Detects telegraphic speech and has it rewritten once, if the settings say so.

    The new text is judged as the draft was and replaces it only if it is less severe. Metadata:
    mode, decision, severity_before and severity_after (of draft and final text; None when
    disabled), flags of the draft.
    """

    def govern(prompt: str, draft: str, max_tokens: int) -> Running:
        if not settings.enabled:
            return Governed(draft, draft, _metadata(settings, Decision.SKIP, None, None))
        before = aphasia.detect(draft, settings)
        if not before.is_aphasic:
            return Governed(draft, draft, _metadata(settings, Decision.SKIP, before, before))
        if not settings.repair or before.severity < settings.repair_severity:
            kept = _metadata(settings, Decision.DETECTED_NO_REPAIR, before, before)
            return Governed(draft, draft, kept)
        try:
            repaired = yield WriteRequest(repair_prompt(prompt, draft), max_tokens)
        except Exception:
            kept = _metadata(settings, Decision.REPAIR_FAILED, before, before)
            return Governed(draft, draft, kept)
        after = aphasia.detect(repaired, settings)
        if after.severity < before.severity:
            return Governed(repaired, draft, _metadata(settings, Decision.REPAIRED, before, after))
        kept = _metadata(settings, Decision.REPAIR_REJECTED, before, before)
        return Governed(draft, draft, kept)

    return govern


def repair_prompt(prompt: str, draft: str) -> str:
    """What the generator is asked when a draft is to be rewritten."""
    return f"{prompt}\n\n{_REMARK}\n\nDraft:\n{draft}"


def mode(settings: SpeechSettings) -> Mode:
    """How much the settings allow."""
    if not settings.enabled:
        return Mode.DISABLED
    return Mode.FULL if settings.repair else Mode.MONITOR


def _metadata(
    settings: SpeechSettings,
    decision: Decision,
    before: aphasia.Report | None,
    after: aphasia.Report | None,
) -> Mapping[str, object]:
    return {
        "mode": mode(settings),
        "decision": decision,
        "severity_before": before.severity if before else None,
        "severity_after": after.severity if after else None,
        "flags": before.flags if before else (),
    }


def _with_one_request(running: Running) -> Running:
    """Drive a governor and see that it asks for one text at most.

    Raises:
        TooManyRequests: it asked again.
    """
    try:
        request = next(running)
        try:
            text = yield request
        except Exception as error:
            running.throw(error)
        else:
            running.send(text)
    except StopIteration as end:
        governed: Governed = end.value
        return governed
    finally:
        running.close()
    raise TooManyRequests
