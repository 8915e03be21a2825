"""What people do in the console, by keyboard alone where that is said."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam
from playwright.sync_api import Page, expect

from tests.browser.chromium import Watched
from tests.browser.conftest import ADMIN, HOSTILE, OTHER
from tests.support import Running

pytestmark = pytest.mark.clients

Watch = Callable[..., Watched]
# What has the focus, in words.
_FOCUSED = """() => {
  const one = document.activeElement;
  return (one.getAttribute("aria-label") || one.innerText || "").trim();
}"""


def tab_to(page: Page, name: str) -> None:
    """Press Tab until what has this name has the focus."""
    for _ in range(80):
        page.keyboard.press("Tab")
        described = page.evaluate(_FOCUSED)
        if described.startswith(name):
            return
    raise AssertionError(f"Tab does not reach {name!r}")


@contextmanager
def long_request(server: Running) -> Iterator[list[str]]:
    """A request that runs, and the codes of its error."""
    codes: list[str] = []
    message: ChatCompletionMessageParam = {"role": "user", "content": "a b"}

    def ask() -> None:
        with server.client() as client:
            try:
                client.chat.completions.create(model="slow", messages=[message])
            except openai.APIError as error:
                codes.append(str(error.code))

    thread = threading.Thread(target=ask)
    thread.start()
    yield codes
    thread.join(20)


def test_a_request_is_cancelled_by_keyboard(open_server: Running, watch: Watch) -> None:
    watched = watch(open_server)
    page = watched.open("now")
    with long_request(open_server) as codes:
        expect(page.get_by_role("cell", name="answering")).to_be_visible()
        tab_to(page, "Cancel POST /v1/chat/completions")
        page.wait_for_timeout(1500)  # the table changes meanwhile, and the focus stays
        page.keyboard.press("Enter")
        dialog = page.get_by_role("dialog")
        expect(dialog).to_contain_text("Cancel POST /v1/chat/completions")
        page.keyboard.press("Escape")
        expect(dialog).to_have_count(0)
        page.keyboard.press("Enter")
        expect(dialog.get_by_role("button", name="Keep")).to_be_focused()
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(page.get_by_text("The request was cancelled.")).to_be_visible()
        expect(page.get_by_text("No request is being served.")).to_be_visible()
    assert codes == ["request_cancelled"]


def test_pages_are_reached_and_a_model_is_loaded_by_keyboard(
    open_server: Running, watch: Watch
) -> None:
    watched = watch(open_server)
    page = watched.open("now")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    page.keyboard.press("Control+k")
    expect(page.get_by_role("combobox", name="Go to a page")).to_be_focused()
    page.keyboard.type("mod")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1, name="Models")).to_be_focused()
    tab_to(page, "Load echo")
    page.keyboard.press("Enter")
    expect(page.get_by_text("echo is in memory.")).to_be_visible()
    expect(page.get_by_role("button", name="Unload echo", exact=True)).to_be_visible()
    page.get_by_role("button", name="Unload echo", exact=True).press("Enter")
    expect(page.get_by_role("button", name="Load echo", exact=True)).to_be_visible()


def test_a_download_that_fails_says_why(open_server: Running, watch: Watch) -> None:
    page = watch(open_server).open("models")
    page.get_by_label("Find a model").fill("hub")
    page.get_by_role("button", name="Download hub").click()
    expect(page.get_by_text("downloads are off")).to_be_visible()
    expect(page.get_by_role("button", name="Try again hub")).to_be_visible()


def test_names_and_answers_are_shown_as_text(open_server: Running, watch: Watch) -> None:
    watched = watch(open_server)
    with open_server.client() as client:
        client.completions.create(model=HOSTILE, prompt=HOSTILE)
    page = watched.open("models")
    expect(page.get_by_role("rowheader", name=HOSTILE)).to_be_visible()
    expect(page.get_by_text("<b>bold</b>")).to_be_visible()
    page = watched.open("now")
    expect(page.get_by_role("rowheader", name=HOSTILE)).to_be_visible()
    page = watched.open("playground")
    page.get_by_label("Model", exact=True).fill("markup")
    page.get_by_label("Message").fill(HOSTILE)
    page.get_by_label("Message").press("Enter")
    expect(page.get_by_role("article", name="Your message")).to_contain_text(HOSTILE)
    expect(page.get_by_role("article", name="Answer")).to_contain_text("<script>alert(1)</script>")
    expect(page.get_by_text("Finished: stop")).to_be_visible()
    page = watched.open("logs")
    expect(page.get_by_role("log")).to_be_visible()
    assert page.locator('img[src="x"]').count() == 0
    assert "hacked" not in page.title()


def test_a_chat_is_streamed_stopped_and_regenerated(open_server: Running, watch: Watch) -> None:
    page = watch(open_server).open("playground")
    page.get_by_label("Model", exact=True).fill("slow")
    message = page.get_by_label("Message")
    message.fill("one two three")
    message.press("Enter")
    answer = page.get_by_role("article", name="Answer")
    expect(answer).to_contain_text("one two three")
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_text("Stopped,")).to_be_visible()
    expect(page.get_by_role("button", name="Send")).to_be_enabled()
    page.get_by_label("Model", exact=True).fill("echo")
    page.get_by_role("button", name="Regenerate").click()
    expect(page.get_by_text("Finished: stop")).to_be_visible()
    expect(answer).to_have_count(1)
    page.get_by_role("button", name="Clear").click()
    expect(page.get_by_text("Nothing has been said yet.")).to_be_visible()


def test_all_parameters_go_into_the_request(open_server: Running, watch: Watch) -> None:
    page = watch(open_server).open("playground")
    page.get_by_label("Model", exact=True).fill("reveal")
    page.get_by_label("System prompt").fill("Be brief.")
    page.get_by_label("temperature").fill("0.3")
    page.get_by_label("max_completion_tokens").fill("5000")
    page.get_by_label("seed").fill("7")
    page.get_by_text("Other parameters").click()
    page.get_by_label("More members").fill('{"user": "u')
    page.get_by_label("Message").fill("hello")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("alert")).to_contain_text("What else is sent is not valid JSON")
    page.get_by_label("More members").fill('{"top_p": 0.5}')
    page.get_by_role("button", name="Regenerate").click()
    expect(page.get_by_text("Finished: stop")).to_be_visible()
    said = json.loads(
        page.get_by_role("article", name="Answer").locator("pre.text").last.inner_text()
    )
    assert said["sampling"]["temperature"] == 0.3
    assert (said["sampling"]["top_p"], said["sampling"]["seed"]) == (0.5, 7)
    assert "Be brief." in json.dumps(said)


def test_tools_are_called_and_get_their_results(open_server: Running, watch: Watch) -> None:
    page = watch(open_server).open("playground")
    page.get_by_label("Model", exact=True).fill("calls")
    page.get_by_text("Tools", exact=True).click()
    names = ("get_weather", "get_time")
    tools = [{"type": "function", "function": {"name": name}} for name in names]
    page.get_by_label("Tools as JSON").fill(json.dumps(tools))
    page.get_by_label("Message").fill("weather?")
    page.get_by_label("Message").press("Enter")
    result = page.get_by_label('get_weather({"city": "Paris"})')
    expect(result).to_be_focused()
    result.fill("sunny")
    page.get_by_label("get_time({})").fill("noon")
    page.get_by_label("Tools as JSON").fill("")
    page.get_by_label("Model", exact=True).fill("reveal")
    page.get_by_role("button", name="Send results").click()
    expect(page.get_by_role("article", name="Answer").last).to_contain_text("sunny")


def test_an_image_is_attached_and_removed(open_server: Running, watch: Watch) -> None:
    page = watch(open_server).open("playground")
    page.get_by_label("Model", exact=True).fill("vision-reveal")
    png = bytes.fromhex(
        "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de"
        "0000000c49444154789c63f8ffff3f0005fe02fe0def46b80000000049454e44ae426082"
    )
    for name in ("a.png", "b.png"):
        page.locator('input[type="file"]').set_input_files(
            {"name": name, "mimeType": "image/png", "buffer": png}
        )
    page.get_by_role("button", name="Remove b.png").click()
    page.get_by_label("Message").fill("what is it?")
    page.get_by_label("Message").press("Enter")
    expect(page.get_by_text("Finished: stop")).to_be_visible()
    expect(page.get_by_alt_text("Attached image")).to_have_count(1)


def test_speech_transcription_images_and_embeddings(open_server: Running, watch: Watch) -> None:
    watched = watch(open_server, permissions=["microphone"])
    page = watched.open("playground/speech")
    page.get_by_label("Model", exact=True).fill("echo")
    page.get_by_role("button", name="Speak").click()
    expect(page.get_by_text("Made in")).to_be_visible()
    page = watched.open("playground/images")
    page.get_by_label("Model", exact=True).fill("echo")
    page.get_by_label("Size").fill("256x256")
    page.get_by_role("button", name="Make an image").click()
    expect(page.get_by_text("Made in")).to_be_visible()
    expect(page.get_by_alt_text("A blue circle on white")).to_be_visible()
    page = watched.open("playground/embeddings")
    page.get_by_label("Model", exact=True).fill("echo")
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_text("4 vectors of")).to_be_visible()
    expect(page.get_by_role("cell", name="1.00")).to_have_count(4)
    page = watched.open("playground/transcription")
    page.get_by_label("Model", exact=True).fill("echo")
    page.get_by_label("File").set_input_files(
        {"name": "a.mp3", "mimeType": "audio/mpeg", "buffer": b"Good morning."}
    )
    page.get_by_role("button", name="Transcribe").click()
    expect(page.get_by_role("region", name="Text", exact=True)).to_contain_text("Good morning.")
    page.get_by_role("button", name="Record").click()
    page.get_by_role("button", name="Stop recording").click()
    expect(page.get_by_text("Recorded.")).to_be_visible()


def test_the_log_is_live_and_filtered(open_server: Running, watch: Watch) -> None:
    import logging

    page = watch(open_server).open("logs")
    log = logging.getLogger("openedai.test")
    log.warning("a kettle of %s", HOSTILE)
    expect(page.get_by_role("log")).to_contain_text(f"a kettle of {HOSTILE}")
    page.get_by_label("Only lines with").fill("teapot")
    expect(page.get_by_role("log")).not_to_contain_text("kettle")
    log.error("a teapot")
    expect(page.get_by_role("log")).to_contain_text("a teapot")


def test_settings_are_found(open_server: Running, watch: Watch) -> None:
    page = watch(open_server).open("settings")
    page.get_by_label("Find a setting").fill("idle_timeout")
    expect(page.get_by_role("rowheader", name="idle_timeout")).to_be_visible()
    expect(page.get_by_role("rowheader", name="cors_origins")).to_have_count(0)


def test_a_key_is_asked_for_and_kept_by_the_tab(keyed_server: Running, watch: Watch) -> None:
    watched = watch(keyed_server)
    page = watched.page
    page.goto(f"{keyed_server.url}/console")
    key = page.get_by_label("API key")
    expect(key).to_be_focused()
    key.fill("wrong-key-0123456789")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("Incorrect API key")
    page.get_by_label("API key").fill(ADMIN)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1, name="What runs now")).to_be_visible()
    assert page.evaluate("Object.values(sessionStorage)") == [ADMIN]
    assert page.evaluate("JSON.stringify(localStorage) + document.cookie") == "{}"
    assert watched.context.cookies() == []
    page.reload()
    expect(page.get_by_role("heading", level=1, name="What runs now")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("API key")).to_be_visible()
    assert page.evaluate("sessionStorage.length") == 0


def test_other_keys_see_what_needs_no_more_than_the_api(
    keyed_server: Running, watch: Watch
) -> None:
    page = watch(keyed_server).page
    page.goto(f"{keyed_server.url}/console/#/models")
    page.get_by_label("API key").fill(OTHER)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1, name="Playground")).to_be_visible()
    assert "Models" not in page.get_by_role("navigation").all_inner_texts()[0].split("\n")
