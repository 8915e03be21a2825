"""`POST /v1/moderations`, with the official client and as raw requests."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from openai import BadRequestError, InternalServerError, NotFoundError, OpenAI
from openai.types import ModerationCreateResponse

from openedai.api.parameters.generation.prompt import MAX_CHARACTERS
from openedai.catalog.builtin import default_names
from openedai.config import ConfigError, ModelSpec
from openedai.contract.moderate import CATEGORIES
from tests.images.files import file_of, noise
from tests.support import Running, ServerThread, echo_settings, fetch


def flagged(answer: ModerationCreateResponse) -> list[set[str]]:
    """The flagged categories of each result, by their official names."""
    named = (one.categories.model_dump(by_alias=True) for one in answer.results)
    return [{name for name in CATEGORIES if categories[name]} for categories in named]


def raw(server: Running, **body: Any) -> Any:
    answer = fetch(f"{server.url}/v1/moderations", "POST", json=body)
    return json.loads(answer.body)


def picture(url: str) -> Any:
    return {"type": "image_url", "image_url": {"url": url}}


def drawn(width: int, height: int) -> Any:
    """To the echo engine an image is sexual if it is wider than high."""
    data = base64.b64encode(file_of(noise(width, height))).decode()
    return picture(f"data:image/png;base64,{data}")


@pytest.mark.parametrize("model", ["echo", "hosted"])
def test_a_result_for_each_text(client: OpenAI, model: str) -> None:
    answer = client.moderations.create(model=model, input=["I say hate", "a text", "self-harm"])
    assert flagged(answer) == [{"hate"}, set(), {"self-harm"}]
    assert [one.flagged for one in answer.results] == [True, False, True]
    assert answer.results[0].category_scores.hate == pytest.approx(0.9)
    assert answer.results[1].category_scores.violence_graphic == pytest.approx(0.1)
    assert answer.model == model


def test_a_text(client: OpenAI) -> None:
    answer = client.moderations.create(input="violence/graphic")
    assert flagged(answer) == [{"violence/graphic"}]
    assert answer.id.startswith("modr-")


def test_parts_have_one_result_together(client: OpenAI) -> None:
    parts: Any = [{"type": "text", "text": "hate"}, {"type": "text", "text": "sexual"}]
    assert flagged(client.moderations.create(input=parts)) == [{"hate", "sexual"}]


@pytest.mark.parametrize(
    ("width", "score", "found"), [(30, 0.9, {"sexual"}), (10, 0.1, set[str]())]
)
def test_an_image(client: OpenAI, width: int, score: float, found: set[str]) -> None:
    answer = client.moderations.create(input=[drawn(width, 20)])
    assert flagged(answer) == [found]
    (result,) = answer.results
    assert result.category_scores.sexual == pytest.approx(score)
    assert result.category_scores.hate == 0
    applied = result.category_applied_input_types.model_dump(by_alias=True)
    assert {name for name, types in applied.items() if types} == {"sexual"}
    assert applied["sexual"] == ["image"]


def test_texts_and_images_have_one_result_together(client: OpenAI) -> None:
    parts: Any = [{"type": "text", "text": "hate"}, drawn(10, 20), drawn(30, 20)]
    answer = client.moderations.create(input=parts)
    assert flagged(answer) == [{"hate", "sexual"}]
    applied = answer.results[0].category_applied_input_types
    assert (applied.hate, applied.sexual) == (["text"], ["text", "image"])


def test_which_model_scores_images() -> None:
    """The request's if it can, otherwise the default one."""
    models = (
        ModelSpec(id="echo", engine="echo"),
        ModelSpec(id="broken", engine="echo", options={"load_error": "The weights are bad."}),
        ModelSpec(
            id="texts", engine="upstream", options={"url": "x", "capabilities": ["moderation"]}
        ),
    )
    settings = echo_settings(models=models, image_moderation_model="broken")
    with ServerThread(settings) as server, server.client() as client:
        assert flagged(client.moderations.create(model="echo", input=[drawn(30, 20)])) == [
            {"sexual"}
        ]
        with pytest.raises(InternalServerError, match="The weights are bad"):
            client.moderations.create(model="texts", input=[drawn(30, 20)])


def test_without_a_model_for_images() -> None:
    models = (
        ModelSpec(id="far", engine="upstream", options={"url": "http://127.0.0.1:9"}),
        ModelSpec(id="heads", engine="onnx_embeddings", source="./x", options={"moderation": "m"}),
    )
    settings = echo_settings(models=models, chat_model="far", embedding_model="far")
    with ServerThread(settings) as server, server.client() as client:
        with pytest.raises(BadRequestError) as refused:
            client.moderations.create(input=[drawn(30, 20)])
        assert (refused.value.param, refused.value.code) == ("input[0].type", "unsupported_value")


def test_the_official_shape(echo_server: Running) -> None:
    answer = raw(echo_server, input="hate")
    assert set(answer) == {"id", "model", "results"}
    (result,) = answer["results"]
    assert set(result) == {
        "flagged",
        "categories",
        "category_scores",
        "category_applied_input_types",
    }
    for name in ("categories", "category_scores", "category_applied_input_types"):
        assert tuple(result[name]) == CATEGORIES
    assert set(map(tuple, result["category_applied_input_types"].values())) == {("text",)}
    assert ModerationCreateResponse.model_validate(answer, strict=True).results[0].flagged


@pytest.mark.parametrize("name", default_names()["moderation"])
def test_official_names_mean_the_default_model(client: OpenAI, name: str) -> None:
    assert client.moderations.create(model=name, input="a text").model == "echo"


def test_an_empty_text_is_harmless(client: OpenAI) -> None:
    assert flagged(client.moderations.create(input="")) == [set()]


@pytest.mark.parametrize(
    ("value", "param", "code"),
    [
        ([], "input", "array_below_min_length"),
        (5, "input", "invalid_type"),
        (None, "input", "invalid_type"),
        (["a", 5], "input[1]", "invalid_type"),
        (["a"] * 2049, "input", "array_above_max_length"),
        ("a" * (MAX_CHARACTERS + 1), "input", "string_above_max_length"),
        ([{"type": "text"}], "input[0].text", "missing_required_parameter"),
        ([{"type": "sound"}], "input[0].type", "invalid_value"),
        ([{"type": "image_url"}], "input[0].image_url", "missing_required_parameter"),
        (
            [{"type": "text", "text": "a"}, picture("data:image/png;base64,")],
            "input[1].image_url.url",
            "empty_image_file",
        ),
        ([picture("data:image/png;base64,AAAA")], "input[0].image_url.url", "invalid_image_format"),
        ([picture("ftp://127.0.0.1/a.png")], "input[0].image_url.url", "invalid_image_url"),
    ],
)
def test_bad_input_is_refused_by_name(
    echo_server: Running, value: Any, param: str, code: str
) -> None:
    error = raw(echo_server, input=value)["error"]
    assert (error["param"], error["code"]) == (param, code)


def test_a_model_that_cannot_moderate(echo_server: Running) -> None:
    settings = echo_settings(
        models=(
            ModelSpec(id="echo", engine="echo"),
            ModelSpec(id="e", engine="onnx_embeddings", source="./nowhere"),
        )
    )
    with ServerThread(settings) as server, server.client() as client:
        with pytest.raises(BadRequestError, match="does not support moderation"):
            client.moderations.create(model="e", input="a text")
        with pytest.raises(NotFoundError):
            client.moderations.create(model="nothing", input="a text")


def test_without_a_model_for_it() -> None:
    models = (ModelSpec(id="far", engine="upstream", options={"url": "http://127.0.0.1:9"}),)
    settings = echo_settings(models=models, chat_model="far", embedding_model="far")
    with (
        ServerThread(settings) as server,
        server.client() as client,
        pytest.raises(NotFoundError, match="omni-moderation-latest"),
    ):
        client.moderations.create(input="a text")


def test_thresholds_of_the_settings() -> None:
    settings = echo_settings(moderation_thresholds={"hate": 0.95, "sexual": 0.1})
    with ServerThread(settings) as server, server.client() as client:
        answer = client.moderations.create(input=["hate violence", "a text"])
        assert flagged(answer) == [{"violence", "sexual"}, {"sexual"}]


def test_a_threshold_of_no_category() -> None:
    with (
        pytest.raises(ConfigError, match="no category 'anger'"),
        ServerThread(echo_settings(moderation_thresholds={"anger": 0.5})),
    ):
        pass


def test_tokens_are_counted(echo_server: Running, client: OpenAI) -> None:
    before = _tokens(echo_server)
    client.moderations.create(model="echo", input=["two words", "and three more"])
    assert _tokens(echo_server) - before == 5


def _tokens(server: Running) -> float:
    start = 'openedai_tokens_total{kind="prompt",model="echo"}'
    lines = fetch(f"{server.url}/metrics").body.decode().splitlines()
    found = (line for line in lines if line.startswith(start))
    return float(next(found).rpartition(" ")[2])
