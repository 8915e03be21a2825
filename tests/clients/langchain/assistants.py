"""LangChain's OpenAIAssistantRunnable, on the echo engine: it says what the user said.

After a run has completed, its asynchronous methods read a page of the official client as if it were
synchronous, and fail. So asynchronously only calls of tools are read.
"""

import asyncio
import json
import warnings
from importlib.metadata import version

from langchain_classic.agents.openai_assistant import OpenAIAssistantRunnable
from langchain_core.tools import tool

warnings.simplefilter("ignore")  # the official client calls assistants deprecated


@tool
def get_weather(city: str) -> str:
    """Tells the weather of a city."""
    return f"It rains in {city}."


def made(model: str = "echo", tools=(), **options):
    return OpenAIAssistantRunnable.create_assistant(
        name="helper", instructions="Be brief.", tools=list(tools), model=model, **options
    )


def text_of(messages) -> str:
    return messages[0].content[0].text.value


def call_tool():
    """The agent's actions, and what it says of their outputs."""
    agent = made("calls", [get_weather], as_agent=True)
    actions = agent.invoke({"content": "weather?"})
    outputs = [
        {"output": get_weather.invoke({"city": "Paris"}), "tool_call_id": one.tool_call_id}
        for one in actions
    ]
    again = agent.invoke(
        {"tool_outputs": outputs, "run_id": actions[0].run_id, "thread_id": actions[0].thread_id}
    )
    return [actions[0].tool, actions[0].tool_input, [one.tool for one in again]]


async def call_tool_later():
    """The tools that the agent calls, and those that it calls after their outputs."""
    agent = await OpenAIAssistantRunnable.acreate_assistant(
        name="helper", instructions="Be brief.", tools=[get_weather], model="calls", as_agent=True
    )
    actions = await agent.ainvoke({"content": "weather?"})
    steps = [(one, get_weather.invoke({"city": "Paris"})) for one in actions]
    again = await agent.ainvoke({"content": "weather?", "intermediate_steps": steps})
    return [[one.tool for one in actions], [one.tool for one in again]]


plain = made()
first = plain.invoke({"content": "Good morning."})
second = plain.invoke({"content": "Good night.", "thread_id": first[0].thread_id})
agent = made(as_agent=True)
seen = {
    "version": version("langchain-classic"),
    "first": text_of(first),
    "second": text_of(second),
    "agent": agent.invoke({"content": "Good day."}).return_values["output"],
    "tool": call_tool(),
    "later": asyncio.run(call_tool_later()),
}
print(json.dumps(seen))
