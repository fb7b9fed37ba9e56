"""Desired children, one file a kind. `None` means: not wanted."""
