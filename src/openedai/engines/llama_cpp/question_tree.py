"""The questions about one input as a tree: common beginnings are computed once.

Its root is the end of the beginning that all prompts share; its leaves are the ends of the labels.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from openedai.engines.llama_cpp.labels import LabelTree, Tokens, longest
from openedai.engines.llama_cpp.native.branches import (
    BEGINNING,
    MAX_OUTPUTS,
    MAX_SEQUENCES,
    Branches,
    BranchToken,
)
from openedai.engines.llama_cpp.native.logprobs import Distribution
from openedai.engines.llama_cpp.native.model import Model
from openedai.errors import EngineFailed


@dataclass(frozen=True)
class EncodedQuestion:
    """A question as tokens: its prompt, and the labels after it."""

    prompt: list[int]
    labels: LabelTree


@dataclass(frozen=True)
class Node(BranchToken):
    """`readers` are the questions that read its logits, each with the part of its labels before
    them.
    """

    readers: Sequence[tuple[LabelTree, Tokens]] = field(default=())


class QuestionTree:
    """Computes the labels of questions after the prompt that they share, and reads them.

    `usable` becomes false if the model cannot share computed tokens like this. Apart from its
    construction, only the loop's thread may use it.
    """

    def __init__(self, model: Model, questions: Sequence[EncodedQuestion]) -> None:
        """There is at least one question, and no prompt is empty."""
        self._model = model
        prompts = sorted(question.prompt for question in questions)
        self.shared = prompts[0][: min(common(prompts[0], prompts[-1]), _shortest(prompts) - 1)]
        start = len(self.shared)
        rests = [tuple(prompt[start:]) for prompt in prompts]
        self.tokens = sum(len(rest) - same for rest, same in _with_common(rests))
        self.usable = True
        self._readers: dict[Tokens, list[tuple[LabelTree, Tokens]]] = {}
        for question in questions:
            rest = tuple(question.prompt[start:])
            for path in question.labels.paths():
                self._readers.setdefault(rest + path, []).append((question.labels, path))
        self._ends = set(map(len, self._readers))
        self._leaves = deque(longest(sorted(self._readers)))
        self._longest = max(self._ends)
        self._waiting: deque[Node] = deque()
        self._branches: Branches | None = None
        self._kept = BEGINNING
        self._kept_path: Tokens = ()
        self._used: list[int] = []

    def open(self, state: memoryview, adapter: tuple[int, float] | None) -> None:
        """Begin after the shared prompt, of which this is the computed state."""
        capacity = len(self.shared) + 2 * self._longest + self._model.batch
        try:
            self._branches = Branches(self._model, state, capacity, adapter)
        except (ValueError, EngineFailed):
            self.usable = False

    def compute(self, limit: int, threads: int) -> bool:
        """Compute about this many tokens. Returns False if nothing is left. Raises EngineFailed."""
        if self._branches is None:
            return False
        self._branches.set_threads(threads)
        if not self._waiting:
            self._waiting.extend(self._grow(self._branches))
        part = [*_take(self._waiting, limit)]
        self._branches.compute(part)
        for row, node in enumerate(part):
            if node.output:
                address = self._branches.logits(row)
                distribution = Distribution(self._model.vocabulary, address, 0)
                for labels, path in node.readers:
                    labels.read(path, distribution.logprob)
        return bool(self._waiting or self._leaves)

    def close(self) -> None:
        if self._branches is not None:
            self._branches.close()
        self._branches = None

    def _grow(self, branches: Branches) -> list[Node]:
        """The next leaves, with all tokens on the way to them that are not computed yet.

        Each leaf is the end of a sequence. The last one before has those that are computed.
        """
        for sequence in self._used:
            if sequence != self._kept:
                branches.remove(sequence)
        start, kept = len(self.shared), self._kept
        free = deque(number for number in range(1, MAX_SEQUENCES) if number != kept)
        nodes: list[Node] = []
        path: list[Node | None] = [None] * len(self._kept_path)  # None: it is computed
        before, self._used = self._kept_path, []
        while free and self._leaves and len(nodes) < self._model.batch:
            leaf, sequence = self._leaves.popleft(), free.popleft()
            del path[common(before, leaf) :]
            for node in filter(None, path):
                node.sequences.append(sequence)
            branches.copy(kept, sequence, start + path.count(None))
            for depth in range(len(path), len(leaf)):
                node = self._node(leaf[: depth + 1], start + depth, sequence)
                path.append(node)
                nodes.append(node)
            before, self._kept = leaf, sequence
            self._used.append(sequence)
        if kept != BEGINNING:
            branches.remove(kept)
        self._kept_path = before
        return nodes

    def _node(self, path: Tokens, position: int, sequence: int) -> Node:
        readers = self._readers.get(path, ()) if len(path) in self._ends else ()
        return Node(path[-1], position, [sequence], bool(readers), readers)


def common(first: Sequence[int], second: Sequence[int]) -> int:
    """How many tokens both begin with."""
    pairs = enumerate(zip(first, second, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(first), len(second)))


def _with_common(paths: Sequence[Tokens]) -> Iterable[tuple[Tokens, int]]:
    """Sorted paths, each with the number of tokens that it shares with the previous one."""
    return zip(paths, map(common, ((), *paths), paths), strict=False)


def _shortest(prompts: Iterable[Sequence[int]]) -> int:
    return min(map(len, prompts))


def _take(waiting: deque[Node], limit: int) -> Iterable[Node]:
    """The next nodes: at most this many, with at most as many outputs as a batch can have."""
    outputs = MAX_OUTPUTS
    while waiting and limit and (outputs or not waiting[0].output):
        node = waiting.popleft()
        limit -= 1
        outputs -= node.output
        yield node
