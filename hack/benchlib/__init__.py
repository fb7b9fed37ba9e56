"""Benches that compare: every figure is a ratio to something plain, measured in the same run."""
