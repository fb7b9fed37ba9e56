"""Every bound of the operator, in one place."""

from typing import Final

NAME_MAX: Final = 63
"""Longest name and label value, in characters (DNS label)."""

HASH_DIGITS: Final = 10
"""Hex digits of a revision."""

WORKERS: Final = 10
"""Objects reconciled at the same time."""

RESYNC_SECONDS: Final = 300.0
"""A settled object is looked at again after this long (jittered by a fifth)."""

SECRET_POLL_SECONDS: Final = 60.0
"""A referenced Secret is looked up again after this long while all is well."""

MISSING_POLL_SECONDS: Final = 5.0
"""...and after this long while it is missing, or a name is taken by somebody else."""

POD_POLL_SECONDS: Final = 10.0
"""While pods are not ready, their faults are read again after this long."""

BACKOFF_FIRST_SECONDS: Final = 1.0
BACKOFF_LAST_SECONDS: Final = 300.0
"""Delay after a failed pass; doubles from first to last."""

REQUEST_TIMEOUT_SECONDS: Final = 20.0
"""For one request to the API server."""

PASS_TIMEOUT_SECONDS: Final = 120.0
"""For one whole pass; a hung pass must not hold its worker."""

PROGRESS_DEADLINE_SECONDS: Final = 600
"""A Deployment that moves nothing for this long is called stuck."""

PODS_READ_MAX: Final = 100
"""Pods listed to explain why a Deployment is not ready."""

MESSAGE_MAX: Final = 1024
"""Longest condition message and event note, in characters."""

WATCH_STALE_SECONDS: Final = 180.0
"""Without a sign from the watches for this long the process is not alive."""

HEARTBEAT_SECONDS: Final = 30.0
"""How often the watch's freshness is measured."""

FIRST_LOOK_SECONDS: Final = 0.5
"""...and how often until the watch has caught up for the first time."""

OPTIONAL_POLL_SECONDS: Final = 5.0
"""Kinds that may be missing are listed this often instead of being watched."""

PAGE: Final = 500
"""Objects asked for in one page of a list."""

DISCOVERY_TTL_SECONDS: Final = 5.0
"""How long an answer about optional kinds is believed."""

assert BACKOFF_FIRST_SECONDS < BACKOFF_LAST_SECONDS <= RESYNC_SECONDS
assert MISSING_POLL_SECONDS < SECRET_POLL_SECONDS < RESYNC_SECONDS
assert REQUEST_TIMEOUT_SECONDS < PASS_TIMEOUT_SECONDS
