"""The bodies of Ollama's API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field

from openedai.api.ollama.body import OllamaBody
from openedai.api.ollama.messages import (
    MAX_TOOLS,
    FunctionTool,
    OllamaMessage,
    conversation,
    conversation_image_refs,
    image_refs,
    to_images,
    to_tools,
)
from openedai.api.ollama.values import seconds
from openedai.api.parameters.generation.sampling import LocalSamplingBody, Stop, stop_texts
from openedai.api.parameters.numbers import MAX_INT
from openedai.api.parameters.unions import BY_JSON_TYPE, branch
from openedai.contract.chat import Chat, Message
from openedai.contract.embed import EmbedRequest
from openedai.contract.generate import (
    Constraint,
    GenerateRequest,
    JsonObject,
    JsonSchema,
    Sampling,
    Text,
)
from openedai.errors import invalid_value, missing_parameter
from openedai.http.body import AllowedOnly, Refused
from openedai.media.images import ImageRef
from openedai.serving.images.loading import LoadedImages

LEVELS = ("low", "medium", "high")


def _format(value: Any) -> Any:
    if value in (None, ""):
        return None
    if value == "json" or isinstance(value, dict):
        return value
    raise ValueError("expected 'json' or a JSON Schema")


def _think(value: Any) -> Any:
    if value is None or isinstance(value, bool) or value in LEVELS:
        return value
    raise ValueError("expected true, false, 'low', 'medium' or 'high'")


KeepAlive = Annotated[Any, BeforeValidator(seconds)]
Format = Annotated[Any, BeforeValidator(_format)]
Think = Annotated[Any, BeforeValidator(_think)]


class Options(OllamaBody, LocalSamplingBody):
    """Parameters of sampling, and of how Ollama loads a model; the latter have no effect here."""

    temperature: float | None = Field(None, ge=0, le=100)
    top_p: float | None = Field(None, ge=0, le=1)
    presence_penalty: float | None = Field(None, ge=-2, le=2)
    frequency_penalty: float | None = Field(None, ge=-2, le=2)
    seed: int | None = Field(None, ge=-MAX_INT - 1, le=MAX_INT)
    num_predict: int | None = Field(None, ge=-2, le=MAX_INT)
    stop: Stop | None = None

    num_ctx: int | None = None
    num_batch: int | None = None
    num_keep: int | None = None
    num_gpu: int | None = None
    main_gpu: int | None = None
    num_thread: int | None = None
    numa: bool | None = None
    low_vram: bool | None = None
    f16_kv: bool | None = None
    use_mmap: bool | None = None
    use_mlock: bool | None = None

    embedding_only: Annotated[bool | None, AllowedOnly((False,))] = None
    logits_all: Annotated[bool | None, AllowedOnly((False,))] = None
    penalize_newline: Annotated[bool | None, AllowedOnly((True,))] = None
    tfs_z: Annotated[float | None, AllowedOnly((1.0,))] = None
    vocab_only: Annotated[bool | None, AllowedOnly((False,))] = None

    @property
    def limit(self) -> int | None:
        """The most tokens of an answer; numbers below 1 mean no limit, as in Ollama."""
        return self.num_predict if self.num_predict and self.num_predict > 0 else None

    def sampling(self) -> Sampling:
        return Sampling(
            temperature=self.temperature,
            top_p=self.top_p,
            presence_penalty=self.presence_penalty or 0.0,
            frequency_penalty=self.frequency_penalty or 0.0,
            seed=None if self.seed is None or self.seed < 0 else self.seed,
            local=self.local_sampling(),
        )


class ModelUse(OllamaBody):
    """The fields of every request that runs a model."""

    model: str
    options: Options | None = None
    keep_alive: KeepAlive = None

    @property
    def unloads(self) -> bool:
        """Whether the model is to be unloaded afterwards."""
        return bool(self.keep_alive == 0)


class GenerationBody(ModelUse):
    parameter_names: ClassVar[Mapping[str, str]] = {
        "reasoning_effort": "think",
        "response_format": "format",
    }

    stream: bool | None = None
    format: Format = None
    think: Think = None
    logprobs: bool | None = None
    top_logprobs: int | None = Field(None, ge=0, le=20)
    truncate: Annotated[bool | None, AllowedOnly((False,))] = None
    shift: Annotated[bool | None, AllowedOnly((False,))] = None

    def check(self) -> None:
        """Raise InvalidRequest for fields that are not valid together."""
        if self.top_logprobs and not self.logprobs:
            raise invalid_value("top_logprobs", "it is only allowed when 'logprobs' is true")

    @property
    def effort(self) -> str | None:
        """`think` as a reasoning effort for chat templates."""
        return {None: None, True: "medium", False: "none"}.get(self.think, self.think)

    def _request(self, prompt: Chat | Text, suffix: str | None = None) -> GenerateRequest:
        options = self.options or Options()
        return GenerateRequest(
            prompt=prompt,
            sampling=options.sampling(),
            max_tokens=options.limit,
            stop=stop_texts(options.stop),
            constraint=self._constraint(),
            logprobs=(self.top_logprobs or 0) if self.logprobs else None,
            suffix=suffix,
            streamed=self.stream is not False,
        )

    def _constraint(self) -> Constraint | None:
        if self.format is None:
            return None
        return JsonObject() if self.format == "json" else JsonSchema(schema=self.format)


class ChatBody(GenerationBody):
    messages: list[OllamaMessage] | None = None
    tools: list[FunctionTool] | None = Field(None, max_length=MAX_TOOLS)

    @property
    def empty(self) -> bool:
        """Whether the model is only to be loaded or unloaded."""
        return not self.messages

    def image_refs(self) -> list[ImageRef]:
        """Raises InvalidRequest."""
        return conversation_image_refs(self.messages or ())

    def to_engine_request(self, images: LoadedImages) -> GenerateRequest:
        """Raises InvalidRequest."""
        chat = Chat(
            messages=conversation(self.messages or (), images),
            tools=to_tools(self.tools or ()),
            reasoning_effort=self.effort,
        )
        return self._request(chat)


class GenerateBody(GenerationBody):
    prompt: str | None = None
    suffix: str | None = None
    system: str | None = None
    raw: bool | None = None
    images: list[str] | None = None
    template: Annotated[str | None, AllowedOnly(("",))] = None
    context: Annotated[list[int] | None, AllowedOnly(([],))] = None
    width: Refused = None
    height: Refused = None
    steps: Refused = None

    @property
    def empty(self) -> bool:
        """Whether the model is only to be loaded or unloaded."""
        return not self.prompt

    def check(self) -> None:
        super().check()
        plain = "raw" if self.raw else "suffix" if self.suffix else None
        for name in ("system", "think", "images"):
            if plain and getattr(self, name):
                raise invalid_value(name, f"it cannot be set with '{plain}', which has no template")

    def image_refs(self) -> list[ImageRef]:
        return image_refs(self.images, "images")

    def to_engine_request(self, images: LoadedImages) -> GenerateRequest:
        """Raises InvalidRequest."""
        prompt = self.prompt or ""
        if self.raw or self.suffix:
            return self._request(Text(text=prompt), self.suffix or None)
        system = [Message(role="system", content=self.system)] if self.system else []
        user = Message(role="user", content=prompt, images=to_images(self.image_refs(), images))
        messages = (*system, user)
        return self._request(Chat(messages=messages, reasoning_effort=self.effort))


Input = Annotated[
    Annotated[str, branch("a string")]
    | Annotated[list[str], Field(max_length=2048), branch("an array")],
    BY_JSON_TYPE,
]


class EmbedBody(ModelUse):
    """`truncate` is always on: an input that is too long is cut."""

    input: Input
    dimensions: int | None = Field(None, ge=1, le=MAX_INT)
    truncate: Annotated[bool | None, AllowedOnly((True,))] = None

    def to_engine_request(self) -> EmbedRequest:
        """Without inputs if the model is only to be loaded. Raises InvalidRequest."""
        texts = [self.input] if isinstance(self.input, str) else self.input
        if texts in ([], [""]):
            return EmbedRequest(inputs=())
        if "" in texts:
            raise invalid_value("input", "it cannot contain an empty string")
        inputs = tuple(Text(text=text) for text in texts)
        return EmbedRequest(inputs=inputs, dimensions=self.dimensions)


class EmbeddingsBody(ModelUse):
    """The older endpoint: one text, one vector."""

    prompt: str | None = None

    def to_engine_request(self) -> EmbedRequest:
        return EmbedRequest(inputs=(Text(text=self.prompt),) if self.prompt else ())


class NameBody(OllamaBody):
    """`name` is the older name of `model`."""

    model: str | None = None
    name: str | None = None

    @property
    def requested(self) -> str:
        """The model's name. Raises InvalidRequest if it is missing."""
        if self.model or self.name:
            return self.model or self.name or ""
        raise missing_parameter("model")


class ShowBody(NameBody):
    verbose: bool | None = None


class PullBody(NameBody):
    insecure: Annotated[bool | None, AllowedOnly((False,))] = None
    stream: bool | None = None
