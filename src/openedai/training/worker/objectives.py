"""The objectives: the loss of one batch, and its gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import torch
import torch.nn.functional as F

from openedai.training.worker.network import Network
from openedai.training.worker.rendering import Pair, Tokens

# The most tokens that are computed at once, unless one example has more.
MICRO_BATCH = 1024

Metrics = dict[str, float]
T = TypeVar("T", Tokens, Pair)


def micro_batches(batch: Sequence[T], limit: int = MICRO_BATCH) -> Iterator[list[T]]:
    """The examples of a batch, the shortest first, in parts of at most this many tokens."""
    part: list[T] = []
    tokens = 0
    for example in sorted(batch, key=lambda one: len(one.ids)):
        if part and tokens + len(example.ids) > limit:
            yield part
            part, tokens = [], 0
        part.append(example)
        tokens += len(example.ids)
    if part:
        yield part


def supervised(
    network: Network, batch: Sequence[Tokens], *, learn: bool, check: Callable[[], None]
) -> Metrics:
    """The mean negative log probability of the learned tokens. With `learn` its gradients are
    added to those of the adapter. `check` is called before each part of the batch; it may raise.
    """
    total = sum(one.learned_count for one in batch)
    loss, hits = 0.0, 0
    for part in micro_batches(batch):
        check()
        with torch.set_grad_enabled(learn):
            losses, right = network.losses([one.ids for one in part], [one.learned for one in part])
            share = losses.sum() / total
        if learn:
            share.backward()
        loss += float(share)
        hits += int(right.sum())
    return {"loss": loss, "mean_token_accuracy": hits / total}


def preferences(
    network: Network,
    batch: Sequence[Pair],
    *,
    beta: float,
    learn: bool,
    check: Callable[[], None],
) -> Metrics:
    """DPO: how much more strongly the preferred answers are favoured over the rejected ones than by
    the model without the adapter.
    """
    loss, margin, right = 0.0, 0.0, 0
    for part in micro_batches(batch):
        check()
        with torch.no_grad():
            reference = _log_probabilities(network, part, reference=True)
        with torch.set_grad_enabled(learn):
            gained = beta * (_log_probabilities(network, part) - reference)
            difference = gained[:, 0] - gained[:, 1]
            share = -F.logsigmoid(difference).sum() / len(batch)
        if learn:
            share.backward()
        loss += float(share)
        margin += float(difference.sum()) / len(batch)
        right += int((difference > 0).sum())
    return {"loss": loss, "reward_accuracy": right / len(batch), "reward_margin": margin}


def _log_probabilities(
    network: Network, pairs: Sequence[Pair], *, reference: bool = False
) -> torch.Tensor:
    """The log probabilities of the two answers of each pair, of shape (pairs, 2)."""
    answers = [one for pair in pairs for one in (pair.preferred, pair.rejected)]
    losses, _ = network.losses(
        [one.ids for one in answers], [one.learned for one in answers], reference=reference
    )
    sums = [-part.sum() for part in losses.split([one.learned_count for one in answers])]
    return torch.stack(sums).view(-1, 2)
