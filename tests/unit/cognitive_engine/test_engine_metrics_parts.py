"""What metrics are made of: distributions, tallies, the text format, readings of the process."""

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from cognitive_engine.telemetry.exposition import counter, render
from cognitive_engine.telemetry.process import CpuShare, resident_bytes
from cognitive_engine.telemetry.requests import BOUNDS, EVENT_BOUNDS
from cognitive_engine.telemetry.tallies import Distribution, Tally


def test_a_label_holds_what_it_is_given():
    family = counter("x_total", "X.")
    family.add(1, word='a"b\\c\nd')
    text = render([family])
    (parsed,) = text_string_to_metric_families(text)
    assert parsed.samples[0].labels == {"word": 'a"b\\c\nd'}
    assert text.count("\n") == 3


@given(st.lists(st.floats(0, 100) | st.sampled_from(BOUNDS), max_size=60))
def test_merged_distributions_are_as_if_made_at_once(values):
    fine, coarse, merged = (
        Distribution(BOUNDS),
        Distribution(EVENT_BOUNDS),
        Distribution(EVENT_BOUNDS),
    )
    for value in values:
        fine.observe(value)
        coarse.observe(value)
    merged.add(fine)
    assert merged.counts == coarse.counts
    assert merged.count == len(values)
    for bound, count in zip(BOUNDS, fine.counts, strict=False):
        assert count == sum(
            value <= bound and not any(value <= less for less in BOUNDS if less < bound)
            for value in values
        )


def test_a_tally_is_bounded_by_what_it_knows_or_is_told():
    tally = Tally(("a",), most=2)
    for word in ("a", "b", "c", "d", "a"):
        tally.add(word)
    assert tally.items() == [("a", 2), ("b", 1), ("other", 2)]


def test_processor_use_is_a_share_between_readings():
    clock, work = iter([0.0, 0.5, 2.0, 2.1, 4.0]), iter([10.0, 10.4, 11.0, 11.0, 14.0])
    share = CpuShare(1.0, lambda: next(work), lambda: next(clock))
    assert share.percent() == 0.0, "too early to tell"
    assert share.percent() == 50.0
    assert share.percent() == 50.0, "a reading soon after repeats the one before"
    assert share.percent() == 150.0


def test_memory_is_what_is_resident():
    before = resident_bytes()
    held = bytearray(64 * 2**20)
    held[::4096] = b"x" * len(held[::4096])
    assert 48 * 2**20 < resident_bytes() - before < 96 * 2**20
