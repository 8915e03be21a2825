"""The store of made images."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest

from openedai.errors import NotFound
from openedai.images.decode import ImageFile
from openedai.serving.images.store import ImageStore

IMAGE = ImageFile(b"abc", "webp", 1, 1)


def test_many_at_once(tmp_path: Path) -> None:
    store = ImageStore(tmp_path / "a" / "b", 60)

    async def save() -> list[str]:
        return await asyncio.gather(*(store.save(IMAGE) for _ in range(50)))

    names = asyncio.run(save())
    assert len({name[:32] for name in names}) == 50
    assert sorted(names) == sorted(path.name for path in (tmp_path / "a" / "b").iterdir())
    path, media_type, remaining = store.find(names[0])
    assert (path.read_bytes(), media_type, 58 <= remaining <= 61) == (b"abc", "image/webp", True)
    assert (tmp_path / "a" / "b").stat().st_mode & 0o077 == 0


def test_only_what_is_over_is_deleted(tmp_path: Path) -> None:
    now = int(time.time())
    kept = [f"{'a' * 32}-{now + 1000}.png", f"{'b' * 32}-{now + 1000}.png.part", "notes.txt"]
    over = [f"{'c' * 32}-{now - 1}.png", f"{'d' * 32}-{now + 1000}.png.part"]
    for name in (*kept, *over):
        (tmp_path / name).touch()
    os.utime(tmp_path / over[1], (now - 7200, now - 7200))
    asyncio.run(ImageStore(tmp_path, 60).sweep())
    assert sorted(kept) == sorted(path.name for path in tmp_path.iterdir())


def test_sweeping_a_folder_that_does_not_exist(tmp_path: Path) -> None:
    asyncio.run(ImageStore(tmp_path / "no", 60).sweep())
    assert not (tmp_path / "no").exists()


def test_a_discarded_image(tmp_path: Path) -> None:
    store = ImageStore(tmp_path, 60)
    name = asyncio.run(store.save(IMAGE))
    store.discard(name)
    store.discard(name)
    with pytest.raises(NotFound):
        store.find(name)


def test_a_cancelled_save_leaves_nothing(tmp_path: Path) -> None:
    store = ImageStore(tmp_path, 60)

    async def cancel() -> None:
        saving = asyncio.create_task(store.save(ImageFile(bytes(1 << 20), "png", 1, 1)))
        await asyncio.sleep(0)
        saving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await saving

    for _ in range(20):
        asyncio.run(cancel())
    assert list(tmp_path.iterdir()) == []
