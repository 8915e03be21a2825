"""Images in prompts, with llama.cpp's mtmd: a projector turns each image into positions of the
prompt, and puts the tokens around it that the model expects.
"""

from __future__ import annotations

import ctypes
import hashlib
import weakref
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from ctypes import POINTER, c_float, c_int32, c_size_t
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

from openedai.contract.chat import Image
from openedai.engines.llama_cpp.native.library import InputPart, InputText, Library
from openedai.errors import EngineFailed, InvalidRequest
from openedai.images.bad_image import BadImage
from openedai.images.decode import decode

_MOST_PIXELS = 1 << 27  # of one image; the server's own limit is lower unless configured
# The most positions of an image that are computed at once. If the positions of an image depend on
# all its others, this has to be the whole image.
BATCH = 1280


@dataclass(frozen=True)
class Prompt:
    """The keys and images of a job's prompt."""

    keys: list[int]
    images: dict[int, EncodedImage] = field(default_factory=dict)

    @property
    def tokens(self) -> int:
        more = sum(image.tokens - image.positions for image in self.images.values())
        return len(self.keys) + more


class Projector:
    """Encodes images for one model, one at a time in a thread of its own.

    `model` is the address of llama.cpp's, which must outlive it.
    """

    def __init__(
        self,
        library: Library,
        name: str,
        path: Path,
        *,
        model: int,
        gpu: bool,
        threads: int,
    ) -> None:
        """Blocking. Raises EngineFailed."""
        if not path.is_file():
            raise _not_loaded(name, f"there is no file {path}, which its option `mmproj` names")
        state = path.stat()
        self._identity = f"{path} {state.st_size} {state.st_mtime_ns}".encode()
        self._c = library.c
        self._name = name
        self._width: int = self._c.llama_model_n_embd_inp(model)
        parameters = self._c.mtmd_context_params_default()
        parameters.use_gpu, parameters.n_threads = gpu, threads
        parameters.print_timings = parameters.warmup = False
        library.errors.clear()
        pointer: int | None = self._c.mtmd_init_from_file(bytes(path), model, parameters)
        if not pointer:
            why = f"{path} is not a projector that fits it: {library.failure().rstrip('.')}"
            raise _not_loaded(name, why)
        self._pointer = pointer
        if not self._c.mtmd_support_vision(pointer):
            self._c.mtmd_free(pointer)
            raise EngineFailed(f"The projector of the model `{name}` is not for images.")
        self._thread = ThreadPoolExecutor(1, f"projector {name}")

    def close(self) -> None:
        """Free all memory, once the current image is encoded. Blocking."""
        self._thread.shutdown(cancel_futures=True)
        self._c.mtmd_free(self._pointer)

    def prompt(self, texts: Sequence[str], images: Iterable[Image]) -> Prompt:
        """The prompt of the texts with the images between them. Blocking, in any thread.

        Raises InvalidRequest for an image that cannot be read.
        """
        with ExitStack() as stack:
            bitmaps = [self._bitmap(image, stack) for image in images]
            chunks = self._chunks(texts, bitmaps)
        prompt = Prompt([])
        parts: Counter[bytes] = Counter()  # an image may have several
        for number in range(self._c.mtmd_input_chunks_size(chunks.pointer)):
            chunk = self._c.mtmd_input_chunks_get(chunks.pointer, number)
            digest: bytes | None = self._c.mtmd_input_chunk_get_id(chunk)
            if digest is None:
                prompt.keys.extend(self._tokens(chunk))
                continue
            encoded = EncodedImage(self, chunks, chunk)
            prompt.images[len(prompt.keys)] = encoded
            prompt.keys.extend([_key(digest, parts[digest])] * encoded.positions)
            parts[digest] += 1
        return prompt

    def encode(self, image: EncodedImage) -> Future[Any]:
        """The image's embeddings: 32-bit floats."""
        return self._thread.submit(self._encode, image)

    def decode(
        self, image: EncodedImage, embeddings: Any, context: int, slot: int, position: int
    ) -> None:
        """Compute an image as a part of a sequence. Only in the loop's thread. Raises
        EngineFailed.
        """
        status: int = self._c.mtmd_helper_decode_image_chunk(
            *(self._pointer, context, image.chunk, embeddings),
            *(position, slot, BATCH, c_int32(), None, None),
        )
        if status != 0:
            raise EngineFailed(
                f"The engine of model `{self._name}` failed to compute an image ({status})."
            )

    def size(self, chunk: int) -> tuple[int, int]:
        """The positions of an image, and its tokens, which may be more."""
        positions: int = self._c.mtmd_input_chunk_get_n_pos(chunk)
        tokens: int = self._c.mtmd_input_chunk_get_n_tokens(chunk)
        return positions, tokens

    def _bitmap(self, image: Image, stack: ExitStack) -> int:
        try:
            pixels, size = _pixels(image.raw)
        except BadImage as error:
            raise InvalidRequest(error.message, code=error.code, param="messages") from None
        digest = hashlib.sha256(b"%b %d %d " % (self._identity, *size))
        digest.update(pixels)
        bitmap: int = self._c.mtmd_bitmap_init(*size, pixels)
        stack.callback(self._c.mtmd_bitmap_free, bitmap)
        self._c.mtmd_bitmap_set_id(bitmap, digest.hexdigest().encode())
        return bitmap

    def _chunks(self, texts: Sequence[str], bitmaps: Sequence[int]) -> _Chunks:
        parts = []
        for text, bitmap in zip_longest(texts, bitmaps):
            # An answer has to follow a token.
            if raw := (text or ("" if bitmap else "\n")).encode("utf-8", "replace"):
                value = InputText(raw, len(raw), add_special=False, parse_special=True)
                parts.append(InputPart(text=ctypes.pointer(value)))
            if bitmap:
                parts.append(InputPart(bitmap=bitmap))
        pointers = (POINTER(InputPart) * len(parts))(*map(ctypes.pointer, parts))
        chunks = _Chunks(self._c)
        status: int = self._c.mtmd_tokenize_from_parts(
            self._pointer, chunks.pointer, pointers, len(parts), True
        )
        if status != 0:
            raise InvalidRequest(
                f"The model `{self._name}` cannot be shown an image of this size.",
                code="invalid_image",
                param="messages",
            )
        return chunks

    def _tokens(self, chunk: int) -> list[int]:
        count = c_size_t()
        tokens = self._c.mtmd_input_chunk_get_tokens_text(chunk, ctypes.byref(count))
        found: list[int] = tokens[: count.value]
        return found

    def _encode(self, image: EncodedImage) -> Any:
        if self._c.mtmd_encode_chunk(self._pointer, image.chunk) != 0:
            raise EngineFailed(f"The engine of model `{self._name}` failed to encode an image.")
        embeddings = (c_float * (image.tokens * self._width))()
        ctypes.memmove(
            embeddings, self._c.mtmd_get_output_embd(self._pointer), ctypes.sizeof(embeddings)
        )
        return embeddings


class _Chunks:
    """The parts of a prompt, in llama.cpp's memory. They are freed with the last reference to
    them.
    """

    def __init__(self, c: ctypes.CDLL) -> None:
        self.pointer: int = c.mtmd_input_chunks_init()
        weakref.finalize(self, c.mtmd_input_chunks_free, self.pointer)


class EncodedImage:
    """An image, or a part of one, as an `ImageChunk` of a job."""

    def __init__(self, projector: Projector, chunks: _Chunks, chunk: int) -> None:
        self.chunk = chunk
        self.positions, self.tokens = projector.size(chunk)
        self._projector = projector
        self._chunks = chunks
        self._embeddings: Future[Any] | None = None

    def ready(self, wake: Callable[[], object]) -> bool:
        if self._embeddings is None:
            self._embeddings = self._projector.encode(self)
            self._embeddings.add_done_callback(lambda _: wake())
        return self._embeddings.done()

    def compute(self, context: int, slot: int, position: int) -> None:
        assert self._embeddings is not None
        self._projector.decode(self, self._embeddings.result(), context, slot, position)
        self._embeddings = None

    def close(self) -> None:
        if self._embeddings is not None:
            self._embeddings.cancel()


def _pixels(raw: bytes) -> tuple[bytes, tuple[int, int]]:
    """The pixels of a file in RGB, on white where it is transparent, with its width and height."""
    image = decode(raw, _MOST_PIXELS).image
    if image.mode == "RGBA":
        from PIL import Image as pillow

        white = pillow.new("RGBA", image.size, "white")
        white.alpha_composite(image)
        image = white.convert("RGB")
    return image.tobytes(), image.size


def _key(digest: bytes, part: int) -> int:
    """The key of an image: a negative 64-bit number."""
    found = hashlib.sha256(b"%b %d" % (digest, part)).digest()
    return -1 - (int.from_bytes(found[:8], "big") >> 1)


def _not_loaded(model: str, why: str) -> EngineFailed:
    return EngineFailed(f"The model `{model}` could not be loaded: {why}.")
