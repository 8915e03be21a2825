"""Embeddings by ONNX Runtime and `tokenizers`, of a sentence-transformers folder. No torch.

Its options:

    device        cpu or cuda (cpu)
    threads       most threads of the computation (the cores that may be used)
    batch_tokens  tokens that run together, padding included (by threads or device)
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import msgspec

from openedai.contract.chat import Chat
from openedai.contract.engine import Tokenizer
from openedai.contract.generate import Text, Tokens
from openedai.engines.embedding.batching import (
    BatchedEmbedder,
    Row,
    batch_tokens,
    encodable,
    invalid_token,
    wrap_tokens,
)
from openedai.engines.embedding.pooling import Head, read_head, read_json
from openedai.engines.embedding.threads import RowThreads
from openedai.engines.free_cores import FreeCores
from openedai.engines.machine import usable_cores
from openedai.engines.options import parse_options
from openedai.errors import APIError, EngineFailed, Unavailable, Unsupported

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

GRAPHS = ("model.onnx", "onnx/model.onnx")
INPUTS = frozenset({"input_ids", "attention_mask", "token_type_ids"})
OUTPUTS = ("last_hidden_state", "token_embeddings")
# Models whose first position comes after the id of the padding.
POSITIONS_AFTER_PADDING = frozenset({"roberta", "xlm-roberta", "camembert", "mpnet"})
UNBOUNDED = 1 << 20
# Longer than most waits within a run.
SPIN_MICROSECONDS = 100
# Bytes of a graph whose weights are inside, not in a file that several sessions can map.
LARGE_GRAPH = 16 << 20
# Characters of a long text that are tokenised first, for each token of the limit.
CHARACTERS_PER_TOKEN = 32


class OnnxOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The options of one model; the module's docstring explains them."""

    device: Literal["cpu", "cuda"] = "cpu"
    threads: Annotated[int, msgspec.Meta(ge=1)] | None = None
    batch_tokens: Annotated[int, msgspec.Meta(ge=1)] | None = None


class OnnxEmbeddings(BatchedEmbedder, Tokenizer):
    """An ONNX graph and its tokenizer. Made by `load`."""

    def __init__(self, model: str, encoder: Encoder, batch_tokens: int) -> None:
        super().__init__(model, encoder.dimensions, batch_tokens)
        self._encoder = encoder
        # Tokenising one long text takes hundreds of megabytes.
        self._one_at_a_time = asyncio.Lock()

    @classmethod
    async def load(cls, model: str, path: Path | None, options: Mapping[str, Any]) -> Self:
        if path is None:
            raise EngineFailed(f"The model `{model}` has no weights: its source is empty.")
        known = parse_options(OnnxOptions, model, options)
        threads = known.threads or usable_cores()
        try:
            encoder = await asyncio.to_thread(Encoder, path, known.device, threads)
        except APIError as error:
            error.template = f"The model `{model}` cannot be loaded. {error.template}"
            raise
        return cls(model, encoder, known.batch_tokens or batch_tokens(known.device, threads))

    def prepare(self, inputs: Sequence[Text | Tokens]) -> list[Row]:
        return [Row(ids, len(ids)) for ids in self._encoder.tokenizer.encode(inputs)]

    async def tokenize(self, text: str, *, special: bool = False) -> tuple[int, ...]:
        async with self._one_at_a_time:
            return tuple(await asyncio.to_thread(self._encoder.tokenizer.ids, text, special))

    async def detokenize(self, ids: Sequence[int]) -> str:
        return await asyncio.to_thread(self._encoder.tokenizer.text, ids)

    async def count(self, chat: Chat) -> int:
        raise Unsupported(
            f"The model `{self.model}` does not support conversations.",
            code="unsupported_model",
            param="model",
        )

    def compute(self, rows: Sequence[Row]) -> NDArray[np.float32]:
        return self._encoder.run([row.content for row in rows if not isinstance(row.content, str)])

    async def close(self) -> None:
        await super().close()
        self._encoder.close()


class Encoder:
    """The model itself: token ids to vectors. Blocking; `run` must be called from one thread.

    Threads that share a run wait for each other at every step, which is slow where other programs
    are busy. So the rows of a batch are divided among as many threads as there are free cores, each
    with a run of its own. Only where that leaves cores without work, all threads share one run.
    """

    def __init__(
        self, folder: Path, device: str, threads: int, free: FreeCores | None = None
    ) -> None:
        """`threads` is the most that are used. How many cores are `free` is measured by default."""
        most = threads if device == "cpu" else 1
        self.threads = RowThreads(most, free or FreeCores(most))
        self.head = read_head(folder)
        config = read_json(self.head.encoder / "config.json")
        self.tokenizer = TextTokenizer(self.head, config)
        self.padding = config.get("pad_token_id") or 0
        graph = _graph(folder, self.head.encoder)
        self.session = _session(graph, device, threads)
        self.for_rows: Any = None
        if self.threads.most > 1 and graph.stat().st_size < LARGE_GRAPH:
            self.for_rows = _session(graph, device, 1, packed=False)
        self.inputs = {entry.name for entry in self.session.get_inputs()}
        if not {"input_ids", "attention_mask"} <= self.inputs <= INPUTS:
            raise Unavailable(f"Its ONNX graph takes {', '.join(sorted(self.inputs))}.")
        outputs = [entry.name for entry in self.session.get_outputs()]
        self.output = next((name for name in OUTPUTS if name in outputs), outputs[0])
        # A first run also checks that the files fit together.
        self.dimensions = self.run(self.tokenizer.encode([Text(text="a")])).shape[1]

    def run(self, rows: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """The vectors of the rows: [len(rows), dimensions]."""
        if self.for_rows is not None and (parts := self.threads.divide([len(row) for row in rows])):
            return self.threads.run(
                parts, lambda part: self._run([rows[index] for index in part], self.for_rows)
            )
        return self._run(rows, self.session)

    def close(self) -> None:
        """End the threads. `run` must not be called again."""
        self.threads.close()

    def _run(self, rows: Sequence[Sequence[int]], session: Any) -> NDArray[np.float32]:
        import numpy as np

        lengths = np.array([len(row) for row in rows])
        ids = np.full((len(rows), max(1, lengths.max())), self.padding, np.int64)
        for target, row in zip(ids, rows, strict=True):
            target[: len(row)] = row
        feeds = {
            "input_ids": ids,
            "attention_mask": (np.arange(ids.shape[1]) < lengths[:, None]).astype(np.int64),
            "token_type_ids": np.zeros_like(ids),
        }
        feeds = {name: feeds[name] for name in self.inputs}
        try:
            (states,) = session.run([self.output], feeds)
        except Exception as error:  # ONNX Runtime's own errors share no other base class
            raise EngineFailed(f"ONNX Runtime failed: {error}") from error
        if states.ndim != 3:
            raise Unavailable(f"The output `{self.output}` of its ONNX graph is not by token.")
        return self.head(states.astype(np.float32, copy=False), lengths)


class TextTokenizer:
    """Turns texts and raw token ids into the ids that the model runs on, cut like the reference."""

    def __init__(self, head: Head, config: Mapping[str, Any]) -> None:
        from tokenizers import Tokenizer, normalizers

        settings = read_json(head.encoder / "sentence_bert_config.json")
        named = read_json(head.encoder / "tokenizer_config.json")
        file = head.encoder / "tokenizer.json"
        try:
            self._tokenizer = Tokenizer.from_file(str(file))
        except Exception as error:  # the library raises no narrower class
            raise EngineFailed(f"tokenizer.json of the model cannot be read: {error}.") from error
        if settings.get("do_lower_case"):
            rest = self._tokenizer.normalizer
            steps = [normalizers.Lowercase(), *([] if rest is None else [rest])]
            self._tokenizer.normalizer = normalizers.Sequence(steps)
        self._prompt = head.prompt
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._probe = self._tokenizer.encode("a")
        self.limit = _limit(settings, named, config)
        self._from_left = named.get("truncation_side") == "left"
        self.vocabulary = config.get("vocab_size") or self._tokenizer.get_vocab_size()

    def encode(self, inputs: Sequence[Text | Tokens]) -> list[list[int]]:
        """The ids of each input, special tokens included."""
        texts = [self._prompt + encodable(item.text) for item in inputs if isinstance(item, Text)]
        encoded = iter(self._bodies(texts))
        return [
            self._wrap(next(encoded) if isinstance(item, Text) else self._checked(item.ids))
            for item in inputs
        ]

    def ids(self, text: str, special: bool) -> list[int]:
        """The ids of the text alone: without the default prompt, and not cut."""
        return list(self._tokenizer.encode(encodable(text), add_special_tokens=special).ids)

    def text(self, ids: Sequence[int]) -> str:
        """The text of the ids. Raises InvalidRequest for an id that does not exist."""
        for token in ids:
            if not 0 <= token < self.vocabulary:
                raise invalid_token(token, self.vocabulary, param="tokens")
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=False))

    def _bodies(self, texts: Sequence[str]) -> list[list[int]]:
        """Each text's tokens without special ones: all, or enough to know those within the limit.

        All tokens of a text of megabytes would take a thousand times the memory of its vector.
        """
        sizes = [
            len(text) if self._from_left else CHARACTERS_PER_TOKEN * self.limit for text in texts
        ]
        starts = [text[:size] for text, size in zip(texts, sizes, strict=True)]
        encodings = self._tokenizer.encode_batch_fast(starts, add_special_tokens=False)
        return list(map(self._body, texts, sizes, encodings))

    def _body(self, text: str, size: int, encoding: Any) -> list[int]:
        while size < len(text) and not self._decides(encoding):
            size *= 8
            encoding = self._tokenizer.encode(text[:size], add_special_tokens=False)
        return list(encoding.ids)

    def _decides(self, encoding: Any) -> bool:
        """Whether the kept tokens end before the last word, which may go on after the cut."""
        words = encoding.word_ids
        return len(words) > self.limit and words[self.limit] != words[-1]

    def _checked(self, ids: Sequence[int]) -> Sequence[int]:
        for token in ids:
            if not 0 <= token < self.vocabulary:
                raise invalid_token(token, self.vocabulary)
        return ids

    def _wrap(self, ids: Sequence[int]) -> list[int]:
        probe, special = self._probe.ids, self._probe.special_tokens_mask
        return wrap_tokens(ids, probe, special, self.limit, from_left=self._from_left)


def _limit(settings: Mapping[str, Any], named: Mapping[str, Any], config: Mapping[str, Any]) -> int:
    """The most tokens of one input, special ones included."""
    stated = settings.get("max_seq_length") or named.get("model_max_length") or UNBOUNDED
    positions = config.get("max_position_embeddings") or UNBOUNDED
    if config.get("model_type") in POSITIONS_AFTER_PADDING:
        positions -= config.get("pad_token_id", 1) + 1
    return int(min(stated, positions if positions > 0 else UNBOUNDED, UNBOUNDED))


def _graph(folder: Path, encoder: Path) -> Path:
    for parent in (encoder, folder):
        for name in GRAPHS:
            if (parent / name).is_file():
                return parent / name
    raise EngineFailed(f"There is no {' or '.join(GRAPHS)} among its files.")


def _session(graph: Path, device: str, threads: int, *, packed: bool = True) -> Any:
    """Without `packed`, the weights stay in the file, which is mapped: a second session is small.

    It rearranges them in every run, which costs little in one of many tokens.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Threads that spin while they wait are faster within a run, if no one else needs their cores.
    options.add_session_config_entry("session.intra_op.spin_duration_us", str(SPIN_MICROSECONDS))
    options.add_session_config_entry("session.force_spinning_stop", "1")
    options.add_session_config_entry("session.disable_prepacking", "0" if packed else "1")
    options.log_severity_level = 3
    providers = ["CPUExecutionProvider"]
    if device == "cuda":
        providers.insert(0, "CUDAExecutionProvider")
        if providers[0] not in onnxruntime.get_available_providers():
            raise Unavailable("The ONNX Runtime here has no CUDA: pip install onnxruntime-gpu.")
    try:
        session = onnxruntime.InferenceSession(str(graph), options, providers=providers)
    except Exception as error:  # ONNX Runtime's own errors share no other base class
        raise EngineFailed(f"ONNX Runtime cannot load its graph: {error}") from error
    # Without its libraries the provider is left out, with a log line only.
    if providers[0] not in session.get_providers():
        raise Unavailable("ONNX Runtime cannot use CUDA: its CUDA libraries are missing.")
    return session
