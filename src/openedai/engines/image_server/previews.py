"""Which previews of an image are passed on as its partial images."""

from __future__ import annotations

from openedai.contract.images import PartialImage
from openedai.engines.image_server.job import Preview


class Previews:
    """Spreads at most `count` previews evenly over the progress of the image at `index`."""

    def __init__(self, index: int, count: int) -> None:
        self._index = index
        self._count = count
        self._sent = 0

    def take(self, preview: Preview) -> PartialImage | None:
        """The partial image, if it is time for one. The count continues if the image is begun
        again.
        """
        due = (self._sent + 1) / (self._count + 1)
        if self._sent == self._count or preview.progress < due:
            return None
        partial = PartialImage(index=self._index, number=self._sent, data=preview.data)
        self._sent += 1
        return partial
