"""A static model (Model2Vec) from a folder: a token's vector is looked up, a text's is their mean.

Nothing is ever fetched: the folder is there, or the engine does not start.
"""

from pathlib import Path
from typing import Final

import numpy as np

from cognitive_engine.adapters.embedders.unit import unit
from cognitive_engine.adapters.failures import BackendUnusable
from cognitive_engine.domain.memory.vectors import Vector

NAME: Final = "Model2Vec"
_FILES: Final = ("config.json", "model.safetensors", "tokenizer.json")


class Model2VecEmbedder:
    """Embeds with the model in `folder`.

    Raises:
        BackendUnusable: there is no model, no library to read it, or it has another dimension.
    """

    def __init__(self, folder: Path, dimension: int) -> None:
        missing = [name for name in _FILES if not (folder / name).is_file()]
        if missing:
            raise BackendUnusable(
                f"embeddings.model must be a folder with {', '.join(_FILES)}; "
                f"{folder} has no {missing[0]}"
            )
        try:
            from model2vec import StaticModel  # noqa: PLC0415 - an extra, and 0.4 s to import
        except ImportError as error:
            raise BackendUnusable(
                "embeddings.provider Model2Vec needs the extra `embeddings` to be installed"
            ) from error
        try:
            self._model = StaticModel.from_pretrained(folder)
        except Exception as error:
            # Whatever its libraries raise: some of them have no error type of their own.
            raise BackendUnusable(f"{folder} holds no model that can be read") from error
        if self._model.dim != dimension:
            raise BackendUnusable(
                f"the model in {folder} gives vectors of {self._model.dim} components where "
                f"memory.dimension is {dimension}; set memory.dimension to {self._model.dim}"
            )
        self._dimension = dimension
        # Where a text has no token that the model knows, any fixed direction will do.
        self._nowhere = np.zeros(dimension)
        self._nowhere[0] = 1.0

    def embed(self, text: str) -> Vector:
        """A float32 vector of norm 1, shape (dimension,); of a long text its first 512 tokens."""
        numbers = self._model.encode([text])[0]
        if not np.any(numbers):
            numbers = self._nowhere
        return unit(numbers, self._dimension, NAME)
