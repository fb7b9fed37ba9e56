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
