"""Every method of the official clients for vector stores, synchronous and asynchronous."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.api.openai.every_method import CLIENTS, Kind, Recorded, done, methods, play
from tests.support import Running, ServerThread, echo_settings

SLEEP = {"type": "eq", "key": "of", "value": "cats"}
STATIC = {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 0}
CHUNKS = {"type": "static", "static": STATIC}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with ServerThread(echo_settings(data=tmp_path_factory.mktemp("data"))) as running:
        yield running


@pytest.mark.parametrize("kind", CLIENTS)
def test_every_method(server: Running, kind: Kind) -> None:
    async def scenario(client: Any) -> None:
        stores = Recorded(client.vector_stores)
        store = (await done(stores.create(name="first"))).id
        await files_of(client, stores, store)
        await batches_of(client, stores, store)
        found = await done(stores.search(store, query=["cats", "sleep"], filters=SLEEP))
        assert [result.content[0].text for result in found.data] == ["Cats sleep."]
        assert (await done(stores.update(store, name="second"))).name == "second"
        assert (await done(stores.retrieve(store))).name == "second"
        assert store in [one.id for one in (await done(stores.list())).data]
        assert (await done(stores.delete(store))).deleted
        assert stores.called == methods(client.vector_stores)

    play(kind, server, scenario)


async def uploaded(client: Any, text: bytes) -> str:
    file = await done(client.files.create(file=("a.txt", text), purpose="assistants"))
    return str(file.id)


async def files_of(client: Any, stores: Any, store: str) -> None:
    """Leaves one file in the store."""
    files, kept = stores.files, {"vector_store_id": store}
    given = {"attributes": {"of": "cats"}, "max_wait_seconds": 60}
    cats = await done(files.upload_and_poll(**kept, file=("cats.txt", b"Cats sleep."), **given))
    assert (cats.status, cats.attributes) == ("completed", {"of": "cats"})
    dogs = await done(
        files.upload(**kept, file=("dogs.txt", b"Dogs bark."), chunking_strategy=CHUNKS)
    )
    dogs = await done(files.poll(dogs.id, **kept, poll_interval_ms=20))
    assert (dogs.status, dogs.chunking_strategy.to_dict()) == ("completed", CHUNKS)
    owls = await done(files.create(**kept, file_id=await uploaded(client, b"Owls fly.")))
    assert owls.status == "in_progress"
    bees = await done(files.create_and_poll(**kept, file_id=await uploaded(client, b"Bees hum.")))
    assert bees.status == "completed"
    assert (await done(files.retrieve(owls.id, **kept))).id == owls.id
    changed = await done(files.update(dogs.id, **kept, attributes={"of": "dogs"}))
    assert changed.attributes == {"of": "dogs"}
    listed = await done(files.list(**kept, order="asc"))
    assert [one.id for one in listed.data] == [cats.id, dogs.id, owls.id, bees.id]
    content = await done(files.content(dogs.id, **kept))
    assert [part.text for part in content.data] == ["Dogs bark."]
    for file in (dogs, owls, bees):
        assert (await done(files.delete(file.id, **kept))).deleted


async def batches_of(client: Any, stores: Any, store: str) -> None:
    batches, kept = stores.file_batches, {"vector_store_id": store}
    ids = [await uploaded(client, f"text {number}".encode()) for number in range(2)]
    made = await done(batches.create(**kept, file_ids=ids))
    batch = await done(batches.poll(made.id, **kept, poll_interval_ms=20))
    assert (batch.status, batch.file_counts.completed) == ("completed", 2)
    assert (await done(batches.retrieve(made.id, **kept))).to_dict() == batch.to_dict()
    listed = await done(batches.list_files(made.id, **kept, order="asc", filter="completed"))
    assert [one.id for one in listed.data] == ids
    again = await done(batches.create_and_poll(**kept, files=[{"file_id": one} for one in ids]))
    assert again.file_counts.total == 2
    both = await done(batches.upload_and_poll(**kept, files=[("x.md", b"# One")], file_ids=ids[:1]))
    assert (both.status, both.file_counts.completed) == ("completed", 2)
    over = await done(batches.cancel(both.id, **kept))
    assert (over.status, over.file_counts.completed) == ("completed", 2)
