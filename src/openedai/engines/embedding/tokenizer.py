"""Texts and raw token ids to the ids that a model runs on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from openedai.contract.generate import Text, Tokens
from openedai.engines.embedding.batching import encodable, invalid_token, wrap_tokens
from openedai.engines.embedding.pooling import Head, read_json
from openedai.errors import EngineFailed

# Models whose positions begin after the id of the padding.
POSITIONS_AFTER_PADDING = frozenset({"roberta", "xlm-roberta", "camembert", "mpnet"})
UNBOUNDED = 1 << 20
# Characters of a long text that are tokenised first, for each token of the limit.
CHARACTERS_PER_TOKEN = 32


class FolderTokenizer:
    """The tokenizer in a model's folder. `limit` is the most tokens that the model reads, and
    `from_left` whether longer texts lose their beginning.
    """

    def __init__(self, folder: Path, config: Mapping[str, Any]) -> None:
        """`config` is the model's config.json. Raises EngineFailed."""
        from tokenizers import Tokenizer, normalizers

        settings = read_json(folder / "sentence_bert_config.json")
        named = read_json(folder / "tokenizer_config.json")
        try:
            self.library = Tokenizer.from_file(str(folder / "tokenizer.json"))
        except Exception as error:  # the library raises no narrower class
            raise EngineFailed(f"tokenizer.json of the model cannot be read: {error}.") from error
        if settings.get("do_lower_case"):
            rest = self.library.normalizer
            steps = [normalizers.Lowercase(), *([] if rest is None else [rest])]
            self.library.normalizer = normalizers.Sequence(steps)
        self.library.no_padding()
        self.library.no_truncation()
        self.limit = _limit(settings, named, config)
        self.from_left = named.get("truncation_side") == "left"

    def bodies(self, texts: Sequence[str]) -> list[list[int]]:
        """Each text's tokens without special ones: all, or enough to determine those within the
        limit.

        All tokens of a text of several megabytes would take a thousand times the memory of its
        vector.
        """
        sizes = [
            len(text) if self.from_left else CHARACTERS_PER_TOKEN * self.limit for text in texts
        ]
        starts = [text[:size] for text, size in zip(texts, sizes, strict=True)]
        encodings = self.library.encode_batch_fast(starts, add_special_tokens=False)
        return list(map(self._body, texts, sizes, encodings))

    def _body(self, text: str, size: int, encoding: Any) -> list[int]:
        while size < len(text) and not self._decides(encoding):
            size *= 8
            encoding = self.library.encode(text[:size], add_special_tokens=False)
        return list(encoding.ids)

    def _decides(self, encoding: Any) -> bool:
        """Whether the kept tokens end before the last word, which may continue after the cut."""
        words = encoding.word_ids
        return len(words) > self.limit and words[self.limit] != words[-1]


class TextTokenizer:
    """Turns texts and raw token ids into the ids that the model runs on, cut like the reference."""

    def __init__(self, head: Head, config: Mapping[str, Any]) -> None:
        self._folder = FolderTokenizer(head.encoder, config)
        self._prompts = head.prompts
        self._tokenizer = self._folder.library
        self._probe = self._tokenizer.encode("a")
        self.vocabulary = config.get("vocab_size") or self._tokenizer.get_vocab_size()

    def encode(
        self, inputs: Sequence[Text | Tokens], input_type: str | None = None
    ) -> list[list[int]]:
        """The ids of each input, special tokens included. Raises InvalidRequest."""
        prompt = self._prompts.of(input_type)
        texts = [prompt + encodable(item.text) for item in inputs if isinstance(item, Text)]
        encoded = iter(self._folder.bodies(texts))
        return [
            self._wrap(next(encoded) if isinstance(item, Text) else self._checked(item.ids))
            for item in inputs
        ]

    def ids(self, text: str, special: bool) -> list[int]:
        """The ids of the text alone: without the default prompt, and not truncated."""
        return list(self._tokenizer.encode(encodable(text), add_special_tokens=special).ids)

    def text(self, ids: Sequence[int]) -> str:
        """The text of the ids. Raises InvalidRequest for an id that does not exist."""
        for token in ids:
            if not 0 <= token < self.vocabulary:
                raise invalid_token(token, self.vocabulary, param="tokens")
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=False))

    def _checked(self, ids: Sequence[int]) -> Sequence[int]:
        for token in ids:
            if not 0 <= token < self.vocabulary:
                raise invalid_token(token, self.vocabulary)
        return ids

    def _wrap(self, ids: Sequence[int]) -> list[int]:
        probe, special = self._probe.ids, self._probe.special_tokens_mask
        return wrap_tokens(
            ids, probe, special, self._folder.limit, from_left=self._folder.from_left
        )


def _limit(settings: Mapping[str, Any], named: Mapping[str, Any], config: Mapping[str, Any]) -> int:
    """The most tokens of one input, special ones included."""
    stated = settings.get("max_seq_length") or named.get("model_max_length") or UNBOUNDED
    positions = config.get("max_position_embeddings") or UNBOUNDED
    if config.get("model_type") in POSITIONS_AFTER_PADDING:
        positions -= config.get("pad_token_id", 1) + 1
    return int(min(stated, positions if positions > 0 else UNBOUNDED, UNBOUNDED))
