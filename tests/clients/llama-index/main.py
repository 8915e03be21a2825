"""LlamaIndex: complete, chat, streams, a structured answer and a forced tool."""

import json
import os
from importlib.metadata import version

from llama_index.core.llms import ChatMessage
from llama_index.core.tools import FunctionTool
from llama_index.embeddings.openai_like import OpenAILikeEmbedding
from llama_index.llms.openai_like import OpenAILike
from pydantic import BaseModel


class Weather(BaseModel):
    """The weather of a city."""

    city: str
    sunny: bool


def get_weather(city: str) -> str:
    """Tells the weather of a city."""
    return f"It rains in {city}."


def made(**options) -> OpenAILike:
    return OpenAILike(
        model="smollm2-135m-instruct",
        api_base=os.environ["OPENAI_API_BASE"],
        api_key=os.environ["OPENAI_API_KEY"],
        context_window=2048,
        temperature=0,
        is_chat_model=True,
        is_function_calling_model=True,
        should_use_structured_outputs=True,
        **options,
    )


brief, model = made(max_tokens=12), made()
messages = [ChatMessage(role="user", content="List count from 1 to 100.")]
tool = FunctionTool.from_defaults(get_weather)
embeddings = OpenAILikeEmbedding(
    model_name="all-mpnet-base-v2",
    api_base=os.environ["OPENAI_API_BASE"],
    api_key=os.environ["OPENAI_API_KEY"],
)
texts = ["The cat sleeps on the sofa.", "Interest rates were raised again."]
rows = embeddings.get_text_embedding_batch(texts)
query = embeddings.get_query_embedding("A pet on the furniture")
call = model.chat_with_tools([tool], user_msg="The weather in Paris?", tool_required=True)
calls = model.get_tool_calls_from_response(call)
seen = {
    "version": version("llama-index-llms-openai-like"),
    "complete": brief.complete("List count from 1 to 100.").text,
    "chat": brief.chat(messages).message.content,
    "stream": "".join(piece.delta for piece in brief.stream_chat(messages)),
    "tool": calls[0].tool_name,
    "tool_result": tool(**calls[0].tool_kwargs).content,
    "structured": model.as_structured_llm(Weather)
    .complete("The weather in Paris?")
    .raw.model_dump(),
    "dimensions": [len(row) for row in rows],
    "similarity": [embeddings.similarity(query, row) for row in rows],
}
print(json.dumps(seen))
