"""The pipeline of governors: order, failures, and the repair of telegraphic drafts."""

import json

import pytest

from cognitive_api.governance import SpeechSettings
from cognitive_engine.domain.speech import aphasia, governors
from cognitive_engine.domain.speech.governors import (
    Decision,
    Governed,
    Mode,
    Status,
    WriteRequest,
    aphasia_governor,
    run,
    speech_pipeline,
)

PROMPT = "Explain the cache."
TERSE = "Cache. Fast store. Done."
WHOLE = "The cache is a fast store that sits in front of the slow one."
BARELY = "The cat ran."  # severity 0.5
SPARSE = "cat sat mat dog ran home fast today"  # severity 1/3


class Refused(Exception):
    """A writer's fault, with a message that must not be kept."""


def drive(running, *answers):
    """What came out, and what was asked for; an answer that is an error is thrown in."""
    asked, answers = [], list(answers)
    try:
        asked.append(next(running))
        while True:
            answer = answers.pop(0)
            is_error = isinstance(answer, BaseException)
            asked.append(running.throw(answer) if is_error else running.send(answer))
    except StopIteration as end:
        assert answers == [], "more answers than requests"
        return end.value, asked


def govern(draft, *answers, **settings):
    governor = aphasia_governor(SpeechSettings(**settings))
    return drive(governor(PROMPT, draft, 77), *answers)


def plain(change):
    """A governor that changes the text and asks for nothing."""

    def governor(prompt, draft, max_tokens):
        return Governed(change(draft), draft, {"length": len(draft)})
        yield

    return governor


def failing(prompt, draft, max_tokens):
    raise Refused(draft)
    yield


def asking(prompt, draft, max_tokens):
    """A governor that takes whatever is written, and no failure of it."""
    return Governed((yield WriteRequest("more", max_tokens)), draft, {})


def test_a_whole_answer_is_left_alone():
    governed, asked = govern(WHOLE)
    assert asked == []
    assert governed == Governed(
        WHOLE,
        WHOLE,
        {
            "mode": Mode.FULL,
            "decision": Decision.SKIP,
            "severity_before": 0.0,
            "severity_after": 0.0,
            "flags": (),
        },
    )


def test_a_telegraphic_draft_is_written_again():
    governed, asked = govern(TERSE, WHOLE)
    assert [request.max_tokens for request in asked] == [77]
    assert governed.final_text == WHOLE
    assert governed.raw_text == TERSE
    report = aphasia.detect(TERSE, SpeechSettings())
    assert governed.metadata == {
        "mode": Mode.FULL,
        "decision": Decision.REPAIRED,
        "severity_before": report.severity,
        "severity_after": 0.0,
        "flags": report.flags,
    }


def test_the_repair_prompt_holds_prompt_remark_and_draft_in_order():
    text = governors.repair_prompt(PROMPT, TERSE)
    assert text.startswith(f"{PROMPT}\n\n")
    assert text.endswith(f"\n{TERSE}")
    middle = text[len(PROMPT) : -len(TERSE)]
    for demand in ("telegraphic", "syntax", "full", "coherent", "technical detail", "reasoning"):
        assert demand in middle
    _, asked = govern(TERSE, WHOLE)
    assert asked == [WriteRequest(text, 77)]


@pytest.mark.parametrize(
    "again", [TERSE, "Bad.", "", "..."], ids=["same", "worse", "blank", "dots"]
)
def test_a_repair_that_is_not_better_is_rejected(again):
    governed, _ = govern(TERSE, again)
    assert governed.final_text == TERSE
    assert governed.metadata["decision"] is Decision.REPAIR_REJECTED
    assert governed.metadata["severity_after"] == governed.metadata["severity_before"] > 0


def test_a_repair_that_is_better_but_not_good_replaces_the_draft():
    governed, _ = govern(TERSE, BARELY)
    assert governed.final_text == BARELY
    assert governed.metadata["severity_after"] == pytest.approx(0.5)


def test_a_repair_that_fails_leaves_the_draft_standing():
    governed, asked = govern(TERSE, Refused(TERSE))
    assert len(asked) == 1
    assert governed.final_text == governed.raw_text == TERSE
    assert governed.metadata["decision"] is Decision.REPAIR_FAILED
    assert governed.metadata["severity_after"] == governed.metadata["severity_before"]
    assert TERSE not in repr(governed.metadata)


@pytest.mark.parametrize(
    ("draft", "settings", "decision", "mode"),
    [
        (TERSE, {"repair": False}, Decision.DETECTED_NO_REPAIR, Mode.MONITOR),
        (SPARSE, {"repair_severity": 0.4}, Decision.DETECTED_NO_REPAIR, Mode.FULL),
        (TERSE, {"enabled": False}, Decision.SKIP, Mode.DISABLED),
        (TERSE, {"enabled": False, "repair": False}, Decision.SKIP, Mode.DISABLED),
        (WHOLE, {"repair_severity": 0.0}, Decision.SKIP, Mode.FULL),
    ],
)
def test_what_is_not_repaired(draft, settings, decision, mode):
    governed, asked = govern(draft, **settings)
    assert asked == []
    assert governed.final_text == draft
    assert (governed.metadata["decision"], governed.metadata["mode"]) == (decision, mode)


def test_what_is_switched_off_is_not_even_judged():
    metadata = govern(TERSE, enabled=False)[0].metadata
    assert metadata["severity_before"] is metadata["severity_after"] is None
    assert metadata["flags"] == ()


def test_what_is_only_reported_has_its_severity_and_flags():
    metadata = govern(TERSE, repair=False)[0].metadata
    report = aphasia.detect(TERSE, SpeechSettings())
    assert metadata["severity_before"] == metadata["severity_after"] == report.severity
    assert metadata["flags"] == report.flags


def test_the_severity_that_is_repaired_is_inclusive():
    severity = aphasia.detect(BARELY, SpeechSettings()).severity
    assert govern(BARELY, WHOLE, repair_severity=severity)[0].final_text == WHOLE


def test_governors_run_in_order_each_on_the_text_before():
    pipeline = (("louder", plain(str.upper)), ("longer", plain(lambda text: text + "!")))
    governed, asked = drive(run(pipeline, PROMPT, "yes", 5))
    assert asked == []
    assert governed == Governed(
        "YES!",
        "yes",
        {
            "pipeline": [
                {"name": "louder", "status": Status.OK, "metadata": {"length": 3}},
                {"name": "longer", "status": Status.OK, "metadata": {"length": 3}},
            ]
        },
    )


def test_no_governor_leaves_the_draft():
    assert drive(run((), PROMPT, "", 5)) == (Governed("", "", {"pipeline": []}), [])


def test_a_failing_governor_is_recorded_without_its_message_and_skipped():
    pipeline = (("loud", plain(str.upper)), ("broken", failing), ("long", plain(lambda t: t + "!")))
    governed, _ = drive(run(pipeline, PROMPT, "secret", 5))
    assert governed.final_text == "SECRET!"
    assert governed.metadata["pipeline"][1] == {
        "name": "broken",
        "status": Status.ERROR,
        "metadata": {"error": "Refused"},
    }
    assert "secret" not in json.dumps(governed.metadata).lower()


@pytest.mark.parametrize(
    "governor", [lambda prompt, draft, max_tokens: None, lambda prompt: iter(())]
)
def test_what_is_no_governor_is_skipped_too(governor):
    governed, _ = drive(run((("odd", governor),), PROMPT, TERSE, 5))
    assert governed.final_text == TERSE
    assert governed.metadata["pipeline"][0]["status"] is Status.ERROR


def test_a_request_passes_through_the_pipeline_and_so_does_its_answer():
    pipeline = (("first", asking), ("second", plain(str.upper)), ("third", asking))
    governed, asked = drive(run(pipeline, PROMPT, "draft", 9), "one", "three")
    assert asked == [WriteRequest("more", 9)] * 2
    assert (governed.final_text, governed.raw_text) == ("three", "draft")


def test_a_failed_writing_that_a_governor_does_not_take_skips_it():
    pipeline = (("first", asking), ("second", plain(str.upper)))
    governed, _ = drive(run(pipeline, PROMPT, "draft", 9), Refused("draft"))
    assert governed.final_text == "DRAFT"
    first, second = governed.metadata["pipeline"]
    assert first["metadata"] == {"error": "Refused"}
    assert second["status"] is Status.OK


def test_a_second_request_ends_the_governor():
    closed = []

    def greedy(prompt, draft, max_tokens):
        try:
            while True:
                yield WriteRequest(draft, max_tokens)
        finally:
            closed.append(True)

    pipeline = (("greedy", greedy), ("second", plain(str.upper)))
    governed, asked = drive(run(pipeline, PROMPT, "draft", 9), "more")
    assert len(asked) == 1
    assert governed.final_text == "DRAFT"
    assert governed.metadata["pipeline"][0]["metadata"] == {"error": "TooManyRequests"}
    assert closed == [True]


@pytest.mark.parametrize("end", [GeneratorExit, KeyboardInterrupt])
def test_an_end_from_outside_is_no_failure_of_a_governor(end):
    closed = []

    def waiting(prompt, draft, max_tokens):
        try:
            yield WriteRequest(draft, max_tokens)
        finally:
            closed.append(True)

    running = run((("first", waiting), ("second", asking)), PROMPT, "draft", 9)
    next(running)
    with pytest.raises(end):
        running.throw(end())
    assert closed == [True]


def test_the_pipeline_of_the_settings_repairs():
    governed, asked = drive(run(speech_pipeline(SpeechSettings()), PROMPT, TERSE, 9), WHOLE)
    assert len(asked) == 1
    assert governed.final_text == WHOLE
    (stage,) = governed.metadata["pipeline"]
    assert (stage["name"], stage["status"]) == (governors.APHASIA, Status.OK)
    assert stage["metadata"]["decision"] is Decision.REPAIRED


@pytest.mark.parametrize("answer", [WHOLE, TERSE, Refused(TERSE)], ids=["good", "bad", "failed"])
def test_metadata_is_json_and_holds_no_text(answer):
    governed, _ = drive(run(speech_pipeline(SpeechSettings()), PROMPT, TERSE, 9), answer)
    said = json.dumps(governed.metadata)
    for text in (PROMPT, TERSE, WHOLE):
        assert text not in said
