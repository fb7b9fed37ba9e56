"""The command line: what it refuses, what it writes, and what its exit status says."""

import json
import types

import pytest

from benchlib import cli, machine
from benchlib.errors import NoisyMachine
from benchlib.report import MACHINE_LINES, Goal, Report

GOAL = Goal("speed", 9)


@pytest.fixture
def bench(monkeypatch, tmp_path):
    """A bench named `fake`, whose speed the test sets; nothing is pinned."""
    module = types.SimpleNamespace(speed=10.0)

    def run(options):
        module.options = options
        if module.speed is None:
            raise NoisyMachine("'base' moved 40%", hint="run the bench again")
        return Report("Fake", "By hand.", targets=[GOAL.judge(module.speed)])

    module.run = run
    facts = {key: "x" for _, key in MACHINE_LINES}
    monkeypatch.setitem(__import__("sys").modules, "benchlib.fake", module)
    monkeypatch.setattr(cli, "BENCHES", ("engine", "fake"))
    monkeypatch.setattr(cli, "ROOT", tmp_path)
    monkeypatch.setattr(cli, "PAGES", tmp_path / "benchmarks")
    monkeypatch.setattr(machine, "pin", lambda: 0)
    monkeypatch.setattr(machine, "facts", lambda: facts)
    return module


def test_an_unknown_name_fails_with_the_list(capsys):
    with pytest.raises(SystemExit) as ended:
        cli.parse(["nonsense"])
    assert ended.value.code != 0
    said = capsys.readouterr().err
    assert all(repr(name) in said or name in said.split("choose from")[1] for name in cli.BENCHES)


@pytest.mark.parametrize(
    ("arguments", "rounds"),
    [(["engine"], 7), (["engine", "--quick"], 5), (["engine", "--rounds", "9"], 9)],
)
def test_rounds(arguments, rounds):
    assert cli.parse(arguments).rounds == rounds


def test_too_few_rounds_are_refused(capsys):
    with pytest.raises(SystemExit):
        cli.parse(["engine", "--rounds", "4"])
    assert "5 or more" in capsys.readouterr().err


def test_a_full_run_writes_the_page_and_the_json(bench, tmp_path, capsys):
    out = tmp_path / "out.json"
    assert cli.main(["fake", "--json", str(out)]) == 0
    assert json.loads(out.read_text())["targets"][0]["met"] is True
    assert (tmp_path / "benchmarks" / "fake.md").read_text().startswith("# Fake\n")
    assert "all 1 targets met" in capsys.readouterr().out


@pytest.mark.parametrize(("extra", "written"), [([], False), (["--write"], True)])
def test_a_quick_run_writes_the_page_only_when_told(bench, tmp_path, extra, written):
    assert cli.main(["fake", "--quick", *extra]) == 0
    assert (tmp_path / "benchmarks" / "fake.md").exists() is written
    assert bench.options.quick


def test_a_missed_target_is_told_and_is_no_failure(bench, capsys):
    bench.speed = 2.0
    assert cli.main(["fake", "--quick"]) == 0
    said = capsys.readouterr().out
    assert "1 of 1 targets MISSED: speed" in said


def test_what_could_not_be_measured_fails_and_writes_nothing(bench, tmp_path, capsys):
    bench.speed = None
    out = tmp_path / "out.json"
    assert cli.main(["fake", "--json", str(out)]) == 1
    assert list(tmp_path.iterdir()) == []
    said = capsys.readouterr().err
    assert "'base' moved 40%" in said
    assert "next: run the bench again" in said
