"""Embeddings by sentence-transformers and torch: any model of that library. An extra.

Its options:

    device        a device of torch: cpu, cuda, cuda:1, mps … (cpu)
    threads       most threads of the computation (the cores that may be used)
    batch_tokens  tokens that run together, padding included (by threads or device)
    cache         MiB of the vectors that were computed last (32)

Code that comes with a model is never run, and nothing is downloaded.
"""

from __future__ import annotations

import asyncio
import copy
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

import msgspec

from openedai.contract.generate import Text, Tokens
from openedai.engines.embedding.batching import (
    BatchedEmbedder,
    Row,
    batch_tokens,
    encodable,
    invalid_token,
    wrap_tokens,
)
from openedai.engines.embedding.prompts import read_prompts
from openedai.engines.free_cores import FreeCores, limit_spinning
from openedai.engines.machine import usable_cores
from openedai.engines.options import parse_options
from openedai.errors import APIError, EngineFailed, InvalidRequest, Unavailable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class SentenceTransformersOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The options of one model; the module's docstring explains them."""

    device: str = "cpu"
    threads: Annotated[int, msgspec.Meta(ge=1)] | None = None
    batch_tokens: Annotated[int, msgspec.Meta(ge=1)] | None = None
    cache: Annotated[int, msgspec.Meta(ge=0, le=1 << 20)] = 32


class SentenceTransformers(BatchedEmbedder):
    """A model of the library. Made by `load`."""

    def __init__(self, model: str, library: Library, batch_tokens: int, cache: int = 0) -> None:
        super().__init__(model, library.dimensions, batch_tokens, cache)
        self._library = library

    @classmethod
    async def load(cls, model: str, path: Path | None, options: Mapping[str, Any]) -> Self:
        if path is None:
            raise EngineFailed(f"The model `{model}` has no weights: its source is empty.")
        known = parse_options(SentenceTransformersOptions, model, options)
        threads = known.threads or usable_cores()
        try:
            library = await asyncio.to_thread(Library, path, known.device, threads)
        except APIError:
            raise
        except Exception as error:
            raise EngineFailed(f"The model `{model}` cannot be loaded. {error}") from error
        tokens = known.batch_tokens or batch_tokens(known.device, threads)
        return cls(model, library, tokens, known.cache << 20)

    def prepare(self, inputs: Sequence[Text | Tokens], input_type: str | None) -> list[Row]:
        prompt = self._library.prompts.of(input_type)
        texts = [prompt + encodable(item.text) for item in inputs if isinstance(item, Text)]
        counted = zip(texts, self._library.count(texts), strict=True)
        return [
            Row(*next(counted)) if isinstance(item, Text) else self._library.row(item.ids)
            for item in inputs
        ]

    def compute(self, rows: Sequence[Row]) -> NDArray[np.float32]:
        return self._library.run(rows)


class Library:
    """The library's model. Blocking. `run` must be called from one thread, the rest from any."""

    def __init__(self, folder: Path, device: str, threads: int) -> None:
        self._free = FreeCores(threads)
        limit_spinning()
        try:
            import torch
            from sentence_transformers import SentenceTransformer
            from transformers.utils import logging
        except ImportError as error:
            raise Unavailable(
                "The engine `sentence_transformers` is not installed: "
                "pip install 'openedai[sentence-transformers]'."
            ) from error
        if device.startswith("cuda") and not torch.cuda.is_available():
            raise Unavailable("The torch here has no CUDA device.")
        self._set_threads = torch.set_num_threads
        logging.disable_progress_bar()
        self._model = SentenceTransformer(
            str(folder), device=device, trust_remote_code=False, local_files_only=True
        )
        self._model.eval()
        self.dimensions = len(self._model.encode("a", show_progress_bar=False))
        # Texts are counted while others are encoded, and a tokenizer is not safe for two threads.
        self._tokenizer = copy.deepcopy(self._model.tokenizer)
        self._counting = threading.Lock()
        self.prompts = read_prompts(self._model.prompts, self._model.default_prompt_name)

    def count(self, texts: Sequence[str]) -> list[int]:
        """The number of tokens of each text that the model processes."""
        if not texts:
            return []
        with self._counting:
            if not callable(self._tokenizer):  # of a model without an encoder
                found = self._tokenizer.encode_batch(texts, add_special_tokens=False)
                return [len(encoding.ids) for encoding in found]
            return [len(ids) for ids in self._tokenizer(texts, truncation=True)["input_ids"]]

    def row(self, ids: Sequence[int]) -> Row:
        """A row for raw token ids, which are treated like those of a text. Raises
        InvalidRequest.
        """
        config = getattr(getattr(self._model[0], "auto_model", None), "config", None)
        if config is None or not callable(self._tokenizer):
            raise InvalidRequest("This model takes texts, not tokens.", param="input")
        for token in ids:
            if not 0 <= token < config.vocab_size:
                raise invalid_token(token, config.vocab_size)
        with self._counting:
            probe = self._tokenizer("a", return_special_tokens_mask=True)
        limit = self._model.max_seq_length
        left = self._tokenizer.truncation_side == "left"
        found = wrap_tokens(
            ids, probe["input_ids"], probe["special_tokens_mask"], limit, from_left=left
        )
        return Row(found, len(found))

    def run(self, rows: Sequence[Row]) -> NDArray[np.float32]:
        """The vectors of the rows: [len(rows), dimensions]."""
        import numpy as np

        self._set_threads(self._free.count())
        texts: dict[int, str] = {}
        tokens: dict[int, Sequence[int]] = {}
        for index, row in enumerate(rows):
            if isinstance(row.content, str):
                texts[index] = row.content
            else:
                tokens[index] = row.content
        result = np.empty((len(rows), self.dimensions), np.float32)
        if texts:
            result[list(texts)] = self._model.encode(
                list(texts.values()), prompt="", batch_size=len(texts), show_progress_bar=False
            )
        if tokens:
            result[list(tokens)] = self._forward(list(tokens.values()))
        return result

    def _forward(self, rows: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        import numpy as np
        import torch

        width = max(map(len, rows))
        ids = torch.full((len(rows), width), self._tokenizer.pad_token_id or 0)
        mask = torch.zeros_like(ids)
        for index, row in enumerate(rows):
            ids[index, : len(row)] = torch.tensor(row)
            mask[index, : len(row)] = 1
        device = self._model.device
        features = {"input_ids": ids.to(device), "attention_mask": mask.to(device)}
        with torch.inference_mode():
            vectors = self._model(features)["sentence_embedding"]
        return np.asarray(vectors.float().cpu().numpy())
