"""Every bound of the engine, named once; the relations between them are asserted below."""

from typing import Final

# A request.
BODY_BYTES_MAX: Final = 64 * 1024
JSON_DEPTH_MAX: Final = 32
PROMPT_CHARS_MAX: Final = 10_000
MAX_TOKENS_MAX: Final = 4096
TOP_K_MAX: Final = 20
REQUEST_ID_CHARS_MAX: Final = 128
REQUEST_SECONDS_MAX: Final = 30.0
REQUESTS_IN_FLIGHT_MAX: Final = 256
BUSY_RETRY_SECONDS: Final = 5
PROBLEM_ERRORS_MAX: Final = 10

# An answer: tokens asked for when the request names none, and the cap of an answer given asleep.
TOKENS_AWAKE_DEFAULT: Final = 2048
TOKENS_ASLEEP_MAX: Final = 150
CHARS_PER_TOKEN: Final = 4

# Memory. Text beyond the bound shapes the embedding but is not kept: 20 000 entries of whole
# prompts would be hundreds of megabytes.
MEMORY_TEXT_CHARS_MAX: Final = 2_000
CONFIDENCE_MIN: Final = 0.5
VECTOR_COMPONENT_MAX: Final = 1e6
PENDING_CONSOLIDATIONS_MAX: Final = 1_000
EMBEDDED_WORD_CHARS_MAX: Final = 64
EMBEDDED_WORDS_CACHED_MAX: Final = 8_192

# Callers.
KEY_FILE_BYTES_MAX: Final = 64 * 1024
API_KEYS_MAX: Final = 256
API_KEY_BYTES_MAX: Final = 512
KEY_FILE_CHECK_SECONDS: Final = 2.0
RATE_BUCKETS_MAX: Final = 10_000

# The process.
CONFIG_FILE_BYTES_MAX: Final = 1024 * 1024
SHUTDOWN_SECONDS_DEFAULT: Final = 10
SHUTDOWN_SECONDS_MIN: Final = 2
SHUTDOWN_SECONDS_MAX: Final = 600
DRAIN_NOTICE_SECONDS_MAX: Final = 2.0

assert PROMPT_CHARS_MAX * 6 < BODY_BYTES_MAX, "an escaped prompt of full length fits the body"
assert MEMORY_TEXT_CHARS_MAX <= PROMPT_CHARS_MAX
assert TOKENS_ASLEEP_MAX < TOKENS_AWAKE_DEFAULT <= MAX_TOKENS_MAX
assert API_KEY_BYTES_MAX < KEY_FILE_BYTES_MAX
assert DRAIN_NOTICE_SECONDS_MAX < SHUTDOWN_SECONDS_DEFAULT

# Governance: thresholds kept to tell drift from.
DRIFT_THRESHOLDS_MAX: Final = 100

# Emergency. The first cool-down ends after so many refusals or seconds; each entry doubles both,
# and a run of good steps forgives them. Memory counts as a share of what the container may use:
# relief lies lower, so that an emergency does not flicker.
EMERGENCY_REFUSALS_FIRST: Final = 10
EMERGENCY_SECONDS_FIRST: Final = 60.0
EMERGENCY_ENTRIES_MAX: Final = 5
EMERGENCY_FORGIVEN_STEPS: Final = 100
EMERGENCY_MEMORY_SHARE: Final = 0.92
RELIEF_MEMORY_SHARE: Final = 0.8 * EMERGENCY_MEMORY_SHARE
CGROUP_FILE_BYTES_MAX: Final = 1024 * 1024

assert EMERGENCY_SECONDS_FIRST * 2 ** (EMERGENCY_ENTRIES_MAX - 1) <= 960
assert 0 < RELIEF_MEMORY_SHARE < EMERGENCY_MEMORY_SHARE < 1

# Risk: what a caller's sensors may name.
SECURITY_FLAGS_MAX: Final = 32
SECURITY_FLAG_CHARS_MAX: Final = 64

# A command. A scope is a digest or a name; a batch is one record; a time has a date, years 1 to
# 9999.
SCOPE_CHARS_MAX: Final = 256
ORIGIN_CHARS_MAX: Final = 256
MEMORIES_AT_ONCE_MAX: Final = 1_000
TIME_SECONDS_MIN: Final = -62_135_596_800.0
TIME_SECONDS_MAX: Final = 253_402_300_799.0

# Upkeep: the whole bank is verified about once in so many seconds, in slices of so many rows.
SCRUB_SECONDS: Final = 60.0
SCRUB_ROWS: Final = 512
MEMORY_POLL_SECONDS: Final = 1.0
