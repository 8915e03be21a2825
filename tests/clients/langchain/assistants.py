"""LangChain's OpenAIAssistantRunnable, on the echo engine: it says what the user said.

Its asynchronous methods read the official client's pages as if they were synchronous, and fail.
"""

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
}
print(json.dumps(seen))
