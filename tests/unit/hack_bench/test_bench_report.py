"""Reports: the JSON of every bench, targets that cannot be overlooked, tables."""

import json
import math

import pytest

from benchlib.errors import BenchError
from benchlib.report import (
    Goal,
    Report,
    as_json,
    number,
    page,
    table,
    target_table,
    times,
    write_json,
)
from benchlib.rounds import Ratio

MACHINE = {
    "cpu": "a CPU", "flags": ["avx2"], "cores": 2, "l2": "1M", "l3": "32M", "ram_gib": 23.5,
    "kernel": "6", "python": "3.11", "numpy": "2", "recall_kernel": "portable",
}  # fmt: skip
HIGH, LOW = Goal("speed", 9), Goal("cost", 3, lower_is_better=True)


@pytest.mark.parametrize(
    ("goal", "value", "met"),
    [(HIGH, 9, True), (HIGH, 8.9999, False), (LOW, 3, True), (LOW, 3.0001, False)],
)
def test_a_target_is_met_at_its_edge(goal, value, met):
    assert goal.judge(value).met is met


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_no_number_was_not_measured(value):
    with pytest.raises(BenchError, match="speed could not be measured"):
        HIGH.judge(value)


def test_the_json_has_machine_and_targets_and_nothing_else(tmp_path):
    path = tmp_path / "deep" / "out.json"
    write_json(path, MACHINE, [HIGH.judge(13.94999), LOW.judge(7)])
    found = json.loads(path.read_text())
    assert found == {
        "machine": MACHINE,
        "targets": [
            {"name": "speed", "value": 13.95, "target": 9, "met": True},
            {"name": "cost", "value": 7.0, "target": 3, "met": False},
        ],
    }
    assert found == as_json(MACHINE, [HIGH.judge(13.94999), LOW.judge(7)])


def test_a_missed_target_is_loud_and_not_rounded_to_a_met_one():
    text = target_table([HIGH.judge(8.9996), LOW.judge(1)])
    missed, met = text.splitlines()[2:]
    assert "**MISSED**" in missed
    assert "8.9996" in missed
    assert "≥ 9" in missed
    assert "MISSED" not in met
    assert "≤ 3" in met


def test_a_page_has_method_machine_targets_and_sections():
    report = Report("Title", "How it is done.")
    report.targets = [HIGH.judge(10)]
    report.further = [LOW.judge(1)]
    report.add("Part", "| a |")
    text = page(report, MACHINE)
    order = ["# Title", "How it is done.", "## Machine", "a CPU", "`speed`", "`cost`", "## Part"]
    places = [text.index(piece) for piece in order]
    assert places == sorted(places)
    assert text.endswith("| a |\n")


def test_a_page_says_by_how_much_a_target_is_missed_and_why():
    report = Report("Title", "How.")
    slow = Goal("cost", 3, lower_is_better=True, limit="A call alone costs as much.")
    report.targets = [slow.judge(6), HIGH.judge(4.5), Goal("share", 0.5).judge(0.6)]
    text = page(report, MACHINE)
    assert "- `cost` is 2 of what is allowed. A call alone costs as much.\n" in text
    assert "- `speed` is 0.5 of what is wanted.\n" in text
    assert "- `share`" not in text


def test_columns_are_aligned():
    lines = table(("name", "x"), [("long enough", "1"), ("b", "22,000")]).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert lines[1].replace(" ", "").strip("|-") == ""


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"), (1.0, "1"), (0.000123456, "0.000123"), (13.94, "13.9"), (62_661.4, "62,661"),
        (0.5, "0.5"), (100.0, "100"), (999.9, "1,000"),
    ],
)  # fmt: skip
def test_numbers_keep_three_digits(value, text):
    assert number(value) == text


def test_a_ratio_shows_its_spread():
    assert times(Ratio(13.94, 12.0, 15.51)) == "13.9 (12–15.5)"
