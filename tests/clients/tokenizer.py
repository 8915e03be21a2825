"""Makes the tokenizer of a model, as the transformers library reads it, from its GGUF file.

lm-eval counts with the model's own tokenizer, which it takes from the model hub elsewhere.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gguf import GGUFReader
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

CONTROL = 3  # of `tokenizer.ggml.token_type`


def write_tokenizer(weights: Path, folder: Path) -> Path:
    """Write the tokenizer of a SmolLM model, byte-level BPE that splits digits, into `folder`."""
    reader = GGUFReader(weights)

    def value(name: str) -> Any:
        return reader.fields[f"tokenizer.ggml.{name}"].contents()

    assert (value("model"), value("pre")) == ("gpt2", "smollm")
    tokens: list[str] = value("tokens")
    merges = [(first, second) for first, second in (pair.split(" ") for pair in value("merges"))]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    kinds = zip(tokens, value("token_type"), strict=True)
    tokenizer.add_special_tokens([token for token, kind in kinds if kind == CONTROL])
    folder.mkdir()
    tokenizer.save(str(folder / "tokenizer.json"))
    described = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": tokens[value("eos_token_id")],
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(described), "utf-8")
    return folder
