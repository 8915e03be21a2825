"""Training of a classifier, with torch: adapters and a head, then calibration and thresholds.

One thread, and an order that only the texts decide: the same texts always give the same file.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from moderation.calibration import calibrated
from moderation.network import Encoder, Network, padded
from moderation.texts import LabelledText
from openedai.contract.generate import Text
from openedai.contract.moderate import CATEGORIES
from openedai.engines.embedding.pooling import read_head, read_json
from openedai.engines.embedding.tokenizer import TextTokenizer
from openedai.engines.moderation.classifier import Classifier

EPOCHS = 4
BATCH_TOKENS = 1024
# Rows that are sorted by length before they are divided into batches.
SORTED_ROWS = 1024
ADAPTER_RATE, HEAD_RATE = 1e-3, 2e-3
WARM_UP_SHARE = 0.05
WEIGHT_DECAY = 0.01
DROPOUT = 0.2
LABEL_NOISE = 0.02
# Texts of one template in an epoch: others in the next one.
MOST_OF_GROUP = 3
# One in so many of the texts that are no template's is for calibration, and is not trained on.
CALIBRATION_SHARE = 6


def trained(texts: Sequence[LabelledText], folder: Path, epochs: int = EPOCHS) -> Classifier:
    """A classifier on the embedding model in `folder`, trained on most of the texts and
    calibrated on the others.
    """
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    sizes = Counter(item.group for item in texts)
    spared = [sizes[item.group] <= 2 and _spared(item.group) for item in texts]
    fit = [item for item, is_spared in zip(texts, spared, strict=True) if not is_spared]
    rest = [item for item, is_spared in zip(texts, spared, strict=True) if is_spared]
    encoder = Encoder(folder)
    chooser = torch.Generator().manual_seed(0)
    network = Network(encoder, len(CATEGORIES), chooser)
    _fit(network, fit, _lower(encoder, fit, folder), epochs, chooser)
    log_odds = _log_odds(network, _lower(encoder, rest, folder))
    return calibrated(network.tensors(), log_odds, rest)


def _spared(group: str) -> bool:
    number = int.from_bytes(hashlib.sha256(group.encode()).digest()[:8], "big")
    return number % CALIBRATION_SHARE == 0


def _lower(encoder: Encoder, texts: Sequence[LabelledText], folder: Path) -> list[torch.Tensor]:
    """The states after the frozen layers for each text."""
    head = read_head(folder)
    tokenizer = TextTokenizer(head, read_json(head.encoder / "config.json"))
    ids = tokenizer.encode([Text(text=item.text) for item in texts])
    found: dict[int, torch.Tensor] = {}
    for batch in _batches(range(len(ids)), [len(row) for row in ids]):
        found |= zip(batch, encoder.lower([ids[row] for row in batch]), strict=True)
    return [found[row] for row in range(len(ids))]


def _batches(order: Sequence[int], lengths: Sequence[int]) -> Iterator[list[int]]:
    """The rows in that order, roughly; those of a batch are of similar lengths."""
    for start in range(0, len(order), SORTED_ROWS):
        batch: list[int] = []
        for row in sorted(order[start : start + SORTED_ROWS], key=lambda row: (lengths[row], row)):
            if batch and (len(batch) + 1) * lengths[row] > BATCH_TOKENS:
                yield batch
                batch = []
            batch.append(row)
        yield batch


def _fit(
    network: Network,
    texts: Sequence[LabelledText],
    states: Sequence[torch.Tensor],
    epochs: int,
    chooser: torch.Generator,
) -> None:
    truths, weights = _truths(texts)
    truths = truths * (1 - LABEL_NOISE) + LABEL_NOISE / 2
    plan = _plan(texts, [len(row) for row in states], epochs, chooser)
    adapters = [matrix for pair in network.adapters.values() for matrix in pair]
    head = [*network.hidden, *network.output]
    optimizer = torch.optim.AdamW(
        [{"params": adapters}, {"params": head}], weight_decay=WEIGHT_DECAY, foreach=False
    )

    def drop(hidden: torch.Tensor) -> torch.Tensor:
        return (torch.rand(hidden.shape, generator=chooser) > DROPOUT) / (1 - DROPOUT)

    for step, batch in enumerate(plan):
        factor = min(1, (step + 1) / (WARM_UP_SHARE * len(plan))) * (1 - step / len(plan))
        for group, rate in zip(optimizer.param_groups, (ADAPTER_RATE, HEAD_RATE), strict=True):
            group["lr"] = rate * factor
        log_odds = network(*padded([states[row] for row in batch]), drop)
        losses = functional.binary_cross_entropy_with_logits(
            log_odds, truths[batch], weights[batch], reduction="sum"
        )
        optimizer.zero_grad()
        (losses / len(batch)).backward()
        optimizer.step()
        if step % 50 == 0 or step + 1 == len(plan):
            loss = float(losses.detach()) / len(batch)
            print(f"step {step + 1} of {len(plan)}, loss {loss:.3f}", flush=True)


def _plan(
    texts: Sequence[LabelledText], lengths: Sequence[int], epochs: int, chooser: torch.Generator
) -> list[list[int]]:
    """The batches of all epochs."""
    plan: list[list[int]] = []
    for _ in range(epochs):
        taken: Counter[str] = Counter()
        rows: list[int] = []
        for row in _shuffled(len(texts), chooser):
            taken[texts[row].group] += 1
            if taken[texts[row].group] <= MOST_OF_GROUP:
                rows.append(row)
        batches = list(_batches(rows, lengths))
        plan.extend(batches[index] for index in _shuffled(len(batches), chooser))
    return plan


def _truths(texts: Sequence[LabelledText]) -> tuple[torch.Tensor, torch.Tensor]:
    """[texts, categories] each: the truths, and the weights, which are 0 for what is not known.

    A text of a template counts less than one by hand.
    """
    sizes = Counter(item.group for item in texts)
    importance = np.array([min(sizes[item.group], MOST_OF_GROUP) ** -0.5 for item in texts])
    known = [[item.labels[name] is not None for name in CATEGORIES] for item in texts]
    truths = [[bool(item.labels[name]) for name in CATEGORIES] for item in texts]
    weights = np.array(known) * importance[:, None]
    return torch.tensor(truths, dtype=torch.float32), torch.tensor(weights, dtype=torch.float32)


def _shuffled(count: int, chooser: torch.Generator) -> list[int]:
    return [int(row) for row in torch.randperm(count, generator=chooser)]


def _log_odds(network: Network, states: Sequence[torch.Tensor]) -> NDArray[np.float64]:
    found = np.zeros((len(states), len(CATEGORIES)))
    with torch.no_grad():
        for batch in _batches(range(len(states)), [len(row) for row in states]):
            found[batch] = network(*padded([states[row] for row in batch]), None).numpy()
    return found
