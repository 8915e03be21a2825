"""LiteLLM as a library: its provider `openai/`, streams, tools, embeddings, and its errors."""

import asyncio
import json
import os
from importlib.metadata import version

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # its prices come from the internet otherwise

import litellm

MODEL = "openai/smollm2-135m-instruct"
MESSAGES = [{"role": "user", "content": "List count from 1 to 100."}]
ASKED = {"model": MODEL, "messages": MESSAGES, "max_tokens": 12, "temperature": 0}
TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Tells the weather of a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}


def error() -> list:
    try:
        litellm.completion(model="openai/nope", messages=MESSAGES)
    except litellm.NotFoundError as error:
        return [type(error).__name__, error.status_code]
    return []


whole = litellm.completion(**ASKED)
chunks = list(litellm.completion(**ASKED, stream=True, stream_options={"include_usage": True}))
later = asyncio.run(litellm.acompletion(**ASKED))
question = {"role": "user", "content": "The weather in Paris?"}
call = litellm.completion(
    model=MODEL,
    messages=[question],
    tools=[TOOL],
    tool_choice={"type": "function", "function": {"name": "get_weather"}},
    temperature=0,
)
calling = call.choices[0].message
called = calling.tool_calls[0].function
results = [
    {"role": "tool", "tool_call_id": one.id, "content": "It rains."} for one in calling.tool_calls
]
told = litellm.completion(**{**ASKED, "messages": [question, calling, *results]})
vectors = litellm.embedding(model="openai/all-mpnet-base-v2", input=["one", "two"])
text = litellm.text_completion(
    model="text-completion-openai/smollm2-135m-instruct",
    prompt="Once upon a time",
    max_tokens=5,
    temperature=0,
)
seen = {
    "version": version("litellm"),
    "chat": whole.choices[0].message.content,
    "stream": "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices),
    "async": later.choices[0].message.content,
    "tokens": [whole.usage.completion_tokens, chunks[-1].usage.completion_tokens],
    "tool": called.name,
    "tool_arguments": json.loads(called.arguments),
    "tool_answer": told.choices[0].message.content,
    "completion": text.choices[0].text,
    "embeddings": [len(row["embedding"]) for row in vectors.data],
    "error": error(),
}
print(json.dumps(seen))
