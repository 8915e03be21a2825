"""The tables of docs/compatibility.md on text: the official names, our types, and their bodies."""

from __future__ import annotations

from typing import get_args

from openai.types import (
    DecisionCreateParams,
    completion_create_params,
    embedding_create_params,
    moderation_create_params,
)
from openai.types.chat import (
    ChatCompletionMessageParam,
    completion_list_params,
    completion_update_params,
)
from openai.types.chat import completion_create_params as chat_params
from openai.types.chat.completions import message_list_params
from openai.types.conversations import (
    conversation_create_params,
    conversation_update_params,
    item_create_params,
    item_list_params,
)
from openai.types.responses import (
    input_item_list_params,
    response_create_params,
    response_retrieve_params,
)

from openedai.api.openai.chat.messages import ChatMessage
from openedai.api.openai.chat.stored_types import (
    ChatListQuery,
    ChatMessagesQuery,
    ChatUpdateRequest,
)
from openedai.api.openai.chat.types import ChatCompletionRequest
from openedai.api.openai.completions.types import CompletionRequest
from openedai.api.openai.decisions.types import DecisionRequest
from openedai.api.openai.embeddings.types import EmbeddingRequest
from openedai.api.openai.moderations.types import ModerationRequest
from openedai.api.openai.responses.conversations.types import (
    ConversationCreateRequest,
    ConversationUpdateRequest,
    ItemCreateRequest,
    ItemListQuery,
)
from openedai.api.openai.responses.sampling import ResponseSampling
from openedai.api.openai.responses.state.routes import InputItemsQuery, RetrieveQuery
from openedai.api.openai.responses.types import ResponseRequest
from openedai.api.parameters.generation.other_servers import (
    OtherServersBody,
    OtherServersChatBody,
    OtherServersCompletionBody,
    OtherServersEmbeddingBody,
)
from tests.docs.apis.compatibility.bodies import (
    CHAT,
    COMPLETION,
    DECISION,
    EMBEDDING,
    RESPONSE,
    STREAM,
    Tables,
)

MESSAGE = {
    name
    for block_type in get_args(ChatCompletionMessageParam)
    for name in block_type.__annotations__
}

TEXT_TABLES: Tables = {
    ("Chat completions", 0): (
        set(chat_params.CompletionCreateParamsBase.__annotations__) | STREAM,
        ChatCompletionRequest,
        CHAT,
    ),
    ("Chat completions", 1): (MESSAGE, ChatMessage, {"role": "user", "content": "hi"}),
    ("Responses", 0): (
        set(response_create_params.ResponseCreateParamsBase.__annotations__) | STREAM,
        ResponseRequest,
        RESPONSE,
    ),
    ("Stored responses", 0): (
        set(response_retrieve_params.ResponseRetrieveParamsBase.__annotations__) | STREAM,
        RetrieveQuery,
        {},
    ),
    ("Stored responses", 1): (
        set(input_item_list_params.InputItemListParams.__annotations__),
        InputItemsQuery,
        {},
    ),
    ("Conversations", 0): (
        set(conversation_create_params.ConversationCreateParams.__annotations__),
        ConversationCreateRequest,
        {},
    ),
    ("Conversations", 1): (
        set(conversation_update_params.ConversationUpdateParams.__annotations__),
        ConversationUpdateRequest,
        {"metadata": None},
    ),
    ("Conversations", 2): (
        set(item_create_params.ItemCreateParams.__annotations__) - {"include"},
        ItemCreateRequest,
        {"items": [{"role": "user", "content": "old"}]},
    ),
    ("Conversations", 3): (
        set(item_list_params.ItemListParams.__annotations__),
        ItemListQuery,
        {},
    ),
    ("Stored chat completions", 0): (
        set(completion_list_params.CompletionListParams.__annotations__),
        ChatListQuery,
        {},
    ),
    ("Stored chat completions", 1): (
        set(message_list_params.MessageListParams.__annotations__),
        ChatMessagesQuery,
        {},
    ),
    ("Stored chat completions", 2): (
        set(completion_update_params.CompletionUpdateParams.__annotations__),
        ChatUpdateRequest,
        {"metadata": None},
    ),
    ("Completions", 0): (
        set(completion_create_params.CompletionCreateParamsBase.__annotations__) | STREAM,
        CompletionRequest,
        COMPLETION,
    ),
    ("Embeddings", 0): (
        set(embedding_create_params.EmbeddingCreateParams.__annotations__),
        EmbeddingRequest,
        EMBEDDING,
    ),
    ("Decisions", 0): (
        set(DecisionCreateParams.__annotations__),
        DecisionRequest,
        DECISION,
    ),
    ("Moderations", 0): (
        set(moderation_create_params.ModerationCreateParams.__annotations__),
        ModerationRequest,
        {"input": "hi"},
    ),
}

# What other servers have under /v1.
OTHER_SERVERS: Tables = {
    ("Other servers", 0): (set(OtherServersBody.model_fields), ChatCompletionRequest, CHAT),
    ("Other servers", 1): (
        set(OtherServersCompletionBody.model_fields),
        CompletionRequest,
        COMPLETION,
    ),
    ("Other servers", 2): (set(OtherServersChatBody.model_fields), ChatCompletionRequest, CHAT),
    ("Other servers", 3): (
        set(OtherServersEmbeddingBody.model_fields),
        EmbeddingRequest,
        EMBEDDING,
    ),
    ("Other servers", 4): (
        set(ResponseSampling.model_fields) - {"temperature", "top_p"},
        ResponseRequest,
        RESPONSE,
    ),
}
