"""The engine: a governed, remembering front of a language model, served over HTTP.

Rooms, from the outside in: `edge` (HTTP) → `service` (use cases) → `adapters` (generator,
embedder, clock) → `ports` (what the use cases ask of them) → `domain` (the rules, pure).
"""

from importlib.metadata import version

__version__ = version("cognitive-engine-operator")
