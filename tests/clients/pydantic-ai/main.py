"""Pydantic AI over Responses, on the echo engine: it says what the user said."""

import asyncio
import json
from importlib.metadata import version

from openai import OpenAI
from pydantic import BaseModel
from pydantic_ai import Agent, NativeOutput, PromptedOutput, ToolOutput
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.models.openai import OpenAIResponsesModel, OpenAIResponsesModelSettings


class Weather(BaseModel):
    """The weather of a city."""

    city: str
    sunny: bool


def call(name, **arguments):
    """What makes the model call a tool."""
    return f"<tool_call>{json.dumps({'name': name, 'arguments': arguments})}</tool_call>"


model = OpenAIResponsesModel("echo")
agent = Agent(model, instructions="Be brief.")
revealing = Agent(OpenAIResponsesModel("reveal"))  # It says what the model gets.
WEATHER = call("get_weather", city="Paris")


@agent.tool_plain
def get_weather(city: str) -> str:
    """Tells the weather of a city."""
    return f"It rains in {city}."


def output(type, prompt, model=model):
    return Agent(model, output_type=type).run_sync(prompt).output.model_dump()


async def streamed(prompt):
    async with agent.run_stream(prompt) as result:
        texts = [text async for text in result.stream_text(delta=True, debounce_by=None)]
        return [texts, result.usage.output_tokens]


async def typed_stream():
    typed = Agent(model, output_type=NativeOutput(Weather))
    async with typed.run_stream('{"city": "Paris", "sunny": true}') as result:
        outputs = [output async for output in result.stream_output(debounce_by=None)]
        return outputs[-1].model_dump()


def continued(**settings):
    """Whether the model hears of the turn before, and how many items were sent of both."""
    settings = OpenAIResponsesModelSettings(**settings)
    first = agent.run_sync(WEATHER, model_settings=settings)
    asked = {"message_history": first.all_messages(), "model_settings": settings}
    second = revealing.run_sync("And?", **asked)
    sent = OpenAI().responses.input_items.list(second.response.provider_response_id).data
    return ["It rains in Paris." in second.output, len(sent)]


def with_settings(**settings):
    return agent.run_sync(WEATHER, model_settings=OpenAIResponsesModelSettings(**settings)).output


def failing():
    try:
        Agent(OpenAIResponsesModel("nope")).run_sync("Hi.")
    except ModelHTTPError as error:
        return [error.status_code, error.body["code"]]


whole = agent.run_sync(WEATHER)
seen = {
    "version": version("pydantic-ai-slim"),
    "tool": whole.output,
    "tokens": whole.usage.output_tokens,
    "stream": asyncio.run(streamed("One two three.")),
    "streamed_tool": asyncio.run(streamed(WEATHER)),
    "tool_output": output(ToolOutput(Weather), "Paris?", OpenAIResponsesModel("forced")),
    "native_output": output(NativeOutput(Weather), '{"city": "Paris", "sunny": true}'),
    "prompted_output": output(PromptedOutput(Weather), '{"city": "Paris", "sunny": true}'),
    "typed_stream": asyncio.run(typed_stream()),
    "continued": continued(),
    "continued_by_id": continued(openai_previous_response_id="auto"),
    "in_conversation": continued(openai_conversation_id=OpenAI().conversations.create().id),
    "socket": with_settings(openai_transport="websocket"),
    "background": with_settings(openai_background=True),
    "error": failing(),
}
print(json.dumps(seen))
