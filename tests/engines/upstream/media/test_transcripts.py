"""Transcripts by an upstream: what it is sent, and what its answers become."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from openai.types.audio import (
    Transcription,
    TranscriptionDiarized,
    TranscriptionTextDeltaEvent,
    TranscriptionTextDoneEvent,
    TranscriptionTextSegmentEvent,
    TranscriptionVerbose,
    TranslationVerbose,
)
from pydantic import BaseModel

from openedai.contract.generate import TokenLogprob, Usage
from openedai.contract.transcribe import (
    KnownSpeaker,
    TranscribeEvent,
    TranscribeRequest,
    TranscriptDelta,
    TranscriptFinish,
    TranscriptSegment,
    VoiceActivity,
    Word,
)
from openedai.engines.upstream.engine import Upstream
from openedai.errors import BadGateway, InvalidRequest, Unsupported
from tests.engines.upstream.faults import Fault, FaultyServer, ReceivedRequest
from tests.engines.upstream.media import hosted
from tests.engines.upstream.media.hosted import sends, streams
from tests.engines.upstream.media.media_engine import ask, collected

AUDIO = b"ID3 and a lot of music" * 5000
TOKENS = (
    TokenLogprob(token="Good", raw=b"Good", logprob=-0.25),
    TokenLogprob(token=" day.", raw=b" day.", logprob=-0.5),
)
TOKEN_USAGE = Usage(prompt_tokens=14, completion_tokens=101)


@pytest.fixture
def audio(tmp_path: Path) -> str:
    file = tmp_path / "upload-x7"
    file.write_bytes(AUDIO)
    return str(file)


def exchange(
    fault: Fault, request: TranscribeRequest, server: str = "openai", **options: Any
) -> tuple[list[TranscribeEvent], ReceivedRequest]:
    """The events of a transcript, and what the upstream got."""

    async def scenario(
        engine: Upstream, other: FaultyServer
    ) -> tuple[list[TranscribeEvent], ReceivedRequest]:
        events = await collected(engine.transcribe(request))
        (received,) = other.requests
        return events, received

    return ask(fault, scenario, server=server, **options)


def events_of(fault: Fault, request: TranscribeRequest, **options: Any) -> list[TranscribeEvent]:
    return exchange(fault, request, **options)[0]


def form(request: TranscribeRequest, answer: Any = hosted.WHOLE, **options: Any) -> dict[str, Any]:
    """The fields that are sent, without those that every request has."""
    received = exchange(sends(answer), request, **options)[1]
    fields = {name: texts[0] if len(texts) == 1 else texts for name, texts in received.body.items()}
    assert fields.pop("model") == "theirs"
    return fields


@pytest.mark.parametrize(
    ("type", "body"),
    [
        (Transcription, hosted.WHOLE),
        (Transcription, hosted.WITH_LOGPROBS),
        (Transcription, hosted.WITH_LANGUAGES),
        (TranscriptionVerbose, hosted.VERBOSE),
        (TranscriptionVerbose, hosted.VERBOSE_WITH_WORDS),
        (TranslationVerbose, {**hosted.VERBOSE, "task": "translate"}),
        (TranscriptionDiarized, hosted.DIARIZED),
        *((TranscriptionTextDeltaEvent, delta) for delta in hosted.DELTAS),
        *((TranscriptionTextSegmentEvent, segment) for segment in hosted.SPEAKERS),
        (TranscriptionTextDoneEvent, hosted.DONE),
    ],
)
def test_the_double_answers_as_the_hosted_api(type: type[BaseModel], body: dict[str, Any]) -> None:
    assert set(type.model_validate(body).model_extra or ()) <= {"task", "usage"}


def test_the_file_is_sent_as_it_is(audio: str) -> None:
    request = TranscribeRequest(path=audio, file_name='my "song" é.mp3')
    events, received = exchange(sends(hosted.WHOLE), request, key="sk-1234567890")
    assert events == [TranscriptDelta(text="Good day."), TranscriptFinish(duration=9)]
    assert received.path == "/v1/audio/transcriptions"
    assert received.files == (("file", "my__song___.mp3", "audio/mpeg", AUDIO),)
    assert received.body == {"model": ["theirs"], "response_format": ["json"]}
    assert received.headers["authorization"] == "Bearer sk-1234567890"
    assert int(received.headers["content-length"]) > len(AUDIO)
    assert "transfer-encoding" not in received.headers


def test_a_file_without_a_name(audio: str) -> None:
    received = exchange(sends(hosted.WHOLE), TranscribeRequest(path=audio))[1]
    assert received.files == (("file", "audio", "application/octet-stream", AUDIO),)


def test_every_parameter_is_sent(audio: str) -> None:
    request = TranscribeRequest(
        path=audio,
        languages=("de",),
        prompt="Guten Tag.",
        keywords=("one", "two"),
        temperature=0.0,
        logprobs=True,
        stream=True,
        voice_activity=VoiceActivity(threshold=0.5, silence_duration_ms=200),
        extra={"hotwords": "x", "vad_filter": True, "beam": 5, "list": [1, 2], "none": None},
    )
    assert form(request, hosted.WITH_LOGPROBS) == {
        "response_format": "json",
        "language": "de",
        "prompt": "Guten Tag.",
        "keywords[]": ["one", "two"],
        "temperature": "0.0",
        "include[]": "logprobs",
        "stream": "true",
        "chunking_strategy[type]": "server_vad",
        "chunking_strategy[threshold]": "0.5",
        "chunking_strategy[silence_duration_ms]": "200",
        "hotwords": "x",
        "vad_filter": "true",
        "beam": "5",
        "list[]": ["1", "2"],
    }


def test_vllm_is_asked_for_the_usage_of_a_stream(audio: str) -> None:
    request = TranscribeRequest(path=audio, stream=True)
    assert form(request, server="vllm")["stream_include_usage"] == "true"


@pytest.mark.parametrize(
    ("fields", "sent"),
    [
        ({"languages": ("de", "en")}, {"languages[]": ["de", "en"]}),
        ({"voice_activity": VoiceActivity()}, {"chunking_strategy": "auto"}),
        ({"stream": True, "task": "translate"}, {}),
    ],
)
def test_parameters_in_another_form(
    audio: str, fields: dict[str, Any], sent: dict[str, Any]
) -> None:
    request = TranscribeRequest(path=audio, **fields)
    assert form(request) == {"response_format": "json", **sent}


@pytest.mark.parametrize(
    ("fields", "answer", "sent"),
    [
        ({"segments": True}, hosted.VERBOSE, "segment"),
        ({"words": True, "stream": True}, hosted.VERBOSE_WITH_WORDS, ["word", "segment"]),
        ({"segments": True, "task": "translate"}, hosted.VERBOSE, None),
    ],
)
def test_times_need_the_verbose_format(
    audio: str, fields: dict[str, Any], answer: Any, sent: Any
) -> None:
    fields = form(TranscribeRequest(path=audio, **fields), answer)
    assert fields.pop("response_format") == "verbose_json"
    assert fields.pop("timestamp_granularities[]", None) == sent
    assert fields == {}


def test_speakers_and_their_samples(audio: str, tmp_path: Path) -> None:
    sample = tmp_path / "agent.mp3"
    sample.write_bytes(b"voice")
    known = (KnownSpeaker(name="agent", path=str(sample)),)
    request = TranscribeRequest(path=audio, speakers=True, known_speakers=known)
    assert form(request, hosted.DIARIZED) == {
        "response_format": "diarized_json",
        "chunking_strategy": "auto",
        "known_speaker_names[]": "agent",
        "known_speaker_references[]": "data:audio/mpeg;base64,"
        + base64.b64encode(b"voice").decode(),
    }


def test_a_parameter_that_cannot_be_sent_is_refused(audio: str) -> None:
    for extra in ({"a\r\nb": 1}, {"model": "other"}):
        with pytest.raises(InvalidRequest):
            form(TranscribeRequest(path=audio, extra=extra))


def test_a_translation(audio: str) -> None:
    request = TranscribeRequest(path=audio, task="translate", prompt="x")
    events, received = exchange(sends({"text": "Good day."}), request)
    assert received.path == "/v1/audio/translations"
    assert events == [TranscriptDelta(text="Good day."), TranscriptFinish(duration=0)]


def test_languages_and_tokens(audio: str) -> None:
    found = events_of(sends(hosted.WITH_LANGUAGES), TranscribeRequest(path=audio))
    assert found[-1] == TranscriptFinish(duration=0, languages=("de", "en"))
    found = events_of(sends(hosted.WITH_LOGPROBS), TranscribeRequest(path=audio, logprobs=True))
    assert found == [
        TranscriptDelta(text="Good day.", logprobs=TOKENS),
        TranscriptFinish(duration=0, usage=TOKEN_USAGE),
    ]
    found = events_of(sends(hosted.WITH_LOGPROBS), TranscribeRequest(path=audio))
    assert found[0] == TranscriptDelta(text="Good day.")


SEGMENTS = [
    TranscriptSegment(
        start=0.0,
        end=4.5,
        text=" Good day.",
        tokens=(50364, 2205, 786, 13),
        average_logprob=-0.25,
        compression_ratio=1.25,
        no_speech_probability=0.125,
    ),
    TranscriptSegment(
        start=4.5,
        end=8.5,
        text=" How are you?",
        tokens=(1012,),
        seek=450,
        temperature=0.5,
        average_logprob=-0.5,
        compression_ratio=1.5,
        no_speech_probability=0.25,
    ),
]


def test_segments(audio: str) -> None:
    found = events_of(sends(hosted.VERBOSE), TranscribeRequest(path=audio, segments=True))
    assert found == [
        TranscriptDelta(text="Good day."),
        SEGMENTS[0],
        TranscriptDelta(text=" How are you?"),
        SEGMENTS[1],
        TranscriptFinish(duration=8.5, languages=("en",)),
    ]


def test_segments_without_the_spaces_between_them(audio: str) -> None:
    bare = [{**one, "text": one["text"].strip()} for one in hosted.SEGMENTS]
    answer = {**hosted.VERBOSE, "segments": bare, "text": " Good day.  How are you? "}
    found = events_of(sends(answer), TranscribeRequest(path=audio, segments=True))
    assert [one.text for one in found if isinstance(one, TranscriptDelta)] == [
        "Good day.",
        "  How are you?",
    ]


def test_segments_that_are_not_the_text(audio: str) -> None:
    other = {**hosted.VERBOSE, "text": "Good day!"}
    found = events_of(sends(other), TranscribeRequest(path=audio, segments=True))
    assert found[:-1] == [TranscriptDelta(text="Good day!"), *SEGMENTS]


@pytest.mark.parametrize("nested", [False, True])
def test_words_are_in_their_segments(audio: str, nested: bool) -> None:
    answer: dict[str, Any] = hosted.VERBOSE_WITH_WORDS
    if nested:
        parts = (hosted.WORDS[:2], hosted.WORDS[2:])
        segments = [
            {**one, "words": words} for one, words in zip(hosted.SEGMENTS, parts, strict=True)
        ]
        answer = {**hosted.VERBOSE, "segments": segments}
    found = events_of(sends(answer), TranscribeRequest(path=audio, words=True))
    first, second = (one for one in found if isinstance(one, TranscriptSegment))
    assert first.words == (
        Word(text="Good", start=0.0, end=1.0),
        Word(text="day", start=2.0, end=3.0),
    )
    assert [word.text for word in second.words] == ["How", "are", "you"]
    without = events_of(sends(answer), TranscribeRequest(path=audio, segments=True))
    assert all(not one.words for one in without if isinstance(one, TranscriptSegment))


def test_speakers(audio: str) -> None:
    found = events_of(sends(hosted.DIARIZED), TranscribeRequest(path=audio, speakers=True))
    segments = [one for one in found if isinstance(one, TranscriptSegment)]
    assert [(one.speaker, one.start, one.end, one.text) for one in segments] == [
        ("A", 0.0, 3.5, "Good day."),
        ("agent", 4.0, 7.5, "How are you?"),
    ]
    assert found[-1] == TranscriptFinish(duration=8.5, usage=TOKEN_USAGE)


def test_a_duration_may_be_a_text_or_missing(audio: str) -> None:
    request = TranscribeRequest(path=audio, segments=True)
    for duration, expected in (("8.25", 8.25), ("x", 9.0), (None, 9.0), (-1, 9.0)):
        found = events_of(sends({**hosted.VERBOSE, "duration": duration}), request)
        assert found[-1] == TranscriptFinish(duration=expected, languages=("en",))
    bare = {"text": "Good day. How are you?", "segments": hosted.SEGMENTS, "language": "zh-CN"}
    assert events_of(sends(bare), request)[-1] == TranscriptFinish(duration=8.5, languages=("zh",))


def test_silence(audio: str) -> None:
    for answer in ({"text": ""}, {"text": " ", "segments": [], "duration": 3}):
        request = TranscribeRequest(path=audio, segments=True, words=True, logprobs=True)
        (finish,) = events_of(sends(answer), request)
        assert isinstance(finish, TranscriptFinish)


STREAMED = [
    TranscriptDelta(text="Good", logprobs=TOKENS[:1]),
    TranscriptDelta(text=" day.", logprobs=TOKENS[1:]),
    TranscriptFinish(duration=0, usage=TOKEN_USAGE),
]


def test_a_stream(audio: str) -> None:
    request = TranscribeRequest(path=audio, stream=True, logprobs=True)
    assert events_of(streams(*hosted.DELTAS, hosted.DONE), request) == STREAMED


def test_a_stream_with_the_text_at_its_end_only(audio: str) -> None:
    request = TranscribeRequest(path=audio, stream=True)
    assert events_of(streams(hosted.DONE), request)[0] == TranscriptDelta(text="Good day.")
    late = events_of(streams(hosted.DELTAS[0], hosted.DONE), request)
    assert late[:2] == [TranscriptDelta(text="Good"), TranscriptDelta(text=" day.")]


@pytest.mark.parametrize("deltas", [False, True])
def test_a_stream_with_speakers(audio: str, deltas: bool) -> None:
    events: list[dict[str, Any]] = []
    for segment in hosted.SPEAKERS:
        if deltas:
            events.append({"type": "transcript.text.delta", "delta": segment["text"]})
        events.append(segment)
    request = TranscribeRequest(path=audio, stream=True, speakers=True)
    found = events_of(streams(*events, {**hosted.DONE, "text": "Good day.How are you?"}), request)
    assert [type(one).__name__ for one in found] == [
        *(["TranscriptDelta", "TranscriptSegment"] * 2),
        "TranscriptFinish",
    ]
    assert [one.speaker for one in found if isinstance(one, TranscriptSegment)] == ["A", "agent"]
    assert found[-1] == TranscriptFinish(duration=7.5, usage=TOKEN_USAGE)


def test_a_stream_with_the_times_of_segments(audio: str) -> None:
    """As this server sends it."""
    events: list[dict[str, Any]] = []
    for segment in hosted.SPEAKERS:
        events += [
            {"type": "transcript.text.delta", "delta": segment["text"]},
            {**segment, "speaker": ""},
        ]
    done = {"type": "transcript.text.done", "text": "Good day.How are you?", "languages": []}
    request = TranscribeRequest(path=audio, stream=True, segments=True)
    found, received = exchange(streams(*events, done), request, server="openedai")
    assert received.body["response_format"] == ["verbose_json"]
    assert received.body["stream"] == ["true"]
    segments = [one for one in found if isinstance(one, TranscriptSegment)]
    assert [(one.end, one.speaker) for one in segments] == [(3.5, None), (7.5, None)]
    assert found[-1] == TranscriptFinish(duration=7.5)


def test_a_stream_of_vllm(audio: str) -> None:
    def chunk(**choice: Any) -> dict[str, Any]:
        return {"object": "transcription.chunk", "choices": [choice]}

    usage = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
    events = [
        chunk(delta={"content": "Good"}, finish_reason=None),
        chunk(delta={"content": " day."}, finish_reason="stop"),
        {"object": "transcription.chunk", "choices": [], "usage": usage},
    ]
    request = TranscribeRequest(path=audio, stream=True)
    found = events_of(streams(*events, end=b"data: [DONE]\n\n"), request, server="vllm")
    assert found == [
        TranscriptDelta(text="Good"),
        TranscriptDelta(text=" day."),
        TranscriptFinish(duration=0, usage=Usage(prompt_tokens=5, completion_tokens=2)),
    ]


def test_a_stream_of_texts_alone(audio: str) -> None:
    request = TranscribeRequest(path=audio, stream=True)
    found = events_of(streams({"text": " Good"}, {"text": " day."}), request)
    assert "".join(one.text for one in found if isinstance(one, TranscriptDelta)) == "Good day."
    assert found[-1] == TranscriptFinish(duration=0)


@pytest.mark.parametrize(
    "events", [hosted.DELTAS, [*hosted.DELTAS, {"type": "error", "error": {"message": "gone"}}]]
)
def test_a_stream_that_ends_too_early(audio: str, events: list[dict[str, Any]]) -> None:
    async def scenario(engine: Upstream, server: FaultyServer) -> None:
        transcript = engine.transcribe(TranscribeRequest(path=audio, stream=True))
        assert [(await anext(transcript)) for _ in range(2)]
        with pytest.raises(BadGateway):
            await anext(transcript)

    ask(streams(*events), scenario)


@pytest.mark.parametrize(
    ("fields", "answer", "param"),
    [
        ({"segments": True}, hosted.WHOLE, "response_format"),
        ({"speakers": True}, hosted.WHOLE, "response_format"),
        ({"speakers": True}, hosted.VERBOSE, "response_format"),
        ({"words": True}, hosted.VERBOSE, "timestamp_granularities"),
        ({"logprobs": True}, hosted.WHOLE, "include"),
    ],
)
def test_what_the_upstream_ignores_is_refused(
    audio: str, fields: dict[str, Any], answer: Any, param: str
) -> None:
    with pytest.raises(Unsupported) as caught:
        events_of(sends(answer), TranscribeRequest(path=audio, **fields))
    assert (caught.value.code, caught.value.param) == ("unsupported_parameter", param)


@pytest.mark.parametrize(
    ("fields", "param"), [({"logprobs": True}, "include"), ({"speakers": True}, "response_format")]
)
def test_what_a_stream_ignores_is_refused(audio: str, fields: dict[str, Any], param: str) -> None:
    bare = {"type": "transcript.text.delta", "delta": "Good day."}
    request = TranscribeRequest(path=audio, stream=True, **fields)
    with pytest.raises(Unsupported) as caught:
        events_of(streams(bare, hosted.DONE), request)
    assert caught.value.param == param
