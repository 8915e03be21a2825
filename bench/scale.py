"""How much is run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Scale:
    """Numbers of rounds, requests and tokens. Counts are for each round unless said."""

    rounds: int = 6
    streams: tuple[int, ...] = (1, 4, 8)
    tokens: int = 96
    disturbed_streams: tuple[int, ...] = (1, 8)
    disturbed_tokens: int = 32
    quality_windows: int = 4  # of about 500 tokens
    prefix_words: int = 900
    prefix_questions: int = 4
    first_token_requests: int = 200  # in all
    embedding_texts: int = 64
    embedding_batches: tuple[int, ...] = (1, 32)
    spoken_words: int = 200
    heard_words: int = 100
    echo_tokens: int = 1000
    echo_streams: int = 8
    echo_answers: int = 80
    front_answers: int = 16
    small_chats: int = 800
    small_chat_streams: int = 8
    starts: int = 5  # in all
    leaving: int = 8  # in all
    together_rounds: int = 4
    together_seconds: float = 3.0  # of each measurement
    long_rounds: int = 3
    long_words: int = 3600
    system_words: int = 1800
    decision_words: int = 900  # some 1,000 tokens
    decision_questions: int = 100
    batch_lines: int = 10_000
    batch_sizes: tuple[int, ...] = (10, 1000, 50_000)
    text_batch_lines: int = 64
    batch_tokens: int = 16
    responses: int = 800
    response_tokens: int = 300  # of a streamed one
    turns: int = 50
    text_turn_tokens: int = 8
    store_chunks: tuple[int, ...] = (20_000, 100_000)
    store_searches: int = 100
    store_files: int = 64
    training_rounds: int = 2
    training_examples: int = 24

    def with_stores(self, chunks: Sequence[int] | None, files: int | None) -> Scale:
        """The same with stores of these numbers of chunks, and with this many files added; None
        changes nothing, and 0 leaves that part out.
        """
        return replace(
            self,
            store_chunks=self.store_chunks if chunks is None else tuple(filter(None, chunks)),
            store_files=self.store_files if files is None else files,
        )

    def with_rounds(self, rounds: int) -> Scale:
        """The same with this many rounds of each comparison."""
        return replace(
            self,
            rounds=rounds,
            starts=rounds,
            together_rounds=rounds,
            long_rounds=rounds,
            training_rounds=rounds,
        )


FULL = Scale()
QUICK = Scale(
    rounds=2,
    tokens=32,
    disturbed_tokens=16,
    quality_windows=1,
    prefix_words=450,
    prefix_questions=2,
    first_token_requests=40,
    embedding_texts=32,
    spoken_words=60,
    heard_words=40,
    echo_answers=16,
    front_answers=8,
    small_chats=160,
    starts=2,
    leaving=3,
    together_rounds=1,
    together_seconds=2.0,
    long_rounds=1,
    long_words=1800,
    system_words=900,
    decision_words=450,
    store_chunks=(20_000,),
    store_searches=20,
    store_files=32,
    batch_lines=1000,
    batch_sizes=(10, 3000),
    text_batch_lines=24,
    responses=160,
    turns=12,
    training_rounds=1,
    training_examples=8,
)
