"""API keys: parsing, rotation through a link, and what happens when a replacement is bad."""

import hashlib
import os

import pytest
from structlog.testing import capture_logs

from cognitive_engine.domain import limits
from cognitive_engine.security.api_keys import (
    ApiKeys,
    Grant,
    KeyFileError,
    keys_in_environment,
    parse_keys,
)
from cognitive_engine.security.principals import Kind, Role, Scopes

LONG = b"a-key-that-is-long-enough-"


class Time:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def mounted(tmp_path):
    """A mounted Secret: the file is a link through a folder link that the kubelet swaps."""

    def publish(content, generation):
        folder = tmp_path / f"..{generation}"
        folder.mkdir()
        (folder / "api-keys").write_bytes(content)
        fresh = tmp_path / "..fresh"
        fresh.symlink_to(folder.name)
        os.replace(fresh, tmp_path / "..data")

    publish(b"old-key\n", 1)
    (tmp_path / "api-keys").symlink_to("..data/api-keys")
    return tmp_path / "api-keys", publish


def test_keys_stand_one_on_a_line(tmp_path):
    path = tmp_path / "keys"
    path.write_bytes(b"# team keys\n\n  first \r\nsecond\n#third\n\xff\xfe\n")
    keys = ApiKeys(path, Time())
    for good in (b"first", b"second", b"\xff\xfe"):
        assert keys.authenticate(good) is not None
    for bad in (b"", b"third", b"#third", b"firs", b"first ", b"# team keys"):
        assert keys.authenticate(bad) is None


def test_attributes_follow_the_key():
    keys = parse_keys(
        b"plain\n"
        b"reader   role=read\n"
        b"named\trole=write name=team-a\n"
        b"boss name=ops.1_x role=admin\r\n"
        b"gateway trusted=true name=chat\n"
    )
    assert keys == {
        b"plain": Grant(Role.WRITE),
        b"reader": Grant(Role.READ),
        b"named": Grant(Role.WRITE, "team-a"),
        b"boss": Grant(Role.ADMIN, "ops.1_x"),
        b"gateway": Grant(Role.WRITE, "chat", trusted=True),
    }


@pytest.mark.parametrize(
    "line",
    [
        b"kkkk kkkk",
        b"kkkk role",
        b"kkkk role=",
        b"kkkk role=root",
        b"kkkk role=Admin",
        b"kkkk role=read role=admin",
        b"kkkk roles=admin",
        b"kkkk name=",
        b"kkkk name=a:b",
        b"kkkk name=\xff",
        b"kkkk name=" + b"k" * 65,
        b"kkkk trusted=yes",
        b"kkkk Role=read",
        b"kkkk # a remark",
    ],
)
def test_a_line_that_cannot_be_meant_is_refused_by_number(line):
    with pytest.raises(KeyFileError, match="line 2") as caught:
        parse_keys(b"good\n" + line + b"\n")
    assert "kk" not in str(caught.value)


def test_a_key_stands_there_once_or_says_the_same():
    assert len(parse_keys(b"a name=x\na name=x\n")) == 1
    with pytest.raises(KeyFileError, match="line 3"):
        parse_keys(b"a name=x\nb\na role=admin\n")


def test_a_key_says_who_calls_and_what_they_may_do(tmp_path):
    path = tmp_path / "keys"
    path.write_bytes(b"first\nsecond role=admin name=ops trusted=true\nthird role=read\n")
    scopes = Scopes(b"sixteen bytes or more")
    keys = ApiKeys(path, Time(), scopes=scopes)
    first, second = keys.authenticate(b"first"), keys.authenticate(b"second")
    assert first.subject == f"sha256:{hashlib.sha256(b'first').hexdigest()[:32]}"
    assert (first.kind, first.roles, first.trusted) == (
        Kind.API_KEY,
        {Role.READ, Role.WRITE},
        False,
    )
    assert (second.subject, second.trusted) == ("ops", True)
    assert second.roles == {Role.READ, Role.WRITE, Role.ADMIN}
    assert second.scope == scopes.of(Kind.API_KEY, "ops")
    assert keys.authenticate(b"third").roles == {Role.READ}
    assert len({keys.authenticate(key).scope for key in (b"first", b"second", b"third")}) == 3


def test_a_name_keeps_its_memories_when_its_key_is_rotated(mounted):
    path, publish = mounted
    time = Time()
    publish(b"old-key name=team-a\nother name=team-b\n", 2)
    keys = ApiKeys(path, time)
    before = keys.authenticate(b"old-key")
    publish(b"old-key name=team-a\nnew-key name=team-a\n", 3)
    time.now = 2.0
    assert keys.authenticate(b"new-key") == before
    publish(b"new-key name=team-a\n", 4)
    time.now = 4.0
    assert keys.authenticate(b"new-key") == before
    assert keys.authenticate(b"old-key") is None


def test_keys_may_come_from_the_environment(tmp_path):
    grants = keys_in_environment({"API_KEY": " worker ", "ADMIN_API_KEY": "boss", "OTHER": "x"})
    assert grants == {b"worker": Grant(Role.WRITE), b"boss": Grant(Role.ADMIN)}
    assert keys_in_environment({"API_KEY": "", "ADMIN_API_KEY": " "}) == {}
    alone = ApiKeys(None, Time(), fixed=grants)
    assert Role.ADMIN in alone.authenticate(b"boss").roles
    path = tmp_path / "keys"
    path.write_bytes(b"worker\nfiled\n")
    both = ApiKeys(path, Time(), fixed=grants)
    assert all(both.authenticate(key) for key in (b"worker", b"boss", b"filed"))


def test_sources_that_disagree_are_refused(tmp_path):
    with pytest.raises(KeyFileError, match="API_KEY and ADMIN_API_KEY must differ"):
        keys_in_environment({"API_KEY": "kkkk", "ADMIN_API_KEY": "kkkk"})
    with pytest.raises(KeyFileError, match="ADMIN_API_KEY is longer"):
        keys_in_environment({"ADMIN_API_KEY": "k" * (limits.API_KEY_BYTES_MAX + 1)})
    path = tmp_path / "keys"
    path.write_bytes(b"kkkk role=admin\n")
    with pytest.raises(KeyFileError, match="other rights") as caught:
        ApiKeys(path, Time(), fixed=keys_in_environment({"API_KEY": "kkkk"}))
    assert "kk" not in str(caught.value)
    with pytest.raises(KeyFileError, match="no API key"):
        ApiKeys(None, Time())


def test_no_key_is_kept_or_logged(tmp_path):
    secret = b"planted-secret-of-a-test"
    path = tmp_path / "keys"
    path.write_bytes(secret + b" name=team\nshort\n")
    time = Time()
    with capture_logs() as logs:
        keys = ApiKeys(path, time)
        path.write_bytes(secret + b" role=nothing\n")
        time.now = 2.0
        assert keys.authenticate(secret).subject == "team"
        path.write_bytes(secret + b"\n")
        time.now = 4.0
        keys.authenticate(secret)
    assert [log["event"] for log in logs] == ["api_keys_kept", "api_keys_loaded"]
    assert (logs[1]["count"], logs[1]["short"]) == (1, 0)
    kept = "".join(repr(value) for value in vars(keys).values())
    assert secret.decode() not in f"{logs} {kept}"


def test_the_most_keys_are_told_apart(tmp_path):
    path = tmp_path / "keys"
    lines = [
        LONG + b"%d name=caller-%d" % (number, number) for number in range(limits.API_KEYS_MAX)
    ]
    path.write_bytes(b"\n".join(lines))
    keys = ApiKeys(path, Time())
    for number in range(limits.API_KEYS_MAX):
        assert keys.authenticate(LONG + b"%d" % number).subject == f"caller-{number}"
    assert keys.authenticate(LONG) is None
    assert keys.authenticate(LONG * 1000) is None


def test_a_rotation_is_seen_within_two_seconds(mounted):
    path, publish = mounted
    time = Time()
    keys = ApiKeys(path, time)
    publish(b"new-key\n", 2)
    time.now = 1.9
    assert keys.authenticate(b"old-key") is not None
    time.now = 2.0
    assert keys.authenticate(b"old-key") is None
    assert keys.authenticate(b"new-key") is not None


@pytest.mark.parametrize("content", [b"", b"# nothing\n\n", None])
def test_a_bad_replacement_keeps_the_keys_and_says_so_once(mounted, content):
    path, publish = mounted
    time = Time()
    keys = ApiKeys(path, time)
    if content is None:
        path.unlink()
    else:
        publish(content, 2)
    with capture_logs() as logs:
        for now in (2.0, 4.0, 6.0):
            time.now = now
            assert keys.authenticate(b"old-key") is not None
    assert [(log["event"], log["log_level"]) for log in logs] == [("api_keys_kept", "warning")]
    if content is not None:
        publish(b"third-key\n", 3)
        time.now = 8.0
        assert keys.authenticate(b"third-key") is not None
        assert keys.authenticate(b"old-key") is None


def test_each_bad_replacement_is_told_once(mounted):
    path, _ = mounted
    time = Time()
    keys = ApiKeys(path, time)
    aside = path.with_name("aside")
    with capture_logs() as logs:
        for now in (2.0, 6.0):
            path.rename(aside)
            time.now = now
            assert keys.authenticate(b"old-key") is not None
            # The very same file comes back.
            aside.rename(path)
            time.now = now + 2.0
            assert keys.authenticate(b"old-key") is not None
    assert [log["event"] for log in logs] == ["api_keys_kept", "api_keys_loaded"] * 2


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"#\n",
        b"k" * (limits.API_KEY_BYTES_MAX + 1),
        b"\n".join(b"%d" % number for number in range(limits.API_KEYS_MAX + 1)),
        b"k\n" * limits.KEY_FILE_BYTES_MAX,
    ],
)
def test_an_unusable_file_is_refused_without_naming_a_key(tmp_path, content):
    path = tmp_path / "keys"
    path.write_bytes(content)
    with pytest.raises(KeyFileError) as caught:
        ApiKeys(path, Time())
    assert "kk" not in str(caught.value)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(KeyFileError, match="cannot be read"):
        ApiKeys(tmp_path / "none", Time())
