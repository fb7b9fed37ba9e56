"""The engine: a governed, remembering front of a language model, served over HTTP.

Rooms, from the outside in: `edge` (HTTP) → `service` (use cases) → `adapters` (generator,
embedder, clock) → `ports` (what the use cases ask of them) → `domain` (the rules, pure). `turn` is
one request in order, driven by the service, and by `wrapper` where there is no server.
"""

from importlib.metadata import version

from .wrapper import LLMWrapper

__all__ = ["LLMWrapper", "__version__"]

__version__ = version("cognitive-engine-operator")
