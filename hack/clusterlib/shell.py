"""Running programs, waiting with a bound, and locking: the three ways out of this package."""

import fcntl
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from .progress import ClusterError

COMMAND_TIMEOUT_SECONDS = 120.0


def run(
    argv: Sequence[str | Path],
    *,
    timeout: float = COMMAND_TIMEOUT_SECONDS,
    text_in: str | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    log: Path | None = None,
    check: bool = True,
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end; its output is returned, or written to `log`."""
    words = [str(word) for word in argv]
    begin = " ".join(words[:6])
    try:
        if log is None:
            result = subprocess.run(
                words,
                input=text_in,
                timeout=timeout,
                env=env,
                cwd=cwd,
                text=True,
                capture_output=True,
                check=False,
            )
        else:
            log.parent.mkdir(parents=True, exist_ok=True)
            with log.open("w") as file:
                result = subprocess.run(
                    words,
                    input=text_in,
                    timeout=timeout,
                    env=env,
                    cwd=cwd,
                    text=True,
                    stdout=file,
                    stderr=subprocess.STDOUT,
                    check=False,
                )
    except FileNotFoundError as error:
        raise ClusterError(
            f"program not found: {words[0]}", hint="install it, or choose another provider"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise ClusterError(f"`{begin}` took more than {timeout:.0f} s", log=log) from error
    if check and result.returncode != 0:
        detail = "" if log else "\n" + "\n".join((result.stderr or "").splitlines()[-15:])
        raise ClusterError(f"`{begin}` ended with {result.returncode}{detail}", log=log)
    return result


def wait_until(
    condition: Callable[[], bool],
    what: str,
    *,
    timeout: float,
    interval: float = 0.1,
    alive: Callable[[], bool] | None = None,
    log: Path | None = None,
    hint: str = "",
) -> None:
    """Wait for a condition, at most `timeout` seconds, or until `alive` says it is hopeless."""
    deadline = time.monotonic() + timeout
    while not condition():
        if alive is not None and not alive():
            raise ClusterError(f"{what}: the process ended", log=log, hint=hint)
        if time.monotonic() >= deadline:
            raise ClusterError(f"{what}: not so after {timeout:.0f} s", log=log, hint=hint)
        time.sleep(interval)


@contextmanager
def lock(path: Path) -> Iterator[None]:
    """Hold a lock file; the kernel frees it with the process, however that ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def write_atomically(path: Path, text: str, mode: int = 0o644) -> None:
    """Replace a file in one step, never readable more widely than `mode`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.new")
    aside.unlink(missing_ok=True)
    aside.touch(mode=mode)
    aside.chmod(mode)
    aside.write_text(text)
    aside.replace(path)
