"""The body of `POST /v1/embeddings`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from openedai.api.parameters.generation.other_servers import OtherServersEmbeddingBody
from openedai.api.parameters.generation.prompt import Prompt, prompts
from openedai.api.parameters.numbers import MAX_INT
from openedai.contract.embed import EmbedRequest
from openedai.contract.generate import Text
from openedai.errors import invalid_value


class EmbeddingRequest(OtherServersEmbeddingBody):
    passthrough_fields = frozenset({"user", *OtherServersEmbeddingBody.model_fields}) - {
        "input_type"
    }

    model: str
    input: Prompt
    dimensions: Annotated[int | None, Field(ge=1, le=MAX_INT)] = None
    encoding_format: Literal["float", "base64"] | None = None
    user: str | None = None

    def to_engine_request(self) -> EmbedRequest:
        inputs = prompts(self.input)
        if any(isinstance(item, Text) and not item.text for item in inputs):
            raise invalid_value("input", "it cannot be, or contain, an empty string")
        return EmbedRequest(
            inputs=tuple(inputs),
            dimensions=self.dimensions,
            input_type=self.input_type,
            extra=self.extra,
        )
