"""The shared API: models, names and conditions that the operator and the engine agree on."""

__version__ = "0.1.0"
