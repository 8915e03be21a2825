"""LangChain's ChatOpenAI over Responses, on the echo engine: it says what the user said."""

import asyncio
import json
from importlib.metadata import version

from langchain_core.messages import HumanMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel

CALL = '<tool_call>{"name": "get_weather", "arguments": {"city": "Paris"}}</tool_call>'
WEATHER = '{"city": "Paris", "sunny": true}'


class Weather(BaseModel):
    """The weather of a city."""

    city: str
    sunny: bool


@tool
def get_weather(city: str) -> str:
    """Tells the weather of a city."""
    return f"It rains in {city}."


def made(model: str = "echo", **options) -> ChatOpenAI:
    return ChatOpenAI(model=model, use_responses_api=True, **options)


model = made()
with_tools = model.bind_tools([get_weather])
revealing = made("reveal", use_previous_response_id=True)  # It says what the model gets.


def read(chunks):
    """The chunks of a stream as one message, and how many had text."""
    chunks = list(chunks)
    whole = sum(chunks[1:], chunks[0])
    return whole, sum(bool(chunk.text) for chunk in chunks)


def call_tool(message):
    """What the model says of the result of the tool that it called."""
    results = [get_weather.invoke(one) for one in message.tool_calls]
    answer = with_tools.invoke([HumanMessage(CALL), message, *results])
    return [message.tool_calls[0]["args"], answer.text]


def continued():
    """Whether the model hears of the turn before: by its id alone, and by neither."""
    first = model.invoke("My name is Ann.", store=True)
    history = [HumanMessage("My name is Ann."), first, HumanMessage("What is my name?")]
    by_history = revealing.invoke(history)
    by_id = made("reveal").invoke("And?", previous_response_id=first.response_metadata["id"])
    alone = revealing.invoke("And?")
    return ["My name is Ann." in answer.text for answer in (by_history, by_id, alone)]


async def asynchronous():
    return "".join([chunk.text async for chunk in model.astream("One two.")])


answer = model.invoke([("system", "Be brief."), ("user", "Say hello.")])
limited = made(max_tokens=2).invoke("One two three.")
streamed, parts = read(model.stream("One two three."))
structured = model.with_structured_output(Weather)
reasoning = made(output_version="responses/v1", reasoning={"summary": "auto"})
seen = {
    "version": version("langchain-openai"),
    "text": answer.text,
    "model": answer.response_metadata["model_name"],
    "tokens": answer.usage_metadata["output_tokens"],
    "limited": [limited.text, limited.response_metadata["incomplete_details"]["reason"]],
    "stream": [streamed.text, parts, streamed.usage_metadata["output_tokens"]],
    "async": asyncio.run(asynchronous()),
    "tool": call_tool(with_tools.invoke(CALL)),
    "streamed_tool": call_tool(read(with_tools.stream(CALL))[0]),
    "structured": structured.invoke(WEATHER).model_dump(),
    "reasoning": [
        block["type"] for block in reasoning.invoke("<think>Hm.</think>Yes.").content_blocks
    ],
    "continued": continued(),
}
print(json.dumps(seen))
