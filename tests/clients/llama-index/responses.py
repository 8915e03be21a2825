"""LlamaIndex's OpenAIResponses, on the echo engine: it says what the user said."""

import asyncio
import json
import os
from importlib.metadata import version

from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.llms import ChatMessage
from llama_index.core.tools import FunctionTool
from llama_index.llms.openai import OpenAIResponses
from pydantic import BaseModel

CALL = '<tool_call>{"name": "get_weather", "arguments": {"city": "Paris"}}</tool_call>'
WEATHER = '{"city": "Paris", "sunny": true}'
# It takes the names of OpenAI's models only; this one stands for the default model.
MODEL = "gpt-4o-mini"


class Weather(BaseModel):
    """The weather of a city."""

    city: str
    sunny: bool


def get_weather(city: str) -> str:
    """Tells the weather of a city."""
    return f"It rains in {city}."


def made(**options) -> OpenAIResponses:
    return OpenAIResponses(model=MODEL, api_base=os.environ["OPENAI_API_BASE"], **options)


model = made()
tool = FunctionTool.from_defaults(get_weather)
asked = [ChatMessage(role="system", content="Be brief."), ChatMessage("One two three.")]


def called():
    """The arguments of a tool's call, and what the model says of its result."""
    response = model.chat_with_tools([tool], user_msg=CALL)
    (call,) = model.get_tool_calls_from_response(response)
    result = ChatMessage(
        role="tool",
        content=tool(**call.tool_kwargs).content,
        additional_kwargs={"call_id": call.tool_id},
    )
    return [
        call.tool_kwargs,
        model.chat([ChatMessage(CALL), response.message, result]).message.content,
    ]


def tracked():
    """Whether the second response goes on from the first, which is stored."""
    chat = made(track_previous_responses=True, store=True)
    first = chat.chat([ChatMessage("My name is Ann.")]).raw
    second = chat.chat([ChatMessage("What is my name?")]).raw
    return second.previous_response_id == first.id


async def asynchronous():
    chunks = await model.astream_chat(asked)
    text = "".join([chunk.delta async for chunk in chunks])
    agent = FunctionAgent(tools=[tool], llm=model)
    return [text, str(await agent.run(CALL))]


seen = {
    "version": version("llama-index-llms-openai"),
    "complete": model.complete("Say hello.").text,
    "chat": model.chat(asked).message.content,
    "stream": [chunk.delta for chunk in model.stream_chat(asked) if chunk.delta],
    "limited": made(max_output_tokens=2).complete("One two three.").text,
    "async": asyncio.run(asynchronous()),
    "tool": called(),
    "structured": model.as_structured_llm(Weather).complete(WEATHER).raw.model_dump(),
    "tracked": tracked(),
}
print(json.dumps(seen))
