"""API keys: parsing, rotation through a link, and what happens when a replacement is bad."""

import hashlib
import os

import pytest
from structlog.testing import capture_logs

from cognitive_engine.domain import limits
from cognitive_engine.security.api_keys import KeyFile, KeyFileError


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
    keys = KeyFile(path, Time())
    for good in (b"first", b"second", b"\xff\xfe"):
        assert keys.authenticate(good) is not None
    for bad in (b"", b"third", b"#third", b"firs", b"first ", b"# team keys"):
        assert keys.authenticate(bad) is None


def test_the_scope_is_derived_from_the_key(tmp_path):
    path = tmp_path / "keys"
    path.write_bytes(b"first\n")
    principal = KeyFile(path, Time()).authenticate(b"first")
    assert principal.scope == hashlib.sha256(b"first").hexdigest()[:16]


def test_a_rotation_is_seen_within_two_seconds(mounted):
    path, publish = mounted
    time = Time()
    keys = KeyFile(path, time)
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
    keys = KeyFile(path, time)
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
        KeyFile(path, Time())
    assert "kk" not in str(caught.value)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(KeyFileError, match="cannot be read"):
        KeyFile(tmp_path / "none", Time())
