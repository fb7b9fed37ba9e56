"""The rules: pure and deterministic, values in and values out; numpy and nothing else.

Time comes in as an argument, in seconds. No module here logs, waits or draws a random number.
"""
