"""LlamaIndex's OpenAIResponses with the tool `file_search`, which the server runs."""

import asyncio
import json
import os
from importlib.metadata import version

from llama_index.core.llms import ChatMessage
from llama_index.llms.openai import OpenAIResponses

CALL = '<tool_call>{"name": "file_search", "arguments": {"query": "quick fox"}}</tool_call>'
TOOL = {"type": "file_search", "vector_store_ids": [os.environ["STORE"]], "max_num_results": 1}
model = OpenAIResponses(
    model="gpt-4o-mini",
    api_base=os.environ["OPENAI_API_BASE"],
    built_in_tools=[TOOL],
    include=["file_search_call.results"],
)


def shown(response):
    """The answer, what is cited, and what was found."""
    more = response.additional_kwargs
    calls = more.get("built_in_tool_calls", [])
    return {
        "answer": response.message.content,
        "cited": [[one.filename, one.index] for one in more.get("annotations", [])],
        "found": [one.filename for call in calls for one in call.results or []],
    }


async def asynchronous():
    return shown(await model.achat([ChatMessage(CALL)]))


chunks = list(model.stream_chat([ChatMessage(CALL)]))
seen = {
    "version": version("llama-index-llms-openai"),
    "chat": shown(model.chat([ChatMessage(CALL)])),
    "stream": "".join(chunk.delta or "" for chunk in chunks),
    "async": asyncio.run(asynchronous()),
}
print(json.dumps(seen))
