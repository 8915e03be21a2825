"""The log probabilities of labels after a prompt: of each label as a whole, with all its tokens."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence

Tokens = tuple[int, ...]


class LabelTree:
    """The labels as a tree of their tokens: common beginnings are computed once.

    The labels are different, and none is empty.
    """

    def __init__(self, labels: Sequence[Sequence[int]]) -> None:
        self._labels = [tuple(label) for label in labels]
        self._all = set(self._labels)
        # For each beginning of a label, the tokens that continue it.
        self._next: dict[Tokens, set[int]] = {}
        for label in self._labels:
            for end in range(len(label)):
                self._next.setdefault(label[:end], set()).add(label[end])
        self._logprobs: dict[Tokens, float] = {(): 0.0}
        self._paths = [*reversed(longest(sorted(self._next)))]

    @property
    def depth(self) -> int:
        """The most tokens of a label."""
        return max(map(len, self._labels))

    def paths(self) -> Collection[Tokens]:
        """The token sequences after the prompt that may precede the tokens whose log probabilities
        are read.
        """
        return self._next

    def next_path(self) -> Tokens | None:
        """The next tokens to compute after the prompt, with the logits of each; None at the end."""
        while self._paths:
            path = self._paths.pop()
            if not self._known(path):
                return path
        return None

    def read(self, path: Tokens, logprob: Callable[[int], float]) -> None:
        """`logprob` has the log probability of each token after the prompt and `path`."""
        for token in self._next.get(path, ()):
            self._logprobs[*path, token] = logprob(token)

    def logprobs(self) -> tuple[float, ...]:
        """For each label, the log probability that the answer begins with it and not with a longer
        one.
        """
        return tuple(self._of(label) for label in self._labels)

    def _known(self, path: Tokens) -> bool:
        return all((*path, token) in self._logprobs for token in self._next[path])

    def _of(self, label: Tokens) -> float:
        longer = math.fsum(map(math.exp, self._longer(label)))
        return self._between(0, label) + (math.log1p(-longer) if longer < 1 else -math.inf)

    def _longer(self, label: Tokens) -> list[float]:
        """The rest, after this label, of the labels that begin with it; without those that begin
        with another of these.
        """
        return [
            self._between(len(label), one)
            for one in self._labels
            if len(one) > len(label)
            and one[: len(label)] == label
            and not any(one[:end] in self._all for end in range(len(label) + 1, len(one)))
        ]

    def _between(self, start: int, label: Tokens) -> float:
        """The log probability of the tokens of a label from `start` onwards, given the ones
        before.
        """
        return math.fsum(self._logprobs[label[: end + 1]] for end in range(start, len(label)))


def longest(paths: Sequence[Tokens]) -> list[Tokens]:
    """The sorted paths that are not the beginning of another one."""
    return [
        path
        for path, after in zip(paths, [*paths[1:], ()], strict=True)
        if after[: len(path)] != path or not after
    ]
