"""Metrics: names, types and labels that stay, values that move, and no more series than planned."""

import random
import re

import pytest
from prometheus_client.parser import text_string_to_metric_families

from cognitive_api import metric_names
from cognitive_engine.adapters.guard import GuardReading
from cognitive_engine.domain import limits, quality
from cognitive_engine.domain.breaker import BreakerState
from cognitive_engine.domain.commands import Asleep, Halted
from cognitive_engine.domain.drift import DriftAlarm
from cognitive_engine.domain.emergency import EmergencyReason
from cognitive_engine.domain.prechecks import Check
from cognitive_engine.domain.rhythm import Phase
from cognitive_engine.domain.risk import assess
from cognitive_engine.domain.speech.governors import Decision, Governed, Status
from cognitive_engine.telemetry.metrics import Gauges, Identity, Metrics
from cognitive_engine.telemetry.requests import BOUNDS, EVENT_BOUNDS
from cognitive_engine.turn import Answer, Report, Stage

# The contract with dashboards and alerts: name, type, labels.
GOLDEN = """
accepted_events_count counter
cpu_usage_percent gauge
error_count counter
http_requests_total counter method route status track
memory_usage_bytes gauge
mlsdm_accepted_total counter
mlsdm_aphasia_detected_total counter
mlsdm_aphasia_repaired_total counter
mlsdm_auth_failures_total counter reason
mlsdm_backend_call_duration_seconds histogram backend
mlsdm_backend_failures_total counter backend reason
mlsdm_breaker_state gauge backend state
mlsdm_bulkhead_active_requests gauge backend
mlsdm_bulkhead_waiting_requests gauge backend
mlsdm_consolidations_total counter
mlsdm_emergency_shutdown_active gauge
mlsdm_emergency_shutdowns_total counter reason
mlsdm_engine_info gauge config revision track version
mlsdm_errors_total counter code
mlsdm_generation_duration_seconds histogram
mlsdm_halted_total counter
mlsdm_http_request_duration_seconds histogram route status_class
mlsdm_latency_seconds histogram
mlsdm_log_lines_lost_total counter
mlsdm_memory_bytes gauge
mlsdm_memory_capacity gauge
mlsdm_memory_damaged_total counter
mlsdm_memory_erased_total counter
mlsdm_memory_evictions_total counter reason
mlsdm_memory_level_norm gauge level
mlsdm_memory_rises_total counter to
mlsdm_memory_used gauge
mlsdm_moral_drift_events_total counter severity
mlsdm_moral_threshold gauge
mlsdm_phase gauge
mlsdm_phase_state gauge phase
mlsdm_prechecks_total counter of result
mlsdm_quality_actions_total counter action
mlsdm_quality_modes_total counter mode
mlsdm_rate_limit_hits_total counter by
mlsdm_ready gauge
mlsdm_rejected_total counter
mlsdm_requests_in_flight gauge
mlsdm_requests_queued gauge
mlsdm_requests_total counter
mlsdm_retrieval_batch_size histogram
mlsdm_retrieval_duration_seconds histogram
mlsdm_state_digest gauge
mlsdm_steps_total counter
mlsdm_trace_spans_total counter result
mlsdm_turns_total counter outcome
moral_filter_threshold gauge
process_event_latency_seconds histogram
rejected_events_count counter
total_events_processed counter
"""
# Published queries, dashboards and alerts use these names, and no other spelling of them.
PUBLISHED = {
    "mlsdm_steps_total",
    "mlsdm_accepted_total",
    "mlsdm_rejected_total",
    "mlsdm_memory_used",
    "mlsdm_memory_bytes",
    "mlsdm_generation_duration_seconds",
    "mlsdm_retrieval_duration_seconds",
    "mlsdm_moral_threshold",
    "mlsdm_phase",
    "mlsdm_consolidations_total",
    "mlsdm_requests_total",
    "mlsdm_latency_seconds",
    "process_event_latency_seconds",
    "total_events_processed",
    "accepted_events_count",
    "rejected_events_count",
    "moral_filter_threshold",
    "memory_usage_bytes",
    "cpu_usage_percent",
    "error_count",
    "http_requests_total",
}
NOBODYS = re.compile(r"process_|python_")
SAMPLE = re.compile(r"([a-z_]+?)(_bucket|_sum|_count)?(?:\{(.*)\})? (\S+)")
LABEL = re.compile(r'([a-z_]+)="((?:[^"\\]|\\.)*)"')


def reading(**given):
    """A reading of the state with something in every place."""
    values = {
        "steps": 12,
        "accepted": 7,
        "rejected": 5,
        "consolidations": 2,
        "memory_used": 6,
        "memory_bytes": 4096,
        "moral_threshold": 0.55,
        "phase": Phase.WAKE,
        "emergency": False,
        "emergencies": dict.fromkeys(EmergencyReason, 1),
        "memory_damaged": 1,
        "memory_evicted": 3,
        "state_digest": bytes(range(16)),
        "drifts": dict.fromkeys(DriftAlarm, 4),
        "rises": (8, 9),
        "memory_capacity": 20_000,
        "halted": 2,
        "erased": 1,
        "level_norms": {"L1": 1.5, "L2": 0.5, "L3": 0.25},
        "in_flight": 3,
        "queued": 1,
        "ready": True,
        "backends": {"LLM": GuardReading(2, 1, BreakerState.HALF_OPEN)},
    }
    return Gauges(**values | given)


def measured(**given):
    """Metrics that read one moment of the state."""
    now = reading(**given)
    return Metrics(Identity("1.0", "canary", "rev", "hash"), lambda: now)


def answer(**report):
    """An accepted answer with what was found on the way."""
    rejected_at = report.pop("rejected_at", None)
    found = Report(assess(0.0, 0.0, ()), **report)
    return Answer("", rejected_at is None, Phase.WAKE, 1, "", 0.5, 0.9, 10, (), found, rejected_at)


def spoken(decision):
    """Governed speech in which the aphasia governor decided so."""
    stage = {"name": "aphasia", "status": Status.OK, "metadata": {"decision": decision}}
    return Governed("", "", {"pipeline": [stage]})


def used(metrics):
    """`metrics` after everything has happened once."""
    metrics.count_request("POST", "/v1/generate", 200, 0.004, "")
    metrics.count_request("POST", "/event", 503, 0.02, "E501")
    metrics.count_turn(answer(quality=quality.judge("a", "", 0.9)))
    metrics.observe_generation(0.004)
    metrics.observe_retrieval(0.001, 3)
    metrics.observe_call("LLM", "ok", 0.3)
    metrics.observe_call("LLM", "E601", 30.0)
    metrics.count_rate_limited("principal")
    metrics.count_auth_failure("signature")
    return metrics


def samples(metrics):
    """Each sample's value by its text before the value."""
    lines = metrics.text().decode().splitlines()
    return {
        line.rpartition(" ")[0]: float(line.rpartition(" ")[2])
        for line in lines
        if not line.startswith("#")
    }


def families(metrics):
    """Each family's type and the labels of its samples, the platform's families left out."""
    text = metrics.text().decode()
    types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
    labels = {name: set() for name in types}
    for line in text.splitlines():
        if line.startswith("#") or (NOBODYS.match(line) and "process_event" not in line):
            continue
        name, part, inside, _ = SAMPLE.fullmatch(line).groups()
        name = name if name in types else name + part
        labels[name] |= {label for label, _ in LABEL.findall(inside or "")} - {"le"}
    return {
        name: (types[name], *sorted(labels[name]))
        for name in types
        if not NOBODYS.match(name) or name.startswith("process_event")
    }


def test_names_types_and_labels_stay_as_they_are():
    found = families(used(measured()))
    lines = [" ".join((name, *found[name])) for name in sorted(found)]
    assert lines == GOLDEN.split("\n")[1:-1]


def test_every_name_is_spelled_once_and_the_published_ones_are_literal():
    exported = families(used(measured())).keys()
    ours = {value for key, value in vars(metric_names).items() if key.startswith("ENGINE_")}
    assert exported == ours
    assert exported >= PUBLISHED


def test_the_text_is_what_prometheus_reads():
    text = used(measured()).text().decode()
    assert text.endswith("\n")
    headers = re.findall(r"^# (HELP|TYPE) (\S+) ", text, re.MULTILINE)
    assert len(headers) == len(set(headers)), "a family is opened once"
    assert headers[0::2] == [("HELP", name) for _, name in headers[0::2]]
    assert [name for _, name in headers[0::2]] == [name for _, name in headers[1::2]]
    parsed = [sample for one in text_string_to_metric_families(text) for sample in one.samples]
    assert len(parsed) == len(re.findall(r"^[^#]", text, re.MULTILINE))
    assert len({(each.name, tuple(sorted(each.labels.items()))) for each in parsed}) == len(parsed)


def test_what_the_state_counts_is_read_from_it():
    found = samples(measured())
    assert found["mlsdm_steps_total"] == found["total_events_processed"] == 12
    assert found["mlsdm_accepted_total"] == found["accepted_events_count"] == 7
    assert found["mlsdm_rejected_total"] == found["rejected_events_count"] == 5
    assert found["mlsdm_moral_threshold"] == found["moral_filter_threshold"] == 0.55
    assert found["mlsdm_memory_capacity"] == 20_000
    assert found["mlsdm_halted_total"] == 2
    assert found["mlsdm_memory_erased_total"] == 1
    assert found["mlsdm_requests_in_flight"] == 3
    assert found["mlsdm_requests_queued"] == 1
    assert found["mlsdm_ready"] == 1
    assert found['mlsdm_memory_level_norm{level="L2"}'] == 0.5
    assert found['mlsdm_phase_state{phase="wake"}'] == 1
    assert (
        found['mlsdm_engine_info{version="1.0",track="canary",revision="rev",config="hash"}'] == 1
    )
    assert samples(measured(phase=Phase.SLEEP, ready=False))["mlsdm_phase"] == 1
    assert samples(measured(ready=False))["mlsdm_ready"] == 0


def test_one_request_moves_every_family_about_requests():
    metrics = measured()
    metrics.count_request("POST", "/v1/generate", 200, 0.004, "")
    metrics.count_request("POST", "/v1/generate", 200, 0.2, "")
    metrics.count_request("POST", "/v1/process_event/", 504, 7.0, "E902")
    metrics.count_request("GET", "/health/liveness", 200, 0.0001, "")
    metrics.count_request("GET", "/metrics", 200, 0.01, "")
    found = samples(metrics)
    served = 'http_requests_total{method="POST",route="/v1/generate",status="200",track="canary"}'
    assert found[served] == 2
    assert found["mlsdm_requests_total"] == found["mlsdm_latency_seconds_count"] == 3
    assert found["mlsdm_latency_seconds_sum"] == pytest.approx(7.204)
    assert found['mlsdm_latency_seconds_bucket{le="0.005"}'] == 1
    assert found['mlsdm_latency_seconds_bucket{le="+Inf"}'] == 3
    assert found["process_event_latency_seconds_count"] == 1
    assert found['process_event_latency_seconds_bucket{le="5.0"}'] == 0
    assert found['process_event_latency_seconds_bucket{le="+Inf"}'] == 1
    assert found["error_count"] == 1
    assert found['mlsdm_errors_total{code="E902"}'] == 1
    spread = 'mlsdm_http_request_duration_seconds_count{route="%s",status_class="%s"}'
    assert found[spread % ("/v1/generate", "2xx")] == 2
    assert found[spread % ("/v1/process_event/", "5xx")] == 1
    assert found[spread % ("/health/liveness", "2xx")] == 1


def test_a_share_of_failures_has_a_value_before_the_first_failure():
    found = samples(measured())
    failures = [value for name, value in found.items() if 'status="500",track="canary"' in name]
    assert failures == [0]


def test_buckets_of_events_are_the_published_ones():
    text = used(measured()).text().decode()
    bounds = re.findall(r'^process_event_latency_seconds_bucket\{le="(.*)"\}', text, re.MULTILINE)
    assert [float(bound) for bound in bounds[:-1]] == [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5]
    assert bounds[-1] == "+Inf"
    assert set(EVENT_BOUNDS) < set(BOUNDS)


def test_random_paths_and_methods_make_no_series():
    metrics, chance = measured(), random.Random(7)
    before = len(samples(metrics))
    for _ in range(10_000):
        method = "".join(chance.choices("ABCXYZ", k=6))
        metrics.count_request(method, "unmatched", 404, 0.001, "E905")
    found = samples(metrics)
    # One cell with its histogram, and one error code.
    assert len(found) - before == 1 + (len(BOUNDS) + 3) + 1
    label = 'method="OTHER",route="unmatched",status="404"'
    assert found[f'http_requests_total{{{label},track="canary"}}'] == 10_000


def test_even_routes_without_a_bound_stay_bounded():
    metrics, chance = measured(), random.Random(8)
    for _ in range(10_000):
        route, code = f"/{chance.random()}", f"E{chance.random()}"
        metrics.count_request("GET", route, 200, 0.001, code)
        metrics.count_auth_failure(code)
        metrics.observe_call("LLM", code, 0.1)
        metrics.count_rate_limited(code)
    found = samples(metrics)
    assert sum(name.startswith("http_requests_total") for name in found) == (
        limits.METRIC_SERIES_MAX + 1
    )
    assert found["mlsdm_requests_total"] == 10_000
    for name in ("mlsdm_errors_total", "mlsdm_auth_failures_total"):
        counts = [value for key, value in found.items() if key.startswith(name)]
        assert len(counts) == limits.METRIC_WORDS_MAX + 1
        assert sum(counts) == 10_000
    assert found['mlsdm_rate_limit_hits_total{by="other"}'] == 10_000
    assert found['mlsdm_backend_failures_total{backend="LLM",reason="other"}'] == 10_000


def test_turns_are_told_apart():
    metrics = measured()
    metrics.count_turn(answer())
    metrics.count_turn(answer(rejected_at=Stage.QUALITY))
    metrics.count_turn(answer(rejected_at=Stage.MORAL))
    metrics.count_turn(Asleep(1, Phase.SLEEP, 0.5, 30))
    metrics.count_turn(Halted(1, Phase.WAKE, 0.5, 30))
    found = samples(metrics)
    outcomes = {
        name.split('"')[1]: value
        for name, value in found.items()
        if name.startswith("mlsdm_turns_total")
    }
    assert outcomes == {
        "accepted": 1,
        "asleep": 1,
        "halted": 1,
        "moral": 1,
        "post_moral": 0,
        "pre_flight": 0,
        "quality_gate": 1,
    }


def test_what_was_found_on_the_way_is_counted():
    metrics = measured()
    passed, failed = Check(True, 0.9, 0.5), Check(False, 0.1, 0.5)
    looping = quality.judge("a question", "again " * 40, 0.9)
    metrics.count_turn(answer(speech=spoken(Decision.SKIP), prompt_check=passed))
    metrics.count_turn(answer(speech=spoken(Decision.REPAIRED), answer_check=failed))
    metrics.count_turn(answer(speech=spoken(Decision.REPAIR_FAILED), quality=looping))
    metrics.count_turn(answer(speech=Governed("", "", {"pipeline": []})))
    crashed = {"name": "aphasia", "status": Status.ERROR, "metadata": {"error": "ValueError"}}
    metrics.count_turn(answer(speech=Governed("", "", {"pipeline": [crashed]})))
    found = samples(metrics)
    assert found["mlsdm_aphasia_detected_total"] == 2
    assert found["mlsdm_aphasia_repaired_total"] == 1
    assert found['mlsdm_quality_modes_total{mode="looping"}'] == 1
    assert found['mlsdm_quality_actions_total{action="reject"}'] == 1
    assert found['mlsdm_quality_actions_total{action="accept"}'] == 0
    assert found['mlsdm_prechecks_total{of="prompt",result="passed"}'] == 1
    assert found['mlsdm_prechecks_total{of="answer",result="failed"}'] == 1
    assert found['mlsdm_prechecks_total{of="prompt",result="failed"}'] == 0


def test_searches_count_one_by_one_and_in_batches():
    metrics = measured()
    metrics.observe_retrieval(0.002, 5)
    metrics.observe_retrieval(0.0005, 1)
    found = samples(metrics)
    assert found["mlsdm_retrieval_duration_seconds_count"] == 6
    assert found["mlsdm_retrieval_duration_seconds_sum"] == pytest.approx(0.0105)
    assert found["mlsdm_retrieval_batch_size_count"] == 2
    assert found["mlsdm_retrieval_batch_size_sum"] == 6
    assert found['mlsdm_retrieval_batch_size_bucket{le="1.0"}'] == 1


def test_backends_have_seconds_failures_breaker_and_room():
    metrics = measured()
    metrics.observe_call("LLM", "ok", 0.3)
    metrics.observe_call("LLM", "E601", 30.0)
    metrics.observe_call("LLM", "E703", 0.0)
    metrics.observe_call("LLM", "E903", 5.0)
    metrics.observe_call("LLM", "cancelled", 1.0)
    found = samples(metrics)
    # What never reached the backend says nothing of its speed.
    assert found['mlsdm_backend_call_duration_seconds_count{backend="LLM"}'] == 3
    reason = 'mlsdm_backend_failures_total{backend="LLM",reason="%s"}'
    for word in ("timeout", "breaker_open", "bulkhead_full", "cancelled"):
        assert found[reason % word] == 1
    for word in ("quota", "transport", "invalid", "empty", "refused", "crashed"):
        assert found[reason % word] == 0
    assert found['mlsdm_breaker_state{backend="LLM",state="half_open"}'] == 1
    assert found['mlsdm_breaker_state{backend="LLM",state="closed"}'] == 0
    assert found['mlsdm_bulkhead_active_requests{backend="LLM"}'] == 2
    assert found['mlsdm_bulkhead_waiting_requests{backend="LLM"}'] == 1
