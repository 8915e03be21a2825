"""The official Python client: plain, asynchronous, streamed, parsed, with tools, and its errors."""

import asyncio
import json
import os

import openai
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel

MODEL = os.environ.get("MODEL", "gpt-4o-mini")
EMBEDDING_MODEL = os.environ.get("EMBEDDING_MODEL", "text-embedding-3-small")
MESSAGES = [{"role": "user", "content": "List count from 1 to 100."}]
ASKED = {"model": MODEL, "messages": MESSAGES, "max_completion_tokens": 12, "temperature": 0}


class Weather(BaseModel):
    """What `parse` asks for and gives back."""

    city: str
    degrees: int
    sunny: bool


class GetWeather(BaseModel):
    """Tells the weather of a city."""

    city: str


CALLING = {
    "model": MODEL,
    "messages": [{"role": "user", "content": "The weather in Paris?"}],
    "tools": [openai.pydantic_function_tool(GetWeather)],
    "tool_choice": "required",
    "parallel_tool_calls": False,
    "temperature": 0,
}


def chats(client: OpenAI) -> dict:
    whole = client.chat.completions.create(**ASKED)
    chunks = list(
        client.chat.completions.create(**ASKED, stream=True, stream_options={"include_usage": True})
    )
    return {
        "chat": whole.choices[0].message.content,
        "stream": "".join(c.choices[0].delta.content or "" for c in chunks if c.choices),
        "finish": [whole.choices[0].finish_reason, chunks[-2].choices[0].finish_reason],
        "usage": [whole.usage.completion_tokens, chunks[-1].usage.completion_tokens],
        "model": whole.model,
    }


async def later() -> str:
    async with AsyncOpenAI() as client:
        answers = await asyncio.gather(*(client.chat.completions.create(**ASKED) for _ in "ab"))
    return answers[0].choices[0].message.content


def parsed(client: OpenAI) -> dict:
    answer = client.chat.completions.parse(
        model=MODEL,
        messages=[{"role": "user", "content": "The weather in Paris?"}],
        response_format=Weather,
        temperature=0,
    )
    tool = client.chat.completions.parse(**CALLING).choices[0].message
    call = tool.tool_calls[0].function
    return {
        "parsed": answer.choices[0].message.parsed.model_dump(),
        "tool": call.name,
        "tool_arguments": call.parsed_arguments.model_dump(),
        "tool_answer": answered(client, tool),
    }


def answered(client: OpenAI, message: BaseModel) -> str:
    """What is said when the calls in this message have given their results."""
    results = [
        {"role": "tool", "tool_call_id": call.id, "content": "It rains."}
        for call in message.tool_calls
    ]
    told = [*CALLING["messages"], message, *results]
    answer = client.chat.completions.create(**{**ASKED, "messages": told})
    return answer.choices[0].message.content


def streamed_tool(client: OpenAI) -> dict:
    """The stream helper folds the pieces; the whole call comes with its last event."""
    with client.chat.completions.stream(**CALLING) as stream:
        kinds = sorted({event.type for event in stream})
        tool = stream.get_final_completion().choices[0].message
    return {
        "stream_events": kinds,
        "stream_tool": tool.tool_calls[0].function.parsed_arguments.model_dump(),
        "stream_tool_answer": answered(client, tool),
    }


def headers(client: OpenAI) -> dict:
    raw = client.chat.completions.with_raw_response.create(**ASKED)
    names = ("openai-version", "x-ratelimit-limit-requests", "x-ratelimit-remaining-requests")
    return {
        "request_id": [raw.request_id, raw.parse()._request_id],
        "headers": {name: raw.headers.get(name) for name in names},
    }


def error(client: OpenAI) -> list:
    try:
        client.chat.completions.create(model="nope", messages=MESSAGES)
    except openai.NotFoundError as error:
        return [error.status_code, error.code, error.param]
    return []


with OpenAI() as client:
    vectors = client.embeddings.create(model=EMBEDDING_MODEL, input=["one", "two"])
    completion = client.completions.create(
        model=MODEL, prompt="Once upon a time", max_tokens=5, temperature=0
    )
    decision = client.decisions.create(
        model=MODEL,
        input="The screen arrived broken.",
        questions=[
            {"type": "predicate", "name": "broken", "instructions": "The screen is broken."},
            {
                "type": "choice",
                "instructions": "What is it?",
                "choices": [{"value": "screen"}, {"value": True}],
            },
        ],
    )
    seen = {
        "version": openai.__version__,
        "models": [model.id for model in client.models.list()],
        "embeddings": [len(row.embedding) for row in vectors.data],
        "decision": [answer.to_dict() for answer in decision.answers],
        "completion": completion.choices[0].text,
        "async": asyncio.run(later()),
        "error": error(client),
        **chats(client),
        **parsed(client),
        **streamed_tool(client),
        **headers(client),
    }
print(json.dumps(seen))
