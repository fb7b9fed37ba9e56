"""wrk: what its scripts say, what is read from it, and what happens when it is not there."""

import subprocess

import pytest

from benchlib import wrk
from benchlib.errors import BenchError
from benchlib.wrk import NUMBER, Sent

RESULT = (
    'wrk-result {"microseconds":2000500,"answers":9000,"refused":7,"broken":2,'
    '"p50":640.0,"p95":1900.5,"p99":4000.0,"accepted":-1}'
)
OUTPUT = f"Running 2s test @ http://127.0.0.1:1/\n  1 threads and 16 connections\n\n{RESULT}\n"


def test_a_result_is_read_in_seconds():
    load = wrk.parse(OUTPUT, 16)
    assert (load.connections, load.seconds) == (16, 2.0005)
    assert (load.answers, load.refused, load.broken, load.good) == (9000, 7, 2, 8993)
    assert (load.p50, load.p95, load.p99) == pytest.approx((0.00064, 0.0019005, 0.004))
    assert load.accepted is None


def test_counted_bodies_are_read():
    assert wrk.parse(OUTPUT.replace('"accepted":-1', '"accepted":8000'), 1).accepted == 8000


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("unable to connect to 127.0.0.1:1", "no result: 'unable to connect"),
        (OUTPUT + RESULT, "no result"),
        (OUTPUT.replace("9000", "0"), "nothing was answered"),
        (OUTPUT.replace("2000500", "0"), "nothing was answered"),
    ],
)
def test_what_is_no_result_fails(output, said):
    with pytest.raises(BenchError, match=said):
        wrk.parse(output, 1)


def test_a_get_is_left_to_wrk():
    script = wrk.script(Sent("/health", {"X-API-Key": 'a"b\\c\n'}))
    assert 'wrk.headers["X-API-Key"] = "a\\034b\\092c\\010"' in script
    assert "function done" in script
    assert not any(word in script for word in ("POST", "function request", "function response"))


def test_a_numbered_body_changes_and_keeps_its_length():
    script = wrk.script(Sent("/v1/generate", body=f"item {NUMBER}"))
    assert f'wrk.format(nil, nil, nil, "item {NUMBER}"):match("^(.*){NUMBER}(.*)$")' in script
    assert f'"%0{len(NUMBER)}d"' in script
    assert 'wrk.method = "POST"' in script
    assert "function response" not in script


def test_a_body_without_a_number_is_sent_as_it_is():
    script = wrk.script(Sent("/x", body="{}"))
    assert 'wrk.body = "{}"' in script
    assert "function request" not in script


def test_bodies_of_a_file_take_turns(tmp_path):
    script = wrk.script(Sent("/x", bodies=tmp_path / "list.events"))
    assert f'io.lines("{tmp_path}/list.events")' in script
    assert "at = at % #requests + 1" in script


def test_bodies_are_looked_into_only_when_told():
    script = wrk.script(Sent("/x", body="{}", count_accepted=True))
    assert "local accepted_known = true" in script
    assert "body:find('\"accepted\"%s*:%s*true')" in script
    assert "local accepted_known = false" in wrk.script(Sent("/x", body="{}"))


def test_a_request_for_other_clients_is_whole():
    head, _, body = Sent("/x", {"X-API-Key": "k"}).request('{"ä":1}').partition(b"\r\n\r\n")
    assert head.split(b"\r\n")[0] == b"POST /x HTTP/1.1"
    assert {b"X-API-Key: k", b"Content-Length: 8"} < set(head.split(b"\r\n"))
    assert body == '{"ä":1}'.encode()


@pytest.fixture
def path(tmp_path, monkeypatch):
    """A PATH with nothing in it; gives a function that puts shell scripts there."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def put(name, text):
        file = folder / name
        file.write_text(f"#!/bin/sh\n{text}\n")
        file.chmod(0o755)

    return put


def test_it_runs_on_its_core_with_the_script(path, tmp_path):
    path("taskset", f"echo \"$@\" > {tmp_path}/said; echo '{RESULT}'")
    load = wrk.run(Sent("/health"), port=81, connections=16, seconds=2, core=1, folder=tmp_path)
    assert load.answers == 9000
    assert (tmp_path / "said").read_text() == (
        f"-c 1 wrk -t1 -c16 -d2s --timeout 60s -s {tmp_path}/load.lua http://127.0.0.1:81/health\n"
    )
    assert (tmp_path / "load.lua").read_text() == wrk.script(Sent("/health"))


def test_its_failure_is_told(path, tmp_path):
    path("taskset", "echo cannot open load.lua >&2; exit 1")
    with pytest.raises(BenchError, match="wrk failed: cannot open"):
        wrk.run(Sent("/"), port=81, connections=1, seconds=1, core=0, folder=tmp_path)


@pytest.mark.parametrize("told", ["wrk debian/4.1.0-3+b2 [epoll]", "wrk 4.2.0 [kqueue]"])
def test_its_version_is_known(path, told):
    path("wrk", f"echo '{told}'; exit 1")
    assert wrk.ensure() in told


def test_another_program_of_that_name_is_refused(path):
    path("wrk", "echo wrk 3.0.0")
    with pytest.raises(BenchError, match=r"wrk 3\.0\.0") as refused:
        wrk.ensure()
    assert "Debian" in refused.value.hint


def test_who_may_not_install_it_is_told_what_to_do(path, monkeypatch):
    path("apt-get", "exit 1")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(BenchError, match="missing") as refused:
        wrk.ensure()
    assert "apt-get install wrk" in refused.value.hint


def test_it_is_installed_and_the_lists_are_fetched_first_when_they_are_old(
    path, monkeypatch, capsys
):
    commands = []

    def run(command, **_):
        commands.append(command[1])
        if command[0] == "wrk":
            return subprocess.CompletedProcess(command, 1, stdout="wrk 4.1.0 [epoll]\n")
        failed = commands == ["install"]
        return subprocess.CompletedProcess(command, 100 if failed else 0, stderr="")

    path("apt-get", "")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(wrk.subprocess, "run", run)
    assert wrk.ensure() == "4.1.0"
    assert commands == ["install", "update", "install", "-v"]
    assert "installing wrk" in capsys.readouterr().err


def test_an_installation_that_fails_is_told(path, monkeypatch):
    def run(command, **_):
        return subprocess.CompletedProcess(command, 100, stderr="no such package")

    path("apt-get", "")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(wrk.subprocess, "run", run)
    with pytest.raises(BenchError, match="no such package"):
        wrk.ensure()
