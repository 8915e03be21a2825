"""What the engine gets of a body."""

from __future__ import annotations

from typing import Any

from openedai.api.legacy.answers import AnswerRequest
from openedai.api.legacy.classifications import ClassificationRequest
from openedai.api.legacy.edits import EditRequest
from openedai.api.legacy.generate import EngineGenerateRequest
from openedai.api.legacy.search import SearchRequest
from openedai.api.openai.chat.messages import ChatMessage, Media
from openedai.api.openai.chat.types import ChatCompletionRequest
from openedai.api.openai.completions.types import CompletionRequest
from openedai.api.openai.decisions.types import DecisionRequest
from openedai.api.openai.embeddings.types import EmbeddingRequest
from openedai.api.openai.fine_tuning.types import JobCreateRequest
from openedai.api.openai.graders.types import GraderRunRequest
from openedai.api.openai.images.types import (
    ImageEditRequest,
    ImageGenerationRequest,
    ImageReference,
    ImageVariationRequest,
)
from openedai.api.openai.moderations.types import ModerationRequest
from openedai.api.openai.responses.input.media import Media as ResponseMedia
from openedai.api.openai.responses.prepare import engine_chat
from openedai.api.openai.responses.prepare import engine_request as response_request
from openedai.api.openai.responses.state.routes import RetrieveQuery
from openedai.api.openai.responses.tools import callable_tools
from openedai.api.openai.responses.types import ResponseRequest
from openedai.api.openai.speech.types import SpeechRequest
from openedai.api.openai.transcriptions.types import TranscriptionRequest, TranslationRequest
from openedai.api.openai.uploads.types import (
    UploadCreateRequest,
)
from openedai.api.openai.vector_stores.search import StoreSearchRequest
from openedai.config import ModelSpec
from openedai.http.body import Body
from openedai.serving.images.inputs import ImageSources
from tests.docs.apis.compatibility.values import VALUES
from tests.docs.apis.compatibility.values_by_type import (
    NEEDED_FIELDS,
    NEEDED_FIELDS_BY_TYPE,
    VALUES_BY_TYPE,
)


def engine_request(model: type[Body], body: dict[str, Any]) -> Any:
    """What the engine gets of a body; the body's own values if no engine gets any."""
    value = model.model_validate(body)
    match value:
        case ChatMessage():
            return value.to_engine(0, Media())
        case ChatCompletionRequest():
            return value.to_engine_requests(Media())
        case ResponseRequest():
            return _of_response(value)
        case CompletionRequest():
            return value.to_engine_requests()
        case EditRequest():
            return value.to_engine_requests(ModelSpec(id="m", engine="echo"))
        case EngineGenerateRequest():
            return value.completion().to_engine_requests()
        case SearchRequest():
            return value.query, value.documents
        case AnswerRequest():
            return value.request_with(range(len(value.documents))).to_engine_requests()
        case ClassificationRequest():
            return value.request_with(range(len(value.examples))).to_engine_requests()
        case ImageEditRequest():
            inputs = value.inputs(), value.mask_input()
            return inputs, value.to_engine_request(ImageSources())
        case ImageVariationRequest():
            return value.inputs(), value.to_engine_request(ImageSources())
        case ImageGenerationRequest() | TranscriptionRequest() | TranslationRequest():
            return value.to_engine_request()
        case DecisionRequest() | EmbeddingRequest() | SpeechRequest():
            return value.to_engine_request()
        case ModerationRequest():
            return value.texts()
        case _:
            return _of_stored(value)


def _of_response(value: ResponseRequest) -> Any:
    tools = callable_tools(value.tools or (), (), strict=False)
    items = [("input", item) for item in value.items()]
    chat = engine_chat(value, items, tools, ResponseMedia(), value.template_arguments())
    return response_request(value, chat), value.options(), value.metadata


def _of_stored(value: Body) -> Any:
    """What endpoints read of bodies that no engine gets."""
    match value:
        case ImageReference():
            return value.image_url, value.file_id
        case RetrieveQuery():
            return value.stream, value.starting_after, value.include
        case StoreSearchRequest():
            return value.to_query()
        case UploadCreateRequest():
            return value.bytes, value.filename, value.purpose, value.expires_after
        case JobCreateRequest():
            return value.new_job()
        case GraderRunRequest():
            return value.to_grader(), value.model_sample, value.item
        case _:
            return value


def assert_changes_the_request(model: type[Body], body: dict[str, Any], name: str) -> None:
    value = VALUES_BY_TYPE.get((model, name), VALUES.get(name))
    needed_fields = NEEDED_FIELDS_BY_TYPE.get(model, NEEDED_FIELDS).get(name, {})
    assert value is not None
    assert engine_request(model, {**body, **needed_fields, name: value}) != engine_request(
        model, {**body, **needed_fields}
    )
