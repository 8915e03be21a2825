"""Turns one window of audio into segments of text.

As in the reference implementation, a window is decoded again at a higher temperature if its text
repeats itself or is unlikely, and the text so far is the prompt of the next window.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from openedai.contract.generate import TokenLogprob
from openedai.contract.transcribe import Word
from openedai.engines.whisper.recording import Window
from openedai.engines.whisper.tokens import ByteTable, TimedTokens, goes_on, split_by_time
from openedai.engines.whisper.voice_activity import RATE

if TYPE_CHECKING:
    from faster_whisper import WhisperModel
    from faster_whisper.tokenizer import Tokenizer

TEMPERATURES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
MOST_PROMPT_TOKENS = 223
FRAME = 160  # samples
_MOST_REPETITIVE = 2.4
_LEAST_LIKELY = -1.0
_SILENT = 0.6
_FORGETS_ABOVE = 0.5  # at a higher temperature the text is no prompt for the next window
_SAMPLES = 5  # texts at a temperature above 0, of which the likeliest is taken
_BEFORE_WORD = "\"'“¿([{-"
_AFTER_WORD = "\"'.。,，!！?？:：”)]}、"


@dataclass(frozen=True)
class Attempt:
    """A window's tokens at one temperature. `logprobs` has one for each, if requested.

    `average` is their average log probability, `silence` the probability that there is no speech.
    """

    tokens: Sequence[int]
    text: str
    logprobs: Sequence[float]
    temperature: float
    average: float
    silence: float

    @property
    def repetition(self) -> float:
        """How well the text can be compressed."""
        data = self.text.strip().encode()
        return len(data) / len(zlib.compress(data))

    @property
    def is_silence(self) -> bool:
        return self.silence > _SILENT and self.average <= _LEAST_LIKELY

    @property
    def is_good(self) -> bool:
        likely = self.average >= _LEAST_LIKELY or self.is_silence
        return likely and self.repetition <= _MOST_REPETITIVE


@dataclass(frozen=True)
class Segment:
    """A part of a window and its text; times are in seconds from the start of the audio."""

    start: float
    end: float
    text: str
    tokens: tuple[int, ...]
    logprobs: tuple[TokenLogprob, ...]
    words: tuple[Word, ...]
    window: Window
    attempt: Attempt


@dataclass
class Context:
    """What a request wants from each window, and the tokens of the text so far."""

    tokenizer: Tokenizer
    beam: int
    temperatures: Sequence[float] = TEMPERATURES
    words: bool = False
    logprobs: bool = False
    keywords: Sequence[int] = ()
    previous: list[int] = field(default_factory=list)
    last_end: float = 0.0

    @property
    def prompt(self) -> list[int]:
        """The tokens before those of a window."""
        room = MOST_PROMPT_TOKENS - len(self.keywords)
        before = [*self.keywords, *self.previous[-room:]]
        start: list[int] = self.tokenizer.sot_sequence
        return [self.tokenizer.sot_prev, *before, *start] if before else start


class Decoder:
    """Decodes the windows of one request, in their order. Blocking.

    `stopped` tells whether nobody wants the text any more.
    """

    def __init__(
        self, whisper: WhisperModel, context: Context, stopped: Callable[[], bool]
    ) -> None:
        self._whisper = whisper
        self._context = context
        self._stopped = stopped
        self._bytes = ByteTable()

    def decode(self, window: Window, encoded: Any) -> tuple[list[Segment], int]:
        """The segments of a window, and the sample of the audio at which to continue."""
        best = self._best(encoded)
        if best is None or best.is_silence:
            return [], window.end
        tokenizer = self._context.tokenizer
        timed = split_by_time(best.tokens, tokenizer.timestamp_begin, tokenizer.eot)
        position = window.end
        ended = [one for one in timed if one.end is not None]
        if window.cut and ended and goes_on(best.tokens, tokenizer.timestamp_begin):
            timed = ended  # the rest is in the next window
            position = window.start + round((timed[-1].end or 0) * RATE)
        words = self._words(timed, encoded, window)
        pairs = (pair for pair in zip(timed, words, strict=True) if pair[0].start != pair[0].end)
        segments = [self._segment(one, spoken, window, best) for one, spoken in pairs]
        segments = [one for one in segments if one.text.strip()]
        self._remember(segments, best.temperature)
        return segments, position if position > window.start else window.end

    def _best(self, encoded: Any) -> Attempt | None:
        """The first good attempt, or else the likeliest; None if it was stopped."""
        attempts: list[Attempt] = []
        for temperature in self._context.temperatures:
            if self._stopped():
                return None
            attempts.append(self._attempt(encoded, temperature))
            if attempts[-1].is_good:
                return attempts[-1]
        fluent = [one for one in attempts if one.repetition <= _MOST_REPETITIVE]
        return max(fluent or attempts, key=lambda one: one.average)

    def _attempt(self, encoded: Any, temperature: float) -> Attempt:
        wants_logprobs = self._context.logprobs  # the library gives them for a single text only
        if temperature:
            samples = 1 if wants_logprobs else _SAMPLES
            search = {"beam_size": 1, "num_hypotheses": samples, "sampling_topk": 0}
        else:
            search = {"beam_size": 1 if wants_logprobs else self._context.beam}
        (result,) = self._whisper.model.generate(
            encoded,
            [self._context.prompt],
            **search,
            sampling_temperature=temperature or 1.0,
            return_scores=True,
            return_no_speech_prob=True,
            return_logits_vocab=wants_logprobs,
        )
        tokens: list[int] = result.sequences_ids[0]
        return Attempt(
            tokens=tokens,
            text=self._context.tokenizer.decode(tokens),
            logprobs=_logprobs(result.logits[0], tokens) if wants_logprobs else (),
            temperature=temperature,
            average=result.scores[0] * len(tokens) / (len(tokens) + 1),
            silence=result.no_speech_prob,
        )

    def _words(
        self, timed: list[TimedTokens], encoded: Any, window: Window
    ) -> list[tuple[Word, ...]]:
        """The words of each segment; they also correct the segment's times."""
        if not self._context.words or not timed:
            return [()] * len(timed)
        length = len(window.samples) / RATE
        entries: list[dict[str, Any]] = [
            {"seek": 0, "start": one.start, "end": one.end or length, "tokens": one.tokens}
            for one in timed
        ]
        frames = len(window.samples) // FRAME
        self._whisper.add_word_timestamps(
            [entries],
            self._context.tokenizer,
            encoded,
            frames,
            _BEFORE_WORD,
            _AFTER_WORD,
            self._context.last_end - window.start / RATE,
        )
        for one, entry in zip(timed, entries, strict=True):
            one.start, one.end = float(entry["start"]), float(entry["end"])
        return [tuple(_word(word, window) for word in entry["words"]) for entry in entries]

    def _segment(
        self, timed: TimedTokens, words: tuple[Word, ...], window: Window, attempt: Attempt
    ) -> Segment:
        length, offset = len(window.samples) / RATE, window.start / RATE
        text_tokens = [attempt.tokens[position] for position in timed.positions]
        logprobs = [attempt.logprobs[position] for position in timed.positions if attempt.logprobs]
        start = max(round(offset + min(timed.start, length), 2), self._context.last_end)
        end = max(round(offset + min(timed.end or length, length), 2), start)
        self._context.last_end = end
        return Segment(
            start=start,
            end=end,
            text=self._context.tokenizer.decode(text_tokens),
            tokens=tuple(timed.tokens),
            logprobs=tuple(map(self._token, text_tokens, logprobs)),
            words=words,
            window=window,
            attempt=attempt,
        )

    def _token(self, token: int, logprob: float) -> TokenLogprob:
        raw = self._bytes.bytes_of(self._context.tokenizer.tokenizer.id_to_token(token))
        return TokenLogprob(token=raw.decode("utf-8", "replace"), raw=raw, logprob=logprob)

    def _remember(self, segments: list[Segment], temperature: float) -> None:
        previous = self._context.previous
        previous += [token for segment in segments for token in segment.tokens]
        if temperature > _FORGETS_ABOVE:
            previous.clear()
        del previous[:-MOST_PROMPT_TOKENS]


def _logprobs(logits: Sequence[Any], tokens: Sequence[int]) -> list[float]:
    """The log probability of each token, among all possible ones."""
    import numpy as np

    rows = [np.array(row).reshape(-1) for row in logits[: len(tokens)]]
    return [
        float(row[token] - row.max() - np.log(np.exp(row - row.max()).sum()))
        for row, token in zip(rows, tokens, strict=True)
    ]


def _word(word: dict[str, Any], window: Window) -> Word:
    offset = window.start / RATE
    return Word(
        text=word["word"],
        start=round(offset + float(word["start"]), 2),
        end=round(offset + float(word["end"]), 2),
    )
