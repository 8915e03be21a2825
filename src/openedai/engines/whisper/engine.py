"""Speech to text by faster-whisper and CTranslate2, of a Whisper model's folder. No torch.

Its options:

    device        cpu or cuda (cpu)
    compute_type  numbers of the computation: int8, float32, float16 … (int8, float16 on cuda)
    threads       threads of the computation (the cores that may be used)
    beam          texts that are compared while one is searched (5)
    slots         requests at once; their windows of 30 seconds take turns (8)
    max_seconds   the longest audio (21600)
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from threading import Event
from typing import Annotated, Any, Literal, Self

import msgspec

from openedai.contract.engine import Transcriber
from openedai.contract.transcribe import TranscribeEvent, TranscribeRequest
from openedai.engines.machine import usable_cores
from openedai.engines.options import parse_options, weights_path
from openedai.engines.whisper.transcription import Loaded, Transcription
from openedai.engines.whisper.voice_activity import load_detector
from openedai.errors import APIError, EngineFailed, Unsupported

log = logging.getLogger("openedai.engines")

_FILES = ("model.bin", "config.json", "tokenizer.json")
_Positive = Annotated[int, msgspec.Meta(ge=1)]
ComputeType = Literal[
    "int8", "int8_float32", "int8_float16", "int8_bfloat16", "float32", "float16", "bfloat16"
]


class WhisperOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The options of one model; the module's docstring explains them."""

    device: Literal["cpu", "cuda"] = "cpu"
    compute_type: ComputeType | None = None
    threads: _Positive | None = None
    beam: _Positive = 5
    slots: _Positive = 8
    max_seconds: Annotated[float, msgspec.Meta(gt=0)] = 6 * 3600


class Whisper(Transcriber):
    """A Whisper model. Made by `load`."""

    def __init__(self, model: Loaded, slots: int) -> None:
        self._model = model
        self._windows = 0
        self.slots = slots

    def progress(self) -> int:
        return self._windows

    @classmethod
    async def load(cls, model: str, path: Path | None, options: Mapping[str, Any]) -> Self:
        weights = weights_path(model, path)
        known = parse_options(WhisperOptions, model, options)
        return cls(await asyncio.to_thread(_load, model, weights, known), known.slots)

    async def transcribe(self, request: TranscribeRequest) -> AsyncGenerator[TranscribeEvent, None]:
        if request.speakers:
            raise Unsupported(
                "Unsupported value: 'response_format' does not support 'diarized_json' with the "
                f"model `{self._model.name}`, which does not tell speakers apart.",
                code="unsupported_value",
                param="response_format",
            )
        stopped = Event()
        steps = Transcription(self._model, request, stopped.is_set).steps()
        step = None
        try:
            while True:
                step = asyncio.ensure_future(asyncio.to_thread(next, steps, None))
                events = await asyncio.shield(step)
                if events is None:
                    return
                self._windows += 1
                for event in events:
                    yield event
        except APIError:
            raise
        except Exception as error:
            log.exception("%s failed", self._model.name)
            raise EngineFailed(f"The model `{self._model.name}` failed.") from error
        finally:
            stopped.set()
            if step is not None:
                await asyncio.wait({step})  # the window that is decoded cannot be interrupted
                step.exception()  # retrieved, also if nobody waits for it
            steps.close()


def _load(model: str, path: Path, options: WhisperOptions) -> Loaded:
    missing = [name for name in _FILES if not (path / name).is_file()]
    if missing:
        raise EngineFailed(f"The model `{model}` cannot be loaded: it has no {missing[0]}.")
    from faster_whisper import WhisperModel

    on_cpu = options.device == "cpu"
    try:
        whisper = WhisperModel(
            str(path),
            device=options.device,
            compute_type=options.compute_type or ("int8" if on_cpu else "float16"),
            cpu_threads=options.threads or usable_cores(),
            local_files_only=True,
        )
    except (RuntimeError, ValueError) as error:
        raise EngineFailed(f"The model `{model}` cannot be loaded: {error}") from error
    return Loaded(model, whisper, load_detector(), options.beam, options.max_seconds)
