"""What people manage in the console: keys, and what is stored."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import openai
import pytest
from playwright.sync_api import expect

from tests.browser.chromium import Watched
from tests.browser.conftest import HOSTILE
from tests.support import Running

pytestmark = pytest.mark.clients

Watch = Callable[..., Watched]


def test_keys_are_made_and_revoked(own_server: Running, watch: Watch) -> None:
    watched = watch(own_server)
    page = watched.open("keys")
    expect(page.get_by_text("There are no keys in the database.")).to_be_visible()
    page.get_by_label("Name", exact=True).fill("shop")
    page.get_by_role("button", name="Make the key").click()
    expect(page.get_by_role("alert")).to_contain_text("There is no admin key yet")
    page.get_by_label("Name", exact=True).fill("boss")
    page.get_by_label("An admin key").check()
    expect(page.get_by_label("chat", exact=True)).to_be_disabled()
    page.get_by_role("button", name="Make the key").click()
    boss = page.get_by_label("The key boss").last.input_value()
    assert page.evaluate("Object.values(sessionStorage)") == [boss]
    expect(page.get_by_role("button", name="Revoke boss")).to_be_visible()
    page.get_by_label("Name", exact=True).fill(HOSTILE)
    page.get_by_label("Owner").fill(HOSTILE)
    page.get_by_role("textbox", name="Models").fill("reveal, parrot")
    page.get_by_label("Expires").select_option("After 30 days")
    page.get_by_label("chat", exact=True).check()
    page.get_by_text("Limits", exact=True).click()
    page.get_by_label("tokens per day").fill("100000")
    page.get_by_role("button", name="Make the key").click()
    secret = page.get_by_label(f"The key {HOSTILE}").last.input_value()
    row = page.get_by_role("row", name=HOSTILE)
    expect(row).to_contain_text("chat; models reveal, parrot; 100000 tokens per day")
    with own_server.client(api_key=secret) as client:
        client.chat.completions.create(model="echo", messages=[{"role": "user", "content": "a"}])
    page.get_by_role("button", name=f"Revoke {HOSTILE}").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    expect(row).to_have_count(0)
    with own_server.client(api_key=secret) as client, pytest.raises(openai.AuthenticationError):
        client.chat.completions.create(model="echo", messages=[{"role": "user", "content": "a"}])
    page.reload()
    expect(page.get_by_role("rowheader", name="boss")).to_be_visible()
    assert boss not in page.content()
    page.get_by_role("button", name="Revoke boss").click()
    expect(page.get_by_role("dialog")).to_contain_text("the last admin key")


def test_a_key_is_changed(own_server: Running, watch: Watch) -> None:
    watched = watch(own_server)
    page = watched.open("keys")
    page.get_by_label("Name", exact=True).fill("boss")
    page.get_by_label("An admin key").check()
    page.get_by_role("button", name="Make the key").click()
    page.get_by_role("link", name="boss").click()
    expect(page.get_by_label("chat", exact=True)).to_be_disabled()
    page.get_by_role("link", name="All keys").click()
    page.get_by_label("Name", exact=True).fill(HOSTILE)
    page.get_by_label("Owner").fill("Ann")
    page.get_by_role("textbox", name="Models").fill("reveal")
    page.get_by_label("Expires").select_option("After 30 days")
    page.get_by_label("chat", exact=True).check()
    page.get_by_role("button", name="Make the key").click()
    secret = page.get_by_label(f"The key {HOSTILE}").last.input_value()
    page.get_by_role("link", name=HOSTILE).click()
    assert watched.violations() == []
    expect(page.get_by_label("Name", exact=True)).to_have_value(HOSTILE)
    expect(page.get_by_label("chat", exact=True)).to_be_checked()
    expect(page.get_by_label("Expires")).to_contain_text("As it is: ")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Nothing was changed.")).to_be_visible()
    models = page.get_by_role("textbox", name="Models")
    models.fill("nothing")
    models.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("nothing")
    expect(models).to_have_attribute("aria-invalid", "true")
    expect(models).to_be_focused()
    expect(models).to_have_accessible_description(re.compile("nothing.*Names with commas"))
    assert watched.violations() == []
    models.fill("echo")
    page.get_by_text("Limits", exact=True).click()
    amount = page.get_by_label("tokens per day")
    amount.fill("9999999999999999")
    page.get_by_role("button", name="Save").click()
    expect(amount).to_have_attribute("aria-invalid", "true")
    expect(models).not_to_have_attribute("aria-invalid", "true")
    amount.fill("100")
    page.get_by_label("storage bytes").fill("5000")
    page.get_by_label("Expires").select_option("Never")
    page.get_by_label("Owner").fill(f"Bob {HOSTILE}")
    page.get_by_label("embeddings", exact=True).check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_have_count(0)
    expect(page.get_by_text(f"{HOSTILE} is changed.")).to_be_visible()
    expect(page.get_by_role("definition").filter(has_text="never")).to_have_count(2)
    with own_server.client(api_key=secret) as client:
        client.embeddings.create(model="echo", input="a")
        with pytest.raises(openai.NotFoundError):
            client.embeddings.create(model="reveal", input="a")
    page.reload()
    expect(page.get_by_label("storage bytes")).to_have_value("5000")
    page.get_by_label("tokens per day").fill("")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text(f"{HOSTILE} is changed.")).to_be_visible()
    page.get_by_role("link", name="All keys").click()
    row = page.get_by_role("row", name=HOSTILE)
    expect(row).to_contain_text("chat, embeddings; models echo")
    expect(row).not_to_contain_text("tokens per day")
    page.get_by_role("link", name=HOSTILE).click()
    page.get_by_role("button", name="Revoke").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    expect(page.get_by_role("heading", name="Make a key")).to_be_visible()
    expect(row).to_have_count(0)
    watched.open("keys/key_none")
    expect(page.get_by_role("alert")).to_contain_text("There is no key 'key_none'")


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_a_key_on_a_phone(own_server: Running, watch: Watch, colours: str) -> None:
    phone = {"width": 390, "height": 760}
    with own_server.client() as client:
        long = f"{HOSTILE}{'-long' * 25}"
        body = {"name": long, "owner": long, "admin": True}
        made = client.post("../console/api/keys", body=body, cast_to=dict[str, Any])
    watched = watch(
        own_server, viewport=phone, has_touch=True, is_mobile=True, color_scheme=colours
    )
    watched.context.add_init_script(f"sessionStorage.setItem('openedai.key', '{made['value']}')")
    page = watched.open(f"keys/{made['key']['id']}")
    page.get_by_text("Limits", exact=True).tap()
    assert watched.violations() == []
    assert watched.width() == phone["width"]


def test_a_new_key_is_copied(own_server: Running, watch: Watch) -> None:
    watched = watch(own_server)
    watched.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = watched.open("keys")
    page.get_by_label("Name", exact=True).fill("boss")
    page.get_by_label("An admin key").check()
    page.get_by_role("button", name="Make the key").click()
    field = page.get_by_label("The key boss").last
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_text("The key is copied.")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == field.input_value()
    page.evaluate("void (navigator.clipboard.writeText = () => Promise.reject())")
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_text("the key is selected")).to_be_visible()
    assert page.evaluate("getSelection().toString()") == field.input_value()


def test_usage_is_shown_by_model_key_and_project(own_server: Running, watch: Watch) -> None:
    with own_server.client() as client:
        for model in ("echo", "reveal"):
            client.completions.create(model=model, prompt="one two three")
        client.embeddings.create(model="echo", input="four")
    page = watch(own_server).open("usage")
    expect(page.get_by_text("3 calls of models")).to_be_visible()
    expect(page.get_by_role("img", name="Tokens by day, by model")).to_be_visible()
    expect(page.get_by_role("row", name="reveal Text 1")).to_be_visible()
    expect(page.get_by_role("row", name="echo Embeddings 1")).to_be_visible()
    page.get_by_label("Time").select_option("90 days")
    expect(page.get_by_text("3 calls of models")).to_be_visible()
    for grouped in ("By key", "By project"):
        page.get_by_label("Grouped by").select_option(grouped)
        expect(page.get_by_role("row", name="Text 2")).to_be_visible()
