"""Examples as token ids, written in the way in which the engine that serves the model writes
prompts.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from openedai.contract.chat import Chat, Message
from openedai.engines.llama_cpp.native.words import Words
from openedai.errors import InvalidRequest
from openedai.training.lines import Completion, Conversation, Example, Preference


@dataclass(frozen=True)
class Tokens:
    """Token ids and, for each, whether the model learns to predict it."""

    ids: list[int]
    learned: list[bool]

    @property
    def learned_count(self) -> int:
        """The number of learned ids; the first one has nothing before it."""
        return sum(self.learned[1:])


@dataclass(frozen=True)
class Pair:
    """A preferred answer and a rejected one, each after the same prompt."""

    preferred: Tokens
    rejected: Tokens

    @property
    def ids(self) -> list[int]:
        return self.preferred.ids + self.rejected.ids


Piece = tuple[str, bool]


class Renderer:
    """Renders the examples of one model. Sequences longer than `limit` tokens are truncated;
    `truncated` is their number.
    """

    def __init__(self, words: Words, limit: int) -> None:
        self._words = words
        self._limit = limit
        self.truncated = 0

    def sequences(self, example: Conversation | Completion) -> list[Tokens]:
        """One sequence, or one for each answer if the template writes earlier turns differently.

        Raises ValueError for an example that the model's template cannot write.
        """
        if isinstance(example, Completion):
            return [self._completion(example)]
        whole = self._pieces(example.chat, example.learned)
        if whole is not None:
            return [self._tokens(whole)]
        sequences = []
        for index in example.learned:
            chat = replace(example.chat, messages=example.chat.messages[: index + 1])
            sequences.append(self._tokens(self._last_answer(chat)))
        return sequences

    def pair(self, example: Preference) -> Pair:
        """Raises ValueError as `sequences`."""
        preferred, rejected = (
            self._answered(example.chat, answer) for answer in (example.preferred, example.rejected)
        )
        return Pair(preferred, rejected)

    def _answered(self, chat: Chat, answer: Message) -> Tokens:
        return self._tokens(self._last_answer(replace(chat, messages=(*chat.messages, answer))))

    def _pieces(self, chat: Chat, learned: Sequence[int]) -> list[Piece] | None:
        """The text of a conversation in pieces, each learned or not; None if the prompt of one of
        the answers is not a beginning of the text.

        A turn after it shows how the template ends an answer.
        """
        mark = secrets.token_hex(16)
        after = Message(role="user", content=mark)
        whole = self._render(replace(chat, messages=(*chat.messages, after)))
        pieces: list[Piece] = []
        position = 0
        for index in learned:
            prompt = self._prompt(chat, index)
            if not whole.startswith(prompt):
                return None
            end = self._end(whole, len(prompt), mark)
            pieces += [(whole[position : len(prompt)], False), (whole[len(prompt) : end], True)]
            position = end
        return pieces

    def _last_answer(self, chat: Chat) -> list[Piece]:
        """A conversation whose last message is learned."""
        index = len(chat.messages) - 1
        if (pieces := self._pieces(chat, (index,))) is not None:
            return pieces
        prompt, end = self._prompt(chat, index), self._words.ends[0]
        whole = self._render(replace(chat, invite_answer=False))
        if whole.startswith(prompt):
            answer = whole[len(prompt) :].partition(end)[0]
        elif chat.messages[-1].tool_calls:
            raise ValueError("the model's chat template does not write tool calls after its prompt")
        else:
            answer = chat.messages[-1].content
        return [(prompt, False), (answer + end, True)]

    def _prompt(self, chat: Chat, index: int) -> str:
        """The prompt from which the model writes the message with this index."""
        return self._render(replace(chat, messages=chat.messages[:index]))

    def _render(self, chat: Chat) -> str:
        try:
            return self._words.template.render(chat).prompt
        except InvalidRequest as error:
            raise ValueError(error.message.rstrip(".")) from error

    def _end(self, text: str, start: int, mark: str) -> int:
        """Where the answer at `start` ends, with the text that ends it."""
        before = text.find(mark, start)
        found = ((text.find(end, start, before), len(end)) for end in self._words.ends)
        ends = [(at, -length) for at, length in found if at >= 0]
        if not ends:
            raise ValueError("the model's chat template does not mark the end of an answer")
        at, length = min(ends)
        return at - length

    def _completion(self, example: Completion) -> Tokens:
        vocabulary = self._words.vocabulary
        end = [] if vocabulary.eos is None else [vocabulary.eos]
        prompt = vocabulary.tokenize(example.prompt)
        answer = vocabulary.tokenize(example.completion, start=False) + end
        return self._limited(prompt + answer, [False] * len(prompt) + [True] * len(answer))

    def _tokens(self, pieces: Sequence[Piece]) -> Tokens:
        """The tokens of each piece by itself, because a prompt ends where an answer begins."""
        ids: list[int] = []
        learned: list[bool] = []
        for number, (text, counts) in enumerate(pieces):
            found = self._words.vocabulary.tokenize(text, start=number == 0)
            ids += found
            learned += [counts] * len(found)
        return self._limited(ids, learned)

    def _limited(self, ids: list[int], learned: list[bool]) -> Tokens:
        self.truncated += len(ids) > self._limit
        tokens = Tokens(ids[: self._limit], learned[: self._limit])
        if not tokens.learned_count:
            raise ValueError(f"its first {self._limit} tokens have nothing to learn")
        return tokens


def render_all(renderer: Renderer, examples: Iterator[Example]) -> list[Tokens] | list[Pair]:
    """The sequences or the pairs of a file. Raises ValueError that names the example."""
    sequences: list[Tokens] = []
    pairs: list[Pair] = []
    for number, example in enumerate(examples, 1):
        try:
            if isinstance(example, Preference):
                pairs.append(renderer.pair(example))
            else:
                sequences += renderer.sequences(example)
        except ValueError as error:
            raise ValueError(f"example {number} cannot be used: {error}") from error
    return pairs or sequences
