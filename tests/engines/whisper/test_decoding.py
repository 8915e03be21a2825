"""Windows to segments: what is kept, what is decoded again, where the next window begins."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from openedai.engines.whisper.decoding import MOST_PROMPT_TOKENS, Context, Decoder, Segment
from openedai.engines.whisper.recording import Window
from openedai.engines.whisper.voice_activity import RATE
from tests.engines.whisper.fakes import BEFORE, START, FakeTokenizer, FakeWhisper, Result, at


def window(seconds: float = 30, start: float = 0, *, cut: bool = False) -> Window:
    samples = np.zeros(round(seconds * RATE), np.float32)
    return Window(samples, round(start * RATE), cut)


def context(**values: Any) -> Context:
    tokenizer: Any = FakeTokenizer()
    return Context(tokenizer, 5, **values)


def decode(
    heard: Window, *results: Result, stopped: bool = False, **values: Any
) -> tuple[list[Segment], float, FakeWhisper]:
    """The segments, the seconds where the next window begins, and the model."""
    fake: Any = FakeWhisper(list(results))
    decoder = Decoder(fake, context(**values), lambda: stopped)
    segments, position = decoder.decode(heard, None)
    return segments, position / RATE, fake


def spans(segments: list[Segment]) -> list[tuple[float, float, str]]:
    return [(one.start, one.end, one.text) for one in segments]


REPETITIVE = Result([at(0), *[5] * 100, at(9)])
UNLIKELY = Result([at(0), 6, at(9)], average=-1.5)
GOOD = Result([at(0), 7, at(9)])


def test_segments_have_the_times_of_the_audio() -> None:
    result = Result([at(0), 1, 2, at(3), at(4), 3, at(5)])
    segments, position, _ = decode(window(10, start=60), result)
    assert spans(segments) == [(60, 63, " w1 w2"), (64, 65, " w3")]
    assert position == 70


def test_a_text_without_an_end_ends_with_its_window() -> None:
    segments, _, _ = decode(window(8), Result([at(0), 1, at(3), at(3), 2]))
    assert spans(segments) == [(0, 3, " w1"), (3, 8, " w2")]


def test_no_time_is_after_the_window() -> None:
    segments, _, _ = decode(window(4), Result([at(0), 1, at(6)]))
    assert spans(segments) == [(0, 4, " w1")]


@pytest.mark.parametrize("rest", [[], [at(20), 2], [at(20), at(20), 2], [at(20)]])
def test_a_cut_window_leaves_what_goes_on_to_the_next(rest: list[int]) -> None:
    result = Result([at(0), 1, at(20), *rest])
    segments, position, _ = decode(window(cut=True), result)
    assert spans(segments) == [(0, 20, " w1")]
    assert position == (20 if rest else 30)


def test_a_cut_window_with_one_long_text_is_kept_whole() -> None:
    segments, position, _ = decode(window(cut=True), Result([at(0), 1, 2]))
    assert (spans(segments), position) == ([(0, 30, " w1 w2")], 30)


def test_the_next_window_always_begins_later() -> None:
    _, position, _ = decode(window(cut=True), Result([at(0), 1, at(0), at(0), 2]))
    assert position == 30


def test_times_never_go_back() -> None:
    fake: Any = FakeWhisper([Result([at(0), 1, at(10)]), Result([at(0), 2, at(4)])])
    decoder = Decoder(fake, context(), lambda: False)
    first, _ = decoder.decode(window(10), None)
    second, _ = decoder.decode(window(10, start=9), None)
    assert spans([*first, *second]) == [(0, 10, " w1"), (10, 13, " w2")]


@pytest.mark.parametrize("bad", [REPETITIVE, UNLIKELY])
def test_a_bad_text_is_decoded_again_at_higher_temperatures(bad: Result) -> None:
    segments, _, fake = decode(window(), bad, bad, GOOD)
    assert spans(segments) == [(0, 9, " w7")]
    assert [call["sampling_temperature"] for call in fake.calls] == [1.0, 0.2, 0.4]
    assert [call["beam_size"] for call in fake.calls] == [5, 1, 1]
    assert segments[0].attempt.temperature == 0.4


def test_the_likeliest_text_if_all_are_bad() -> None:
    likelier = Result([at(0), 8, at(9)], average=-1.2)
    results = [REPETITIVE, UNLIKELY, likelier, UNLIKELY, UNLIKELY, REPETITIVE]
    segments, _, fake = decode(window(), *results)
    assert spans(segments) == [(0, 9, " w8")]
    assert len(fake.calls) == 6


def test_a_requested_temperature_is_the_only_one() -> None:
    _, _, fake = decode(window(), UNLIKELY, temperatures=(0.7,))
    assert [call["sampling_temperature"] for call in fake.calls] == [0.7]


def test_silence_has_no_text() -> None:
    result = Result([at(0), 1, at(2)], average=-1.1, silence=0.8)
    segments, position, fake = decode(window(cut=True), result)
    assert (segments, position, len(fake.calls)) == ([], 30, 1)


def test_likely_text_is_kept_although_silence_is_too() -> None:
    segments, _, _ = decode(window(), Result([at(0), 1, at(2)], average=-0.5, silence=0.8))
    assert spans(segments) == [(0, 2, " w1")]


def test_nothing_is_computed_for_nobody() -> None:
    segments, _, fake = decode(window(), GOOD, stopped=True)
    assert (segments, fake.calls) == ([], [])


def test_the_text_so_far_is_the_prompt() -> None:
    fake: Any = FakeWhisper([GOOD, GOOD])
    decoder = Decoder(fake, context(keywords=(3, 4), previous=[9]), lambda: False)
    decoder.decode(window(), None)
    decoder.decode(window(start=30), None)
    assert fake.calls[0]["prompt"] == [BEFORE, 3, 4, 9, START]
    assert fake.calls[1]["prompt"] == [BEFORE, 3, 4, 9, at(0), 7, at(9), START]


def test_without_a_text_there_is_no_prompt() -> None:
    _, _, fake = decode(window(), GOOD)
    assert fake.calls[0]["prompt"] == [START]


def test_the_prompt_has_the_last_tokens_that_fit() -> None:
    _, _, fake = decode(window(), GOOD, keywords=(3,), previous=list(range(500)))
    prompt = fake.calls[0]["prompt"]
    assert prompt == [BEFORE, 3, *range(500)[-MOST_PROMPT_TOKENS + 1 :], START]


def test_an_uncertain_text_is_no_prompt() -> None:
    fake: Any = FakeWhisper([UNLIKELY] * 4 + [GOOD, GOOD])
    decoder = Decoder(fake, context(previous=[9]), lambda: False)
    decoder.decode(window(), None)
    decoder.decode(window(start=30), None)
    assert fake.calls[-1]["prompt"] == [START]


def test_logprobs_are_those_of_the_text_tokens() -> None:
    segments, _, fake = decode(window(), Result([at(0), 1, at(2), at(2), 2, 3]), logprobs=True)
    assert fake.calls[0]["beam_size"] == 1
    found = [one for segment in segments for one in segment.logprobs]
    assert [one.token for one in found] == [" w1", " w2", " w3"]
    assert [one.raw for one in found] == [b" w1", b" w2", b" w3"]
    assert [one.logprob for one in found] == [pytest.approx(math.log(0.5))] * 3


def test_without_logprobs_none_are_computed() -> None:
    segments, _, fake = decode(window(), GOOD)
    assert segments[0].logprobs == ()
    assert fake.calls[0]["return_logits_vocab"] is False
