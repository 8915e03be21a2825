"""The bodies of `/v1/assistants` and `/v1/threads`, and the parameters in their URLs."""

from __future__ import annotations

import time
from typing import Annotated, Any, Literal

from pydantic import Field

from openedai.api.openai.assistants.tools import (
    CodeFiles,
    FormatOption,
    StoreId,
    ToolList,
    ToolResources,
    answer_constraint,
    code_files,
    kept_code_files,
    kept_stores,
)
from openedai.api.parameters.chats.labels import Metadata
from openedai.api.parameters.generation.other_servers import Effort
from openedai.api.parameters.pages import Query
from openedai.api.parameters.unions import BY_JSON_TYPE, BY_TYPE, branch
from openedai.api.parameters.vector_stores.chunking import (
    MAX_NEW_FILES,
    ChunkingStrategy,
    FileId,
    check_chunking,
    chunking_of,
)
from openedai.errors import invalid_value
from openedai.http.body import Body
from openedai.serving.vector_stores.service import NewFile
from openedai.store.assistants.messages import PREFIX, Message, MessageFields
from openedai.store.assistants.threads import ThreadFields
from openedai.store.ids import ordered_id
from openedai.store.vector_stores.pages import Cursor

_ID = r"^[A-Za-z0-9_-]+$"
_LONGEST = 256_000  # characters of instructions and of a text
MAX_MESSAGES = 100  # of one request
Instructions = Annotated[str, Field(max_length=_LONGEST)]


class AssistantOptions(Body):
    """The fields that new and changed assistants have in common."""

    name: str | None = Field(None, max_length=256)
    description: str | None = Field(None, max_length=512)
    instructions: Instructions | None = None
    tools: ToolList | None = None
    metadata: Metadata | None = None
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, ge=0, le=1)
    response_format: FormatOption | None = None
    reasoning_effort: Effort | None = None

    def check(self) -> None:
        answer_constraint(self.response_format)

    def kept(self) -> dict[str, Any]:
        """The fields that are set, except the tools."""
        values = self.model_dump(exclude_unset=True, by_alias=True)
        names = ("name", "description", "instructions", "temperature", "top_p", "reasoning_effort")
        kept = {name: values[name] for name in names if name in values}
        if "metadata" in values:
            kept["metadata"] = values["metadata"] or {}
        if "response_format" in values:
            kept["response_format"] = values["response_format"] or "auto"
        return kept


class NewStore(Body):
    """A vector store that is made along with what uses it."""

    file_ids: list[FileId] | None = Field(None, max_length=MAX_NEW_FILES)
    chunking_strategy: ChunkingStrategy | None = None
    metadata: Metadata | None = None

    def files(self) -> list[NewFile]:
        chunking = chunking_of(self.chunking_strategy)
        return [NewFile(id, {}, chunking) for id in dict.fromkeys(self.file_ids or ())]


class NewSearchedStores(Body):
    """One store: either an existing one or a new one."""

    vector_store_ids: list[StoreId] | None = Field(None, max_length=1)
    vector_stores: list[NewStore] | None = Field(None, max_length=1)

    def check_at(self, path: str) -> None:
        for number, one in enumerate(self.vector_stores or ()):
            if self.vector_store_ids:
                raise invalid_value(f"{path}.vector_stores", "'vector_store_ids' is set too")
            check_chunking(
                one.chunking_strategy, f"{path}.vector_stores[{number}].chunking_strategy"
            )


class NewToolResources(Body):
    code_interpreter: CodeFiles | None = None
    file_search: NewSearchedStores | None = None

    def check_at(self, path: str) -> None:
        if self.file_search is not None:
            self.file_search.check_at(f"{path}.file_search")

    def stores(self) -> list[str] | None:
        """The ids of the existing stores."""
        return None if self.file_search is None else self.file_search.vector_store_ids or []

    def code_files(self) -> list[str] | None:
        return code_files(self.code_interpreter)

    @property
    def new_store(self) -> NewStore | None:
        made = None if self.file_search is None else self.file_search.vector_stores
        return made[0] if made else None


class AssistantCreateRequest(AssistantOptions):
    model: str
    tool_resources: NewToolResources | None = None

    def check(self) -> None:
        super().check()
        if self.tool_resources is not None:
            self.tool_resources.check_at("tool_resources")

    def stores(self) -> list[str] | None:
        return None if self.tool_resources is None else self.tool_resources.stores()

    def kept(self) -> dict[str, Any]:
        files = None if self.tool_resources is None else self.tool_resources.code_files()
        return {**super().kept(), "code_files": files}

    @property
    def new_store(self) -> NewStore | None:
        return None if self.tool_resources is None else self.tool_resources.new_store


class AssistantUpdateRequest(AssistantOptions):
    model: str | None = None
    tool_resources: ToolResources | None = None

    def kept(self) -> dict[str, Any]:
        kept = super().kept()
        if self.model is not None:
            kept["model"] = self.model
        if "tool_resources" in self.model_fields_set:
            kept["stores"] = kept_stores(self.tool_resources)
            kept["code_files"] = kept_code_files(self.tool_resources)
        return kept


class ListQuery(Query):
    before: str | None = Field(None, max_length=64, pattern=_ID)

    def cursor(self) -> Cursor:
        return Cursor(self.limit, self.after, self.before, self.order)


class MessageListQuery(ListQuery):
    run_id: str | None = Field(None, max_length=64, pattern=_ID)


class TextPart(Body):
    type: Literal["text"]
    text: str = Field(max_length=_LONGEST)


class ImageFile(Body):
    file_id: str = Field(max_length=64, pattern=_ID)
    detail: Literal["auto", "low", "high"] | None = None


class ImageFilePart(Body):
    type: Literal["image_file"]
    image_file: ImageFile


class ImageURL(Body):
    url: str
    detail: Literal["auto", "low", "high"] | None = None


class ImageURLPart(Body):
    type: Literal["image_url"]
    image_url: ImageURL


class OtherPart(Body):
    """Gives the error for an unknown type."""

    type: Literal["text", "image_file", "image_url"]


Part = Annotated[TextPart | ImageFilePart | ImageURLPart | OtherPart, BY_TYPE]
Content = Annotated[
    Annotated[Annotated[str, Field(max_length=_LONGEST)], branch("a string")]
    | Annotated[list[Part], Field(min_length=1, max_length=64), branch("an array")],
    BY_JSON_TYPE,
]


class AttachedTo(Body):
    type: Literal["file_search", "code_interpreter"]


class Attachment(Body):
    file_id: str = Field(max_length=64, pattern=_ID)
    tools: list[AttachedTo] = Field(min_length=1, max_length=2)


class MessageRequest(Body):
    """A new message of a thread."""

    role: Literal["user", "assistant"]
    content: Content
    attachments: list[Attachment] | None = Field(None, max_length=10)
    metadata: Metadata | None = None

    def check_at(self, path: str) -> None:
        if self.role == "assistant" and any(part["type"] != "text" for part in self._content()):
            name = f"{path}.content" if path else "content"
            raise invalid_value(name, "only messages with role 'user' can contain images")

    def check(self) -> None:
        self.check_at("")

    def message(self, thread: str) -> Message:
        now = int(time.time())
        fields = MessageFields(
            created_at=now,
            role=self.role,
            content=self._content(),
            attachments=[one.model_dump() for one in self.attachments or ()],
            metadata=self.metadata or {},
            completed_at=None,
        )
        return Message(ordered_id(PREFIX), thread, None, fields)

    def _content(self) -> list[dict[str, Any]]:
        if isinstance(self.content, str):
            return [_text(self.content)]
        return [
            _text(part.text)
            if isinstance(part, TextPart)
            else part.model_dump(exclude_none=True, by_alias=True)
            for part in self.content
        ]


def _text(value: str) -> dict[str, Any]:
    return {"type": "text", "text": {"value": value, "annotations": []}}


class MetadataRequest(Body):
    """A change of the metadata of a message or a run."""

    metadata: Metadata | None = None


class ThreadCreateRequest(Body):
    messages: list[MessageRequest] | None = Field(None, max_length=MAX_MESSAGES)
    metadata: Metadata | None = None
    tool_resources: NewToolResources | None = None

    def check(self) -> None:
        self.check_at("")

    def check_at(self, path: str) -> None:
        if self.tool_resources is not None:
            self.tool_resources.check_at(f"{path}tool_resources")
        for number, message in enumerate(self.messages or ()):
            message.check_at(f"{path}messages[{number}]")

    def fields(self) -> ThreadFields:
        metadata, given = self.metadata or {}, self.tool_resources
        if given is None:
            return ThreadFields(metadata=metadata)
        return ThreadFields(metadata=metadata, stores=given.stores(), code_files=given.code_files())

    def new_messages(self, thread: str) -> list[Message]:
        return [message.message(thread) for message in self.messages or ()]

    @property
    def new_store(self) -> NewStore | None:
        return None if self.tool_resources is None else self.tool_resources.new_store


class ThreadUpdateRequest(Body):
    metadata: Metadata | None = None
    tool_resources: ToolResources | None = None

    def kept(self) -> dict[str, Any]:
        """The fields that are set."""
        kept: dict[str, Any] = {}
        if "metadata" in self.model_fields_set:
            kept["metadata"] = self.metadata or {}
        if "tool_resources" in self.model_fields_set:
            kept["stores"] = kept_stores(self.tool_resources)
            kept["code_files"] = kept_code_files(self.tool_resources)
        return kept
