"""The limits that all images of a request share."""

from __future__ import annotations

from threading import Lock

from openedai.images.bad_image import BadImage


class Budget:
    """Counts the bytes and pixels of the images of one request. Thread-safe."""

    def __init__(self, max_bytes: int, max_pixels: int) -> None:
        self._max_bytes = max_bytes
        self._max_pixels = max_pixels
        self._bytes = 0
        self._pixels = 0
        self._lock = Lock()

    def require_bytes(self, number: int) -> None:
        """Raise BadImage if `number` more bytes would exceed the limit."""
        if self._bytes + number > self._max_bytes:
            raise BadImage(
                f"The images of a request may have {self._max_bytes} bytes together.",
                code="image_file_too_large",
            )

    def take_bytes(self, number: int) -> None:
        """Raises BadImage if that exceeds the limit."""
        with self._lock:
            self.require_bytes(number)
            self._bytes += number

    def take_pixels(self, number: int) -> None:
        """Raises BadImage if that exceeds the limit."""
        with self._lock:
            if self._pixels + number > self._max_pixels:
                raise BadImage(
                    f"The images of a request may have {self._max_pixels} pixels together.",
                    code="image_too_large",
                )
            self._pixels += number
