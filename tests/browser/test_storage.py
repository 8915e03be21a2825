"""Files, vector stores and batches in the console."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import openai
import pytest
from openai import OpenAI
from playwright.sync_api import Page, Route, expect

from tests.browser.chromium import Watched
from tests.browser.conftest import ADMIN, HOSTILE, OTHER
from tests.support import Running, ServerThread, echo_settings

pytestmark = pytest.mark.clients

Watch = Callable[..., Watched]
PHONE = {"width": 390, "height": 760}
LINE = {"custom_id": "a", "method": "POST", "url": "/v1/embeddings"}


def content(text: str, name: str = "a.txt") -> dict[str, object]:
    return {"name": name, "mimeType": "text/plain", "buffer": text.encode()}


def agree(page: Page, action: str) -> None:
    page.get_by_role("dialog").get_by_role("button", name=action, exact=True).click()


def test_files_are_uploaded_seen_and_deleted(own_server: Running, watch: Watch) -> None:
    watched = watch(own_server)
    page = watched.open("files")
    expect(page.get_by_text("There are no files.")).to_be_visible()
    both = [content(f"{HOSTILE}\nthe end", f"{HOSTILE}.txt"), content("two", "two.txt")]
    page.get_by_role("button", name="Files", exact=True).set_input_files(both)  # type: ignore[arg-type]
    page.get_by_label("Expires").select_option("After 7 days")
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_text("2 files are uploaded.")).to_be_visible()
    with own_server.client() as client:
        stored = {file.filename: file for file in client.files.list()}
        assert set(stored) == {f"{HOSTILE}.txt", "two.txt"}
        two = stored["two.txt"]
        assert (two.purpose, two.expires_at) == ("user_data", two.created_at + 7 * 86400)
        page.get_by_role("button", name=f"View {HOSTILE}.txt").click()
        expect(page.get_by_role("region", name="The file")).to_contain_text(f"{HOSTILE}\nthe end")
        assert watched.violations() == []
        with page.expect_download() as saved:
            page.get_by_role("button", name="Download two.txt").click()
        assert Path(saved.value.path()).read_text() == "two"
        page.get_by_role("button", name="Delete two.txt").click()
        agree(page, "Keep")
        page.get_by_role("button", name="Delete two.txt").click()
        agree(page, "Delete")
        expect(page.get_by_role("button", name="Delete two.txt")).to_have_count(0)
        with pytest.raises(openai.NotFoundError):
            client.files.retrieve(two.id)


def test_files_that_are_dropped_and_refused(own_server: Running, watch: Watch) -> None:
    with own_server.client() as client:
        client.files.create(file=("a.bin", b"\xff\xfe\x00"), purpose="user_data")
    page = watch(own_server).open("files")
    page.get_by_role("button", name="View a.bin").click()
    expect(page.get_by_role("alert")).to_contain_text("not a text in UTF-8")
    drop = """element => {
        const data = new DataTransfer();
        data.items.add(new File(["not JSON"], "dropped.jsonl"));
        element.dispatchEvent(new DragEvent("drop", {dataTransfer: data, bubbles: true}));
    }"""
    page.locator("form").evaluate(drop)
    expect(page.get_by_text("dropped.jsonl is uploaded.")).to_be_visible()
    page.get_by_label("Purpose").select_option("Batches")
    expect(page.get_by_text("There are no files.")).to_be_visible()


def test_more_files_than_one_page(own_server: Running, watch: Watch) -> None:
    with own_server.client() as client:
        for number in range(51):
            client.files.create(file=(f"{number}.txt", b"a"), purpose="user_data")
    page = watch(own_server).open("files")
    expect(page.get_by_role("row")).to_have_count(51)  # with the head
    page.get_by_role("button", name="Show more").click()
    expect(page.get_by_role("row")).to_have_count(52)
    expect(page.get_by_role("button", name="Show more")).to_be_hidden()


def test_a_vector_store_is_made_filled_and_searched(own_server: Running, watch: Watch) -> None:
    watched = watch(own_server)
    page = watched.open("vector_stores")
    expect(page.get_by_text("There are no vector stores.")).to_be_visible()
    page.get_by_label("Name").fill(HOSTILE)
    page.get_by_label("Embedding model").fill("nothing")
    page.get_by_role("button", name="Make the vector store").click()
    expect(page.get_by_role("alert")).to_contain_text("nothing")
    page.get_by_label("Embedding model").fill("")
    page.get_by_label("Days without use").fill("3")
    check_metadata(page)
    page.get_by_role("button", name="Make the vector store").click()
    expect(page.get_by_role("heading", name=HOSTILE)).to_be_visible()
    expect(page.get_by_text(json.dumps({"twice": HOSTILE}, separators=(",", ":")))).to_be_visible()
    files = [
        content(f"The kettle sings. {HOSTILE}", "kettle.txt"),
        content("The cat sleeps.", "cat.txt"),
    ]
    page.get_by_label("New files").set_input_files(files)  # type: ignore[arg-type]
    page.get_by_label("Attributes", exact=True).fill('{"year": 2024}')
    page.get_by_label("Chunks").select_option("Of another size")
    page.get_by_label("Tokens of a chunk").fill("200")
    page.get_by_label("Tokens that it shares").fill("50")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_text("2 searchable, 0 in progress, 0 failed")).to_be_visible()
    expect(page.get_by_role("row", name="cat.txt completed")).to_contain_text('{"year":2024}')
    page.get_by_label("Query", exact=True).fill("a kettle")
    page.get_by_label("Query", exact=True).press("Enter")
    hits = page.get_by_role("list", name="Results").get_by_role("listitem")
    expect(hits.first).to_contain_text(f"The kettle sings. {HOSTILE}")
    expect(hits.first.locator("mark")).to_have_text(["kettle"])
    page.get_by_role("button", name="Text cat.txt").click()
    page.get_by_role("region", name="The file").get_by_text("The cat sleeps.").wait_for()
    assert watched.violations() == []
    page.get_by_text("Ranking and filters").click()
    page.get_by_label("Filters").fill('{"type": "gt", "key": "year", "value": 2024}')
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_text("0 results")).to_be_visible()
    page.get_by_label("Filters").fill("{")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_role("alert")).to_contain_text("Filters: this is not JSON")
    page.get_by_label("Filters").fill('{"type": "near", "key": "year", "value": 1}')
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_role("alert")).to_contain_text("near")
    page.get_by_label("Filters").fill("")
    page.get_by_label("Weight of the meaning").fill("0")
    page.get_by_label("Results at most").fill("1")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_text("1 result in")).to_be_visible()


def check_metadata(page: Page) -> None:
    """Rows of metadata are added, wrong, and removed."""
    more = page.get_by_role("button", name="Add a row")
    for number in range(16):
        expect(more).to_be_enabled()
        more.click()
        expect(page.get_by_label(f"Metadata key {number + 1}", exact=True)).to_be_focused()
    expect(more).to_be_disabled()
    value = page.get_by_label("Metadata value 1", exact=True)
    value.fill("a" * 600)
    assert len(value.input_value()) == 512
    page.get_by_role("button", name="Make the vector store").click()
    expect(page.get_by_role("alert")).to_contain_text("has no key")
    for number in (1, 2):
        page.get_by_label(f"Metadata key {number}", exact=True).fill("twice")
    page.get_by_role("button", name="Make the vector store").click()
    expect(page.get_by_role("alert")).to_contain_text("The key 'twice' is there twice.")
    page.get_by_role("button", name="Remove metadata row 1", exact=True).click()
    expect(page.get_by_label("Metadata key 1", exact=True)).to_be_focused()
    expect(page.get_by_label("Metadata key 16", exact=True)).to_have_count(0)
    page.get_by_label("Metadata value 1", exact=True).fill(HOSTILE)


def test_the_files_of_a_vector_store(own_server: Running, watch: Watch) -> None:
    with own_server.client() as client:
        store = client.vector_stores.create(name="plants", metadata={"team": "a"})
        broken = client.files.create(file=("broken.pdf", b"%PDF-1.4 no"), purpose="assistants")
        added = client.vector_stores.files.create_and_poll(broken.id, vector_store_id=store.id)
        assert added.last_error is not None
        text = client.files.create(file=("leaf.txt", b"A leaf."), purpose="assistants")
        other = client.files.create(file=("other-leaf.txt", b"Two."), purpose="assistants")
        watched = watch(own_server)
        page = watched.open(f"vector_stores/{store.id}")
        expect(page.get_by_text(added.last_error.message)).to_be_visible()
        page.get_by_role("button", name="Add", exact=True).click()
        expect(page.get_by_text("Choose new files, or stored ones.")).to_be_visible()
        page.get_by_text("Stored files", exact=True).click()
        expect(page.get_by_text("3 of 3 are listed, 0 chosen.")).to_be_visible()
        page.get_by_label("Filter by name").fill("LEAF")
        expect(page.get_by_text("2 of 3 are listed, 0 chosen.")).to_be_visible()
        page.get_by_label("Files to add").select_option([text.id, other.id])
        page.get_by_label("Filter by name").fill("broken")
        expect(page.get_by_text("3 of 3 are listed, 2 chosen.")).to_be_visible()
        assert watched.violations() == []
        page.get_by_role("button", name="Add", exact=True).click()
        expect(page.get_by_role("row", name="other-leaf.txt completed")).to_be_visible()
        expect(page.get_by_text("Stored files", exact=True)).to_be_visible()
        expect(page.get_by_role("row", name=re.compile("^leaf.txt completed"))).to_be_visible()
        page.get_by_role("button", name="Text leaf.txt", exact=True).click()
        expect(page.get_by_role("region", name="The file")).to_contain_text("A leaf.")
        page.get_by_role("button", name="Attributes leaf.txt", exact=True).click()
        page.get_by_label("Attributes of the file").fill('{"green": true}')
        page.get_by_role("button", name="Save the attributes").click()
        expect(page.get_by_role("row", name=re.compile("^leaf.txt completed"))).to_contain_text(
            "green"
        )
        page.get_by_label("Status").select_option("Failed")
        expect(page.get_by_role("row", name="leaf.txt")).to_have_count(0)
        page.get_by_role("button", name="Remove broken.pdf").click()
        agree(page, "Remove")
        expect(page.get_by_text("There are no files.")).to_be_visible()
        page.get_by_label("Name", exact=True).fill("trees")
        page.get_by_label("Days without use").fill("9")
        expect(page.get_by_label("Metadata key 1")).to_have_value("team")
        page.get_by_label("Metadata value 1").fill("b")
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.get_by_text('{"team":"b"}')).to_be_visible()
        changed = client.vector_stores.retrieve(store.id)
        assert (changed.name, changed.metadata) == ("trees", {"team": "b"})
        assert changed.expires_after is not None
        page.get_by_role("button", name="Delete the vector store").click()
        agree(page, "Delete")
        expect(page.get_by_text("There are no vector stores.")).to_be_visible()
        assert client.files.retrieve(broken.id).id == broken.id


def lines(count: int, **change: object) -> str:
    body = {"model": "echo", "input": "hi"}
    each = ({**LINE, "custom_id": str(number), "body": body, **change} for number in range(count))
    return "".join(f"{json.dumps(line)}\n" for line in each)


def test_a_batch_is_made_and_followed(own_server: Running, watch: Watch) -> None:
    watched = watch(own_server)
    page = watched.open("batches")
    expect(page.get_by_text("There are no batches.")).to_be_visible()
    page.get_by_label("Requests: upload").set_input_files(content(lines(3), "a.jsonl"))  # type: ignore[arg-type]
    expect(page.get_by_label("URL")).to_have_value("/v1/embeddings")
    page.get_by_role("button", name="Add a row").click()
    page.get_by_label("Metadata key 1").fill("for")
    page.get_by_label("Metadata value 1").fill(HOSTILE)
    page.get_by_role("button", name="Make the batch").click()
    expect(page.get_by_text("3 of 3 done")).to_be_visible()
    expect(page.get_by_text(json.dumps({"for": HOSTILE}, separators=(",", ":")))).to_be_visible()
    page.get_by_role("button", name="View results").click()
    expect(page.get_by_role("region", name="Results: the beginning")).to_contain_text('"custom_id"')
    assert watched.violations() == []
    with page.expect_download() as saved:
        page.get_by_role("button", name="Download results").click()
    assert len(Path(saved.value.path()).read_text().splitlines()) == 3
    page.get_by_role("link", name="All batches").click()
    expect(page.get_by_role("row", name="/v1/embeddings")).to_contain_text("completed")


def test_a_batch_that_fails_and_one_that_is_cancelled(own_server: Running, watch: Watch) -> None:
    with own_server.client() as client:
        bad = batch(client, lines(1, url="/v1/chat/completions"), "/v1/embeddings")
        slow = batch(
            client,
            lines(
                2,
                url="/v1/completions",
                body={"model": "slow", "prompt": "a b c", "max_tokens": 5000},
            ),
            "/v1/completions",
        )
    watched = watch(own_server)
    page = watched.open(f"batches/{bad}")
    expect(page.get_by_role("row", name="1 url_mismatch")).to_be_visible()
    expect(page.get_by_role("button", name="Cancel the batch")).to_be_hidden()
    page = watched.open(f"batches/{slow}")
    page.get_by_role("button", name="Cancel the batch").click()
    agree(page, "Cancel the batch")
    expect(page.get_by_text("cancelled", exact=True)).to_be_visible()
    page = watched.open("batches/batch_nothing")
    expect(page.get_by_role("alert")).to_contain_text("batch_nothing")


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_an_opened_store_and_batch_on_a_phone(
    own_server: Running, watch: Watch, colours: str
) -> None:
    long = f"{HOSTILE}{'-long' * 30}"
    with own_server.client() as client:
        metadata = {"for": "x" * 300}
        store = client.vector_stores.create(name=long, metadata=metadata).id
        client.vector_stores.files.upload_and_poll(
            vector_store_id=store, file=(f"{long}.txt", b"leaf " * 300)
        )
        failed = batch(client, lines(1, url="/v1/chat/completions"), "/v1/embeddings")
        client.files.create(file=(f"{long}-2.txt", b"leaf"), purpose="assistants")
    watched = watch(
        own_server, viewport=PHONE, has_touch=True, is_mobile=True, color_scheme=colours
    )
    page = watched.open(f"vector_stores/{store}")
    page.get_by_label("Query", exact=True).fill("leaf")
    page.get_by_label("Query", exact=True).press("Enter")
    expect(page.get_by_role("list", name="Results").get_by_role("listitem")).to_have_count(1)
    page.get_by_text("Ranking and filters").tap()
    page.get_by_text("Stored files", exact=True).tap()
    expect(page.get_by_text("2 of 3 are listed, 0 chosen.")).to_have_count(0)
    expect(page.get_by_text("3 of 3 are listed, 0 chosen.")).to_be_visible()
    page.get_by_role("button", name="Add a row").tap()
    page.get_by_role("button", name="Text").tap()
    page.get_by_role("region", name="The file").get_by_text("leaf leaf").wait_for()
    assert watched.violations() == []
    assert watched.width() == PHONE["width"]
    page = watched.open(f"batches/{failed}")
    expect(page.get_by_role("row", name="1 url_mismatch")).to_be_visible()
    page.get_by_role("button", name="View input").tap()
    page.get_by_text("custom_id").wait_for()
    assert watched.violations() == []
    assert watched.width() == PHONE["width"]


def test_what_has_ended_is_not_asked_for_again(own_server: Running, watch: Watch) -> None:
    with own_server.client() as client:
        done = batch(client, lines(1, url="/v1/chat/completions"), "/v1/embeddings")
        store = client.vector_stores.create(name="plants").id
        watched = watch(own_server)
        page = watched.page
        page.clock.install()
        watched.open(f"batches/{done}")
        expect(page.get_by_text("failed", exact=True)).to_be_visible()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.clock.run_for(10_000)
        watched.open(f"vector_stores/{store}")
        assert [url for url in asked if f"v1/batches/{done}" in url] == []
        asked.clear()
        with page.expect_response(f"**/v1/vector_stores/{store}"):
            page.clock.run_for(5_000)
        assert [url for url in asked if url.partition("?")[0].endswith("/files")] == []
        client.vector_stores.files.upload_and_poll(vector_store_id=store, file=("leaf.txt", b"A."))
        page.clock.run_for(5_000)
        expect(page.get_by_role("row", name="leaf.txt")).to_be_visible()


def batch(client: OpenAI, text: str, endpoint: str) -> str:
    file = client.files.create(file=("a.jsonl", text.encode()), purpose="batch")
    made = client.batches.create(
        input_file_id=file.id,
        endpoint=endpoint,  # type: ignore[arg-type]
        completion_window="24h",
    )
    return made.id


@pytest.mark.parametrize("name", ["batches", "vector_stores", "fine_tuning"])
def test_a_page_that_is_left_asks_no_more(own_server: Running, watch: Watch, name: str) -> None:
    watched = watch(own_server)
    watched.page.clock.install()
    page = watched.open(name)
    listed = re.compile(rf"/v1/\S*({name}|jobs)\?")
    with page.expect_response(listed):
        page.clock.fast_forward(5000)  # it asks again by itself
    page = watched.open("files")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.clock.fast_forward(60_000)
    page.get_by_label("Purpose").select_option("Batches")
    expect(page.get_by_text("There are no files.")).to_be_visible()
    assert [url for url in asked if listed.search(url)] == []
    assert asked


def test_files_that_are_sent_are_not_sent_again(own_server: Running, watch: Watch) -> None:
    page = watch(own_server).open("files")
    files = page.get_by_role("button", name="Files", exact=True)
    files.set_input_files([content(name, f"{name}.txt") for name in ("one", "two")])  # type: ignore[arg-type]
    taken: list[Route] = []

    def second_fails(route: Route) -> None:
        taken.append(route)
        if len(taken) == 2:
            route.fulfill(status=503, body='{"error": {"message": "The disk is full."}}')
        else:
            route.continue_()

    page.route("**/v1/files", second_fails)
    for _ in range(2):
        page.get_by_role("button", name="Upload").click()
        page.get_by_text(re.compile("The disk is full|2 files are uploaded")).wait_for()
    expect(page.get_by_text("2 files are uploaded.")).to_be_visible()
    with own_server.client() as client:
        assert sorted(file.filename for file in client.files.list()) == ["one.txt", "two.txt"]


LARGE = 100_000  # bytes, of which the server takes a fifth at once


@pytest.fixture
def small_server(tmp_path: Path) -> Iterator[Running]:
    with ServerThread(echo_settings(data=tmp_path, file_max_bytes=LARGE // 5)) as running:
        yield running


def test_a_large_file_is_uploaded_in_parts(small_server: Running, watch: Watch) -> None:
    watched = watch(small_server)
    page = watched.open("files")
    text = "".join(f"{number:09}\n" for number in range(LARGE // 10))
    parts: list[str] = []
    page.on(
        "request", lambda request: parts.append(request.url) if "/parts" in request.url else None
    )
    page.get_by_role("button", name="Files", exact=True).set_input_files(content(text, "large.txt"))  # type: ignore[arg-type]
    page.get_by_label("Expires").select_option("After a day")
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_text("large.txt is uploaded.")).to_be_visible()
    assert len(parts) == 5
    with small_server.client() as client:
        (file,) = client.files.list()
        assert (file.filename, file.expires_at) == ("large.txt", file.created_at + 86400)
        assert client.files.content(file.id).text == text


def test_the_upload_of_a_large_file_is_stopped(small_server: Running, watch: Watch) -> None:
    page = watch(small_server).open("files")
    held: list[Route] = []

    def hold_third(route: Route) -> None:
        held.append(route)
        if len(held) != 3:
            route.continue_()

    page.route("**/parts", hold_third)
    page.get_by_role("button", name="Files", exact=True).set_input_files(content("a" * LARGE))  # type: ignore[arg-type]
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_text("a.txt (1 of 1): 40 %")).to_be_visible()
    with page.expect_response("**/cancel") as cancelled:
        page.get_by_role("button", name="Stop").click()
    assert cancelled.value.json()["status"] == "cancelled"
    expect(page.get_by_text("The upload was stopped.")).to_be_visible()
    expect(page.get_by_role("button", name="Stop")).to_be_hidden()
    expect(page.get_by_role("alert")).to_have_count(0)
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_text("a.txt is uploaded.")).to_be_visible()


def test_keys_that_may_not_manage_see_their_own(keyed_server: Running, watch: Watch) -> None:
    for key, name in ((ADMIN, "of-admin.txt"), (OTHER, "of-other.txt")):
        with keyed_server.client(api_key=key) as client:
            client.files.create(file=(name, b"a"), purpose="user_data")
    watched = watch(keyed_server)
    watched.context.add_init_script(f"sessionStorage.setItem('openedai.key', '{OTHER}')")
    page = watched.open("files")
    expect(page.get_by_role("rowheader", name="of-other.txt")).to_be_visible()
    expect(page.get_by_role("rowheader", name="of-admin.txt")).to_have_count(0)
    for name in ("vector_stores", "batches", "fine_tuning"):
        watched.open(name)
        expect(page.get_by_role("alert")).to_have_count(0)
