"""Every bound of the engine, named once; the relations between them are asserted below."""

from typing import Final

# A request.
BODY_BYTES_MAX: Final = 64 * 1024
JSON_DEPTH_MAX: Final = 32
PROMPT_CHARS_MAX: Final = 10_000
MAX_TOKENS_MAX: Final = 4096
TOP_K_MAX: Final = 20
CONTEXT_ITEMS_MAX: Final = 100
REQUEST_ID_CHARS_MAX: Final = 128
BUSY_RETRY_SECONDS: Final = 5
REQUESTS_WAITING_MAX: Final = 4096
USER_INTENT_CHARS_MAX: Final = 256
EVENT_COMPONENTS_MAX: Final = 16_384
HEADERS_MAX: Final = 100
HEAD_BYTES_MAX: Final = 32 * 1024
HEAD_SECONDS: Final = 10.0
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
READY_MEMORY_SHARE: Final = 0.95
CGROUP_FILE_BYTES_MAX: Final = 1024 * 1024

assert EMERGENCY_SECONDS_FIRST * 2 ** (EMERGENCY_ENTRIES_MAX - 1) <= 960
assert 0 < RELIEF_MEMORY_SHARE < EMERGENCY_MEMORY_SHARE < READY_MEMORY_SHARE < 1

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

# Who is calling. Tokens that were verified are remembered for a while, and so are the keys of
# their issuer while it cannot be reached.
KEY_NAME_CHARS_MAX: Final = 64
KEY_BYTES_WEAK: Final = 16
SCOPE_SECRET_BYTES_MIN: Final = 16
SCOPE_SECRET_BYTES_MAX: Final = 4096
SUBJECT_CHARS_MAX: Final = 255
TOKEN_BYTES_MAX: Final = 8 * 1024
TOKEN_LEEWAY_SECONDS: Final = 30
TOKENS_CACHED_MAX: Final = 10_000
TOKEN_CACHE_SECONDS: Final = 60.0
ISSUER_ADDRESS_CHARS_MAX: Final = 2048
ISSUER_DOCUMENT_BYTES_MAX: Final = 256 * 1024
ISSUER_KEYS_MAX: Final = 64
ISSUER_KEY_ID_CHARS_MAX: Final = 256
ISSUER_RSA_BITS_MIN: Final = 2048
ISSUER_RSA_BITS_MAX: Final = 8192
ISSUER_FETCH_SECONDS: Final = 10.0
ISSUER_RETRY_SECONDS_FIRST: Final = 1.0
ISSUER_RETRY_SECONDS_MAX: Final = 60.0
ISSUER_CACHE_SECONDS: Final = 3600.0
ISSUER_OUTAGE_SECONDS_MAX: Final = 24 * 3600.0
ISSUER_LOOK_AGAIN_SECONDS: Final = 30.0
ISSUER_LOOK_WAIT_SECONDS: Final = 2.0
ISSUER_LOOK_WAITING_MAX: Final = 64

assert TOKEN_BYTES_MAX < BODY_BYTES_MAX
assert ISSUER_RETRY_SECONDS_MAX < ISSUER_CACHE_SECONDS < ISSUER_OUTAGE_SECONDS_MAX

# Backends that are asked over HTTP: connecting, a call's answer, and a second try where the first
# was surely not begun. What a refusal says is read so far.
BACKEND_CONNECT_SECONDS_MAX: Final = 5.0
BACKEND_IDLE_SECONDS_MAX: Final = 15.0
BACKEND_ANSWER_BYTES_MAX: Final = 1024 * 1024
BACKEND_REFUSAL_BYTES_MAX: Final = 64 * 1024
BACKEND_REFUSAL_CHARS_READ: Final = 256
BACKEND_KEY_BYTES_MAX: Final = 8 * 1024
BACKEND_RETRY_PAUSE_SECONDS: Final = 0.1
BACKEND_RETRY_JITTER_SECONDS: Final = 0.25
BACKEND_RETRY_WAIT_SECONDS_MAX: Final = 2.0
BACKEND_RETRY_AFTER_SECONDS_MAX: Final = 3600
ANSWER_CHARS_MAX: Final = 32 * MAX_TOKENS_MAX

# Embeddings from elsewhere. Models take about 8 000 tokens; a longer prompt is embedded by its
# beginning.
EMBEDDED_CHARS_MAX: Final = 6_000
EMBEDDINGS_CACHE_BYTES_MAX: Final = 16 * 1024 * 1024

assert BACKEND_REFUSAL_BYTES_MAX < BACKEND_ANSWER_BYTES_MAX
assert ANSWER_CHARS_MAX * 6 <= BACKEND_ANSWER_BYTES_MAX, "an escaped answer of full length fits"
assert EMBEDDED_CHARS_MAX <= PROMPT_CHARS_MAX

# Telemetry: outcomes of requests that are told apart, words of one label, and log lines that wait
# to be written. A line of the log holds so much of one text.
METRIC_SERIES_MAX: Final = 1_000
METRIC_WORDS_MAX: Final = 64
LOG_LINES_WAITING_MAX: Final = 16_384
LOG_TEXT_CHARS_MAX: Final = 512
LOG_WRITE_PAUSE_SECONDS: Final = 0.05
LOG_CLOSE_SECONDS_MAX: Final = 2.0
TRACE_SPANS_WAITING_MAX: Final = 2_048
TRACE_SPANS_SENT_AT_ONCE: Final = 512
TRACE_SEND_PAUSE_SECONDS: Final = 1.0
TRACE_SEND_SECONDS_MAX: Final = 5.0
TRACE_CLOSE_SECONDS_MAX: Final = 3.0
