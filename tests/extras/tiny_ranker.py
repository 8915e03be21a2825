"""Trains a tiny cross-encoder: `python -m tests.extras.tiny_ranker FOLDER`.

A query is two words; a document is relevant if it has both. Some pairs of words are kept for tests:
their documents are ranked only if the model has learned to compare, and not the pairs themselves.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.weights.onnx_graph.tiny_classifier import write_reranker
from tests.weights.onnx_graph.tiny_encoder import END, PAD, START, VOCABULARY

WORDS = [word for word in VOCABULARY if word.startswith("w")][:24]
LENGTH = 5  # words of a document
STEPS, BATCH, CHECKED = 4000, 128, 200
ENOUGH = 0.05  # of the loss, as a mean over the last steps

Array = NDArray[Any]


def is_held_out(first: int, second: int) -> bool:
    return (first + second) % 5 == 0


def pair(random: np.random.Generator, *, held_out: bool) -> tuple[int, int]:
    """Two different words, by their numbers."""
    while True:
        first, second = (int(one) for one in random.choice(len(WORDS), 2, replace=False))
        if is_held_out(first, second) == held_out:
            return first, second


def document(random: np.random.Generator, query: tuple[int, int], common: int) -> list[int]:
    """Words, of which so many are of the query."""
    others = [number for number in range(len(WORDS)) if number not in query]
    kept = random.permutation(query)[:common].tolist()
    words = [*kept, *random.choice(others, LENGTH - common, replace=False).tolist()]
    return [int(one) for one in random.permutation(words)]


def text(numbers: tuple[int, ...] | list[int]) -> str:
    return " ".join(WORDS[number] for number in numbers)


def _batch(random: np.random.Generator) -> tuple[Array, Array]:
    """Pairs as tokens, and whether they are relevant."""
    first = VOCABULARY.index(WORDS[0])
    rows, labels = [], []
    for _ in range(BATCH):
        query = pair(random, held_out=False)
        common = int(random.choice([0, 1, 2], p=[0.2, 0.3, 0.5]))
        words = document(random, query, common)
        body = [[first + number for number in one] for one in (list(query), words)]
        rows.append([START, *body[0], END, *body[1], END])
        labels.append(float(common == 2))
    return np.array(rows), np.array(labels, np.float32)


def train(folder: Path) -> None:
    """Write the model's folder: config, weights, tokenizer."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    torch.manual_seed(1)
    torch.set_num_threads(1)
    config = BertConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=64,
        intermediate_size=128,
        num_attention_heads=4,
        num_hidden_layers=2,
        max_position_embeddings=48,
        pad_token_id=PAD,
        num_labels=1,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    model = BertForSequenceClassification(config)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.01)
    random, losses = np.random.default_rng(1), []
    for step in range(STEPS):
        rows, labels = _batch(random)
        ids = torch.from_numpy(rows)
        types = torch.zeros_like(ids)
        types[:, 4:] = 1
        logits = model(input_ids=ids, token_type_ids=types).logits[:, 0]
        loss = torch.nn.functional.binary_cross_entropy_with_logits(
            logits, torch.from_numpy(labels)
        )
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
        if step % CHECKED == CHECKED - 1:
            print(step + 1, np.mean(losses[-CHECKED:]), flush=True)
            if np.mean(losses[-CHECKED:]) < ENOUGH:
                break
    write_reranker(folder)
    model.save_pretrained(folder)
    settings = folder / "sentence_bert_config.json"
    settings.write_text(json.dumps({"max_seq_length": 48}))


if __name__ == "__main__":
    train(Path(sys.argv[1]))
