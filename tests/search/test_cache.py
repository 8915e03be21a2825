"""The cache of a store, and its search."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from openedai.search.cache import AddedFile, Cache
from openedai.search.filters import Compare
from openedai.search.rank import Hit, Search, Weights
from openedai.search.segments import Segment, decode, encode, halved, unit

DIMENSIONS = 8
MEANING, WORDS = Weights(1, 0), Weights(0, 1)


def rows(*numbers: int) -> NDArray[np.float32]:
    """A vector for each number: the same for the same."""
    made = [np.random.default_rng(number).standard_normal(DIMENSIONS) for number in numbers]
    return unit(np.array(made).reshape(len(numbers), DIMENSIONS))


def segment(*chunks: tuple[str, tuple[int, ...]]) -> Segment:
    """Chunks with their vectors."""
    text = ""
    spans: list[tuple[int, int]] = []
    owners: list[int] = []
    vectors: list[int] = []
    for index, (chunk, numbers) in enumerate(chunks):
        spans.append((len(text), len(text) + len(chunk)))
        text += chunk
        owners += [index] * len(numbers)
        vectors += numbers
    return Segment(text, [], spans, owners, DIMENSIONS, halved(rows(*vectors)))


def add(cache: Cache, file: str, made: Segment, **attributes: str | float | bool) -> None:
    cache.add(AddedFile(file, f"{file}-1", f"{file}.txt", attributes), made)


def search(cache: Cache, text: str, number: int, **options: object) -> list[Hit]:
    made = Search([text], rows(number), **{"limit": 10, **options})  # type: ignore[arg-type]
    return made.run(cache, cache.view())


def folder_of(place: Path) -> Path:
    """That of the one cache there."""
    (folder,) = place.iterdir()
    return folder


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[..., Cache]]:
    """Opens caches in that folder, which are closed afterwards."""
    with ExitStack() as stack:
        yield lambda name, dimensions=DIMENSIONS: stack.enter_context(
            closing(Cache(tmp_path / name, dimensions))
        )


@pytest.fixture
def cache(opened: Callable[..., Cache]) -> Cache:
    made = opened("vs_1")
    add(made, "a", segment(("red apples", (1, 2)), ("green pears", (3,))), year=1)
    add(made, "b", segment(("blue plums fall", (4,))), year=2)
    assert made.finish(1)
    return made


def test_by_meaning_a_chunk_is_as_good_as_its_best_vector(cache: Cache) -> None:
    for number, text in ((1, "red apples"), (2, "red apples"), (3, "green pears")):
        best = search(cache, "", number, weights=MEANING)[0]
        assert (best.text, best.file.file) == (text, "a")
        assert best.score == pytest.approx(1, abs=1e-3)
    found = search(cache, "", 1, weights=MEANING)
    assert sorted(hit.text for hit in found) == ["blue plums fall", "green pears", "red apples"]
    assert [hit.score for hit in found] == sorted((hit.score for hit in found), reverse=True)


def test_by_words(cache: Cache) -> None:
    (hit,) = search(cache, "Do PLUMS fall?", 99, weights=WORDS)
    assert hit.text == "blue plums fall"
    assert [hit.text for hit in search(cache, "falling plum", 99, weights=WORDS)] == [hit.text]
    assert search(cache, "zzz", 99, weights=WORDS) == []
    assert search(cache, '" OR *', 99, weights=WORDS) == []


def test_by_both(cache: Cache) -> None:
    words = search(cache, "plums", 3, weights=Weights(1, 1))[0]
    meaning = search(cache, "plums", 3, weights=Weights(3, 1))[0]
    assert (words.text, meaning.text) == ("blue plums fall", "green pears")
    assert search(cache, "plums", 3)[0] == meaning


def test_filters_apply_before_the_limit(cache: Cache) -> None:
    for text, number in (("plums", 4), ("apples", 1)):
        (hit,) = search(cache, text, number, limit=1, filter=Compare("year", "eq", 2))
        assert hit.file.file == "b"


def test_a_view_stays_as_it_is(cache: Cache) -> None:
    before = cache.view()
    cache.remove(["a"])
    add(cache, "c", segment(("new", (1,))))
    cache.finish(2)
    (hit,) = Search([""], rows(4), limit=1, weights=MEANING).run(cache, before)
    assert hit.text == "blue plums fall"
    assert {hit.file.file for hit in search(cache, "red", 1)} == {"b", "c"}
    assert cache.matches('"red"', 9) == []


def test_attributes_change(cache: Cache) -> None:
    cache.set_attributes(AddedFile("b", "b-1", "b.txt", {"year": 3}))
    cache.finish(2)
    (hit,) = search(cache, "plums", 4, filter=Compare("year", "eq", 3))
    assert hit.file.attributes == {"year": 3}


def test_opened_again(cache: Cache, tmp_path: Path, opened: Callable[..., Cache]) -> None:
    with (folder_of(tmp_path / "vs_1") / "vectors-0").open("ab") as file:
        file.write(b"left by a server that was killed")
    again = opened("vs_1")
    assert again.revision == 1
    add(again, "c", segment(("more", (7,))))
    again.finish(2)
    assert search(again, "", 7, weights=MEANING)[0].text == "more"
    assert search(again, "", 4, weights=MEANING)[0].text == "blue plums fall"
    assert cache.is_there()
    cache.reload()
    assert search(cache, "", 7, weights=MEANING)[0].text == "more"


@pytest.mark.parametrize("damage", ["database", "vectors", "dimensions"])
def test_what_cannot_be_used_is_made_again(
    cache: Cache, tmp_path: Path, opened: Callable[..., Cache], damage: str
) -> None:
    cache.close()
    folder = folder_of(tmp_path / "vs_1")
    if damage == "database":
        (folder / "cache.db").write_bytes(b"no database" * 100)
        (folder / "cache.db-wal").unlink(missing_ok=True)
    elif damage == "vectors":
        (folder / "vectors-0").unlink()
    again = opened("vs_1", 4 if damage == "dimensions" else DIMENSIONS)
    assert again.revision == 0
    assert again.view().count == 0
    assert folder_of(tmp_path / "vs_1") != folder


@pytest.mark.parametrize("deleted", ["cache.db", "vectors-0", "cache.db-shm", "*"])
def test_nothing_is_mixed_with_what_was_deleted_in_part(
    cache: Cache, tmp_path: Path, opened: Callable[..., Cache], deleted: str
) -> None:
    """The one before goes on with its files, another one makes its own or has the same ones."""
    for file in folder_of(tmp_path / "vs_1").glob(deleted):
        file.unlink()
    if deleted == "cache.db-shm":
        cache.close()
    again = opened("vs_1")
    known = again.view().count
    assert known == (3 if deleted == "cache.db-shm" else 0)
    add(again, "c", segment(("grey owls", (9,))))
    assert again.finish(2)
    assert again.view().count == known + 1
    if deleted == "cache.db-shm":
        return
    assert not cache.is_there()
    add(cache, "d", segment(("black crows", (8,))))
    assert search(again, "owls crows", 9)[0].text == "grey owls"
    assert again.view().count == 1


def test_a_deleted_folder_is_noticed(cache: Cache, tmp_path: Path) -> None:
    for file in folder_of(tmp_path / "vs_1").iterdir():
        file.unlink()
    assert not cache.is_there()
    assert search(cache, "plums", 4)[0].text == "blue plums fall"


def test_vectors_of_removed_files_do_not_stay_for_ever(
    tmp_path: Path, opened: Callable[..., Cache]
) -> None:
    cache = opened("vs_2")
    many = segment(*((f"chunk {number}", (number,)) for number in range(1500)))
    revision = 0
    for _ in range(3):
        add(cache, "a", many)
        revision += 1
        assert cache.finish(revision)
    add(cache, "a", many)
    assert not cache.finish(revision + 1)  # 4500 are dead, 1500 not
    assert cache.revision == 0
    assert cache.view().count == 0
    add(cache, "a", many)
    assert cache.finish(revision + 1)
    assert cache.size == 1500 * DIMENSIONS * 4
    assert [file.name for file in (tmp_path / "vs_2").glob("*/vectors-*")] == ["vectors-1"]


def test_scans_in_blocks_are_the_same(cache: Cache) -> None:
    queries = rows(1, 4)
    wide = Search(["", ""], queries, limit=9, weights=MEANING)
    spare = Search(["", ""], queries, limit=9, weights=MEANING, sparing=True)
    view = cache.view()
    assert wide.run(cache, view) == spare.run(cache, view)
    assert {hit.text for hit in wide.run(cache, view)[:2]} == {"red apples", "blue plums fall"}


def test_random_changes_against_the_truth(opened: Callable[..., Cache]) -> None:
    r = random.Random(3)
    cache = opened("vs_3")
    truth: dict[str, int] = {}
    for revision in range(1, 60):
        name = f"file-{r.randrange(12)}"
        if name in truth and r.random() < 0.4:
            cache.remove([name])
            del truth[name]
        else:
            truth[name] = number = r.randrange(10**6)
            add(cache, name, segment((f"word{number} a", (number,)), ("b", (number + 1,))))
        cache.finish(revision)
        if r.random() < 0.2:
            cache.close()
            cache = opened("vs_3")
        assert cache.view().count == 2 * len(truth)
        for file, number in truth.items():
            best = search(cache, "", number, weights=MEANING, limit=1)[0]
            assert (best.file.file, best.text) == (file, f"word{number} a")
            words = search(cache, f"word{number}", 0, weights=WORDS)
            assert [hit.file.file for hit in words] == [file]


def test_the_best_of_many_are_those_of_the_cosines(opened: Callable[..., Cache]) -> None:
    """With one to four vectors for each chunk, and files that are gone."""
    r = random.Random(5)
    cache = opened("vs_4")
    truth: dict[str, tuple[int, NDArray[np.float32]]] = {}
    for file in range(40):
        numbers = [tuple(r.sample(range(10**6), r.randint(1, 4))) for _ in range(30)]
        chunks = [(f"chunk {file}-{index}", one) for index, one in enumerate(numbers)]
        made = segment(*chunks)
        add(cache, f"file-{file}", made, even=file % 2 == 0)
        truth |= {
            text: (file, unit(np.frombuffer(halved(rows(*one)), "<f2").reshape(len(one), -1)))
            for text, one in chunks
        }
    cache.remove([f"file-{file}" for file in range(0, 40, 3)])
    assert cache.finish(1)
    for kept, filter in ((2, Compare("even", "eq", True)), (1, None)):
        query = rows(r.randrange(10**6))
        cosines = {
            text: float((vectors @ query[0]).max())
            for text, (file, vectors) in truth.items()
            if file % 3 and file % kept == 0
        }
        wanted = Search([""], query, 50, weights=MEANING, filter=filter)
        found = wanted.run(cache, cache.view())
        assert [hit.text for hit in found] == sorted(cosines, key=lambda text: -cosines[text])[:50]
        for hit in found:
            assert hit.score == pytest.approx(max(0, cosines[hit.text]), abs=1e-6)
            assert hit.file.file == f"file-{truth[hit.text][0]}"


def test_segments_as_bytes() -> None:
    made = segment(("one", (1,)), ("two", (2, 3)))
    again = decode(encode(made))
    assert again.chunks() == ["one", "two"]
    assert again.parts() == ["onetwo"]
    assert np.allclose(again.vectors(), rows(1, 2, 3), atol=1e-3)


def test_the_parts_of_a_segment_are_all_of_its_text() -> None:
    for sections, parts in (
        ([("page 1", 0), ("page 2", 3)], ["one", "two"]),
        ([("chapter", 3)], ["one", "two"]),
        ([("a", 1), ("b", 3)], ["o", "ne", "two"]),
    ):
        paged = Segment("onetwo", sections, [], [], DIMENSIONS, b"")
        assert decode(encode(paged)).parts() == parts
